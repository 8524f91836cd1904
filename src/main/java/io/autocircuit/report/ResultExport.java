package io.autocircuit.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Roc;
import java.util.List;
import java.util.stream.Collectors;

/** All results of an experiment, for other programs. */
public final class ResultExport {
  private ResultExport() {}

  /**
   * All measurements in long form: a line for each circuit and metric, after a line of heads.
   *
   * @param results the cells
   * @return comma-separated: run, task, algorithm, label, ablation, patch_type, seed, metric,
   *     edges, value; fields with commas, quotes or line breaks are quoted (RFC 4180), numbers are
   *     written so that they come back as they were ({@code NaN} and {@code Infinity} as such)
   */
  public static String csv(ExperimentResults results) {
    StringBuilder out =
        new StringBuilder(
            csvLine(
                List.of(
                    "run",
                    "task",
                    "algorithm",
                    "label",
                    "ablation",
                    "patch_type",
                    "seed",
                    "metric",
                    "edges",
                    "value")));
    for (CellResult c : results.cells()) {
      for (CellResult.Series s : c.series()) {
        for (CellResult.Point p : s.points()) {
          out.append(
              csvLine(
                  List.of(
                      c.run(),
                      c.task(),
                      c.algorithm(),
                      c.label(),
                      c.ablation(),
                      c.patchType(),
                      String.valueOf(c.seed()),
                      s.metric(),
                      String.valueOf(p.edges()),
                      String.valueOf(p.value()))));
        }
      }
    }
    return out.toString();
  }

  /** Fields of a line, quoted where they must be, and the line's end. */
  static String csvLine(List<String> fields) {
    return fields.stream()
            .map(f -> f.matches("(?s).*[\",\r\n].*") ? '"' + f.replace("\"", "\"\"") + '"' : f)
            .collect(Collectors.joining(","))
        + "\n";
  }

  /**
   * Everything that is known of an experiment.
   *
   * @param results its cells and failures
   * @return JSON; numbers that are none are the strings {@code "NaN"} and {@code "Infinity"}
   */
  public static String json(ExperimentResults results) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("title", results.title());
    root.put("waiting", results.waiting());
    ArrayNode cells = root.putArray("cells");
    results.cells().forEach(c -> cell(cells.addObject(), c));
    ArrayNode failures = root.putArray("failures");
    results
        .failures()
        .forEach(
            f ->
                failures
                    .addObject()
                    .put("run", f.run())
                    .put("cell", f.cell())
                    .put("message", f.message()));
    ArrayNode completeness = root.putArray("completeness");
    results
        .completeness()
        .forEach(
            c ->
                completeness
                    .addObject()
                    .put("run", c.run())
                    .put("edges", c.edges())
                    .put("knocked_out", c.knockedOut())
                    .put("normal", c.normal())
                    .put("knockout", c.knockout()));
    ArrayNode similarity = root.putArray("similarity");
    for (ExperimentResults.SimilarityResult s : results.similarity()) {
      ObjectNode node = similarity.addObject();
      node.put("run", s.run()).put("other", s.other()).put("edges", s.edges());
      node.put("share", s.share());
    }
    ArrayNode tests = root.putArray("tests");
    results
        .tests()
        .forEach(t -> tests.addObject().put("run", t.run()).set("test", t.tests().json()));
    return TableFormat.pretty(root);
  }

  private static void cell(ObjectNode to, CellResult c) {
    to.put("run", c.run());
    to.put("task", c.task());
    to.put("algorithm", c.algorithm());
    to.put("label", c.label());
    to.put("ablation", c.ablation());
    to.put("patch_type", c.patchType());
    to.put("seed", c.seed());
    ObjectNode settings = to.putObject("settings");
    c.settings().forEach(settings::put);
    to.put("edges", c.edges());
    c.official().ifPresent(n -> to.put("official_edges", n));
    to.put("prompts", c.prompts());
    to.put("score_prompts", c.scorePrompts());
    to.putObject("cost")
        .put("score_seconds", c.cost().scoreSeconds())
        .put("judge_seconds", c.cost().judgeSeconds())
        .put("plain_seconds", c.cost().plainSeconds())
        .put("plain_passes", c.cost().plainPasses());
    ArrayNode measurements = to.putArray("measurements");
    for (CellResult.Series s : c.series()) {
      ArrayNode points = measurements.addObject().put("metric", s.metric()).putArray("points");
      s.points().forEach(p -> points.addObject().put("edges", p.edges()).put("value", p.value()));
    }
    if (!c.roc().isEmpty()) {
      ObjectNode roc = to.putObject("roc").put("area", Roc.area(c.roc()));
      ArrayNode points = roc.putArray("points");
      c.roc()
          .forEach(
              p ->
                  points
                      .addObject()
                      .put("false_positive_rate", p.falsePositiveRate())
                      .put("true_positive_rate", p.truePositiveRate()));
    }
    ObjectNode live = to.putObject("live_edges");
    c.liveEdges().forEach((edges, n) -> live.put(String.valueOf(edges), n));
    ArrayNode found = to.putArray("found");
    c.found().forEach(f -> found.addObject().put("what", f.what()).put("edges", f.edges()));
    c.verdict().ifPresent(v -> to.put("verdict", v));
    ArrayNode notices = to.putArray("notices");
    c.notices().forEach(notices::add);
    to.put("scores", c.scores().toString());
    c.page().ifPresent(p -> to.put("page", p.toString()));
  }
}
