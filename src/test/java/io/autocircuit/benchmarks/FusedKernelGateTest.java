package io.autocircuit.benchmarks;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.benchmarks.RatioGate.Times;
import io.autocircuit.kernels.InstructionSet;
import io.autocircuit.kernels.KernelsProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.opentest4j.AssertionFailedError;

/**
 * The gate of every build: the fused kernels stay faster than the einsum formulation in libtorch on
 * the same tensors, as a ratio inside one run and never as a time. One thread, as all tests.
 */
@Tag("alone")
class FusedKernelGateTest {
  /**
   * How many times as fast, at the least: about half of what a quiet machine gave (AVX-512,
   * OpenBLAS 0.3.31): forward 2.2 with AVX-512 and 1.7 with AVX2, backward 4.1 and 4.7. The naive
   * kernels: 0.22 and 0.26.
   */
  private static final Limits VECTORS = new Limits(1.1, 2);

  /** Without vector instructions against libtorch with them; that gave 0.75 and 1.9. */
  private static final Limits BASELINE = new Limits(0.35, 0.9);

  private static final int REPETITIONS = 25;
  private static final int FEW = 3;

  /** How many times as fast as einsum each kernel must be. */
  private record Limits(double forward, double backward) {
    static Limits here() {
      String kernels = KernelsProvider.choose().kernels().name();
      return kernels.endsWith(InstructionSet.BASELINE.label()) ? BASELINE : VECTORS;
    }
  }

  @Test
  void patchForward() {
    PatchForwardBenchmark b = new PatchForwardBenchmark();
    b.shape = Shape.MEDIUM;
    b.setUp();
    try {
      RatioGate gate = new RatioGate("patch_forward", Limits.here().forward(), REPETITIONS);
      report(gate, gate.hold(b::fused, b::einsumOfDelta));
      RatioGate quick = new RatioGate("the naive patch_forward", VECTORS.forward(), FEW);
      failsFor(() -> quick.hold(b::naive, b::einsumOfDelta));
    } finally {
      b.tearDown();
    }
  }

  @Test
  void patchBackward() {
    PatchBackwardBenchmark b = new PatchBackwardBenchmark();
    b.shape = Shape.MEDIUM;
    b.setUp();
    try {
      RatioGate gate = new RatioGate("patch_backward", Limits.here().backward(), REPETITIONS);
      report(gate, gate.hold(b::fused, b::einsum));
      RatioGate quick = new RatioGate("the naive patch_backward", VECTORS.backward(), FEW);
      failsFor(() -> quick.hold(b::naive, b::einsum));
    } finally {
      b.tearDown();
    }
  }

  private static void failsFor(Runnable naive) {
    AssertionFailedError e = assertThrows(AssertionFailedError.class, naive::run);
    assertTrue(e.getMessage().startsWith("the naive patch_"), e.getMessage());
  }

  private static void report(RatioGate gate, Times times) {
    System.out.println("FusedKernelGateTest: " + gate.name() + " " + times);
  }
}
