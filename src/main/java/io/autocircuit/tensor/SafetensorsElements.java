package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors.Entry;
import io.autocircuit.tensor.Safetensors.Shard;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel.MapMode;
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
    read(entry, 0, entry.count(), sink);
  }

  /** Passes elements {@code from} to {@code from + count} on, counted row by row. */
  static void read(Entry entry, long from, long count, Sink sink) {
    int width = entry.dtype().bytes;
    int chunk = (int) Math.min(count, CHUNK_BYTES / width);
    ByteBuffer bytes = ByteBuffer.allocate(chunk * width).order(ByteOrder.LITTLE_ENDIAN);
    try {
      Strided strided = entry.strides() == null || count == 0 ? null : new Strided(entry);
      for (long first = from; first < from + count; first += chunk) {
        int now = (int) Math.min(chunk, from + count - first);
        bytes.clear().limit(now * width);
        if (strided == null) {
          readFully(entry.shard(), bytes, entry.begin() + first * width);
        } else {
          strided.fill(bytes, first, now);
        }
        sink.accept(bytes, first, now);
      }
    } catch (IOException e) {
      throw JsonFiles.unreadable(entry.shard().file(), e);
    }
  }

  /** Elements that do not lie row by row; they are picked out of the mapped file. */
  private static final class Strided {
    private static final int PIECE_BITS = 30;

    private final Entry entry;
    private final MappedByteBuffer[] pieces;

    Strided(Entry entry) throws IOException {
      this.entry = entry;
      long span = entry.dtype().bytes;
      for (int axis = 0; axis < entry.shape().length; axis++) {
        span += (entry.shape()[axis] - 1) * entry.strides()[axis] * entry.dtype().bytes;
      }
      pieces = new MappedByteBuffer[(int) ((span - 1 >> PIECE_BITS) + 1)];
      for (int i = 0; i < pieces.length; i++) {
        long at = (long) i << PIECE_BITS;
        long length = Math.min(1L << PIECE_BITS, span - at);
        requireThere(entry.begin() + at + length);
        pieces[i] = entry.shard().channel().map(MapMode.READ_ONLY, entry.begin() + at, length);
      }
    }

    private void requireThere(long end) throws IOException {
      if (end > entry.shard().channel().size()) {
        throw Safetensors.wrong(entry.shard().file(), "it has become shorter");
      }
    }

    void fill(ByteBuffer into, long first, int count) {
      int width = entry.dtype().bytes;
      long[] shape = entry.shape();
      long[] at = new long[shape.length];
      long rest = first;
      long place = 0;
      for (int axis = shape.length - 1; axis >= 0; axis--) {
        at[axis] = rest % shape[axis];
        rest /= shape[axis];
        place += at[axis] * entry.strides()[axis];
      }
      for (int i = 0; i < count; i++) {
        long from = place * width;
        ByteBuffer piece = pieces[(int) (from >> PIECE_BITS)];
        int offset = (int) (from & (1L << PIECE_BITS) - 1);
        for (int b = 0; b < width; b++) {
          into.put(piece.get(offset + b));
        }
        for (int axis = shape.length - 1; axis >= 0; axis--) {
          place += entry.strides()[axis];
          if (++at[axis] < shape[axis]) {
            break;
          }
          place -= shape[axis] * entry.strides()[axis];
          at[axis] = 0;
        }
      }
      into.flip();
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
