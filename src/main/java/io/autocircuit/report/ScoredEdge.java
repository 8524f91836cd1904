package io.autocircuit.report;

import java.util.Objects;

/**
 * An edge of the computation graph with the score that a prune algorithm gave it.
 *
 * @param name the edge's printed name, for instance {@code A0.1->A1.0.K}
 * @param source name of the node the edge leaves
 * @param destination name of the node input the edge enters, for instance {@code A1.0.K}
 * @param seqIdx token position of the edge, or null if it stands for all positions
 * @param score the score; its magnitude is the edge's importance. An infinite score marks an edge
 *     that was never removed. NaN is accepted: such edges are listed last and not drawn.
 */
public record ScoredEdge(
    String name, String source, String destination, Integer seqIdx, double score) {
  /**
   * @param name the edge's printed name, for instance {@code A0.1->A1.0.K}
   * @param source name of the node the edge leaves
   * @param destination name of the node input the edge enters, for instance {@code A1.0.K}
   * @param seqIdx token position of the edge, or null if it stands for all positions
   * @param score the score; its magnitude is the edge's importance. An infinite score marks an edge
   *     that was never removed. NaN is accepted: such edges are listed last and not drawn.
   * @throws NullPointerException if a name is null
   * @throws IllegalArgumentException if {@code seqIdx} is negative
   */
  public ScoredEdge {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(source, "source");
    Objects.requireNonNull(destination, "destination");
    if (seqIdx != null && seqIdx < 0) {
      throw new IllegalArgumentException(
          "seqIdx=" + seqIdx + " of edge=" + name + ": give a position from 0, or null for all");
    }
  }
}
