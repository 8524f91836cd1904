package io.autocircuit.kernels.cuda;

import java.util.Locale;

/**
 * A CUDA device that can be used.
 *
 * @param index its number, from 0
 * @param name what the maker calls it
 * @param major compute capability before the point
 * @param minor compute capability after the point
 * @param memoryBytes its memory
 * @param multiprocessors how many it has
 * @param sharedBytesPerBlock the most shared memory that a block may ask for
 * @param sharedBytesPerMultiprocessor the shared memory of a multiprocessor
 */
public record CudaDevice(
    int index,
    String name,
    int major,
    int minor,
    long memoryBytes,
    int multiprocessors,
    int sharedBytesPerBlock,
    int sharedBytesPerMultiprocessor) {
  /** The oldest compute capability that the kernels are written for: 8.0 (Ampere). */
  public static final int OLDEST_MAJOR = 8;

  /**
   * Whether the kernels run on it.
   *
   * @return whether it is
   */
  public boolean recentEnough() {
    return major >= OLDEST_MAJOR;
  }

  /**
   * For people: name, capability and memory.
   *
   * @return the line
   */
  public String description() {
    return String.format(
        Locale.ROOT,
        "%s, compute capability %d.%d, %.0f GiB",
        name,
        major,
        minor,
        memoryBytes / (double) (1L << 30));
  }
}
