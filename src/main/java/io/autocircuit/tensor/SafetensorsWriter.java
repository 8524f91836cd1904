package io.autocircuit.tensor;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.tensor.Safetensors.Array;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
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

  /** See {@link Safetensors#write}. */
  static void write(Path file, Map<String, Array> tensors, Map<String, String> metadata) {
    if (tensors.containsKey(METADATA)) {
      throw new IllegalArgumentException(
          "tensor=" + METADATA + " is a reserved name; choose another");
    }
    SortedMap<String, Array> sorted = new TreeMap<>(tensors);
    AtomicFile.write(
        file,
        out -> {
          byte[] header = header(sorted, new TreeMap<>(metadata));
          ByteBuffer prefix = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
          out.write(prefix.putLong(0, header.length).array());
          out.write(header);
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

  private static byte[] header(SortedMap<String, Array> tensors, SortedMap<String, String> metadata)
      throws IOException {
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
      for (Map.Entry<String, Array> tensor : tensors.entrySet()) {
        long[] shape = tensor.getValue().shape();
        long end = begin + 4L * tensor.getValue().data().length;
        json.writeObjectFieldStart(tensor.getKey());
        json.writeStringField("dtype", DType.F32.name());
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
