package io.autocircuit.data;

import java.util.OptionalInt;

/** The token that stands for whatever a vocabulary lacks. */
public final class UnknownToken {
  private UnknownToken() {}

  /**
   * Finds it: two different texts that nobody uses have it in common.
   *
   * @param tokenizer whose vocabulary
   * @return empty where every text has tokens of its own
   */
  public static OptionalInt of(Tokenizer tokenizer) {
    int[] one = tokenizer.encodeAnswer("\uE0A1").ids();
    int[] other = tokenizer.encodeAnswer("\uE5B2\uE9C3\uE7D4").ids();
    boolean same =
        one.length > 0 && other.length > 0 && one[one.length - 1] == other[other.length - 1];
    return same ? OptionalInt.of(one[one.length - 1]) : OptionalInt.empty();
  }
}
