package io.autocircuit.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;

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

  /** A five-block, eight-head model with metrics drawn from formulas; nothing was measured. */
  static ReportData usual() {
    List<NodeInfo> nodes = nodes(5, 8);
    List<ScoredEdge> edges = edges(nodes, 0, 1);
    Map<String, String> summary = new LinkedHashMap<>();
    summary.put("Model", "sample, 5 blocks × 8 heads");
    summary.put("Dataset", "none");
    summary.put("Algorithm", "random numbers");
    summary.put("Ablation", "resample");
    summary.put("Patch type", "tree patch");
    summary.put("Prompts", "0");
    summary.put("Edges", String.valueOf(edges.size()));
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("algorithm", "random");
    settings.put("ablation", "resample");
    settings.put("patch-type", "tree");
    settings.put("edges", "0,1,2,5,10,20,50,100,200,500,1000,all");
    settings.put("separate-qkv", "true");
    settings.put("seed", "1");
    double all = edges.size();
    double[] sizes = {0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, all};
    return ReportData.of("Sample report", nodes, edges)
        .withVerdict("Made-up scores and curves that show what the page looks like.")
        .withSummary(summary)
        .withSettings(settings)
        .withCurves(
            List.of(
                sampled("KL divergence", "first", true, true, sizes, k -> 4 * left(k, all, 60)),
                sampled("KL divergence", "second", true, true, sizes, k -> 4 * left(k, all, 600)),
                sampled(
                    "Logit difference",
                    "first",
                    false,
                    false,
                    sizes,
                    k -> 5 - 10 * left(k, all, 50)),
                sampled(
                    "Answer probability",
                    "first",
                    false,
                    false,
                    sizes,
                    k -> 0.7 - 0.68 * left(k, all, 90)),
                sampled(
                    "Correct answers (%)",
                    "first", false, false, sizes, k -> 100 - 100 * left(k, all, 40))));
  }

  /** Falls from 1 at k = 0 to exactly 0 at k = all, to a half at {@code half}. */
  private static double left(double k, double all, double half) {
    return (1 - k / all) / (1 + Math.pow(k / half, 1.5));
  }

  private static Curve sampled(
      String name,
      String series,
      boolean logY,
      boolean lower,
      double[] sizes,
      DoubleUnaryOperator f) {
    double[] points = new double[2 * sizes.length];
    for (int i = 0; i < sizes.length; i++) {
      points[2 * i] = sizes[i];
      points[2 * i + 1] = f.applyAsDouble(sizes[i]);
    }
    return curve(name, series, logY, lower, points);
  }
}
