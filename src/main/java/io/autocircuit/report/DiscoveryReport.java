package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.SourceActivations;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Makes the report's plain values from a discovery. */
public final class DiscoveryReport {
  private static final List<Metric> FIRST =
      List.of(
          Metric.LOGIT_DIFF_PERCENT,
          Metric.ANSWER_MSE,
          Metric.KL_DIV,
          Metric.LOGIT_DIFF,
          Metric.CORRECT_ANSWER_PERCENT,
          Metric.ANSWER_PROB,
          Metric.WRONG_ANSWER_PROB,
          Metric.CORRECT_OVER_WRONG_PERCENT,
          Metric.CORRUPT_KL_DIV);

  /** So many circuits of a curve have intervals at most. */
  private static final int MOST_INTERVALS = 12;

  private DiscoveryReport() {}

  /**
   * The report of a run, with all of its settings.
   *
   * @param run what was run
   * @param result what came out
   * @return its values
   */
  public static ReportData of(Run run, Discovery.Result result) {
    return of(run, result, Optional.empty());
  }

  /**
   * The report of a run, with what its sources write.
   *
   * @param run what was run
   * @param result what came out
   * @param activations what the sources of the best edges write; empty where nobody looked
   * @return its values
   */
  public static ReportData of(
      Run run, Discovery.Result result, Optional<SourceActivations> activations) {
    String name = run.task().model().config().name();
    Map<String, String> summary = new LinkedHashMap<>();
    summary.put("Model", name);
    summary.put("Dataset", dataset(run));
    ReportData data =
        of("Circuit of " + name, result, summary, RunSettings.of(run.spec()))
            .withDetails(details(result, activations));
    if (run.spec().graph().spans()) {
      return data.withPositionLabels(result.scores().graph().spans());
    }
    return run.spec().graph().tokenPositions()
        ? data.withPositionLabels(run.task().prompts().seqLabels())
        : data;
  }

  private static ReportData.Details details(
      Discovery.Result result, Optional<SourceActivations> activations) {
    return new ReportData.Details(
        result.discovery().runs().patchType(),
        activations.orElse(null),
        result.roc(),
        CellResult.Area.of(result),
        result.discovery().selection().title(),
        result.stability().orElse(null),
        List.of());
  }

  /**
   * What the prompts of a run are called.
   *
   * @param run the run
   * @return the name of their file, or what they are
   */
  public static String dataset(Run run) {
    return run.spec().prompts().source() instanceof PromptSource.File f
        ? String.valueOf(f.file().path().getFileName())
        : run.task().prompts().source();
  }

  /**
   * The report of a discovery.
   *
   * @param title heading
   * @param result what came out
   * @param summary what was run, shown first (model, dataset, …)
   * @param settings every setting
   * @return its values
   */
  public static ReportData of(
      String title,
      Discovery.Result result,
      Map<String, String> summary,
      Map<String, String> settings) {
    PruneScores scores = result.scores();
    ComputationGraph graph = scores.graph();
    List<ScoredEdge> edges = new ArrayList<>();
    for (PruneScores.Scored s : scores.best(HtmlReport.MAX_EDGES)) {
      Edge e = s.edge();
      edges.add(
          new ScoredEdge(
              e.name(),
              e.source().name(),
              e.destination().name(),
              e.position() < 0 ? null : e.position(),
              s.score(),
              KeyValueGroups.heads(graph, e.destination())));
    }
    List<NodeInfo> nodes = nodes(graph, edges);
    Map<String, String> all = new LinkedHashMap<>(summary);
    all.put("Algorithm", result.discovery().algorithm().title());
    String judged = result.discovery().runs().ablation().key();
    String scored =
        result.discovery().algorithm().scoringAblation().map(Ablation::key).orElse(judged);
    all.put(
        "Ablation", scored.equals(judged) ? judged : scored + " to score, " + judged + " to judge");
    all.put(
        "Patch type", lower(result.discovery().runs().patchType().name()).replace("_patch", ""));
    all.put("Prompts", prompts(result.discovery()));
    all.put(
        "Edges",
        String.format(Locale.ROOT, "%,d", graph.edgeCount())
            + (graph.factorized() ? "" : " (unfactorized graph)"));
    result
        .nodes()
        .ifPresent(n -> all.put("Nodes", String.format(Locale.ROOT, "%,d", n.nodes().size())));
    String circuit = "Circuit " + result.discovery().level().key() + "s";
    List<Curve> curves = new ArrayList<>();
    List<Measurement> measurements = new ArrayList<>(result.measurements());
    measurements.sort(Comparator.comparingInt(m -> rank(m.metric())));
    for (Measurement m : measurements) {
      curves.add(curve(m, result.discovery().algorithm().title(), circuit));
    }
    if (!result.liveEdges().isEmpty()) {
      curves.add(live(result, circuit));
    }
    ReportData data =
        ReportData.of(title, nodes, edges)
            .withSummary(all)
            .withSettings(settings)
            .withCurves(curves)
            .withTotalEdges(graph.edgeCount())
            .withDetails(details(result, Optional.empty()));
    if (!result.found().isEmpty()) {
      data = data.withFirstDrawn(result.circuit(result.found().get(0).size()).size());
    }
    String level = result.discovery().level().key();
    return Stream.of(
            result.verdict(), result.verification().map(v -> v.sentence(level + "s") + "."))
        .flatMap(Optional::stream)
        .reduce((a, b) -> a + " " + b)
        .map(data::withVerdict)
        .orElse(data);
  }

