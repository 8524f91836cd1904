package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.List;

/**
 * A set of edges. Immutable.
 *
 * <p>Equality is by graph and edges.
 */
public final class Circuit {
  private final ComputationGraph graph;
  private final BitSet edges;

  private Circuit(ComputationGraph graph, BitSet edges) {
    this.graph = graph;
    this.edges = edges;
  }

  /** The circuit with those canonical edge indices. */
  public static Circuit of(ComputationGraph graph, BitSet edges) {
    if (edges.length() > graph.edgeCount()) {
      throw new IllegalArgumentException(
          "edge index=" + (edges.length() - 1) + " outside 0.." + (graph.edgeCount() - 1));
    }
    return new Circuit(graph, (BitSet) edges.clone());
  }

  /**
   * The circuit of those edges.
   *
   * @throws IllegalArgumentException if one belongs to another graph
   */
  public static Circuit of(ComputationGraph graph, Collection<Edge> edges) {
    BitSet set = new BitSet(graph.edgeCount());
    for (Edge e : edges) {
      int index = e.index();
      if (index < 0 || index >= graph.edgeCount() || !graph.edge(index).equals(e)) {
        throw new IllegalArgumentException(
            "edge \""
                + e
                + "\" with index="
                + index
                + " is of another graph than "
                + graph
                + "; look it up there by its name");
      }
      set.set(index);
    }
    return of(graph, set);
  }

  /**
   * The circuit of the edges of those names, at every position.
   *
   * @throws io.autocircuit.graph.UnknownNameException if one does not exist
   */
  public static Circuit named(ComputationGraph graph, Collection<String> names) {
    return of(graph, names.stream().flatMap(n -> graph.edges(n).stream()).toList());
  }

  /** All edges. */
  public static Circuit full(ComputationGraph graph) {
    BitSet all = new BitSet(graph.edgeCount());
    all.set(0, graph.edgeCount());
    return new Circuit(graph, all);
  }

  /** No edge. */
  public static Circuit empty(ComputationGraph graph) {
    return new Circuit(graph, new BitSet());
  }

  /** The graph. */
  public ComputationGraph graph() {
    return graph;
  }

  /** Number of edges. */
  public int size() {
    return edges.cardinality();
  }

  /** Whether the edge with that canonical index belongs to it. */
  public boolean contains(int edge) {
    return edges.get(edge);
  }

  /**
   * Whether the end reads, along edges of this circuit, the node that an edge leads to. Edges of
   * which that is not so change nothing.
   */
  public boolean reads(int edge) {
    return CircuitPlan.of(this, false, false).reads(edge);
  }

  /** Its canonical edge indices, as a copy. */
  public BitSet edgeSet() {
    return (BitSet) edges.clone();
  }

  /** Its edges in canonical order. */
  public List<Edge> edges() {
    return edges.stream().mapToObj(graph::edge).toList();
  }

  /**
   * The mask that evaluates it: 1 on its edges for {@link PatchType#EDGE_PATCH}, 1 on all others
   * for {@link PatchType#TREE_PATCH}.
   */
  public PatchMask mask(PatchType type) {
    float[] values = new float[graph.edgeCount()];
    if (type == PatchType.TREE_PATCH) {
      Arrays.fill(values, 1f);
    }
    float inside = type == PatchType.EDGE_PATCH ? 1f : 0f;
    edges.stream().forEach(i -> values[i] = inside);
    return PatchMask.of(graph, values);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Circuit c && c.graph.equals(graph) && c.edges.equals(edges);
  }

  @Override
  public int hashCode() {
    return edges.hashCode();
  }

  @Override
  public String toString() {
    return "Circuit[" + size() + " of " + graph.edgeCount() + " edges]";
  }
}
