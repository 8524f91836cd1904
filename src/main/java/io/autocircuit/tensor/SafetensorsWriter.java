package io.autocircuit.tensor;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.Safetensors.Change;
import io.autocircuit.tensor.Safetensors.Entry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** Writes safetensors files: the header, then the elements in the order of the tensors' names. */
final class SafetensorsWriter {
  private static final String METADATA = Safetensors.METADATA;
  private static final int CHUNK_BYTES = 1 << 18;

  private SafetensorsWriter() {}

  /** What the header says of a tensor. */
  private record Described(DType dtype, long[] shape, long bytes) {}

  /** See {@link Safetensors#write}. */
  static void write(Path file, Map<String, Array> tensors, Map<String, String> metadata) {
    if (tensors.containsKey(METADATA)) {
      throw new IllegalArgumentException(
          "tensor=" + METADATA + " is a reserved name; choose another");
    }
    SortedMap<String, Array> sorted = new TreeMap<>(tensors);
    SortedMap<String, Described> described = new TreeMap<>();
    sorted.forEach(
        (name, a) ->
            described.put(name, new Described(DType.F32, a.shape(), 4L * a.data().length)));
    AtomicFile.write(
        file,
        out -> {
          begin(out, described, metadata);
          for (Array array : sorted.values()) {
            float[] data = array.data();
            int chunk = Math.min(data.length, CHUNK_BYTES / 4);
            ByteBuffer bytes = ByteBuffer.allocate(chunk * 4).order(ByteOrder.LITTLE_ENDIAN);
            for (int first = 0; first < data.length; first += chunk) {
              int count = Math.min(chunk, data.length - first);
              bytes.asFloatBuffer().put(data, first, count);
              out.write(bytes.array(), 0, count * 4);
            }
          }
        });
  }

  /** See {@link Safetensors#copy}. */
  static void copy(
      Path file,
      Map<String, Entry> tensors,
      Map<String, String> metadata,
      Map<String, Change> changes) {
    SortedMap<String, Entry> sorted = new TreeMap<>(tensors);
    SortedMap<String, Described> described = new TreeMap<>();
    sorted.forEach(
        (name, e) -> described.put(name, new Described(e.dtype(), e.shape(), e.bytes())));
    AtomicFile.write(
        file,
        out -> {
          begin(out, described, metadata);
          for (Map.Entry<String, Entry> tensor : sorted.entrySet()) {
            copy(out, tensor.getKey(), tensor.getValue(), changes.get(tensor.getKey()));
          }
        });
  }

  private static void copy(OutputStream out, String name, Entry entry, Change change) {
    int width = entry.dtype().bytes;
    SafetensorsElements.read(
        entry,
        (bytes, first, count) -> {
          for (int i = 0; change != null && i < count; i++) {
            if (change.where().test(first + i)) {
              double value = change.value().applyAsDouble(first + i);
              entry.dtype().write(bytes, i * width, value);
              if (!Double.isFinite(entry.dtype().read(bytes, i * width))) {
                throw new DataException(
                    "tensor="
                        + DataException.quote(name)
                        + " of dtype="
                        + entry.dtype()
                        + " has no room for value="
                        + value
                        + "; convert the weights to F32 first");
              }
            }
          }
          byte[] piece = new byte[count * width];
          bytes.get(0, piece);
          try {
            out.write(piece);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  private static void begin(
      OutputStream out, SortedMap<String, Described> tensors, Map<String, String> metadata)
      throws IOException {
    byte[] header = header(tensors, new TreeMap<>(metadata));
    ByteBuffer prefix = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    out.write(prefix.putLong(0, header.length).array());
    out.write(header);
  }

  private static byte[] header(
      SortedMap<String, Described> tensors, SortedMap<String, String> metadata) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart(METADATA);
        for (Map.Entry<String, String> field : metadata.entrySet()) {
          json.writeStringField(field.getKey(), field.getValue());
        }
        json.writeEndObject();
      }
      long begin = 0;
      for (Map.Entry<String, Described> tensor : tensors.entrySet()) {
        long[] shape = tensor.getValue().shape();
        long end = begin + tensor.getValue().bytes();
        json.writeObjectFieldStart(tensor.getKey());
        json.writeStringField("dtype", tensor.getValue().dtype().name());
        json.writeFieldName("shape");
        json.writeArray(shape, 0, shape.length);
        json.writeFieldName("data_offsets");
        json.writeArray(new long[] {begin, end}, 0, 2);
        json.writeEndObject();
        begin = end;
      }
      json.writeEndObject();
    }
    while (bytes.size() % 8 != 0) {
      bytes.write(' ');
    }
    return bytes.toByteArray();
  }
}
