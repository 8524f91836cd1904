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
 */
public record TokenBatch(int[] ids, int batchSize, int length, int[] padding) {
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
        Arrays.copyOfRange(padding, from, to));
  }
}
