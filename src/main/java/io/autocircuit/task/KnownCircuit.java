package io.autocircuit.task;

import io.autocircuit.catalogue.Source;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
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
 */
public record KnownCircuit(
    String key, String title, String description, Source source, Edges edges) {

  /** Finds the edges of a circuit in a graph. */
  @FunctionalInterface
  public interface Edges {
    /**
     * The edges, in any order.
     *
     * @param graph of the task's model, with or without token positions, with or without separate
     *     query, key and value inputs
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
   */
  public KnownCircuit {
    Objects.requireNonNull(key, "key");
    Objects.requireNonNull(title, "title");
    Objects.requireNonNull(description, "description");
    Objects.requireNonNull(source, "source");
    Objects.requireNonNull(edges, "edges");
  }
}
