package io.autocircuit.tensor;

import io.autocircuit.files.AtomicFile;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.TorchArchive.Booleans;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes torch archives: a pickle of protocol 2, and the bytes of each tensor beside it. */
final class TorchWriter {
  private static final String FOLDER = "archive/";
  private static final LocalDateTime TIME = LocalDateTime.of(1980, 1, 1, 0, 0);
  private static final int CHUNK = 1 << 18;
  private static final int ALIGNMENT = 64;
  private static final int LOCAL_HEADER = 30;
  private static final int PADDING = 0x4246; // what torch pads with

  private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();
  private final List<Object> tensors = new ArrayList<>();

  private TorchWriter() {}

  /** See {@link TorchArchive#write}. */
  static void write(Path file, Object value) {
    TorchWriter writer = new TorchWriter();
    writer.pickle.write(0x80);
    writer.pickle.write(2);
    writer.value(value);
    writer.pickle.write('.');
    AtomicFile.write(file, writer::archive);
  }

  // ---- the pickle ----

  private void value(Object value) {
    if (value == null) {
      pickle.write('N');
    } else if (value instanceof Boolean b) {
      pickle.write(b ? 0x88 : 0x89);
    } else if (value instanceof Integer || value instanceof Long) {
      integer(((Number) value).longValue());
    } else if (value instanceof Double d) {
      pickle.write('G');
      bytes(ByteBuffer.allocate(8).putDouble(d).array());
    } else if (value instanceof String s) {
      text(s);
    } else if (value instanceof List<?> list) {
      pickle.write(']');
      pickle.write('(');
      list.forEach(this::value);
      pickle.write('e');
    } else if (value instanceof Map<?, ?> map) {
      pickle.write('}');
      pickle.write('(');
      map.forEach(
          (key, item) -> {
            text((String) key);
            value(item);
          });
      pickle.write('u');
    } else if (value instanceof Array array) {
      tensor(array, "FloatStorage", array.shape(), array.data().length);
    } else if (value instanceof Booleans booleans) {
      tensor(booleans, "BoolStorage", booleans.shape(), booleans.data().length);
    } else {
      throw new IllegalArgumentException(
          "value=" + value.getClass().getName() + " cannot be written; give a plain value");
    }
  }

  private void tensor(Object tensor, String storage, long[] shape, long count) {
    global("torch._utils", "_rebuild_tensor_v2");
    pickle.write('(');
    pickle.write('(');
    text("storage");
    global("torch", storage);
    text(Integer.toString(tensors.size()));
    text("cpu");
    integer(count);
    pickle.write('t');
    pickle.write('Q');
    integer(0);
    long[] strides = new long[shape.length];
    long next = 1;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      strides[axis] = next;
      next *= Math.max(1, shape[axis]);
    }
    tuple(shape);
    tuple(strides);
    pickle.write(0x89);
    global("collections", "OrderedDict");
    pickle.write(')');
    pickle.write('R');
    pickle.write('t');
    pickle.write('R');
    tensors.add(tensor);
  }

  private void tuple(long[] values) {
    pickle.write('(');
    for (long value : values) {
      integer(value);
    }
    pickle.write('t');
  }

  private void global(String module, String name) {
    pickle.write('c');
    bytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
  }

  private void text(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    pickle.write('X');
    bytes(little(4).putInt(utf8.length).array());
    bytes(utf8);
  }

  private void integer(long value) {
    if (value == (int) value) {
      pickle.write('J');
      bytes(little(4).putInt((int) value).array());
    } else {
      pickle.write(0x8a);
      pickle.write(8);
      bytes(little(8).putLong(value).array());
    }
  }

  private void bytes(byte[] bytes) {
    pickle.write(bytes, 0, bytes.length);
  }

  private static ByteBuffer little(int length) {
    return ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
  }

  // ---- the archive ----

  /** What takes an entry's bytes, piece by piece. */
  private interface Bytes {
    void writeTo(Piece to) throws IOException;
  }

  /** Takes a piece. */
  private interface Piece {
    void accept(byte[] bytes, int length) throws IOException;
  }

  private void archive(OutputStream out) throws IOException {
    Counted counted = new Counted(out);
    ZipOutputStream zip = new ZipOutputStream(counted);
    entry(zip, counted, "data.pkl", plain(pickle.toByteArray()));
    entry(zip, counted, "byteorder", plain("little".getBytes(StandardCharsets.US_ASCII)));
    for (int i = 0; i < tensors.size(); i++) {
      Object tensor = tensors.get(i);
      entry(zip, counted, "data/" + i, to -> elements(tensor, to));
    }
    entry(zip, counted, "version", plain("3\n".getBytes(StandardCharsets.US_ASCII)));
    zip.finish();
  }

  private static Bytes plain(byte[] bytes) {
    return to -> to.accept(bytes, bytes.length);
  }

  private static void elements(Object tensor, Piece to) throws IOException {
    if (tensor instanceof Booleans booleans) {
      boolean[] data = booleans.data();
      byte[] bytes = new byte[Math.min(data.length, CHUNK)];
      for (int first = 0; first < data.length; first += CHUNK) {
        int count = Math.min(CHUNK, data.length - first);
        for (int i = 0; i < count; i++) {
          bytes[i] = (byte) (data[first + i] ? 1 : 0);
        }
        to.accept(bytes, count);
      }
      return;
    }
    float[] data = ((Array) tensor).data();
    byte[] bytes = new byte[4 * Math.min(data.length, CHUNK)];
    FloatBuffer floats = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    for (int first = 0; first < data.length; first += CHUNK) {
      int count = Math.min(CHUNK, data.length - first);
      floats.rewind().put(data, first, count);
      to.accept(bytes, 4 * count);
    }
  }

  private static void entry(ZipOutputStream zip, Counted counted, String name, Bytes content)
      throws IOException {
    CRC32 crc = new CRC32();
    long[] size = new long[1];
    content.writeTo(
        (bytes, length) -> {
          crc.update(bytes, 0, length);
          size[0] += length;
        });
    ZipEntry entry = new ZipEntry(FOLDER + name);
    entry.setMethod(ZipEntry.STORED);
    entry.setTimeLocal(TIME);
    entry.setSize(size[0]);
    entry.setCompressedSize(size[0]);
    entry.setCrc(crc.getValue());
    zip.flush();
    long begin = counted.count + LOCAL_HEADER + FOLDER.length() + name.length() + 4;
    byte[] padding = new byte[4 + (int) Math.floorMod(-begin, (long) ALIGNMENT)];
    ByteBuffer.wrap(padding)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putShort((short) PADDING)
        .putShort((short) (padding.length - 4));
    entry.setExtra(padding);
    zip.putNextEntry(entry);
    content.writeTo((bytes, length) -> zip.write(bytes, 0, length));
    zip.closeEntry();
  }

  /** Counts what is written. */
  private static final class Counted extends OutputStream {
    private final OutputStream out;
    private long count;

    Counted(OutputStream out) {
      this.out = out;
    }

    @Override
    public void write(int b) throws IOException {
      out.write(b);
      count++;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      out.write(bytes, offset, length);
      count += length;
    }
  }
}
