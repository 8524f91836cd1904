package io.autocircuit.experiment;

/**
 * Where a run was computed, and how. No part of a run's hash: these change numbers by rounding
 * alone. A repetition uses the same threads and memory, so that on the same machine it gives the
 * same bits.
 *
 * @param device {@code cpu}, or {@code cuda:N}
 * @param kernels the name of the kernels, with their instruction set
 * @param threads how many threads there were
 * @param memory the native memory that runs could take, in bytes
 */
public record Machine(String device, String kernels, int threads, long memory) {
  /**
   * Checks the numbers.
   *
   * @param device {@code cpu}, or {@code cuda:N}
   * @param kernels the name of the kernels, with their instruction set
   * @param threads how many threads there were
   * @param memory the native memory that runs could take, in bytes
   * @throws IllegalArgumentException if one is not positive
   */
  public Machine {
    if (threads < 1 || memory < 1) {
      throw new IllegalArgumentException(
          "threads=" + threads + ", memory=" + memory + " must be positive");
    }
  }
}
