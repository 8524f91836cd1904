package io.autocircuit.metric;

import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

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
}
