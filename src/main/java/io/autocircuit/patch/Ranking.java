package io.autocircuit.patch;

import java.util.Arrays;
import java.util.stream.IntStream;

/** Orders what is scored. */
final class Ranking {
  private Ranking() {}

  /**
   * Indices by descending |score|; equal scores by descending tie break, then as they are.
   *
   * @param tieBreaks as many as values, or empty
   */
  static int[] of(float[] values, float[] tieBreaks) {
    // |score| bits of a non-negative float sort like the float; the index breaks ties
    long[] keys = new long[values.length];
    for (int i = 0; i < keys.length; i++) {
      long bits = Float.floatToRawIntBits(Math.abs(values[i])) & 0xffffffffL;
      keys[i] = ((0x7fffffffL - bits) << 32) | i;
    }
    return sorted(keys, tieBreaks);
  }

  /**
   * The same by descending score, negative ones last.
   *
   * @param tieBreaks as many as values, or empty
   */
  static int[] signed(float[] values, float[] tieBreaks) {
    long[] keys = new long[values.length];
    for (int i = 0; i < keys.length; i++) {
      int bits = Float.floatToRawIntBits(values[i] + 0f); // -0 equals 0
      // of negative numbers the bits sort the other way round
      int ascending = bits >= 0 ? bits : bits ^ 0x7fffffff;
      keys[i] = ((long) ~ascending << 32) | i;
    }
    return sorted(keys, tieBreaks);
  }

  /** The lower halves of keys that are sorted; where the upper ones are equal, by tie break. */
  private static int[] sorted(long[] keys, float[] tieBreaks) {
    Arrays.parallelSort(keys);
    int[] order = new int[keys.length];
    for (int i = 0; i < keys.length; i++) {
      order[i] = (int) keys[i];
    }
    for (int from = 0, to; tieBreaks.length > 0 && from < order.length; from = to) {
      to = from + 1;
      while (to < order.length && keys[to] >> 32 == keys[from] >> 32) {
        to++;
      }
      breakTies(tieBreaks, order, from, to);
    }
    return order;
  }

  /** Sorts equal scores by descending tie break; a stable sort keeps the order below. */
  private static void breakTies(float[] tieBreaks, int[] order, int from, int to) {
    if (to - from > 1) {
      int[] sorted =
          IntStream.range(from, to)
              .mapToObj(i -> order[i])
              .sorted((a, b) -> Float.compare(tieBreaks[b], tieBreaks[a]))
              .mapToInt(Integer::intValue)
              .toArray();
      System.arraycopy(sorted, 0, order, from, sorted.length);
    }
  }
}
