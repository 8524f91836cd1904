package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.StoredSimilarity;
import io.autocircuit.metric.Similarity;
import io.autocircuit.report.ExperimentGroups.Group;
import io.autocircuit.report.ExperimentGroups.Label;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** What algorithms' best edges have in common: the tables behind the heat-maps. */
final class SharedEdges {
  /** So many sizes beside that of the known circuit. */
  private static final int SIZES = 3;

  private SharedEdges() {}

  /**
   * The tables of a group: first that of the known circuit's size, then sizes that were measured,
   * spread over the graph on a logarithmic scale. Over seeds: the mean of pairs of one seed, and of
   * an algorithm with itself the mean of pairs of different seeds.
   *
   * @param group cells of one task
   * @param scores a cell's scores in canonical order; empty where there are none
   * @return none where fewer than two algorithms have scores
   */
  static List<SimilarityTable> of(Group group, Function<CellResult, Optional<float[]>> scores) {
    Map<String, float[]> known = new LinkedHashMap<>();
    Map<Label, List<CellResult>> rows = new LinkedHashMap<>();
    int edges = group.all().get(0).edges();
    group
        .cells()
        .forEach(
            (label, cells) -> {
              List<CellResult> scored = new ArrayList<>();
              for (CellResult cell : cells) {
                scores
                    .apply(cell)
                    .filter(values -> values.length == edges)
                    .ifPresent(
                        values -> {
                          known.put(cell.run(), values);
                          scored.add(cell);
                        });
              }
              if (!scored.isEmpty()) {
                rows.put(label, scored);
              }
            });
    if (rows.size() < 2) {
      return List.of();
    }
    Optional<Integer> official = group.all().get(0).official();
    int[] sizes =
        StoredSimilarity.sizes(group.all(), SIZES).stream().mapToInt(Integer::intValue).toArray();
    Similarity similarity = Similarity.of(known, sizes);
    List<SimilarityTable> tables = new ArrayList<>();
    for (Similarity.Table table : similarity.tables()) {
      boolean ofKnown = official.filter(n -> n == table.edges()).isPresent();
      tables.add(table(table, ofKnown, rows, similarity.names()));
    }
    return tables;
  }

  private static SimilarityTable table(
      Similarity.Table shares,
      boolean official,
      Map<Label, List<CellResult>> rows,
      List<String> runs) {
    List<Label> labels = List.copyOf(rows.keySet());
    double[][] values = new double[labels.size()][labels.size()];
    for (int i = 0; i < values.length; i++) {
      for (int j = i; j < values.length; j++) {
        List<CellResult> ours = rows.get(labels.get(i));
        List<CellResult> theirs = rows.get(labels.get(j));
        values[i][j] = mean(ours, theirs, i == j, shares, runs);
        values[j][i] = values[i][j];
      }
    }
    return new SimilarityTable(
        shares.edges(), official, labels.stream().map(Label::name).toList(), values);
  }

  private static double mean(
      List<CellResult> ours,
      List<CellResult> theirs,
      boolean same,
      Similarity.Table shares,
      List<String> runs) {
    double sum = 0;
    int pairs = 0;
    boolean oneSeed =
        ours.stream().anyMatch(a -> theirs.stream().anyMatch(b -> a.seed() == b.seed()));
    for (CellResult a : ours) {
      for (CellResult b : theirs) {
        boolean taken =
            same ? ours.size() == 1 || !a.run().equals(b.run()) : !oneSeed || a.seed() == b.seed();
        double share = shares.share(runs.indexOf(a.run()), runs.indexOf(b.run()));
        if (taken && !Double.isNaN(share)) {
          sum += share;
          pairs++;
        }
      }
    }
    return pairs == 0 ? Double.NaN : sum / pairs;
  }
}
