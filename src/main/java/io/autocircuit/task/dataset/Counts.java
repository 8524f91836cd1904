package io.autocircuit.task.dataset;

/** How many pairs are meant. */
final class Counts {
  private Counts() {}

  /** A positive number, or what is usual: 0 for as many as there are. */
  static int of(DatasetGenerator generator, int count) {
    if (count < 0) {
      throw new IllegalArgumentException(
          "count=" + count + " is out of range; give a whole number from 1");
    }
    return count == DatasetGenerator.USUAL ? generator.usualCount() : count;
  }
}
