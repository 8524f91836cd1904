package io.autocircuit.benchmarks;

import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Checks that variants of one operation give the same answer. */
final class Variants {
  /** Of the largest value; float32 sums of up to 400 000 terms in different orders. */
  private static final double TOLERANCE = 2e-5;

  private Variants() {}

  /**
   * Compares two float32 tensors.
   *
   * @throws IllegalStateException if they differ by more than rounding
   */
  static void requireClose(String variant, Tensor expected, Tensor actual) {
    requireClose(variant, expected, actual, TOLERANCE);
  }

  /**
   * Compares two float32 tensors.
   *
   * @param tolerance the largest difference allowed, over the largest value expected
   * @throws IllegalStateException if they differ by more
   */
  static void requireClose(String variant, Tensor expected, Tensor actual, double tolerance) {
    try (TensorScope scope = new TensorScope()) {
      double largest = torch.max(expected.abs()).item_double();
      double deviation = torch.max(expected.sub(actual).abs()).item_double();
      if (!(deviation <= tolerance * largest)) {
        throw new IllegalStateException(
            "variant="
                + variant
                + " deviates: largest difference="
                + deviation
                + ", largest value="
                + largest
                + "; the benchmark would compare different things");
      }
    }
  }
}
