package io.autocircuit.violations.kernels;

import io.autocircuit.violations.tensor.HalfOfACycle;

/** Needs the package that needs it; the direction itself is allowed. */
public interface OtherHalfOfTheCycle {
  /** The other one. */
  HalfOfACycle other();
}
