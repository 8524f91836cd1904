package io.autocircuit.graph;

import java.util.List;

/**
 * The destinations that share one hook: all heads' query inputs of a block, say. Its edges are
 * contiguous in the canonical order; the edge from source {@code s} to head {@code h} at position
 * {@code t} has the index {@code offset + (h·sources + s)·P + t}, with P = max(1, positions).
 *
 * @param name the TransformerLens hook
 * @param nodes its destinations, by head
 * @param sources the number of sources each of them reads
 * @param offset the index of its first edge
 * @param perHead whether the hook has a head axis
 */
public record DestModule(
    String name, List<DestNode> nodes, int sources, int offset, boolean perHead) {

  /**
   * Keeps an unmodifiable copy of {@code nodes}.
   *
   * @param name the TransformerLens hook
   * @param nodes its destinations, by head
   * @param sources the number of sources each of them reads
   * @param offset the index of its first edge
   * @param perHead whether the hook has a head axis
   */
  public DestModule {
    nodes = List.copyOf(nodes);
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
   * @return from 0; the number of blocks for the end
   */
  public int block() {
    return nodes.get(0).block();
  }
}
