package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.cuda.FakeCuda;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** What CudaKernels compiles and launches, on a device that computes nothing. */
class CudaKernelsTest {
  private static final int K = 36;
  private static final int S = 144;
  private static final int B = 2;
  private static final int T = 3;
  private static final int D = 768;
  private static final int FORWARD_WORDS = 26;

  private final FakeCuda cuda = new FakeCuda();
  private final List<Long> scratch = new ArrayList<>();

  private CudaKernels kernels(int words) {
    return new CudaKernels(
        cuda.runtime(words),
        Device.CPU,
        bytes -> {
          Tensor memory = Tensors.empty(ScalarType.Byte, bytes);
          scratch.add(memory.data_ptr().address());
          return memory;
        });
  }

  private static Tensor empty(long... shape) {
    return Tensors.zeros(ScalarType.Float, shape);
  }

  private static long address(Tensor tensor) {
    return tensor.data_ptr().address();
  }

  @Test
  void forwardPassesShapesStridesAndAddresses() {
    try (TensorScope scope = new TensorScope();
        CudaKernels kernels = kernels(FORWARD_WORDS)) {
      Tensor resid = empty(B, T, D);
      Tensor delta = empty(S, B + 1, T, D).narrow(1, 1, B);
      Tensor mask = empty(1, T, K, S);
      Tensor out = empty(K, B, T, D);
      Tensor rstd = empty(K, B, T);
      Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
      for (int i = 0; i < 2; i++) {
        kernels.patchForward(new Kernels.PatchForward(resid, delta, mask, norm, out, rstd));
      }
      assertEquals("cuda-sm_90", kernels.name());
      assertEquals(
          "compiled by NVRTC 13.1, sm_90; float64 by libtorch's operations", kernels.reason());
      assertEquals(1, cuda.compiled().size(), "compiled once");
      List<String> compiled = cuda.compiled().get(0);
      assertEquals(
          List.of(
              "--gpu-architecture=sm_90",
              "--std=c++17",
              "--ptxas-options=--register-usage-level=0"),
          compiled.subList(0, 3));
      assertEquals(
          List.of("patch_forward.cu", "common.cuh"),
          compiled.subList(compiled.size() - 2, compiled.size()));
      assertTrue(compiled.contains("-DAUTOCIRCUIT_BFLOAT16=0"), compiled::toString);
      assertEquals(2, cuda.launched().size());
      assertEquals(cuda.launched().get(0), cuda.launched().get(1));
      List<Long> expected =
          List.of(
              address(resid),
              (long) T * D,
              (long) D,
              address(delta),
              (long) (B + 1) * T * D,
              (long) T * D,
              (long) D,
              address(mask),
              0L,
              (long) K * S,
              (long) S,
              address(out),
              address(rstd),
              (long) B,
              (long) T,
              (long) K,
              (long) S,
              (long) D,
              1L,
              Double.doubleToRawLongBits(1e-5));
      assertEquals(expected, cuda.launched().get(0).parameters().subList(0, expected.size()));
    }
  }

