package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.List;

/**
 * A circuit: the part of a model that is thought to compute some behaviour, as a set of edges of
 * its computation graph. The word is that of Olah et al. 2020, "Zoom in: an introduction to
 * circuits"; circuits of edges between heads and MLPs are those of Conmy et al. 2023, "Towards
 * automated circuit discovery for mechanistic interpretability", arXiv:2304.14997. How one is run
 * is the choice of a {@link PatchType}.
 *
 * <p>Immutable. Equality is by graph and edges.
 */
public final class Circuit {
  private final ComputationGraph graph;
  private final BitSet edges;

  private Circuit(ComputationGraph graph, BitSet edges) {
    this.graph = graph;
    this.edges = edges;
  }

  /**
   * The circuit with those canonical edge indices.
   *
   * @param graph the graph that the indices count in
   * @param edges 0 to {@code graph.edgeCount() − 1}; copied
   * @return the circuit
   * @throws IllegalArgumentException if an index is outside the graph
   */
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
   * @param graph where they must be found
   * @param edges in any order; each counts once
   * @return the circuit
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
                + " is not of this "
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
   * @param graph where they are looked up
   * @param names {@code source->destination}, such as {@code MLP 2->A4.2.V}
   * @return the circuit
   * @throws io.autocircuit.graph.UnknownNameException if one does not exist
   */
  public static Circuit named(ComputationGraph graph, Collection<String> names) {
    return of(graph, names.stream().flatMap(n -> graph.edges(n).stream()).toList());
  }

  /**
   * All edges.
   *
   * @param graph whose edges
   * @return the circuit that is the whole model
   */
  public static Circuit full(ComputationGraph graph) {
    BitSet all = new BitSet(graph.edgeCount());
    all.set(0, graph.edgeCount());
    return new Circuit(graph, all);
  }

  /**
   * No edge.
   *
   * @param graph whose edges could be in it
   * @return the circuit of size 0
   */
  public static Circuit empty(ComputationGraph graph) {
    return new Circuit(graph, new BitSet());
  }

  /**
   * The graph that it is a part of.
   *
   * @return as given when it was made
   */
  public ComputationGraph graph() {
    return graph;
  }

  /**
   * Number of edges, those at different positions counted each.
   *
   * @return 0 to {@code graph().edgeCount()}
   */
  public int size() {
    return edges.cardinality();
  }

  /**
   * Whether an edge belongs to it.
   *
   * @param edge canonical index, 0 or more
   * @return false also beyond the graph's last edge
   */
  public boolean contains(int edge) {
    return edges.get(edge);
  }

  /**
   * Its canonical edge indices.
   *
   * @return a copy, the caller's to change
   */
  public BitSet edgeSet() {
    return (BitSet) edges.clone();
  }

  /**
   * Its edges.
   *
   * @return in canonical order; made anew by each call
   */
  public List<Edge> edges() {
    return edges.stream().mapToObj(graph::edge).toList();
  }

  /**
   * The mask that evaluates it: 1 on its edges for {@link PatchType#EDGE_PATCH}, 1 on all others
   * for {@link PatchType#TREE_PATCH}.
   *
   * @param type which edges are ablated
   * @return a mask of zeros and ones that all prompts share
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
