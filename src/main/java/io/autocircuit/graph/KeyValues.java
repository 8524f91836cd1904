package io.autocircuit.graph;

import java.util.Locale;

/**
 * How many key and value inputs a block of a factorized graph has in a model in which groups of
 * neighbouring query heads share one key and one value head (grouped-query attention: Ainslie et
 * al. 2023, arXiv:2305.13245). In other models, and where a head has one input for its query, key
 * and value, both are the same graph.
 */
public enum KeyValues {
  /**
   * As many as the model has key/value heads: {@code A3.1.K} is what group 1 of block 3 reads as
   * keys.
   */
  GROUPED,
  /**
   * As many as it has query heads, each with a copy of its group's keys and values:
   * TransformerLens's ungrouped view, in which {@code A3.1.K} is what head 1 reads.
   */
  PER_QUERY;

  /**
   * What a graph has.
   *
   * @param graph any
   * @return grouped if it has fewer key and value inputs than query heads
   */
  public static KeyValues of(ComputationGraph graph) {
    return graph.keyValueHeads() < graph.heads() ? GROUPED : PER_QUERY;
  }

  /**
   * Its name in files and on the command line.
   *
   * @return {@code grouped} or {@code per-query}
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
