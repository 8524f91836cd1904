package io.autocircuit.violations.kernels;

import org.bytedeco.javacpp.annotation.Platform;

/** A binding beside kernels.internal, not in it. Its method is never called. */
@Platform(include = "math.h")
public final class AnnotatedBinding {
  private AnnotatedBinding() {}

  /** Never called. */
  public static native double cos(double x);
}
