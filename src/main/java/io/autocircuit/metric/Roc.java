package io.autocircuit.metric;

import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.apache.commons.statistics.distribution.NormalDistribution;

/** Receiver operating characteristic of scores against a known ("official") circuit. */
public final class Roc {
  private Roc() {}

  /**
   * One circuit.
   *
   * @param falsePositiveRate share of the edges outside the official circuit that it has
   * @param truePositiveRate share of the official circuit's edges that it has
   */
  public record Point(double falsePositiveRate, double truePositiveRate) {}

  /**
   * The curve over circuit sizes, ties included as a whole; starts with (0,0) and ends with (1,1).
   *
   * @param scores the scores that rank the edges
   * @param official the truth
   * @param counts circuit sizes, ascending
   * @return points from (0,0) to (1,1)
   * @throws IllegalArgumentException if the official circuit is empty or the full graph, or the
   *     scores are for another graph
   */
  public static List<Point> curve(PruneScores scores, Circuit official, int[] counts) {
    if (!official.graph().equals(scores.graph())) {
      throw new IllegalArgumentException(
          "the official circuit is for another graph than the scores: " + official.graph());
    }
    return curve(
        "edges", scores.values(), scores.ranking(), official.edgeSet(), official.size(), counts);
  }

  /**
   * The curve over numbers of nodes, ties included as a whole.
   *
   * @param scores the scores that rank the nodes
   * @param official indices of the nodes of the truth
   * @param counts numbers of nodes, ascending
   * @return points from (0,0) to (1,1)
   * @throws IllegalArgumentException if the truth has no node or all of them
   */
  public static List<Point> curve(NodeScores scores, BitSet official, int[] counts) {
    return curve(
        "nodes", scores.values(), scores.ranking(), official, official.cardinality(), counts);
  }

  private static List<Point> curve(
      String what, float[] values, int[] order, BitSet official, int positives, int[] counts) {
    int negatives = values.length - positives;
    if (positives == 0 || negatives == 0) {
      throw new IllegalArgumentException(
          "official "
              + what
              + "="
              + positives
              + ": a curve needs "
              + what
              + " inside and outside the circuit");
    }
    // rank[i] hits among the first i; ties extend a circuit to the end of its group
    int[] hits = new int[order.length + 1];
    for (int i = 0; i < order.length; i++) {
      hits[i + 1] = hits[i] + (official.get(order[i]) ? 1 : 0);
    }
    List<Point> points = new ArrayList<>();
    points.add(new Point(0, 0));
    for (int k : counts) {
      int end = k;
      while (end > 0
          && end < order.length
          && Math.abs(values[order[end]]) == Math.abs(values[order[end - 1]])) {
        end++;
      }
      points.add(new Point((double) (end - hits[end]) / negatives, (double) hits[end] / positives));
    }
    points.add(new Point(1, 1));
    return points;
  }

  /**
   * The area under a curve, by trapezoids: 0.5 for random scores, 1 for perfect ones.
   *
   * @param points what {@link #curve} returned
   * @return the area, from 0 to 1
   */
  public static double area(List<Point> points) {
    double area = 0;
    for (int i = 1; i < points.size(); i++) {
      Point a = points.get(i - 1);
      Point b = points.get(i);
      area +=
          (b.falsePositiveRate() - a.falsePositiveRate())
              * (a.truePositiveRate() + b.truePositiveRate())
              / 2;
    }
    return area;
  }

  /**
   * The area under the curve of all sizes, exactly: the chance that an edge of the known circuit
   * has a larger |score| than one outside, ties counting half (Mann and Whitney 1947).
   *
   * @param scores the scores that rank the edges
   * @param official the truth
   * @return from 0 to 1; 0.5 for random scores
   * @throws IllegalArgumentException if the official circuit is empty or the full graph, or the
   *     scores are for another graph
   */
  public static double rankArea(PruneScores scores, Circuit official) {
    return area(
        curve(scores, official, IntStream.rangeClosed(0, scores.values().length).toArray()));
  }

