package io.autocircuit.fuzz;

/** Fails on inputs that begin with "bug": the fuzzer must find one, else it is not fuzzing. */
public final class PlantedBugTarget {
  private PlantedBugTarget() {}

  /** What Jazzer calls. */
  public static void fuzzerTestOneInput(byte[] input) {
    if (input.length >= 3 && input[0] == 'b' && input[1] == 'u' && input[2] == 'g') {
      throw new IllegalStateException("planted");
    }
  }
}
