package io.autocircuit.violations.tensor;

import io.autocircuit.violations.kernels.OtherHalfOfTheCycle;

/** Needs the package that needs it. */
public record HalfOfACycle(OtherHalfOfTheCycle other) {}
