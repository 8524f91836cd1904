package io.autocircuit.violations.kernels.internal;

import org.bytedeco.javacpp.annotation.Platform;

/** A binding where it belongs. */
@Platform(include = "math.h")
public final class Binding {
  private Binding() {}

  /** Never called. */
  public static native double sin(double x);
}
