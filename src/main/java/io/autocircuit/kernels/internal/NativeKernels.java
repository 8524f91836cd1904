package io.autocircuit.kernels.internal;

import io.autocircuit.tensor.NativeCache;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.pytorch.global.torch;

/**
 * JavaCPP binding of the hand-written CPU kernels in {@code native/}. Every function is documented
 * in the header of its name; nothing is checked here.
 */
@Platform(
    include = {
      "instruction_set.h",
      "patch_forward.h",
      "patch_backward.h",
      "patch_project.h",
      "patch_project_backward.h",
      "head_outputs.h",
      "attention.h",
      "matrix_product.h",
      "activation.h"
    },
    // "openmp" (-fopenmp, set in pom.xml) rather than a link entry: JavaCPP would try to load the
    // latter, and might find another copy of the OpenMP runtime than libtorch's.
    compiler = {"cpp17", "openmp"},
    link = "autocircuit_kernels",
    library = "jniautocircuit")
public final class NativeKernels {
  static {
    NativeCache.prepare();
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

  /** See {@code native/include/patch_project.h}. */
  public static native void patch_project(
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
      Pointer affineWeight,
      Pointer affineBias,
      Pointer carry,
      long parts,
      long width,
      int[] inputs,
      int[] columns,
      Pointer weight,
      long weightD,
      Pointer bias,
      Pointer out,
      long outB,
      long outT);

  /** See {@code native/include/head_outputs.h}. */
  public static native void head_outputs(
      int set,
      int threads,
      int type,
      long b,
      long t,
      long n,
      long width,
      long d,
      int[] heads,
      Pointer z,
      long zB,
      long zT,
      Pointer weight,
      Pointer ablation,
      long ablationH,
      long ablationB,
      long ablationT,
      Pointer delta,
      long deltaH,
      long deltaB,
      long deltaT,
      Pointer stream);

  /** See {@code native/include/patch_project_backward.h}. */
  public static native void patch_project_backward(
      int set,
      int threads,
      int type,
      long b,
      long t,
      long k,
      long s,
      long d,
      Pointer gradOut,
      long parts,
      long width,
      int[] inputs,
      Pointer weight,
      long weightD,
      Pointer scale,
      Pointer carry,
      long carryB,
      long carryT,
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

  /** See {@code native/include/attention.h}. */
  public static native void attention(
      int set,
      int threads,
      int type,
      long b,
      long t,
      long h,
      long w,
      Pointer qkv,
      double scale,
      Pointer mask,
      long maskB,
      long r,
      Pointer cosines,
      Pointer sines,
      long rotationB,
      int adjacent,
      Pointer z);

  /** See {@code native/include/attention.h}. */
  public static native void attention_backward(
      int set,
      int threads,
      int type,
      long b,
      long t,
      long h,
      long w,
      Pointer qkv,
      double scale,
      Pointer mask,
      long maskB,
      long r,
      Pointer cosines,
      Pointer sines,
      long rotationB,
      int adjacent,
      Pointer gradZ,
      Pointer gradQkv);

  /** See {@code native/include/matrix_product.h}. */
  public static native void matrix_product(
      int set,
      int threads,
      int type,
      long m,
      long n,
      long k,
      Pointer x,
      long xM,
      Pointer w,
      long wRow,
      int transposed,
      Pointer start,
      long startM,
      Pointer out,
      long outM);

  /** See {@code native/include/matrix_product.h}. */
  public static native void matrix_product_naive(
      int type,
      long m,
      long n,
      long k,
      Pointer x,
      long xM,
      Pointer w,
      long wRow,
      int transposed,
      Pointer start,
      long startM,
      Pointer out,
      long outM);

  /** See {@code native/include/activation.h}. */
  public static native void activation(
      int set, int threads, int type, int kind, long n, Pointer x, Pointer out);

  /** See {@code native/include/activation.h}. */
  public static native void activation_backward(
      int set, int threads, int type, int kind, long n, Pointer x, Pointer grad, Pointer out);
}