  @Test
  void bfloat16HasKernelsOfItsOwn() {
    try (TensorScope scope = new TensorScope();
        CudaKernels kernels = kernels(FORWARD_WORDS)) {
      Tensor half = empty(B, T, D).to(ScalarType.BFloat16);
      Tensor out = empty(K, B, T, D).to(ScalarType.BFloat16);
      Kernels.PatchForward args =
          new Kernels.PatchForward(half, null, null, Normalization.NONE, out, null);
      kernels.patchForward(args);
      List<String> compiled = cuda.compiled().get(0);
      assertTrue(compiled.contains("-DAUTOCIRCUIT_BFLOAT16=1"), compiled::toString);
      assertEquals(address(half), cuda.launched().get(0).parameters().get(0));
      IllegalArgumentException mixed =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  kernels.patchForward(
                      new Kernels.PatchForward(
                          half, null, null, Normalization.NONE, empty(K, B, T, D), null)));
      assertTrue(mixed.getMessage().contains("out.dtype=Float"), mixed::getMessage);
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class,
              () -> KernelsProvider.choose("baseline").kernels().patchForward(args));
      assertEquals("resid.dtype=BFloat16; convert it to float32 or float64", refused.getMessage());
    }
  }

  @Test
  void withoutSourcesThereIsNoDelta() {
    try (TensorScope scope = new TensorScope();
        CudaKernels kernels = kernels(FORWARD_WORDS)) {
      Tensor out = empty(K, B, T, D);
      kernels.patchForward(
          new Kernels.PatchForward(empty(B, T, D), null, null, Normalization.NONE, out, null));
      List<Long> words = cuda.launched().get(0).parameters();
      assertEquals(List.of(0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L), words.subList(3, 11));
      assertEquals(List.of(address(out), 0L), words.subList(11, 13));
    }
  }

  @Test
  void backwardGivesScratchMemoryToTheLaunchesThatNeedIt() {
    try (TensorScope scope = new TensorScope();
        CudaKernels kernels = kernels(7)) {
      long prompts = 64;
      Tensor grad = empty(K, prompts, T, 8);
      Tensor normalized = empty(1, prompts, T, 8).expand(K, prompts, T, 8);
      Tensor rstd = empty(1, prompts, T).expand(K, prompts, T);
      Tensor delta = empty(S, prompts, T, 8);
      Tensor maskGrad = empty(1, 1, K, S);
      kernels.patchBackward(
          new Kernels.PatchBackward(
              grad,
              normalized,
              rstd,
              delta,
              empty(1, 1, K, S),
              new Normalization(Normalization.Kind.RMS_NORM, 1e-6),
              maskGrad,
              empty(prompts, T, 8),
              empty(S, prompts, T, 8)));
      assertEquals(1, scratch.size());
      List<FakeCuda.Launched> products =
          cuda.launched().stream().filter(l -> l.parameters().get(5) == address(maskGrad)).toList();
      assertEquals(2, products.size(), "products and their sums");
      for (FakeCuda.Launched launch : products) {
        assertEquals(address(grad), launch.parameters().get(0));
        assertEquals(address(delta), launch.parameters().get(1));
        assertEquals(scratch.get(0), launch.parameters().get(6));
      }
      FakeCuda.Launched first = cuda.launched().get(0);
      // grad, normalized and its strides: 0 along the destinations, which share one input
      assertEquals(
          List.of(address(grad), address(normalized), 0L, 24L, 8L, address(rstd), 0L),
          first.parameters());
    }
  }

  @Test
  void tensorsElsewhereAreRefused() {
    CudaKernels kernels = new CudaKernels(cuda.runtime(1));
    try (TensorScope scope = new TensorScope()) {
      Kernels.PatchForward args =
          new Kernels.PatchForward(
              empty(B, T, D), null, null, Normalization.NONE, empty(K, B, T, D), null);
      assertEquals(
          "resid.device=cpu; move it to cuda:0",
          assertThrows(IllegalArgumentException.class, () -> kernels.patchForward(args))
              .getMessage());
    }
    assertTrue(cuda.launched().isEmpty());
  }

  @Test
  void float64IsComputedByLibtorch() {
    KernelCheck check = new KernelCheck(kernels(1), Device.CPU, 3);
    for (KernelCheck.Line line : check.run(List.of(ScalarType.Double), l -> {})) {
      assertTrue(line.right(), line::toString);
    }
    assertTrue(cuda.launched().isEmpty());
  }

  @Test
  void libtorchsKernelsAreRightInFloat32Too() {
    KernelCheck check = new KernelCheck(new LibtorchKernels(), Device.CPU, 4);
    for (KernelCheck.Line line : check.run(List.of(ScalarType.Float), l -> {})) {
      assertTrue(line.right(), line::toString);
    }
    assertEquals("Float", torch.ScalarType.Float.toString());
  }
}
