package io.autocircuit.kernels.internal;

import io.autocircuit.tensor.NativeCache;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Platform;

/**
 * JavaCPP binding of the hand-written CPU kernels in {@code native/}. Every function is documented
 * in the header of its name; nothing is checked here. A call is a structure of 8-byte fields
 * ({@code native/include/calls.h}) with what follows it; the functions read it and keep nothing.
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
    // "threads" is -pthread, set in pom.xml
    compiler = {"cpp17", "threads"},
    link = "autocircuit_kernels",
    library = "jniautocircuit")
public final class NativeKernels {
  static {
    NativeCache.prepare();
    Loader.load(NativeKernels.class);
  }

  private NativeKernels() {}

  /**
   * See {@code native/include/instruction_set.h}.
   *
   * @param set the instruction set's number
   * @return 1 if this machine runs it, else 0
   */
  public static native int instruction_set_available(int set);

  /**
   * See {@code native/include/patch_forward.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code PatchForwardCall}
   */
  public static native void patch_forward(
      int set, int threads, @Cast("const autocircuit::PatchForwardCall<void>*") long[] call);

  /**
   * The definition; see {@code native/include/patch_forward.h}.
   *
   * @param call the fields of {@code PatchForwardCall}
   */
  public static native void patch_forward_naive(
      @Cast("const autocircuit::PatchForwardCall<void>*") long[] call);

  /**
   * See {@code native/include/patch_backward.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code PatchBackwardCall}
   */
  public static native void patch_backward(
      int set, int threads, @Cast("const autocircuit::PatchBackwardCall<void>*") long[] call);

  /**
   * The definition; see {@code native/include/patch_backward.h}.
   *
   * @param call the fields of {@code PatchBackwardCall}
   */
  public static native void patch_backward_naive(
      @Cast("const autocircuit::PatchBackwardCall<void>*") long[] call);

  /**
   * See {@code native/include/patch_project.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code PatchProjectCall}
   */
  public static native void patch_project(
      int set, int threads, @Cast("const autocircuit::PatchProjectCall<void>*") long[] call);

  /**
   * See {@code native/include/patch_project_backward.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code PatchProjectBackwardCall}
   */
  public static native void patch_project_backward(
      int set,
      int threads,
      @Cast("const autocircuit::PatchProjectBackwardCall<void>*") long[] call);

  /**
   * See {@code native/include/head_outputs.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code HeadOutputsCall}
   */
  public static native void head_outputs(
      int set, int threads, @Cast("const autocircuit::HeadOutputsCall<void>*") long[] call);

  /**
   * See {@code native/include/attention.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code AttentionCall}
   */
  public static native void attention(
      int set, int threads, @Cast("const autocircuit::AttentionCall<void>*") long[] call);

  /**
   * See {@code native/include/attention.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code AttentionCall}
   */
  public static native void attention_backward(
      int set, int threads, @Cast("const autocircuit::AttentionCall<void>*") long[] call);

  /**
   * See {@code native/include/matrix_product.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code MatrixProductCall}
   */
  public static native void matrix_product(
      int set, int threads, @Cast("const autocircuit::MatrixProductCall<void>*") long[] call);

  /**
   * The definition; see {@code native/include/matrix_product.h}.
   *
   * @param call the fields of {@code MatrixProductCall}
   */
  public static native void matrix_product_naive(
      @Cast("const autocircuit::MatrixProductCall<void>*") long[] call);

  /**
   * See {@code native/include/activation.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code ActivationCall}
   */
  public static native void activation(
      int set, int threads, @Cast("const autocircuit::ActivationCall<void>*") long[] call);

  /**
   * See {@code native/include/activation.h}.
   *
   * @param set the instruction set's number
   * @param threads to use at most
   * @param call the fields of {@code ActivationCall}
   */
  public static native void activation_backward(
      int set, int threads, @Cast("const autocircuit::ActivationCall<void>*") long[] call);
}
