package io.autocircuit.graph;

import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/**
 * Which circuit sizes to evaluate.
 *
 * @param mode how sizes are chosen
 * @param values for {@link Mode#LIST}: sizes as whole numbers, or shares of all edges for values
 *     that are given as a fraction; empty otherwise
 * @param zeroEdges whether the empty circuit is included; null: as listed, or in the other modes
 *     iff there are more than two sizes
 * @param allEdges whether the full graph is included; null: likewise
 */
public record EdgeCounts(Mode mode, List<Value> values, Boolean zeroEdges, Boolean allEdges) {

  /** How sizes are chosen. */
  public enum Mode {
    /**
     * Logarithmic above 200 edges, else all; by groups when the scores have few distinct values.
     */
    AUTO,
    /** 0, 1, …, n. */
    ALL,
    /** 1..9, 10, 20, …, 90, 100, 200, …. */
    LOGARITHMIC,
    /** Cumulative sizes of the groups of equal |score|, largest first. */
    GROUPS,
    /** The given sizes. */
    LIST
  }

  /**
   * A given size.
   *
   * @param number a number of edges, or a share of them
   * @param share whether {@code number} is a share in 0..1 (truncated to whole edges)
   */
  public record Value(double number, boolean share) {}

  /**
   * Keeps an unmodifiable copy.
   *
   * @param mode how sizes are chosen
   * @param values for {@link Mode#LIST}: sizes as whole numbers, or shares of all edges for values
   *     that are given as a fraction; empty otherwise
   * @param zeroEdges whether the empty circuit is included; null: as listed, or in the other modes
   *     iff there are more than two sizes
   * @param allEdges whether the full graph is included; null: likewise
   */
  public EdgeCounts {
    values = List.copyOf(values);
  }

  /** The default choice. */
  public static final EdgeCounts AUTO = of(Mode.AUTO);

  /**
   * A mode without given sizes.
   *
   * @param mode any but {@link Mode#LIST}
   * @return sizes by that rule, with the empty and the full circuit where there are more than two
   */
  public static EdgeCounts of(Mode mode) {
    return new EdgeCounts(mode, List.of(), null, null);
  }

  /**
   * Exactly the given numbers of edges, nothing added.
   *
   * @param counts numbers of edges, in any order
   * @return those sizes
   */
  public static EdgeCounts exactly(int... counts) {
    return new EdgeCounts(
        Mode.LIST, Arrays.stream(counts).mapToObj(c -> new Value(c, false)).toList(), null, null);
  }

  /**
   * The sizes, ascending and distinct.
   *
   * @param edges the number of edges n of the graph
   * @param scores the scores, one per edge; null if there are none yet
   * @param trueEdgeCount the size of the official circuit, added if missing; −1 if there is none
   * @return numbers of edges from 0 to n; none if all scores are equal and groups of scores are
   *     asked for
   * @throws IllegalArgumentException if a size lies outside 0..n, or GROUPS lacks scores
   */
  public int[] resolve(int edges, float[] scores, int trueEdgeCount) {
    TreeSet<Integer> sizes = new TreeSet<>();
    Mode chosen = mode == Mode.AUTO ? automatic(edges, scores) : mode;
    switch (chosen) {
      case ALL -> {
        for (int k = 0; k <= edges; k++) {
          sizes.add(k);
        }
      }
      case LOGARITHMIC -> {
        for (long step = 1; step < edges; step *= 10) {
          for (long k = step; k < 10 * step && k < edges; k += step) {
            sizes.add((int) k);
          }
        }
      }
      case GROUPS -> sizes.addAll(groups(scores));
      case LIST -> {
        for (Value v : values) {
          double n = v.share() ? Math.floor(edges * v.number()) : v.number();
          if (n < 0 || n > edges || n != Math.rint(n)) {
            throw new IllegalArgumentException(
                "edge count="
                    + v.number()
                    + " outside 0.."
                    + edges
                    + "; choose sizes in that range");
          }
          sizes.add((int) n);
        }
      }
      case AUTO -> throw new IllegalStateException("AUTO was resolved above");
    }
    boolean added = chosen != Mode.LIST && sizes.size() > 2;
    set(
        sizes,
        0,
        zeroEdges != null ? zeroEdges : added || (sizes.contains(0) && chosen == Mode.LIST));
    set(
        sizes,
        edges,
        allEdges != null ? allEdges : added || (sizes.contains(edges) && chosen == Mode.LIST));
    if (trueEdgeCount >= 0) {
      sizes.add(trueEdgeCount);
    }
    return sizes.stream().mapToInt(Integer::intValue).toArray();
  }

  private static void set(TreeSet<Integer> sizes, int size, boolean wanted) {
    if (wanted) {
      sizes.add(size);
    } else {
      sizes.remove(size);
    }
  }

  private static Mode automatic(int edges, float[] scores) {
    if (scores != null && groups(scores).size() < Math.min(edges / 2.0, 100)) {
      return Mode.GROUPS;
    }
    return edges > 200 ? Mode.LOGARITHMIC : Mode.ALL;
  }

  private static List<Integer> groups(float[] scores) {
    if (scores == null) {
      throw new IllegalArgumentException(
          "edge counts by groups need scores; score the edges first");
    }
    float[] sorted = new float[scores.length];
    for (int i = 0; i < scores.length; i++) {
      sorted[i] = Math.abs(scores[i]);
    }
    Arrays.sort(sorted);
    List<Integer> ends = new java.util.ArrayList<>();
    for (int i = sorted.length - 1; i >= 0; i--) {
      if (i == 0 || sorted[i - 1] != sorted[i]) {
        ends.add(sorted.length - i);
      }
    }
    return ends;
  }
}
