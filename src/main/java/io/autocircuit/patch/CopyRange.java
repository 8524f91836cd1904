package io.autocircuit.patch;

/**
 * Neighbouring copies of the prompts, {@code first} to {@code end − 1}.
 *
 * @param first the first copy
 * @param end the one after the last
 */
record CopyRange(int first, int end) {
  static final CopyRange NONE = new CopyRange(Integer.MAX_VALUE, 0);

  /** From the first of both to the last of both. */
  CopyRange with(CopyRange other) {
    return new CopyRange(Math.min(first, other.first), Math.max(end, other.end));
  }

  CopyRange with(int copy) {
    return with(new CopyRange(copy, copy + 1));
  }

  boolean isEmpty() {
    return end <= first;
  }

  int size() {
    return end - first;
  }
}
