package io.autocircuit.graph;

import io.autocircuit.graph.DestNode.Input;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Between a graph with key and value inputs for groups of heads and the one of the same model in
 * which each query head has its own: an edge into a group stands for those into its heads. Other
 * edges are the same in both.
 */
public final class KeyValueGroups {
  private final ComputationGraph grouped;
  private final ComputationGraph perQuery;

  /** By edge of the ungrouped graph; null where both graphs are the same. */
  private final int[] standIn;

  private KeyValueGroups(ComputationGraph grouped) {
    this.grouped = grouped;
    this.perQuery = like(grouped, grouped.heads());
    if (KeyValues.of(grouped) == KeyValues.PER_QUERY) {
      standIn = null;
      return;
    }
    int copies = grouped.positionCopies();
    standIn = new int[perQuery.edgeCount()];
    for (DestModule all : perQuery.modules()) {
      DestModule few = grouped.module(all.name());
      int size = all.nodes().size() / few.nodes().size();
      int row = all.sources() * copies;
      for (int node = 0; node < all.nodes().size(); node++) {
        for (int i = 0; i < row; i++) {
          standIn[all.offset() + node * row + i] = few.offset() + node / size * row + i;
        }
      }
    }
  }

  /**
   * Of a graph in which each query head has inputs of its own.
   *
   * @param perQuery factorized, with inputs of queries, keys and values of their own
   * @param groups how many key inputs, and value inputs, the other graph has; divides the heads
   * @return the relation between its edges and those of the grouped graph
   * @throws IllegalArgumentException if the heads cannot be parted so
   */
  public static KeyValueGroups of(ComputationGraph perQuery, int groups) {
    return of(like(perQuery, groups));
  }

  /**
   * Of a graph.
   *
   * @param grouped any; where each query head has inputs of its own, both graphs are equal
   * @return the relation between its edges and those of the ungrouped graph
   * @throws IllegalArgumentException if that has too many edges
   */
  public static KeyValueGroups of(ComputationGraph grouped) {
    return new KeyValueGroups(grouped);
  }

  /**
   * The query heads that share a key or value input.
   *
   * @param graph any
   * @param destination of it
   * @return the heads of its group, ascending; none where it is the input of one head, or of no
   *     head
   */
  public static List<Integer> heads(ComputationGraph graph, DestNode destination) {
    boolean shared = destination.input() == Input.K || destination.input() == Input.V;
    int size = graph.heads() / graph.keyValueHeads();
    return shared && size > 1
        ? IntStream.range(destination.head() * size, (destination.head() + 1) * size)
            .boxed()
            .toList()
        : List.of();
  }

  /** The same graph with another number of key and value inputs. */
  private static ComputationGraph like(ComputationGraph g, int inputs) {
    if (inputs == g.keyValueHeads()) {
      return g;
    }
    int positions = g.spans().isEmpty() ? g.positions() : 0;
    ComputationGraph other =
        ComputationGraph.factorized(
            g.blocks(), g.heads(), inputs, g.wiring(), g.separateQkv(), positions);
    other = g.spans().isEmpty() ? other : other.withSpans(g.spans());
    return g.latents() == null ? other : other.withLatents(g.latents());
  }

  /**
   * The graph with inputs of groups.
   *
   * @return as given
   */
  public ComputationGraph grouped() {
    return grouped;
  }

  /**
   * The graph with inputs of each query head.
   *
   * @return of the same model
   */
  public ComputationGraph perQuery() {
    return perQuery;
  }

  /**
   * The edge that stands for one of a head.
   *
   * @param edge canonical index in {@link #perQuery}
   * @return canonical index in {@link #grouped}
   */
  public int standIn(int edge) {
    return standIn == null ? edge : standIn[edge];
  }

  /**
   * The edges that stand for some.
   *
   * @param edges of {@link #perQuery}
   * @return of {@link #grouped}: an edge of a group if one of its heads' is there
   */
  public BitSet union(BitSet edges) {
    BitSet few = new BitSet(grouped.edgeCount());
    edges.stream().forEach(e -> few.set(standIn(e)));
    return few;
  }

  /**
   * The edges that some stand for.
   *
   * @param edges of {@link #grouped}
   * @return of {@link #perQuery}: those of all heads of each group
   */
  public BitSet copies(BitSet edges) {
    BitSet all = new BitSet(perQuery.edgeCount());
    IntStream.range(0, perQuery.edgeCount()).filter(e -> edges.get(standIn(e))).forEach(all::set);
    return all;
  }

  /**
   * Scores of the ungrouped graph: each head has that of its group.
   *
   * @param scores by edge of {@link #grouped}
   * @return by edge of {@link #perQuery}
   */
  public float[] copies(float[] scores) {
    float[] out = new float[perQuery.edgeCount()];
    for (int e = 0; e < out.length; e++) {
      out[e] = scores[standIn(e)];
    }
    return out;
  }

  /**
   * Scores of groups: the sum of their heads'. Where scores are gradients, that is the group's
   * gradient at masks that its heads have in common. Edges that are never removed, of infinite
   * score, make the group's infinite.
   *
   * @param scores by edge of {@link #perQuery}
   * @return by edge of {@link #grouped}
   * @throws IllegalArgumentException if there is not one number for each edge
   */
  public float[] sums(float[] scores) {
    if (scores.length != perQuery.edgeCount()) {
      throw new IllegalArgumentException(
          "scores=" + scores.length + " for edges=" + perQuery.edgeCount() + "; give one for each");
    }
    double[] sums = new double[grouped.edgeCount()];
    for (int e = 0; e < scores.length; e++) {
      if (Float.isNaN(scores[e])) {
        throw new IllegalArgumentException(
            "score of edge=" + perQuery.edge(e) + " is NaN; give a number");
      }
      double sum = sums[standIn(e)] + scores[e];
      sums[standIn(e)] = Double.isNaN(sum) ? Double.POSITIVE_INFINITY : sum;
    }
    float[] out = new float[sums.length];
    for (int e = 0; e < out.length; e++) {
      out[e] = (float) sums[e];
    }
    return out;
  }
}
