package io.autocircuit.report;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Makes the report's plain values from a discovery. */
public final class DiscoveryReport {
  private static final List<Metric> FIRST =
      List.of(
          Metric.LOGIT_DIFF_PERCENT,
          Metric.KL_DIV,
          Metric.LOGIT_DIFF,
          Metric.CORRECT_ANSWER_PERCENT,
          Metric.ANSWER_PROB,
          Metric.WRONG_ANSWER_PROB,
          Metric.CORRECT_OVER_WRONG_PERCENT,
          Metric.CORRUPT_KL_DIV);

  private DiscoveryReport() {}

  /**
   * The report of a discovery.
   *
   * @param title heading
   * @param result what came out
   * @param summary what was run, shown first (model, dataset, …)
   * @param settings every setting
   */
  public static ReportData of(
      String title,
      Discovery.Result result,
      Map<String, String> summary,
      Map<String, String> settings) {
    PruneScores scores = result.scores();
    ComputationGraph graph = scores.graph();
    List<NodeInfo> nodes = new ArrayList<>();
    graph.sources().forEach(s -> nodes.add(new NodeInfo(s.name(), s.layer())));
    int end = graph.modules().get(0).nodes().get(0).layer();
    nodes.add(new NodeInfo("Resid End", end));
    List<ScoredEdge> edges = new ArrayList<>();
    for (PruneScores.Scored s : scores.best(HtmlReport.MAX_EDGES)) {
      Edge e = s.edge();
      edges.add(
          new ScoredEdge(
              e.name(),
              e.source().name(),
              e.destination().name(),
              e.position() < 0 ? null : e.position(),
              s.score()));
    }
    Map<String, String> all = new LinkedHashMap<>(summary);
    all.put("Algorithm", result.discovery().algorithm().title());
    all.put("Ablation", lower(result.discovery().runs().ablation().name()));
    all.put(
        "Patch type", lower(result.discovery().runs().patchType().name()).replace("_patch", ""));
    all.put("Prompts", prompts(result.discovery()));
    all.put("Edges", String.format(Locale.ROOT, "%,d", graph.edgeCount()));
    List<Curve> curves = new ArrayList<>();
    List<Measurement> measurements = new ArrayList<>(result.measurements());
    measurements.sort(Comparator.comparingInt(m -> rank(m.metric())));
    for (Measurement m : measurements) {
      curves.add(curve(m, result.discovery().algorithm().title()));
    }
    ReportData data =
        ReportData.of(title, nodes, edges)
            .withSummary(all)
            .withSettings(settings)
            .withCurves(curves)
            .withTotalEdges(graph.edgeCount());
    String verdict = verdict(result);
    return verdict == null ? data : data.withVerdict(verdict);
  }

  /** The metrics people look at first; the others keep their order after them. */
  private static int rank(Metric metric) {
    int first = FIRST.indexOf(metric);
    return first < 0 ? FIRST.size() : first;
  }

  /** How many prompts, in words. */
  private static String prompts(Discovery d) {
    return d.train().equals(d.test())
        ? String.valueOf(d.prompts())
        : d.trainPrompts() + " to score, " + d.prompts() + " to judge";
  }

  private static Curve curve(Measurement m, String series) {
    Metric metric = m.metric();
    return new Curve(
        metric.title(),
        series,
        "Circuit edges",
        metric.title(),
        metric.logX(),
        metric.logY(),
        metric.lowerIsBetter(),
        m.points().stream().map(p -> new Curve.Point(p.edges(), p.value())).toList());
  }

  /** The smallest circuit that recovers nine tenths of the logit difference, in a sentence. */
  private static String verdict(Discovery.Result result) {
    for (Measurement m : result.measurements()) {
      if (m.metric() == Metric.LOGIT_DIFF_PERCENT) {
        int total = result.scores().graph().edgeCount();
        return m.points().stream()
            .filter(p -> p.value() >= 90)
            .findFirst()
            .map(
                p ->
                    String.format(
                        Locale.ROOT,
                        "%,d of %,d edges (%.1f %%) recover %.0f %% of the full model's logit difference.",
                        p.edges(),
                        total,
                        100.0 * p.edges() / total,
                        p.value()))
            .orElse(null);
      }
    }
    return null;
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }
}
