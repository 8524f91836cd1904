package io.autocircuit.task;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.SrcNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.stream.IntStream;

/**
 * Collects the edges of a known circuit in a graph: pairs of nodes of which there is an edge, at
 * the positions of words. In a graph without positions every word is at position −1, and none has
 * to be known.
 */
final class EdgeCollector {
  /** The name of the node that the embedding writes. */
  static final String START = "Resid Start";

  /** The name of the node that the unembedding reads. */
  static final String END = "Resid End";

  private final String circuit;
  private final ComputationGraph graph;
  private final SortedMap<String, Integer> words;
  private final Map<String, SrcNode> sources = new HashMap<>();
  private final Map<String, DestNode> destinations = new HashMap<>();
  private final BitSet edges = new BitSet();

  /**
   * Begins with no edge.
   *
   * @param circuit its key, for messages
   * @param graph where the edges are
   * @param words positions of words, in the graph's counting
   */
  EdgeCollector(String circuit, ComputationGraph graph, SortedMap<String, Integer> words) {
    this.circuit = circuit;
    this.graph = graph;
    this.words = words;
    graph.sources().forEach(s -> sources.put(s.name(), s));
    graph.destinations().forEach(d -> destinations.put(d.name(), d));
  }

  /**
   * That the model has the shape that the circuit was found in.
   *
   * @return this
   * @throws IllegalArgumentException if not
   */
  EdgeCollector require(int blocks, int heads, Wiring wiring) {
    if (graph.blocks() != blocks || graph.heads() != heads || graph.wiring() != wiring) {
      throw new IllegalArgumentException(
          "circuit="
              + circuit
              + " belongs to a model of blocks="
              + blocks
              + ", heads="
              + heads
              + ", wiring="
              + wiring
              + ", but this one has blocks="
              + graph.blocks()
              + ", heads="
              + graph.heads()
              + ", wiring="
              + graph.wiring()
              + "; take the model that the task names");
    }
    return this;
  }

  /**
   * That queries, keys and values have inputs of their own, or have not.
   *
   * @return this
   * @throws IllegalArgumentException if not
   */
  EdgeCollector requireSeparateQkv(boolean separate) {
    if (graph.separateQkv() != separate) {
      throw new IllegalArgumentException(
          "circuit="
              + circuit
              + " is known for graphs of separateQkv="
              + separate
              + "; give --separate-qkv="
              + separate
              + ", or another circuit");
    }
    return this;
  }

  /**
   * Where a word is.
   *
   * @return −1 in a graph without positions
   * @throws IllegalArgumentException if the prompts do not name it, or it lies outside the graph
   */
  int position(String word) {
    if (graph.positions() == 0) {
      return -1;
    }
    Integer position = words.get(word);
    if (position == null) {
      throw new IllegalArgumentException(
          "circuit="
              + circuit
              + " needs word=\""
              + word
              + "\" in the prompts' word_idxs, which have "
              + (words.isEmpty() ? "none" : String.join(", ", words.keySet()))
              + "; give prompts with word_idxs, or leave --token-positions away");
    }
    if (position < 0 || position >= graph.positions()) {
      throw new IllegalArgumentException(
          "circuit="
              + circuit
              + " needs word=\""
              + word
              + "\" at position="
              + position
              + ", outside the graph's positions=0.."
              + (graph.positions() - 1)
              + "; give prompts of one template, uncut there");
    }
    return position;
  }

  /** Where words are, in their order; each position once. */
  List<Integer> positions(String... names) {
    return Arrays.stream(names).map(this::position).distinct().toList();
  }

  /** All positions; −1 alone in a graph without. */
  List<Integer> everywhere() {
    return graph.positions() == 0
        ? List.of(-1)
        : IntStream.range(0, graph.positions()).boxed().toList();
  }

  /** Adds all edges from one of the sources to one of the destinations, where there are such. */
  void pairs(Collection<String> from, Collection<String> to, int position) {
    for (String d : to) {
      DestNode destination = destinations.get(d);
      for (String s : from) {
        SrcNode source = sources.get(s);
        if (source == null || destination == null) {
          throw new IllegalStateException("no node for " + s + "->" + d + " in " + graph);
        }
        if (destination.reads(source)) {
          add(source, destination, position);
        }
      }
    }
  }

  /** Like {@link #pairs(Collection, Collection, int)} at each of some positions. */
  void pairs(Collection<String> from, Collection<String> to, Collection<Integer> positions) {
    positions.forEach(p -> pairs(from, to, p));
  }

  private void add(SrcNode source, DestNode destination, int position) {
    edges.set(
        graph.index(
            graph.module(destination.module()),
            Math.max(0, destination.head()),
            source.index(),
            Math.max(0, position)));
  }

  /**
   * Adds all edges of which the source is no attention head, or one that is kept, at the positions
   * where it is.
   *
   * @param kept the positions of heads, by the head's name
   */
  void heads(Map<String, List<Integer>> kept) {
    for (DestNode destination : graph.destinations()) {
      int first = destination.firstSource();
      for (SrcNode source : graph.sources().subList(first, first + destination.sources())) {
        List<Integer> at =
            source.head() < 0 ? everywhere() : kept.getOrDefault(source.name(), List.of());
        at.forEach(p -> add(source, destination, p));
      }
    }
  }

  /** The edges, in canonical order. */
  List<Edge> edges() {
    List<Edge> all = new ArrayList<>(edges.cardinality());
    edges.stream().forEach(i -> all.add(graph.edge(i)));
    return all;
  }
}
