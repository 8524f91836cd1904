package io.autocircuit.patch;

import java.util.function.IntPredicate;

/**
 * How many circuits are evaluated in one run: as many copies of the prompts.
 *
 * <p>Copies share the calls of a run, not its arithmetic. On the processor they pay while a run of
 * one circuit has so few rows (prompts × positions) that calls take most of its time; beyond some
 * hundred rows the differences Δ of the copies no longer stay in its caches, and several circuits
 * at once are slower than one after another. The numbers are from the table in docs/performance.md.
 * A device wants rows until it is full.
 */
final class CircuitsAtOnce {
  /** Rows of one circuit up to which several at once were faster on the processor. */
  static final int PAYS = 200;

  /** Rows of all copies up to which more copies were faster there. */
  static final int ROWS = 640;

  /** The widest model, D, for which that was measured. */
  static final int WIDTH = 64;

  /** Copies beyond which little was gained. */
  static final int MOST = 16;

  /** Rows that shall fill a CUDA device; not measured. */
  static final int DEVICE_ROWS = 4096;

  /** Copies on a device; not measured. */
  static final int DEVICE_MOST = 64;

  private CircuitsAtOnce() {}

  /**
   * The number for some prompts: a power of two.
   *
   * @param device whether the model is on a device, not on the processor
   * @param width D of the model
   * @param rows prompts × positions of one circuit
   * @param fits whether so many circuits at once fit into memory; asked for 2 and more
   * @return 1 or more
   */
  static int of(boolean device, int width, long rows, IntPredicate fits) {
    if (!device && (width > WIDTH || rows > PAYS)) {
      return 1;
    }
    int most = device ? DEVICE_MOST : MOST;
    long room = device ? DEVICE_ROWS : ROWS;
    int count = 1;
    while (2 * count <= most && 2L * count * rows <= room && fits.test(2 * count)) {
      count *= 2;
    }
    return count;
  }
}
