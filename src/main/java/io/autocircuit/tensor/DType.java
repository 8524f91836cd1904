package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;

/** How elements lie in a safetensors file, little-endian. */
enum DType {
  BOOL(1),
  U8(1),
  I8(1),
  I16(2),
  U16(2),
  I32(4),
  U32(4),
  I64(8),
  U64(8),
  F16(2),
  BF16(2),
  F32(4),
  F64(8);

  final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Reads the element at byte {@code at}. */
  double read(ByteBuffer in, int at) {
    return switch (this) {
      case BOOL -> in.get(at) == 0 ? 0 : 1;
      case U8 -> in.get(at) & 0xFF;
      case I8 -> in.get(at);
      case I16 -> in.getShort(at);
      case U16 -> in.getShort(at) & 0xFFFF;
      case I32 -> in.getInt(at);
      case U32 -> in.getInt(at) & 0xFFFFFFFFL;
      case I64 -> in.getLong(at);
      case U64 -> unsigned(in.getLong(at));
      case F16 -> half(in.getShort(at));
      case BF16 -> Float.intBitsToFloat(in.getShort(at) << 16);
      case F32 -> in.getFloat(at);
      case F64 -> in.getDouble(at);
    };
  }

  /**
   * Writes the element at byte {@code at}, rounded to nearest, ties to even.
   *
   * @throws IllegalStateException if this is no floating-point type
   */
  void write(ByteBuffer out, int at, double value) {
    switch (this) {
      case F16 -> out.putShort(at, toHalf((float) value));
      case BF16 -> {
        int bits = Float.floatToRawIntBits((float) value);
        out.putShort(at, (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16));
      }
      case F32 -> out.putFloat(at, (float) value);
      case F64 -> out.putDouble(at, value);
      default -> throw new IllegalStateException("dtype=" + this + " is no floating-point type");
    }
  }

  private static short toHalf(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = bits >>> 16 & 0x8000;
    float size = Math.abs(value);
    if (size < 0x1p-14f) { // subnormal: multiples of 2⁻²⁴
      return (short) (sign | (int) Math.rint(size * 0x1p24));
    }
    if (!(size < 65520)) {
      return (short) (sign | (Float.isNaN(value) ? 0x7E00 : 0x7C00));
    }
    int magnitude = bits & 0x7FFFFFFF;
    return (short) (sign | (magnitude + 0xFFF + (magnitude >>> 13 & 1) - 0x38000000 >>> 13));
  }

  /** Types of the format that hold quantised weights. */
  private static final Set<String> QUANTISED =
      Set.of(
          "F8_E4M3",
          "F8_E5M2",
          "F8_E8M0",
          "F8_E4M3FNUZ",
          "F8_E5M2FNUZ",
          "F6_E2M3",
          "F6_E3M2",
          "F4",
          "F4_E2M1");

  /**
   * The type of this name.
   *
   * @param file for the message
   * @param tensor for the message
   * @throws DataException if there is none, or it is one that is not read
   */
  static DType named(Path file, String tensor, String name) {
    for (DType dtype : values()) {
      if (dtype.name().equals(name)) {
        return dtype;
      }
    }
    if (QUANTISED.contains(name)) {
      throw new DataException(
          String.format(
              "file=%s: %s dtype=%s holds floats of %s bits: the weights are quantised; use the"
                  + " checkpoint they were made from, or convert them to BF16, F16 or F32",
              file, tensor, name, name.charAt(1)));
    }
    throw new DataException(
        String.format(
            "file=%s: %s dtype=%s cannot be read; convert it to one of %s",
            file, tensor, DataException.quote(name), Arrays.toString(values())));
  }

  // The lowest bit is kept as a sticky bit, so that halving does not change the rounding.
  private static double unsigned(long bits) {
    return bits >= 0 ? bits : ((bits >>> 1) | (bits & 1)) * 2.0;
  }

  static float unsignedToFloat(long bits) {
    return (float) ((bits >>> 1) | (bits & 1)) * 2f;
  }

  private static float half(short bits) {
    int exponent = (bits >> 10) & 0x1F;
    int fraction = bits & 0x3FF;
    float magnitude =
        exponent == 0
            ? fraction * 0x1p-24f
            : exponent == 31
                ? (fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN)
                : Math.scalb(1024f + fraction, exponent - 25);
    return bits < 0 ? -magnitude : magnitude;
  }
}
