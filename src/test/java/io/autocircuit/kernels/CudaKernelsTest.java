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
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** What CudaKernels compiles and launches, on a device that computes nothing. */
class CudaKernelsTest {
  private static final int K = 36;
  private static final int S = 144;
  private static final int B = 2;
  private static final int T = 3;
  private static final int D = 768;
  private static final int FORWARD_WORDS = CallLayout.PATCH_FORWARD_LAUNCH.fields().size();

  private static final int BACKWARD_WORDS = CallLayout.PATCH_BACKWARD_LAUNCH.fields().size();

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

  private long field(int launch, CallLayout layout, String name) {
    return cuda.launched().get(launch).parameters().get(layout.index(name));
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
          List.of("patch_forward.cu", "calls.h", "common.cuh"),
          compiled.subList(compiled.size() - 3, compiled.size()));
      assertTrue(compiled.contains("-DAUTOCIRCUIT_BFLOAT16=0"), compiled::toString);
      assertEquals(2, cuda.launched().size());
      assertEquals(cuda.launched().get(0), cuda.launched().get(1));
      List<Long> expected =
          List.of(
              0L,
              (long) B,
              (long) T,
              (long) K,
              (long) S,
              (long) D,
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
              1L,
              Double.doubleToRawLongBits(1e-5),
              address(out),
              address(rstd));
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
      assertEquals(2L, field(0, CallLayout.PATCH_FORWARD_LAUNCH, "type"));
      assertEquals(address(half), field(0, CallLayout.PATCH_FORWARD_LAUNCH, "resid"));
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
      CallLayout layout = CallLayout.PATCH_FORWARD_LAUNCH;
      for (CallLayout.Field f : layout.fields()) {
        if (f.name().matches("S|delta.*|mask.*|rstd")) {
          assertEquals(0L, field(0, layout, f.name()), f.name());
        }
      }
      assertEquals(address(out), field(0, layout, "out"));
    }
  }

  @Test
  void backwardGivesScratchMemoryToTheLaunchesThatNeedIt() {
    try (TensorScope scope = new TensorScope();
        CudaKernels kernels = kernels(BACKWARD_WORDS)) {
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
      assertEquals(3, cuda.launched().size(), "gradients, products and their sums");
      for (int i = 1; i < 3; i++) {
        CallLayout layout = CallLayout.MASK_GRADIENT_LAUNCH;
        assertEquals(address(grad), field(i, layout, "grad"));
        assertEquals(address(delta), field(i, layout, "delta"));
        assertEquals(address(maskGrad), field(i, layout, "mask_grad"));
        assertEquals(scratch.get(0), field(i, layout, "partial"));
      }
      CallLayout layout = CallLayout.PATCH_BACKWARD_LAUNCH;
      assertEquals(address(grad), field(0, layout, "grad"));
      assertEquals(address(normalized), field(0, layout, "normalized"));
      // 0 along the destinations, which share one input
      assertEquals(0L, field(0, layout, "normalized_k"));
      assertEquals(24L, field(0, layout, "normalized_b"));
      assertEquals(8L, field(0, layout, "normalized_t"));
      assertEquals(address(rstd), field(0, layout, "rstd"));
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
  }
}
