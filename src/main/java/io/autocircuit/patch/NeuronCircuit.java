package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;

/**
 * A circuit of edges of which each source keeps some of the numbers that it writes, its neurons:
 * EAP-IG's circuits of neurons. With one neuron for each source it is a circuit of nodes, in which
 * the start of the stream is a node like others.
 *
 * @param circuit the edges
 * @param neurons the neurons that are in, by {@code source · width + dimension}
 * @param width how many neurons a source has: D, or 1
 */
public record NeuronCircuit(Circuit circuit, BitSet neurons, int width) {
  /**
   * Keeps a copy.
   *
   * @param circuit the edges
   * @param neurons by {@code source · width + dimension}
   * @param width how many neurons a source has
   * @throws IllegalArgumentException if a neuron is outside the graph
   */
  public NeuronCircuit {
    neurons = (BitSet) neurons.clone();
    int all = circuit.graph().sources().size() * width;
    if (neurons.length() > all) {
      throw new IllegalArgumentException(
          "neuron=" + (neurons.length() - 1) + " outside 0.." + (all - 1));
    }
  }

  /**
   * The circuit of the neurons of the best scores: all edges that leave a source of which a neuron
   * is in. Neurons without a score are always in. Equal scores go by index.
   *
   * @param graph whose sources are scored
   * @param scores {@code [sources · width]}; NaN where there is none
   * @param width how many neurons a source has
   * @param count how many are taken, beside those without a score
   * @param how by score or |score|; pruned, the circuit has only edges between such sources, and to
   *     the end. A source that reads none of the others stays: it is chosen. The rule is not read
   * @return the circuit
   * @throws IllegalArgumentException if there are fewer scores, or they do not fit
   */
  public static NeuronCircuit top(
      ComputationGraph graph, float[] scores, int width, int count, CircuitSelection how) {
    BitSet in = unscored(graph, scores, width);
    List<Integer> scored = new ArrayList<>();
    for (int i = in.nextClearBit(0); i < scores.length; i = in.nextClearBit(i + 1)) {
      scored.add(i);
    }
    if (count < 0 || count > scored.size()) {
      throw new IllegalArgumentException(
          "count=" + count + " outside 0.." + scored.size() + "; choose a size in that range");
    }
    scored.sort(
        Comparator.comparingDouble(i -> -(how.signed() ? scores[i] : Math.abs(scores[i])) + 0.0));
    scored.subList(0, count).forEach(in::set);
    return of(graph, in, width, how.prune());
  }

  /**
   * The circuit of the neurons whose score reaches a threshold; those without one are always in.
   *
   * @param graph whose sources are scored
   * @param scores {@code [sources · width]}; NaN where there is none
   * @param width how many neurons a source has
   * @param threshold the least score, or |score|
   * @param how as of {@link #top}
   * @return the circuit
   * @throws IllegalArgumentException if the scores do not fit
   */
  public static NeuronCircuit reaching(
      ComputationGraph graph, float[] scores, int width, double threshold, CircuitSelection how) {
    BitSet in = unscored(graph, scores, width);
    in.or(CircuitSelection.reaching(scores, threshold, how.signed()));
    return of(graph, in, width, how.prune());
  }

  private static BitSet unscored(ComputationGraph graph, float[] scores, int width) {
    if (scores.length != graph.sources().size() * width) {
      throw new IllegalArgumentException(
          "scores=" + scores.length + " do not fit sources=" + graph.sources().size());
    }
    BitSet none = new BitSet(scores.length);
    for (int i = 0; i < scores.length; i++) {
      none.set(i, Float.isNaN(scores[i]));
    }
    return none;
  }

  /** All edges that leave a source of which a neuron is in, or those of them between such. */
  private static NeuronCircuit of(ComputationGraph graph, BitSet in, int width, boolean pruned) {
    BitSet edges = new BitSet(graph.edgeCount());
    for (int e = 0; e < graph.edgeCount(); e++) {
      edges.set(e, any(in, graph.edge(e).source().index(), width));
    }
    if (pruned) {
      edges.and(between(graph, in, width));
    }
    return new NeuronCircuit(Circuit.of(graph, edges), in, width);
  }

  /** The edges that lead to a source of which a neuron is in, or to the end. */
  private static BitSet between(ComputationGraph graph, BitSet in, int width) {
    BitSet edges = new BitSet(graph.edgeCount());
    for (int e : graph.nodes().into(graph.sources().size())) {
      edges.set(e);
    }
    for (int s = 0; s < graph.sources().size(); s++) {
      if (any(in, s, width)) {
        for (int e : graph.nodes().into(s)) {
          edges.set(e);
        }
      }
    }
    return edges;
  }

  private static boolean any(BitSet in, int source, int width) {
    int first = in.nextSetBit(source * width);
    return first >= 0 && first < (source + 1) * width;
  }

  /**
   * The weighted edge count: each edge by the share of its source's neurons that are in.
   *
   * @return from 0 to the number of edges
   */
  public double weightedEdges() {
    return circuit.edges().stream()
        .mapToDouble(
            e -> {
              int s = e.source().index();
              return (double) neurons.get(s * width, (s + 1) * width).cardinality() / width;
            })
        .sum();
  }
}
