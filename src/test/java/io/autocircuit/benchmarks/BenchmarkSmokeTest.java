package io.autocircuit.benchmarks;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.tensor.TensorScope;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Calls every benchmark method once; the set-up checks the answers, this test does so again. */
class BenchmarkSmokeTest {
  @Test
  void patchForward() {
    PatchForwardBenchmark benchmark = new PatchForwardBenchmark();
    benchmark.shape = Shape.SMALL;
    benchmark.setUp();
    List<Supplier<Tensor>> variants =
        List.of(benchmark::fused, benchmark::einsumOfDelta, benchmark::autocircuit);
    try (TensorScope scope = new TensorScope()) {
      Tensor expected = benchmark.naive().clone();
      for (Supplier<Tensor> variant : variants) {
        assertTrue(torch.allclose(expected, variant.get(), 1e-4, 1e-5, false));
      }
      benchmark.matmul();
    } finally {
      benchmark.tearDown();
    }
  }

  @Test
  void patchBackward() {
    PatchBackwardBenchmark benchmark = new PatchBackwardBenchmark();
    benchmark.shape = Shape.SMALL;
    benchmark.setUp();
    try (TensorScope scope = new TensorScope()) {
      // the projection is idempotent, so each call finds the gradient it left
      Tensor expected = benchmark.naive().clone();
      for (Supplier<Tensor> variant :
          List.<Supplier<Tensor>>of(benchmark::fused, benchmark::einsum, benchmark::matmuls)) {
        assertTrue(torch.allclose(expected, variant.get(), 1e-4, 1e-3, false));
      }
    } finally {
      benchmark.tearDown();
    }
  }

  @Test
  void aWrongVariantIsRefused() {
    try (TensorScope scope = new TensorScope()) {
      Tensor one = torch.ones(3);
      assertThrows(
          IllegalStateException.class,
          () -> Variants.requireClose("x", one, one.mul(new Scalar(1.001))));
      assertThrows(
          IllegalStateException.class,
          () -> Variants.requireClose("x", one, one.mul(new Scalar(Double.NaN))));
      Variants.requireClose("x", one, one.mul(new Scalar(1.000001)));
    }
  }
}
