package io.autocircuit.task;

import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.graph.KeyValues;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;

/**
 * A circuit of a task that is known: published, or that of the program a model was compiled from.
 *
 * @param key its name in options and files: lower-case letters and digits, words parted by {@code
 *     -}
 * @param title its name for people
 * @param description what it is, in a sentence without a full stop
 * @param source where it comes from
 * @param edges finds its edges in a graph
 * @param ofSources whether it says what sources are kept, whoever reads them, so that {@code edges}
 *     finds it in unfactorized graphs too
 */
public record KnownCircuit(
    String key, String title, String description, Source source, Edges edges, boolean ofSources) {

  /** Finds the edges of a circuit in a graph. */
  @FunctionalInterface
  public interface Edges {
    /**
     * The edges, in any order.
     *
     * @param graph of the task's model, with or without token positions, with or without separate
     *     query, key and value inputs; factorized unless the circuit is one of sources
     * @param words positions of the prompts' words by name, BOS counted, in the graph's own
     *     counting; empty for prompts without
     * @return existing edges of the graph, each once
     * @throws IllegalArgumentException if the circuit is not defined on such a graph, or a word is
     *     missing; the message says which
     */
    List<Edge> of(ComputationGraph graph, SortedMap<String, Integer> words);
  }

  /**
   * Checks that nothing is null.
   *
   * @param key its name in options and files
   * @param title its name for people
   * @param description what it is
   * @param source where it comes from
   * @param edges finds its edges in a graph
   * @param ofSources whether it says what sources are kept
   */
  public KnownCircuit {
    Objects.requireNonNull(key, "key");
    Objects.requireNonNull(title, "title");
    Objects.requireNonNull(description, "description");
    Objects.requireNonNull(source, "source");
    Objects.requireNonNull(edges, "edges");
  }

  /**
   * A circuit of edges of factorized graphs.
   *
   * @param key its name in options and files
   * @param title its name for people
   * @param description what it is
   * @param source where it comes from
   * @param edges finds its edges in a graph
   */
  public KnownCircuit(String key, String title, String description, Source source, Edges edges) {
    this(key, title, description, source, edges, false);
  }

  /**
   * Its edges in a graph of any form. Where heads share key and value inputs, an edge of a group is
   * in it if one of its heads' is ({@link KeyValueGroups#union}). In an unfactorized graph a
   * circuit of edges is what the nodes that its edges join write, and the stream.
   *
   * @param graph of the task's model
   * @param words as {@link Edges#of} takes them
   * @return existing edges of the graph, each once
   * @throws IllegalArgumentException as {@link Edges#of}
   */
  public List<Edge> in(ComputationGraph graph, SortedMap<String, Integer> words) {
    if (KeyValues.of(graph) == KeyValues.GROUPED) {
      KeyValueGroups groups = KeyValueGroups.of(graph);
      BitSet theirs = new BitSet();
      edges.of(groups.perQuery(), words).forEach(e -> theirs.set(e.index()));
      return groups.union(theirs).stream().mapToObj(graph::edge).toList();
    }
    if (graph.factorized() || ofSources) {
      return edges.of(graph, words);
    }
    ComputationGraph factorized =
        ComputationGraph.factorized(
            graph.blocks(), graph.heads(), graph.wiring(), true, graph.positions());
    BitSet found = new BitSet();
    edges.of(factorized, words).forEach(e -> found.set(e.index()));
    GraphNodes theirs = factorized.nodes();
    GraphNodes ours = graph.nodes();
    BitSet kept = new BitSet();
    theirs.joined(found).stream()
        .mapToObj(n -> theirs.all().get(n))
        .forEach(n -> kept.set(ours.node(n.name(), n.position()).index()));
    return ours.edges(kept).stream().mapToObj(graph::edge).toList();
  }
}
