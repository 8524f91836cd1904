package io.autocircuit.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.report.ExperimentGroups.Group;
import io.autocircuit.report.ExperimentGroups.Label;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The ranks of algorithms by CPR, CMD and AUROC, as the page of an experiment has them. */
final class ExperimentRanks {
  private static final String AUROC = "auroc";

  private ExperimentRanks() {}

  /**
   * The ranks: for each number and each choice of facets, the algorithms with their rank on each
   * task, and over tasks, each with the ends of its interval.
   */
  static ArrayNode of(
      ExperimentResults results, ExperimentGroups groups, ResultIntervals.Prompts prompts) {
    ArrayNode all = JsonNodeFactory.instance.arrayNode();
    Map<List<String>, List<Group>> choices = new LinkedHashMap<>();
    for (Group g : groups.groups()) {
      choices.computeIfAbsent(g.values(), k -> new ArrayList<>()).add(g);
    }
    List<String> metrics =
        results.cells().stream()
            .flatMap(c -> c.areas().stream())
            .filter(a -> a.key().equals(Faithfulness.Kind.CPR.key()))
            .map(CellResult.Area::metric)
            .distinct()
            .toList();
    choices.forEach(
        (facets, some) -> {
          for (String metric : metrics) {
            List<Faithfulness.Kind> kinds = List.of(Faithfulness.Kind.CPR, Faithfulness.Kind.CMD);
            List<ResultValue> values =
                kinds.stream()
                    .map(
                        k ->
                            ResultValue.of(results, k.key(), Optional.of(metric), Optional.empty()))
                    .toList();
            List<ResultRanks.Ranks> ranks =
                ResultRanks.of(
                    cells(some, values.get(0)),
                    values,
                    Optional.of(
                        ResultIntervals.faithfulness(prompts, metric, kinds, ResultRanks.USUAL)),
                    ResultRanks.USUAL);
            for (int k = 0; k < kinds.size(); k++) {
              add(all, groups, facets, kinds.get(k).key() + "|" + metric, ranks.get(k));
            }
          }
          ResultValue auroc = ResultValue.of(results, AUROC, Optional.empty(), Optional.empty());
          add(
              all,
              groups,
              facets,
              AUROC + "|",
              ResultRanks.of(
                      cells(some, auroc), List.of(auroc), Optional.empty(), ResultRanks.USUAL)
                  .get(0));
        });
    return all;
  }

  /** Those that have a number, by task and algorithm. */
  private static Map<String, Map<String, List<CellResult>>> cells(
      List<Group> groups, ResultValue value) {
    Map<String, Map<String, List<CellResult>>> cells = new LinkedHashMap<>();
    for (Group g : groups) {
      for (Map.Entry<Label, List<CellResult>> e : g.cells().entrySet()) {
        List<CellResult> having =
            e.getValue().stream().filter(c -> value.of().apply(c).isPresent()).toList();
        if (!having.isEmpty()) {
          cells
              .computeIfAbsent(g.task(), t -> new LinkedHashMap<>())
              .put(e.getKey().name(), having);
        }
      }
    }
    return cells;
  }

  private static void add(
      ArrayNode all,
      ExperimentGroups groups,
      List<String> facets,
      String quality,
      ResultRanks.Ranks ranks) {
    if (ranks.byTask().isEmpty()) {
      return;
    }
    ObjectNode node = all.addObject().put("quality", quality).put("overall", ranks.tasks());
    ArrayNode values = node.putArray("values");
    for (int i = 0; i < facets.size(); i++) {
      values.add(groups.facets().get(i).values().indexOf(facets.get(i)));
    }
    ranks.byTask().keySet().forEach(node.putArray("tasks")::add);
    ArrayNode rows = node.putArray("rows");
    for (int l = 0; l < groups.labels().size(); l++) {
      String name = groups.labels().get(l).name();
      if (ranks.byTask().values().stream().noneMatch(r -> r.containsKey(name))) {
        continue;
      }
      ObjectNode row = rows.addObject().put("label", l);
      ArrayNode each = row.putArray("ranks");
      ranks.byTask().values().forEach(r -> rank(each, r.get(name)));
      rank(row.putArray("all"), ranks.overall().get(name));
    }
  }

  private static void rank(ArrayNode to, ResultRanks.Rank rank) {
    ArrayNode one = to.addArray();
    if (rank != null) {
      one.add(rank.rank());
      rank.interval().ifPresent(i -> one.add(i.low()).add(i.high()));
    }
  }
}
