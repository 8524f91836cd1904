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
    long[] call = PatchForwardArguments.of(args).call();
    try {
      NativeKernels.patch_forward_naive(call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }

  @Override
  public void patchBackward(PatchBackward args) {
    long[] call = PatchBackwardArguments.of(args).call();
    try {
      NativeKernels.patch_backward_naive(call);
    } finally {
      Reference.reachabilityFence(args);
    }
  }
}
