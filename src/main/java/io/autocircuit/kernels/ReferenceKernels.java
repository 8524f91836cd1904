package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeKernels;
import java.lang.ref.Reference;

/**
 * The definition of {@link Kernels}: plain loops over the formulas, accumulated in double, on one
 * thread, for tensors in main memory. Slow; for tests.
 */
public final class ReferenceKernels implements Kernels {
  /**
   * The naive kernels.
   *
   * @throws IllegalStateException if the native library is missing or cannot be loaded
   */
  public ReferenceKernels() {
    NativeLibrary.require();
  }

  @Override
  public String name() {
    return "cpu-reference";
  }

  @Override
  public void patchForward(PatchForward args) {
    Arguments.Forward a = Arguments.Forward.of(args);
    try {
      NativeKernels.patch_forward_naive(
          a.type(),
          a.prompts(),
          a.positions(),
          a.destinations(),
          a.sources(),
          a.channels(),
          a.resid().data(),
          a.resid().stride(0),
          a.resid().stride(1),
          a.delta().data(),
          a.delta().stride(0),
          a.delta().stride(1),
          a.delta().stride(2),
          a.mask().data(),
          a.mask().stride(0),
          a.mask().stride(1),
          a.mask().stride(2),
          a.normalization(),
          a.epsilon(),
          a.out().data(),
          a.rstd().data());
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchBackward(PatchBackward args) {
    Arguments.Backward a = Arguments.Backward.of(args);
    try {
      NativeKernels.patch_backward_naive(
          a.type(),
          a.prompts(),
          a.positions(),
          a.destinations(),
          a.sources(),
          a.channels(),
          a.gradOut().data(),
          a.normalized().data(),
          a.normalized().stride(0),
          a.normalized().stride(1),
          a.normalized().stride(2),
          a.rstd().data(),
          a.rstd().stride(0),
          a.rstd().stride(1),
          a.rstd().stride(2),
          a.delta().data(),
          a.delta().stride(0),
          a.delta().stride(1),
          a.delta().stride(2),
          a.mask().data(),
          a.mask().stride(0),
          a.mask().stride(1),
          a.mask().stride(2),
          a.normalization(),
          a.maskGrad().data(),
          a.perPrompt() ? 1 : 0,
          a.perPosition() ? 1 : 0,
          a.residGrad().data(),
          a.residGrad().stride(0),
          a.residGrad().stride(1),
          a.deltaGrad().data(),
          a.deltaGrad().stride(0),
          a.deltaGrad().stride(1),
          a.deltaGrad().stride(2));
    } finally {
      Reference.reachabilityFence(args);
    }
  }
}
