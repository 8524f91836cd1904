package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.Kernels.PatchBackward;
import io.autocircuit.kernels.Kernels.PatchForward;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What does not fit is refused, by every implementation, before any memory is touched. */
class KernelArgumentsTest {
  private static final Normalization LAYER_NORM =
      new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);

  private final TensorScope scope = new TensorScope();
  private final Tensor resid = zeros(2, 3, 4);
  private final Tensor delta = zeros(5, 2, 3, 4);
  private final Tensor mask = zeros(1, 1, 6, 5);
  private final Tensor out = zeros(6, 2, 3, 4);
  private final Tensor rstd = zeros(6, 2, 3);

  @AfterEach
  void close() {
    scope.close();
  }

  private static Tensor zeros(long... shape) {
    return torch.zeros(shape, KernelCase.options(ScalarType.Float));
  }

  private static Tensor doubles(long... shape) {
    return torch.zeros(shape, KernelCase.options(ScalarType.Double));
  }

  private static List<Kernels> implementations() {
    return List.of(
        new ReferenceKernels(), new LibtorchKernels(), new CpuKernels(InstructionSet.BASELINE));
  }

  private static void refused(String message, PatchForward args) {
    for (Kernels kernels : implementations()) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> kernels.patchForward(args));
      assertEquals(message, e.getMessage());
    }
  }

  private static void refused(String message, PatchBackward args) {
    for (Kernels kernels : implementations()) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> kernels.patchBackward(args));
      assertEquals(message, e.getMessage());
    }
  }

  private PatchForward forward(Tensor resid, Tensor delta, Tensor mask, Tensor out, Tensor rstd) {
    return new PatchForward(resid, delta, mask, LAYER_NORM, out, rstd);
  }

  @Test
  void forwardShapes() {
    refused("resid.dim=2; it must have 3 axes", forward(zeros(3, 4), delta, mask, out, rstd));
    refused(
        "out.shape=[6, 2, 3, 5]; with the other arguments it must be [6, 2, 3, 4]",
        forward(resid, delta, mask, zeros(6, 2, 3, 5), rstd));
    refused(
        "rstd.shape=[6, 2, 4]; with the other arguments it must be [6, 2, 3]",
        forward(resid, delta, mask, out, zeros(6, 2, 4)));
    refused(
        "delta.shape=[5, 2, 1, 4]; with the other arguments it must be [5, 2, 3, 4]",
        forward(resid, zeros(5, 2, 1, 4), mask, out, rstd));
    refused(
        "mask.shape=[1, 1, 6, 4]; with the other arguments it must be [1, 1, 6, 5]",
        forward(resid, delta, zeros(1, 1, 6, 4), out, rstd));
    refused(
        "mask.shape=[3, 1, 6, 5]; axis 0 must have length 1 or 2",
        forward(resid, delta, zeros(3, 1, 6, 5), out, rstd));
    refused(
        "mask.shape=[1, 2, 6, 5]; axis 1 must have length 1 or 3",
        forward(resid, delta, zeros(1, 2, 6, 5), out, rstd));
    refused(
        "resid.shape=[0, 3, 4]; no axis may be empty; skip the call",
        forward(zeros(0, 3, 4), null, null, zeros(6, 0, 3, 4), null));
    refused(
        "out.shape=[0, 2, 3, 4]; no axis may be empty; skip the call",
        forward(resid, null, null, zeros(0, 2, 3, 4), null));
  }

  @Test
  void forwardTypesStridesAndNulls() {
    refused("resid=null; it is needed with these arguments", forward(null, delta, mask, out, rstd));
    refused("out=null; it is needed with these arguments", forward(resid, delta, mask, null, rstd));
    refused(
        "delta=given mask=null; pass both, or null for both when no source is patched",
        forward(resid, delta, null, out, rstd));
    refused(
        "norm=null; pass Normalization.NONE for no normalisation",
        new PatchForward(resid, delta, mask, null, out, rstd));
    refused(
        "resid.dtype=Half; convert it to float32 or float64",
        forward(resid.to(ScalarType.Half), delta, mask, out, rstd));
    refused(
        "mask.dtype=Double; all tensors of a call need one dtype, here Float",
        forward(resid, delta, doubles(1, 1, 6, 5), out, rstd));
    refused(
        "delta.strides=[24, 12, 1, 3]; the last axis must be contiguous; call contiguous()",
        forward(resid, zeros(5, 2, 4, 3).transpose(2, 3), mask, out, rstd));
    refused(
        "out.strides=[24, 4, 8, 1]; it must be contiguous, shape=[6, 2, 3, 4]",
        forward(resid, delta, mask, zeros(6, 3, 2, 4).transpose(1, 2), rstd));
    refused(
        "out.strides=[0, 12, 4, 1]; it must be contiguous, shape=[6, 2, 3, 4]",
        forward(resid, delta, mask, zeros(1, 2, 3, 4).expand(6, 2, 3, 4), rstd));
    Tensor elsewhere =
        resid.to(
            new org.bytedeco.pytorch.Device("meta"),
            ScalarType.Float,
            false,
            false,
            new org.bytedeco.pytorch.MemoryFormatOptional());
    for (Kernels kernels : implementations()) {
      if (!(kernels instanceof LibtorchKernels)) { // these compute anywhere
        assertEquals(
            "resid.device=meta; move it to the CPU",
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.patchForward(forward(elsewhere, delta, mask, out, rstd)))
                .getMessage());
      }
    }
  }

  @Test
  void backward() {
    Tensor maskGrad = zeros(1, 1, 6, 5);
    Tensor residGrad = zeros(2, 3, 4);
    Tensor deltaGrad = zeros(5, 2, 3, 4);
    refused(
        "normalized=null; it is needed with these arguments",
        new PatchBackward(
            out, null, rstd, delta, mask, LAYER_NORM, maskGrad, residGrad, deltaGrad));
    refused(
        "rstd=null; it is needed with these arguments",
        new PatchBackward(out, out, null, delta, mask, LAYER_NORM, maskGrad, residGrad, deltaGrad));
    refused(
        "delta=null; it is needed with these arguments",
        new PatchBackward(out, out, rstd, null, mask, LAYER_NORM, maskGrad, residGrad, deltaGrad));
    refused(
        "mask=null; it is needed with these arguments",
        new PatchBackward(out, out, rstd, delta, null, LAYER_NORM, maskGrad, residGrad, deltaGrad));
    refused(
        "maskGrad.shape=[2, 2, 6, 5]; axis 1 must have length 1 or 3",
        new PatchBackward(
            out, out, rstd, delta, mask, LAYER_NORM, zeros(2, 2, 6, 5), residGrad, deltaGrad));
    refused(
        "maskGrad.shape=[1, 1, 5, 5]; with the other arguments it must be [1, 1, 6, 5]",
        new PatchBackward(
            out, out, rstd, delta, mask, LAYER_NORM, zeros(1, 1, 5, 5), residGrad, deltaGrad));
    refused(
        "deltaGrad.shape=[4, 2, 3, 4]; with the other arguments it must be [5, 2, 3, 4]",
        new PatchBackward(
            out, out, rstd, delta, mask, LAYER_NORM, maskGrad, residGrad, zeros(4, 2, 3, 4)));
    refused(
        "residGrad.strides=[0, 4, 1]; it is written, so its elements must not overlap; allocate it"
            + " in full, shape=[2, 3, 4]",
        new PatchBackward(
            out,
            out,
            rstd,
            delta,
            mask,
            LAYER_NORM,
            maskGrad,
            zeros(1, 3, 4).expand(2, 3, 4),
            deltaGrad));
    refused(
        "gradOut.strides=[4, 72, 24, 1]; it must be contiguous, shape=[6, 2, 3, 4]",
        new PatchBackward(
            zeros(2, 3, 6, 4).permute(2, 0, 1, 3),
            out,
            rstd,
            delta,
            mask,
            LAYER_NORM,
            maskGrad,
            residGrad,
            deltaGrad));
  }

  @Test
  void threadsAndInstructionSets() {
    assertEquals(
        "threads=0; pass 1 or more",
        assertThrows(
                IllegalArgumentException.class, () -> new CpuKernels(InstructionSet.BASELINE, 0))
            .getMessage());
    for (InstructionSet set : InstructionSet.values()) {
      if (InstructionSet.available().contains(set)) {
        assertEquals("cpu-" + set.label(), new CpuKernels(set).name());
      } else {
        String message =
            assertThrows(IllegalArgumentException.class, () -> new CpuKernels(set)).getMessage();
        assertTrue(message.startsWith("instructionSet=" + set), message);
      }
    }
  }
}
