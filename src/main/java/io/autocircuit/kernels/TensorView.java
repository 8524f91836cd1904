package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A tensor as kernels see it, and the checks that every argument passes before a kernel gets its
 * address. What does not fit is refused with an {@link IllegalArgumentException} that names the
 * argument.
 *
 * @param name of the argument, for messages
 * @param address of its first element; 0 for no tensor
 * @param shape its sizes; empty for no tensor
 * @param strides in elements, 0 for axes of length 1
 */
record TensorView(String name, long address, long[] shape, long[] strides) {
  /** No tensor. */
  static final TensorView NONE = new TensorView("none", 0, new long[0], new long[0]);

  /** A tensor of this dtype, number of axes and device, whose last axis is contiguous. */
  static TensorView of(String name, Tensor tensor, ScalarType type, int axes, Device device) {
    return anyStrides(name, tensor, type, axes, device).rows();
  }

  /** A tensor of this dtype, number of axes and device. */
  static TensorView anyStrides(
      String name, Tensor tensor, ScalarType type, int axes, Device device) {
    defined(name, tensor);
    ScalarType actual = tensor.scalar_type().intern();
    if (actual != type) {
      throw invalid(
          name + ".dtype=" + actual, "all tensors of a call need one dtype, here " + type);
    }
    boolean there =
        device.isCuda()
            ? tensor.is_cuda() && tensor.device().index() == device.index()
            : tensor.is_cpu();
    if (!there) {
      throw invalid(
          name + ".device=" + tensor.device().str().getString(),
          "move it to " + (device.isCuda() ? device.toString() : "the CPU"));
    }
    if (tensor.dim() != axes) {
      throw invalid(name + ".dim=" + tensor.dim(), "it must have " + axes + " axes");
    }
    long[] shape = new long[axes];
    long[] strides = new long[axes];
    for (int axis = 0; axis < axes; axis++) {
      shape[axis] = tensor.size(axis);
      strides[axis] = shape[axis] == 1 ? 0 : tensor.stride(axis);
    }
    return new TensorView(name, address(tensor), shape, strides);
  }

  /**
   * Weights with two axes, on the CPU: of the call's dtype, or of 16 bits.
   *
   * @param type the call's dtype
   */
  static TensorView weights(String name, Tensor tensor, ScalarType type) {
    defined(name, tensor);
    ScalarType actual = tensor.scalar_type().intern();
    boolean narrow = actual == ScalarType.BFloat16 || actual == ScalarType.Half;
    return anyStrides(name, tensor, narrow ? actual : type, 2, Device.CPU);
  }

  /** This, if its last axis is contiguous. */
  TensorView rows() {
    if (shape[shape.length - 1] > 1 && strides[shape.length - 1] != 1) {
      throw invalid(
          name + ".strides=" + Arrays.toString(strides),
          "the last axis must be contiguous; call contiguous()");
    }
    return this;
  }

  /** Where a tensor's first element lies; 0 where it has none. */
  static long address(Tensor tensor) {
    Pointer data = tensor.data_ptr();
    return data == null ? 0 : data.address();
  }

  /**
   * A contiguous vector of one number for each channel, on the CPU.
   *
   * @param tensor null for none
   */
  static TensorView channels(String name, Tensor tensor, ScalarType type, long channels) {
    return tensor == null ? NONE : of(name, tensor, type, 1, Device.CPU).shaped(channels);
  }

  /** A mask {@code [B or 1, T or 1, K, S]}. */
  static TensorView mask(
      Tensor tensor, ScalarType type, long b, long t, long k, long s, Device device) {
    TensorView mask = of("mask", tensor, type, 4, device);
    mask.kept(0, b);
    mask.kept(1, t);
    return mask.shaped(mask.shape[0], mask.shape[1], k, s);
  }

  /** The dtype of a call, which its first tensor decides: float32 or float64, or bfloat16. */
  static ScalarType type(String name, Tensor tensor, boolean bfloat16) {
    defined(name, tensor);
    ScalarType type = tensor.scalar_type().intern();
    boolean taken =
        type == ScalarType.Float
            || type == ScalarType.Double
            || (bfloat16 && type == ScalarType.BFloat16);
    if (!taken) {
      throw invalid(
          name + ".dtype=" + type,
          "convert it to float32" + (bfloat16 ? ", bfloat16" : "") + " or float64");
    }
    return type;
  }

  private static void defined(String name, Tensor tensor) {
    if (tensor == null || tensor.isNull() || !tensor.defined()) {
      throw invalid(name + "=null", "it is needed with these arguments");
    }
  }

  /** Refuses a missing normalisation. */
  static void present(Normalization norm) {
    if (norm == null) {
      throw invalid("norm=null", "pass Normalization.NONE for no normalisation");
    }
  }

  /** Refuses one of delta and mask without the other. */
  static void together(Tensor delta, Tensor mask) {
    if ((delta == null) != (mask == null)) {
      throw invalid(
          "delta="
              + (delta == null ? "null" : "given")
              + " mask="
              + (mask == null ? "null" : "given"),
          "pass both, or null for both when no source is patched");
    }
  }

  /** The exception for an argument that does not fit. */
  static IllegalArgumentException invalid(String what, String cure) {
    return new IllegalArgumentException(what + "; " + cure);
  }

  /** The stride of an axis, in elements; 0 for an axis that there is not. */
  long stride(int axis) {
    return axis < strides.length ? strides[axis] : 0;
  }

  /** Whether there is a tensor with elements. */
  boolean present() {
    return address != 0;
  }

  private boolean empty() {
    return Arrays.stream(shape).anyMatch(size -> size == 0);
  }

  /** This, if it lies in one piece. */
  TensorView contiguous() {
    if (empty()) {
      return this;
    }
    long expected = 1;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      if (shape[axis] > 1 && strides[axis] != expected) {
        throw invalid(
            name + ".strides=" + Arrays.toString(strides),
            "it must be contiguous, shape=" + Arrays.toString(shape));
      }
      expected *= shape[axis];
    }
    return this;
  }

  /** This, if no two of its elements share memory: it is written. */
  TensorView written() {
    if (empty()) {
      return this;
    }
    int[] axes =
        IntStream.range(0, shape.length)
            .filter(axis -> shape[axis] > 1)
            .boxed()
            .sorted((x, y) -> Long.compare(strides[x], strides[y]))
            .mapToInt(Integer::intValue)
            .toArray();
    long reach = 1;
    for (int axis : axes) {
      if (strides[axis] < reach) {
        throw invalid(
            name + ".strides=" + Arrays.toString(strides),
            "it is written, so its elements must not overlap; allocate it in full, shape="
                + Arrays.toString(shape));
      }
      reach = strides[axis] * shape[axis];
    }
    return this;
  }

  /** This, if no axis is empty. */
  TensorView positive() {
    for (long size : shape) {
      if (size < 1) {
        throw invalid(
            name + ".shape=" + Arrays.toString(shape), "no axis may be empty; skip the call");
      }
    }
    return this;
  }

  /** This, if it has this shape. */
  TensorView shaped(long... expected) {
    if (!Arrays.equals(shape, expected)) {
      throw invalid(
          name + ".shape=" + Arrays.toString(shape),
          "with the other arguments it must be " + Arrays.toString(expected));
    }
    return this;
  }

  /** Whether an axis that may have length 1 or {@code full} is kept. */
  boolean kept(int axis, long full) {
    if (shape[axis] != 1 && shape[axis] != full) {
      throw invalid(
          name + ".shape=" + Arrays.toString(shape),
          "axis " + axis + " must have length 1 or " + full);
    }
    return shape[axis] == full;
  }
}
