package io.autocircuit.graph;

import java.util.List;

/**
 * The destinations that share one hook: all heads' query inputs of a block, say. Its edges are
 * contiguous in the canonical order; the edge from source {@code s} to head {@code h} at position
 * {@code t} has the index {@code offset + (h·sources + s − firstSource)·P + t}, with P = max(1,
 * positions).
 *
 * @param name the TransformerLens hook
 * @param nodes its destinations, by head
 * @param firstSource the index of the first source that they read; 0 in a factorized graph
 * @param sources the number of sources each of them reads
 * @param offset the index of its first edge
 * @param perHead whether the hook has a head axis
 */
public record DestModule(
    String name, List<DestNode> nodes, int firstSource, int sources, int offset, boolean perHead) {

  /**
   * Keeps an unmodifiable copy of {@code nodes}.
   *
   * @param name a hook such as {@code blocks.0.hook_q_input}
   * @param nodes at least one, all of one block, layer and kind of input
   * @param firstSource 0 or more
   * @param sources at least 1
   * @param offset 0 or more
   * @param perHead true: a node for each head, or for each group of heads that share keys or
   *     values; false: one node
   */
  public DestModule {
    nodes = List.copyOf(nodes);
  }

  /** The same with its edges from an index on. */
  DestModule at(int newOffset) {
    return new DestModule(name, nodes, firstSource, sources, newOffset, perHead);
  }

  /**
   * What its destinations read.
   *
   * @return the same for all of them
   */
  public DestNode.Input input() {
    return nodes.get(0).input();
  }

  /**
   * The block it belongs to.
   *
   * @return 0 to L − 1 of L blocks; L for the end of the stream
   */
  public int block() {
    return nodes.get(0).block();
  }
}
