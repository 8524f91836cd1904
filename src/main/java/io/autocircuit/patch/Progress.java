package io.autocircuit.patch;

/** Told how far a long computation has come. */
@FunctionalInterface
public interface Progress {
  /** Ignores everything. */
  Progress SILENT = (what, done, total) -> {};

  /**
   * Reports.
   *
   * @param what what is counted, in a word or two: {@code gradient passes}, say
   * @param done finished steps
   * @param total all steps
   */
  void update(String what, long done, long total);
}
