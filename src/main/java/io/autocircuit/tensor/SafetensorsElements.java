package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors.Entry;
import io.autocircuit.tensor.Safetensors.Shard;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** The elements of a tensor in a safetensors file: reading their bytes and converting them. */
final class SafetensorsElements {
  private static final int CHUNK_BYTES = 1 << 18;

  private SafetensorsElements() {}

  /** How many elements {@link #read} passes on at a time, at most. */
  static int most(Entry entry) {
    return (int) Math.min(entry.count(), CHUNK_BYTES / entry.dtype().bytes);
  }

  /** Takes elements in pieces. */
  interface Sink {
    /** Takes {@code count} elements, the first of which is element {@code first} of the tensor. */
    void accept(ByteBuffer bytes, long first, int count);
  }

  /** Passes all elements of a tensor on, piece by piece. */
  static void read(Entry entry, Sink sink) {
    int width = entry.dtype().bytes;
    int chunk = most(entry);
    ByteBuffer bytes = ByteBuffer.allocate(chunk * width).order(ByteOrder.LITTLE_ENDIAN);
    try {
      for (long first = 0; first < entry.count(); first += chunk) {
        int count = (int) Math.min(chunk, entry.count() - first);
        bytes.clear().limit(count * width);
        readFully(entry.shard(), bytes, entry.begin() + first * width);
        sink.accept(bytes, first, count);
      }
    } catch (IOException e) {
      throw JsonFiles.unreadable(entry.shard().file(), e);
    }
  }

  /**
   * Fills a buffer from a place in a file.
   *
   * @throws DataException if the file has become shorter
   */
  static void readFully(Shard shard, ByteBuffer into, long from) throws IOException {
    long at = from;
    while (into.hasRemaining()) {
      int n = shard.channel().read(into, at);
      if (n < 0) {
        throw Safetensors.wrong(
            shard.file(), "it ends at byte=" + at + " although it was longer before");
      }
      at += n;
    }
    into.flip();
  }

  /** Elements as float32, rounded to nearest; a bool becomes 0 or 1. */
  static void convert(DType dtype, ByteBuffer from, float[] to, int first, int count) {
    if (dtype == DType.F32) {
      from.asFloatBuffer().get(to, first, count);
      return;
    }
    for (int i = 0; i < count; i++) {
      // 64-bit integers go straight to float: by way of double they would be rounded twice.
      to[first + i] =
          dtype == DType.I64
              ? (float) from.getLong(i * 8)
              : dtype == DType.U64 && from.getLong(i * 8) < 0
                  ? DType.unsignedToFloat(from.getLong(i * 8))
                  : (float) dtype.read(from, i * dtype.bytes);
    }
  }

  /** The index of an element along each axis, such as {@code [0, 3]}. */
  static String index(long[] shape, long element) {
    long[] at = new long[shape.length];
    long rest = element;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      at[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    return Arrays.toString(at);
  }
}
