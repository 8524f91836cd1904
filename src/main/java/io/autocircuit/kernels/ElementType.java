package io.autocircuit.kernels;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** How numbers are stored, with the codes of {@code ElementType} in native/include/calls.h. */
enum ElementType {
  /** IEEE binary32. */
  FLOAT32(0, 4),
  /** IEEE binary64. */
  FLOAT64(1, 8),
  /** The upper half of a binary32; of weights, and of CUDA kernels. */
  BFLOAT16(2, 2),
  /** IEEE binary16; of weights only. */
  FLOAT16(3, 2);

  private final int code;
  private final int bytes;

  ElementType(int code, int bytes) {
    this.code = code;
    this.bytes = bytes;
  }

  /** The number in calls. */
  int code() {
    return code;
  }

  /** The size of an element in bytes. */
  int bytes() {
    return bytes;
  }

  /** The one of a tensor whose dtype is known to be among these. */
  static ElementType of(Tensor tensor) {
    return of(tensor.scalar_type().intern());
  }

  /** The one of a dtype that is known to be among these. */
  static ElementType of(ScalarType type) {
    return switch (type) {
      case Double -> FLOAT64;
      case BFloat16 -> BFLOAT16;
      case Half -> FLOAT16;
      default -> FLOAT32;
    };
  }
}
