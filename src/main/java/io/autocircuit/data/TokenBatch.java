package io.autocircuit.data;

import java.util.Arrays;
import java.util.Objects;

/**
 * Token ids of several prompts, padded on the left to one length.
 *
 * @param ids row-major {@code [batchSize × length]}
 * @param batchSize number of prompts B
 * @param length number of positions T, padding included
 * @param padding leading pad positions of each prompt, {@code [B]}; all zero when nothing is padded
 * @param spans the number of the span of each position, {@code [batchSize × length]}; null where
 *     prompts have no spans ({@link Spans#on})
 */
public record TokenBatch(int[] ids, int batchSize, int length, int[] padding, int[] spans) {
  /**
   * Prompts without spans.
   *
   * @param ids row-major {@code [batchSize × length]}
   * @param batchSize number of prompts B
   * @param length number of positions T, padding included
   * @param padding leading pad positions of each prompt, {@code [B]}; all zero when nothing is
   *     padded
   */
  public TokenBatch(int[] ids, int batchSize, int length, int[] padding) {
    this(ids, batchSize, length, padding, null);
  }

  /**
   * The same prompts with spans.
   *
   * @param ofPositions the number of the span of each position, {@code [batchSize × length]}
   * @return a batch that knows them
   * @throws IllegalArgumentException if there are more or fewer positions
   */
  public TokenBatch withSpans(int[] ofPositions) {
    if (ofPositions.length != ids.length) {
      throw new IllegalArgumentException(
          "spans of positions=" + ofPositions.length + " but the prompts have " + ids.length);
    }
    return new TokenBatch(ids, batchSize, length, padding, ofPositions);
  }

  /**
   * Some neighbouring prompts, at the same length: their common padding stays.
   *
   * @param from the first prompt
   * @param to the one after the last
   * @return a batch of {@code to - from} prompts
   * @throws IndexOutOfBoundsException if there are no such prompts
   */
  public TokenBatch slice(int from, int to) {
    Objects.checkFromToIndex(from, to, batchSize);
    return new TokenBatch(
        Arrays.copyOfRange(ids, from * length, to * length),
        to - from,
        length,
        Arrays.copyOfRange(padding, from, to),
        spans == null ? null : Arrays.copyOfRange(spans, from * length, to * length));
  }
}
