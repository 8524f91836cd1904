package io.autocircuit.graph;

import java.util.BitSet;

/**
 * Nodes that are left without any input: what EAP-IG's evaluation ablates besides, as it prunes a
 * circuit before it runs it.
 */
public final class StarvedNodes {
  private final ComputationGraph graph;

  /**
   * Of a graph.
   *
   * @param graph a factorized graph
   * @throws IllegalArgumentException if it is unfactorized, or has an edge for each position, whose
   *     nodes are starved position by position
   */
  public StarvedNodes(ComputationGraph graph) {
    if (!graph.factorized() || graph.positionCopies() > 1) {
      throw new IllegalArgumentException(
          "starved nodes are those of graph=factorized with token_positions=false; choose these, or"
              + " leave --starved out");
    }
    this.graph = graph;
  }

  /**
   * Adds, from the start on, the edges that leave heads and MLPs all of whose incoming edges are
   * ablated (a head's through queries, keys and values together).
   *
   * @param ablated canonical indices of edges
   * @return a new set
   */
  public BitSet with(BitSet ablated) {
    BitSet all = (BitSet) ablated.clone();
    boolean[] starved = new boolean[graph.sources().size()];
    for (Stage stage : graph.stages()) {
      boolean[] fed = new boolean[stage.written()];
      boolean reads = stage.rows() > 0;
      for (int row = 0; row < stage.rows(); row++) {
        boolean left = false;
        DestModule module = stage.module(row);
        for (int s = 0; s < stage.sources(); s++) {
          int first = graph.index(module, stage.node(row), stage.firstSource() + s, 0);
          int end = first + graph.positionCopies();
          if (starved[stage.firstSource() + s]) {
            all.set(first, end);
          }
          left |= all.nextClearBit(first) < end;
        }
        for (int i = 0; left && i < stage.fed(row); i++) {
          fed[stage.firstFed(row) - stage.firstWritten() + i] = true;
        }
      }
      for (int i = 0; reads && i < fed.length; i++) {
        starved[stage.firstWritten() + i] = !fed[i];
      }
    }
    return all;
  }
}
