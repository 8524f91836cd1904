package io.autocircuit.kernels;

/** The definition of {@link Kernels}, for tests. */
public final class ReferenceKernels {
  private ReferenceKernels() {}
}
