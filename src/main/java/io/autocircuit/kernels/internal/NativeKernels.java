package io.autocircuit.kernels.internal;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.pytorch.global.torch;

/** JavaCPP binding of the hand-written CPU kernels in {@code native/}. */
@Platform(
    include = "autocircuit_kernels.h",
    compiler = {"cpp17", "openmp"},
    link = "autocircuit_kernels",
    library = "jniautocircuit")
public final class NativeKernels {
  static {
    // libtorch first: it brings the one OpenMP runtime (libgomp) of the process.
    Loader.load(torch.class);
    Loader.load(NativeKernels.class);
  }

  private NativeKernels() {}

  /** The version of the native interface. */
  public static native int ac_version();
}