  /**
   * Where {@link #rankArea} would lie if other edges were in the known circuit and outside it, of
   * the same kinds: by the variance of DeLong et al. 1988 (Biometrics 44), of the share of edges
   * outside that each edge of the circuit ranks above, and of the share of the circuit's edges that
   * rank above each edge outside; normal, cut at 0 and 1. It says how much hangs on single edges,
   * nothing of other prompts.
   *
   * @param scores the scores that rank the edges
   * @param official the truth, neither empty nor the full graph
   * @param level such as 0.95
   * @return the interval; a point where the scores part both perfectly
   */
  public static Bootstrap.Interval interval(PruneScores scores, Circuit official, double level) {
    int[] order = scores.ranking();
    int[] group = new int[order.length]; // of equal |scores|, from the best
    int groups = 0;
    for (int i = 1; i < order.length; i++) {
      boolean equal =
          Math.abs(scores.values()[order[i]]) == Math.abs(scores.values()[order[i - 1]]);
      groups += equal ? 0 : 1;
      group[i] = groups;
    }
    double[][] count = new double[2][groups + 1]; // inside the circuit, outside
    for (int i = 0; i < order.length; i++) {
      count[official.contains(order[i]) ? 0 : 1][group[i]]++;
    }
    double[] all = {Arrays.stream(count[0]).sum(), Arrays.stream(count[1]).sum()};
    // of each group, the share of the other side's edges that rank as its own should
    double[][] share = new double[2][groups + 1];
    double better = 0;
    double worse = all[1];
    double area = 0;
    for (int g = 0; g <= groups; g++) {
      worse -= count[1][g];
      share[0][g] = (worse + count[1][g] / 2) / all[1];
      share[1][g] = (better + count[0][g] / 2) / all[0];
      better += count[0][g];
      area += count[0][g] * share[0][g] / all[0];
    }
    double variance = 0;
    for (int side = 0; side < 2; side++) {
      double squares = 0;
      for (int g = 0; g <= groups; g++) {
        squares += count[side][g] * (share[side][g] - area) * (share[side][g] - area);
      }
      variance += all[side] > 1 ? squares / (all[side] - 1) / all[side] : 0;
    }
    double half =
        NormalDistribution.of(0, 1).inverseCumulativeProbability((1 + level) / 2)
            * Math.sqrt(variance);
    return new Bootstrap.Interval(Math.max(0, area - half), Math.min(1, area + half), level);
  }

  /**
   * How well a circuit finds another.
   *
   * @param falsePositiveRate share of the edges outside the official circuit that it has
   * @param truePositiveRate share of the official circuit's edges that it has
   * @param precision share of its edges that the official circuit has; 0 of an empty circuit
   */
  public record Found(double falsePositiveRate, double truePositiveRate, double precision) {
    /**
     * Compares two circuits.
     *
     * @param circuit what was found
     * @param official the truth
     * @return the shares
     * @throws IllegalArgumentException if the truth is empty or the full graph, or of another graph
     */
    public static Found of(Circuit circuit, Circuit official) {
      int all = official.graph().edgeCount();
      if (!circuit.graph().equals(official.graph())
          || official.size() == 0
          || official.size() == all) {
        throw new IllegalArgumentException(
            "official edges="
                + official.size()
                + ": a comparison needs edges inside and outside the circuit, of one graph");
      }
      BitSet both = circuit.edgeSet();
      both.and(official.edgeSet());
      double hits = both.cardinality();
      return new Found(
          (circuit.size() - hits) / (all - official.size()),
          hits / official.size(),
          circuit.size() == 0 ? 0 : hits / circuit.size());
    }
  }

  /**
   * Both areas of scores against a known circuit.
   *
   * @param exact {@link #rankArea}
   * @param mib {@link #mibArea} of circuits chosen greedily and pruned, as the benchmark chooses
   *     them; NaN where the graph has none, or all its circuits have the same false positives
   * @param interval of the first, see {@link Roc#interval}
   */
  public record Areas(double exact, double mib, Optional<Bootstrap.Interval> interval) {
    /**
     * The areas.
     *
     * @param scores the scores that rank the edges
     * @param official the truth, neither empty nor the full graph
     * @return both
     * @throws IllegalArgumentException if the truth is, or is of another graph
     */
    public static Areas of(PruneScores scores, Circuit official) {
      double exact = rankArea(scores, official);
      Optional<Bootstrap.Interval> interval =
          Optional.of(Roc.interval(scores, official, Bootstrap.USUAL.level()));
      if (!scores.graph().factorized()) {
        return new Areas(exact, Double.NaN, interval);
      }
      int all = scores.graph().edgeCount();
      int[] counts = EdgeCounts.SHARES.stream().mapToInt(k -> (int) Math.ceil(k * all)).toArray();
      return new Areas(
          exact,
          mibArea(
              new CircuitSelection(CircuitSelection.Rule.GREEDY, false, true)
                  .ofCounts(scores, counts).stream()
                      .map(s -> Found.of(s.circuit(), official))
                      .toList()),
          interval);
    }
  }

  /**
   * The area as the Mechanistic Interpretability Benchmark computes it (Mueller et al. 2025,
   * arXiv:2504.13151, for InterpBench): trapezoids in the order of the circuits, false positive
   * rates divided by the last, without the corner (0,0).
   *
   * @param circuits by the benchmark's ten sizes ({@link io.autocircuit.graph.EdgeCounts#SHARES})
   * @return the benchmark's AUROC; {@link #rankArea} is that of the whole curve
   */
  public static double mibArea(List<Found> circuits) {
    double last = circuits.get(circuits.size() - 1).falsePositiveRate();
    return area(
        circuits.stream()
            .map(c -> new Point(c.falsePositiveRate() / last, c.truePositiveRate()))
            .toList());
  }
}
