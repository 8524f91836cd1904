package io.autocircuit.kernels.internal;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.pytorch.global.torch;

/**
 * JavaCPP binding of the hand-written CPU kernels in {@code native/}. Every function is documented
 * in the header of its name; nothing is checked here.
 */
@Platform(
    include = {"instruction_set.h", "patch_forward.h", "patch_backward.h"},
    // "openmp" (-fopenmp, set in pom.xml) rather than a link entry: JavaCPP would try to load the
    // latter, and might find another copy of the OpenMP runtime than libtorch's.
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

  /** 1 if this machine runs the instruction set. */
  public static native int instruction_set_available(int set);

  /** See {@code native/include/patch_forward.h}. */
  public static native void patch_forward(
      int set,
      int threads,
      int type,
      long b,
      long t,
      long k,
      long s,
      long d,
      Pointer resid,
      long residB,
      long residT,
      Pointer delta,
      long deltaS,
      long deltaB,
      long deltaT,
      Pointer mask,
      long maskB,
      long maskT,
      long maskK,
      int normalization,
      double epsilon,
      Pointer out,
      Pointer rstd);

  /** See {@code native/include/patch_forward.h}. */
  public static native void patch_forward_naive(
      int type,
      long b,
      long t,
      long k,
      long s,
      long d,
      Pointer resid,
      long residB,
      long residT,
      Pointer delta,
      long deltaS,
      long deltaB,
      long deltaT,
      Pointer mask,
      long maskB,
      long maskT,
      long maskK,
      int normalization,
      double epsilon,
      Pointer out,
      Pointer rstd);

  /** See {@code native/include/patch_backward.h}. */
  public static native void patch_backward(
      int set,
      int threads,
      int type,
      long b,
      long t,
      long k,
      long s,
      long d,
      Pointer grad,
      Pointer normalized,
      long normalizedK,
      long normalizedB,
      long normalizedT,
      Pointer rstd,
      long rstdK,
      long rstdB,
      long rstdT,
      Pointer delta,
      long deltaS,
      long deltaB,
      long deltaT,
      Pointer mask,
      long maskB,
      long maskT,
      long maskK,
      int normalization,
      Pointer maskGrad,
      int perPrompt,
      int perPosition,
      Pointer residGrad,
      long residB,
      long residT,
      Pointer deltaGrad,
      long gradS,
      long gradB,
      long gradT);

  /** See {@code native/include/patch_backward.h}. */
  public static native void patch_backward_naive(
      int type,
      long b,
      long t,
      long k,
      long s,
      long d,
      Pointer grad,
      Pointer normalized,
      long normalizedK,
      long normalizedB,
      long normalizedT,
      Pointer rstd,
      long rstdK,
      long rstdB,
      long rstdT,
      Pointer delta,
      long deltaS,
      long deltaB,
      long deltaT,
      Pointer mask,
      long maskB,
      long maskT,
      long maskK,
      int normalization,
      Pointer maskGrad,
      int perPrompt,
      int perPosition,
      Pointer residGrad,
      long residB,
      long residT,
      Pointer deltaGrad,
      long gradS,
      long gradB,
      long gradT);
}
