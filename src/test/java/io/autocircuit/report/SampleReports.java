package io.autocircuit.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Reports over made-up scores of real graph shapes. */
final class SampleReports {
  private SampleReports() {}

  /** Nodes of a sequential transformer: start, heads and MLP of each block, end. */
  static List<NodeInfo> nodes(int blocks, int heads) {
    List<NodeInfo> nodes = new ArrayList<>();
    nodes.add(new NodeInfo("Resid Start", 0));
    for (int block = 0; block < blocks; block++) {
      for (int head = 0; head < heads; head++) {
        nodes.add(new NodeInfo("A" + block + "." + head, 2 * block + 1));
      }
      nodes.add(new NodeInfo("MLP " + block, 2 * block + 2));
    }
    nodes.add(new NodeInfo("Resid End", 2 * blocks + 1));
    return nodes;
  }

  /** All edges with separate Q, K and V, scores falling steeply; {@code positions} 0 for none. */
  static List<ScoredEdge> edges(List<NodeInfo> nodes, int positions, long seed) {
    Random random = new Random(seed);
    List<ScoredEdge> edges = new ArrayList<>();
    for (NodeInfo source : nodes) {
      for (NodeInfo target : nodes) {
        if (source.layer() < target.layer()) {
          boolean head = target.name().startsWith("A");
          for (String input : head ? List.of(".Q", ".K", ".V") : List.of("")) {
            for (int p = 0; p < Math.max(1, positions); p++) {
              double score = Math.exp(1.6 * random.nextGaussian() - 3) * (random.nextInt(3) - 0.8);
              edges.add(
                  edge(source.name(), target.name() + input, positions == 0 ? null : p, score));
            }
          }
        }
      }
    }
    return edges;
  }

  static ScoredEdge edge(String source, String destination, Integer position, double score) {
    return new ScoredEdge(source + "->" + destination, source, destination, position, score);
  }

  static Curve curve(String name, String series, boolean logY, boolean lower, double... points) {
    List<Curve.Point> list = new ArrayList<>();
    for (int i = 0; i < points.length; i += 2) {
      list.add(new Curve.Point(points[i], points[i + 1]));
    }
    return new Curve(name, series, "edges", name, true, logY, lower, list);
  }

  /** A five-block, eight-head model with the usual metrics. */
  static ReportData usual() {
    List<NodeInfo> nodes = nodes(5, 8);
    Map<String, String> summary = new LinkedHashMap<>();
    summary.put("Model", "stories260k (5 blocks, 8 heads, d_model 64)");
    summary.put("Dataset", "pronoun, 19 prompt pairs");
    summary.put("Algorithm", "edge attribution patching");
    summary.put("Ablation", "resample");
    summary.put("Patch type", "tree patch");
    List<ScoredEdge> edges = edges(nodes, 0, 1);
    summary.put("Edges", String.valueOf(edges.size()));
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("model", "models/stories260k");
    settings.put("dataset", "stories260k_pronoun_19.json");
    settings.put("algorithm", "eap");
    settings.put("ablation", "resample");
    settings.put("patch-type", "tree");
    settings.put("edges", "0,1,2,5,10,20,50,100,200,500,1000,all");
    settings.put("separate-qkv", "true");
    settings.put("seed", "0");
    double n = edges.size();
    return ReportData.of("Pronouns in stories260k", nodes, edges)
        .withVerdict(
            "100 of " + edges.size() + " edges (4 %) bring the logit difference back above zero.")
        .withSummary(summary)
        .withSettings(settings)
        .withCurves(
            List.of(
                curve(
                    "KL divergence",
                    "EAP",
                    true,
                    true,
                    0,
                    4.218,
                    10,
                    3.3905,
                    20,
                    1.5232,
                    50,
                    0.9597,
                    100,
                    0.28349,
                    200,
                    0.02994,
                    500,
                    0.02477,
                    1000,
                    0.003612,
                    n,
                    0),
                curve(
                    "KL divergence",
                    "random",
                    true,
                    true,
                    0,
                    4.218,
                    10,
                    4.2,
                    20,
                    4.18,
                    50,
                    4.1,
                    100,
                    3.9,
                    200,
                    3.6,
                    500,
                    2.9,
                    1000,
                    1.7,
                    n,
                    0),
                curve(
                    "Logit difference",
                    "EAP",
                    false,
                    false,
                    0,
                    -4.9593,
                    10,
                    -3.9457,
                    20,
                    -1.4078,
                    50,
                    -0.354,
                    100,
                    1.3069,
                    200,
                    4.3081,
                    500,
                    4.1969,
                    1000,
                    4.7859,
                    n,
                    4.9593),
                curve(
                    "Answer probability",
                    "EAP",
                    false,
                    false,
                    0,
                    0.02,
                    10,
                    0.05,
                    20,
                    0.16,
                    50,
                    0.21,
                    100,
                    0.42,
                    200,
                    0.61,
                    500,
                    0.6,
                    1000,
                    0.66,
                    n,
                    0.68),
                curve(
                    "Correct answers (%)",
                    "EAP", false, false, 0, 0, 10, 0, 20, 10.5, 50, 36.8, 100, 78.9, 200, 100, 500,
                    100, 1000, 100, n, 100)));
  }
}
