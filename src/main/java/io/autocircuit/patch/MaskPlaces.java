package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import java.util.Arrays;

/**
 * Which of an edge's copies each position of each prompt reads: none of several where one edge
 * stands for all positions, that of the position itself in a graph with token positions, that of
 * the position's span in a graph with spans. The one place where positions of prompts become
 * positions of masks.
 *
 * @param prompts B where prompts differ, else 1
 * @param positions T, or 1 where one edge stands for all positions
 * @param columns {@code [prompts × positions]}
 */
record MaskPlaces(int prompts, int positions, int[] columns) {
  /**
   * Reads the prompts.
   *
   * @throws IllegalArgumentException if they do not fit the graph
   */
  static MaskPlaces of(ComputationGraph graph, TokenBatch tokens) {
    int length = tokens.length();
    if (graph.positions() == 0) {
      return new MaskPlaces(1, 1, new int[1]);
    }
    if (graph.spans().isEmpty()) {
      if (graph.positions() != length) {
        throw new IllegalArgumentException(
            "prompt length="
                + length
                + " but the graph has positions="
                + graph.positions()
                + "; with token positions all prompts need that length");
      }
      int[] columns = new int[length];
      Arrays.setAll(columns, t -> t);
      return new MaskPlaces(1, length, columns);
    }
    int[] spans = tokens.spans();
    if (spans == null || Arrays.stream(spans).anyMatch(s -> s < 0 || s >= graph.positions())) {
      throw new IllegalArgumentException(
          "the graph has spans="
              + graph.spans()
              + (spans == null
                  ? " but the prompts have none; give them by Spans.on"
                  : " but the prompts are of other spans; give them by the same Spans"));
    }
    for (int i = 1; i < tokens.batchSize(); i++) {
      if (!Arrays.equals(spans, 0, length, spans, i * length, (i + 1) * length)) {
        return new MaskPlaces(tokens.batchSize(), length, spans);
      }
    }
    return new MaskPlaces(1, length, Arrays.copyOf(spans, length));
  }

  /**
   * The copy that a position reads.
   *
   * @param prompt any where {@link #prompts} is 1
   * @param position any where {@link #positions} is 1
   */
  int column(int prompt, int position) {
    return columns[(prompts == 1 ? 0 : prompt) * positions + (positions == 1 ? 0 : position)];
  }

  /** How many masks the batch needs, for a mask of so many instances. */
  int rows(int instances) {
    return Math.max(prompts, Math.max(1, instances));
  }

  /** Whether no position from one on reads a copy. */
  boolean endsBefore(int column, int position) {
    for (int i = 0; i < columns.length; i++) {
      if (columns[i] == column && i % positions >= position) {
        return false;
      }
    }
    return true;
  }
}