  /**
   * All nodes of a graph, inputs as the heads that they belong to; of latents those with an edge.
   */
  private static List<NodeInfo> nodes(ComputationGraph graph, List<ScoredEdge> edges) {
    Set<String> used = new HashSet<>();
    edges.forEach(e -> used.add(e.source()));
    Map<String, Integer> layers = new LinkedHashMap<>();
    for (SrcNode s : graph.sources()) {
      if (NodeOrder.latent(s.name()) < 0 || used.contains(s.name())) {
        layers.put(s.name(), s.layer());
      }
    }
    for (DestNode d : graph.destinations()) {
      layers.putIfAbsent(ReportData.head(d.name()).orElse(d.name()), d.layer());
    }
    List<NodeInfo> nodes = new ArrayList<>();
    layers.forEach((name, layer) -> nodes.add(new NodeInfo(name, layer)));
    return nodes;
  }

  private static int rank(Metric metric) {
    return rank(metric.key());
  }

  /** The metrics people look at first; the others keep their order after them. */
  static int rank(String metric) {
    int first = FIRST.stream().map(Metric::key).toList().indexOf(metric);
    return first < 0 ? FIRST.size() : first;
  }

  /** How many prompts, in words. */
  private static String prompts(Discovery d) {
    return d.train().equals(d.test())
        ? String.valueOf(d.prompts())
        : d.trainPrompts() + " to score, " + d.prompts() + " to judge";
  }

  private static Curve curve(Measurement m, String series, String circuit) {
    Metric metric = m.metric();
    Map<Integer, Bootstrap.Interval> intervals =
        rank(metric) < FIRST.size() ? intervals(m) : Map.of();
    List<Curve.Point> points = new ArrayList<>();
    for (Measurement.Point p : m.points()) {
      Bootstrap.Interval ends = intervals.get(p.edges());
      points.add(
          ends == null
              ? new Curve.Point(p.edges(), p.value())
              : new Curve.Point(p.edges(), p.value(), ends.low(), ends.high()));
    }
    return new Curve(
        metric.title(),
        series,
        circuit,
        metric.title(),
        metric.logX(),
        metric.logY(),
        metric.lowerIsBetter(),
        points);
  }

  /**
   * Intervals of up to {@value #MOST_INTERVALS} circuits, by size: the same that they have among
   * all.
   */
  private static Map<Integer, Bootstrap.Interval> intervals(Measurement m) {
    List<Measurement.Point> all = m.points();
    if (all.isEmpty()) {
      return Map.of();
    }
    TreeSet<Integer> places = new TreeSet<>();
    double first = place(m, all.get(0).edges());
    double last = place(m, all.get(all.size() - 1).edges());
    for (int i = 0; i < MOST_INTERVALS; i++) {
      double wanted = first + (last - first) * i / (MOST_INTERVALS - 1);
      places.add(
          IntStream.range(0, all.size())
              .boxed()
              .min(Comparator.comparingDouble(k -> Math.abs(place(m, all.get(k).edges()) - wanted)))
              .orElseThrow());
    }
    places.add(all.size() - 1); // percentages are of the full model's values
    List<Measurement.Point> some = places.stream().map(all::get).toList();
    List<Optional<Bootstrap.Interval>> intervals =
        new Measurement(m.metric(), some).intervals(Bootstrap.USUAL);
    Map<Integer, Bootstrap.Interval> bySize = new HashMap<>();
    for (int i = 0; i < some.size(); i++) {
      int edges = some.get(i).edges();
      intervals.get(i).ifPresent(ends -> bySize.put(edges, ends));
    }
    return bySize;
  }

  /** Where a size stands on the axis, as the page draws it. */
  private static double place(Measurement m, int edges) {
    return m.metric().logX() ? Math.log10(Math.max(0.5, edges)) : edges;
  }

  /** How many of a circuit's edges can change its output. */
  private static Curve live(Discovery.Result result, String circuit) {
    return new Curve(
        "Live edges",
        result.discovery().algorithm().title(),
        circuit,
        "Live edges",
        true,
        false,
        false,
        result.liveEdges().entrySet().stream()
            .map(e -> new Curve.Point(e.getKey(), e.getValue()))
            .toList());
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }
}
