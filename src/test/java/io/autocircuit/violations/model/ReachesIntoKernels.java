package io.autocircuit.violations.model;

import io.autocircuit.violations.kernels.internal.Binding;

/** Goes around the checks of the kernels package. */
public final class ReachesIntoKernels {
  private ReachesIntoKernels() {}

  static double unchecked(double x) {
    return Binding.sin(x);
  }
}
