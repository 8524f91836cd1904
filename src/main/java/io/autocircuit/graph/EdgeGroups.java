package io.autocircuit.graph;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Edges that are tied together: those of a group share one mask value, and are kept or removed
 * together. Groups are what leaves a node ({@link GraphNodes#groups}), or edges at positions that
 * count as one; {@link #each} has every edge by itself. Edges of no group are never ablated.
 *
 * <p>Immutable.
 */
public final class EdgeGroups {
  private final ComputationGraph graph;
  private final int size;

  /** By canonical edge index; −1 for none. */
  private final int[] groups;

  /** The edges of all groups, one group after another. */
  private final int[] edges;

  /** Where each group's edges begin, and their number. */
  private final int[] starts;

  private EdgeGroups(ComputationGraph graph, int[] groups, int size) {
    this.graph = graph;
    this.size = size;
    this.groups = groups;
    starts = new int[size + 1];
    for (int g : groups) {
      if (g < -1 || g >= size) {
        throw new IllegalArgumentException("group=" + g + " outside 0.." + (size - 1));
      }
      if (g >= 0) {
        starts[g + 1]++;
      }
    }
    for (int g = 0; g < size; g++) {
      if (starts[g + 1] == 0) {
        throw new IllegalArgumentException("group=" + g + " has no edges; number groups densely");
      }
      starts[g + 1] += starts[g];
    }
    edges = new int[starts[size]];
    int[] next = Arrays.copyOf(starts, size);
    for (int e = 0; e < groups.length; e++) {
      if (groups[e] >= 0) {
        edges[next[groups[e]]++] = e;
      }
    }
  }

  /**
   * Groups edges.
   *
   * @param graph whose edges they are
   * @param groups the group of each edge by canonical edge index, from 0; −1 for none
   * @param size the number of groups, each of at least one edge
   * @return the groups
   * @throws IllegalArgumentException if there are fewer or more numbers than edges, one is out of
   *     range, or a group is empty
   */
  public static EdgeGroups of(ComputationGraph graph, int[] groups, int size) {
    if (groups.length != graph.edgeCount()) {
      throw new IllegalArgumentException(
          "groups of edges=" + groups.length + " but the graph has edges=" + graph.edgeCount());
    }
    return new EdgeGroups(graph, groups.clone(), size);
  }

  /**
   * Every edge by itself, in canonical order.
   *
   * @param graph whose edges they are
   * @return as many groups as edges
   */
  public static EdgeGroups each(ComputationGraph graph) {
    return new EdgeGroups(
        graph, IntStream.range(0, graph.edgeCount()).toArray(), graph.edgeCount());
  }

  /**
   * The graph whose edges they are.
   *
   * @return as given
   */
  public ComputationGraph graph() {
    return graph;
  }

  /**
   * The number of groups G.
   *
   * @return 0 for none
   */
  public int size() {
    return size;
  }

  /**
   * The group of an edge.
   *
   * @param edge canonical index
   * @return 0 to G − 1; −1 for an edge that is never ablated
   */
  public int group(int edge) {
    return groups[edge];
  }

  /**
   * The edges of a group.
   *
   * @param group 0 to G − 1
   * @return canonical indices, ascending; at least one
   */
  public IntStream edges(int group) {
    return IntStream.range(starts[group], starts[group + 1]).map(i -> edges[i]);
  }

  /**
   * The first edge of a group.
   *
   * @param group 0 to G − 1
   * @return the smallest canonical index
   */
  public int first(int group) {
    return edges[starts[group]];
  }

  /**
   * Gives every edge the value of its group: a mask from one value for each group.
   *
   * @param values {@code [n × G]}; one mask, or one for each of n prompts
   * @return {@code [n × edges]} by canonical edge index; 0 for edges of no group
   */
  public float[] spread(float[] values) {
    int n = values.length / Math.max(1, size);
    float[] all = new float[n * groups.length];
    for (int i = 0; i < n; i++) {
      for (int e = 0; e < groups.length; e++) {
        all[i * groups.length + e] = groups[e] < 0 ? 0 : values[i * size + groups[e]];
      }
    }
    return all;
  }

  /**
   * Adds up what belongs to the edges of each group: by the chain rule the gradient of the groups'
   * mask values, from that of the edges'.
   *
   * @param values {@code [n × edges]} by canonical edge index
   * @return {@code [n × G]}
   */
  public double[] sum(float[] values) {
    int n = values.length / groups.length;
    double[] sums = new double[n * size];
    for (int i = 0; i < n; i++) {
      for (int e = 0; e < groups.length; e++) {
        if (groups[e] >= 0) {
          sums[i * size + groups[e]] += values[i * groups.length + e];
        }
      }
    }
    return sums;
  }
}
