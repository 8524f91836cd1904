package io.autocircuit.fuzz;

import com.sun.management.ThreadMXBean;
import io.autocircuit.files.DataException;
import java.lang.management.ManagementFactory;

/** What must hold whenever untrusted bytes are read. */
public final class Bounded {
  /** Java heap that reading may use whatever the input, for buffers. */
  private static final long FIXED_BYTES = 4L << 20;

  /** Java heap that reading may use for each byte of input: an empty JSON array is two bytes. */
  private static final long BYTES_PER_BYTE = 1000;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private Bounded() {}

  /**
   * Runs {@code reading}, which may throw {@link DataException} with a short message of one line,
   * and nothing else, and may allocate Java heap only in proportion to its input.
   *
   * @param inputBytes the size of the input
   * @return whether it ended without exception
   */
  public static boolean reads(int inputBytes, Runnable reading) {
    long limit = FIXED_BYTES + BYTES_PER_BYTE * inputBytes;
    Outcome outcome = run(reading);
    if (outcome.allocated() > limit) {
      // The first time, classes are loaded, and instrumented on this thread: only again is proof.
      outcome = run(reading);
    }
    if (outcome.allocated() > limit) {
      throw new AssertionError(
          "inputBytes=" + inputBytes + " made it allocate bytes=" + outcome.allocated());
    }
    if (outcome.refused() != null) {
      String message = outcome.refused().getMessage();
      if (message.length() > 3000 || message.codePoints().anyMatch(Character::isISOControl)) {
        throw new AssertionError("not one short line: " + message, outcome.refused());
      }
    }
    return outcome.refused() == null;
  }

  private record Outcome(long allocated, DataException refused) {}

  private static Outcome run(Runnable reading) {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    DataException refused = null;
    try {
      reading.run();
    } catch (DataException e) {
      refused = e;
    }
    return new Outcome(THREADS.getCurrentThreadAllocatedBytes() - before, refused);
  }
}
