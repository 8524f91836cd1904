package io.autocircuit.tensor;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import io.autocircuit.files.DataException;
import io.autocircuit.files.ForeignFiles;
import io.autocircuit.files.JsonErrors;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.tensor.Safetensors.Entry;
import io.autocircuit.tensor.Safetensors.Shard;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;

/**
 * The header of a safetensors file, read token by token: what is not kept takes no memory, whatever
 * the header holds.
 */
final class SafetensorsHeader {
  private static final long LARGEST = 100_000_000;
  private static final int MOST_TENSORS = 250_000;
  private static final int LONGEST_NAME = 1000;
  private static final int MOST_AXES = 64;
  private static final int AXES_SHOWN = 8;

  private final Path file;
  private final Shard shard;
  private final long dataStart;
  private final long size;
  private final JsonParser json;

  private SafetensorsHeader(Shard shard, long dataStart, long size, JsonParser json) {
    this.file = shard.file();
    this.shard = shard;
    this.dataStart = dataStart;
    this.size = size;
    this.json = json;
  }

  /**
   * Reads and checks the header of a file.
   *
   * @param entries takes the tensors; empty before
   * @param metadata takes the free-form strings
   * @throws DataException if anything is wrong with it
   */
  static void read(
      Shard shard, SortedMap<String, Entry> entries, SortedMap<String, String> metadata)
      throws IOException {
    Path file = shard.file();
    long size = shard.channel().size();
    byte[] start = new byte[(int) Math.min(size, ForeignFiles.LOOKED_AT)];
    SafetensorsElements.readFully(shard, ByteBuffer.wrap(start), 0);
    if (size < 8) {
      ForeignFiles.requireBinary(file, start, size);
      throw Safetensors.wrong(
          file, "size=" + size + " bytes is too short for the 8-byte header length");
    }
    long length = ByteBuffer.wrap(start).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    if (length < 2 || length > LARGEST || length > size - 8) {
      ForeignFiles.requireBinary(file, start, size);
      throw Safetensors.wrong(
          file,
          String.format(
              "header length=%s bytes does not fit in size=%d bytes (at least 2, at most %d)",
              Long.toUnsignedString(length), size, LARGEST));
    }
    if (start[8] != '{') {
      ForeignFiles.require(file, start, size);
      throw Safetensors.wrong(file, "header does not begin with '{'");
    }
    String source = file + " (header)";
    try (JsonParser json =
        JsonFiles.parser(JsonFiles.utf8(new HeaderStream(shard, 8, length)), LARGEST)) {
      try {
        new SafetensorsHeader(shard, 8 + length, size, json).read(entries, metadata);
      } catch (JsonProcessingException e) {
        throw JsonErrors.syntax(source, json, e);
      }
      JsonFiles.requireEnd(json, source);
    } catch (CharacterCodingException e) {
      throw JsonErrors.encoding(source, e);
    }
    requireEveryByteOnce(file, entries, 8 + length, size);
  }

  /** Whether a file begins as these do. */
  static boolean looksLikeOne(Shard shard) throws IOException {
    ByteBuffer start = ByteBuffer.allocate(9).order(ByteOrder.LITTLE_ENDIAN);
    if (shard.channel().size() < start.capacity()) {
      return false;
    }
    SafetensorsElements.readFully(shard, start, 0);
    long length = start.getLong(0);
    return start.get(8) == '{' && length >= 2 && length <= LARGEST;
  }

  /** Some bytes of a file. */
  private static final class HeaderStream extends InputStream {
    private final Shard shard;
    private long at;
    private final long end;

    HeaderStream(Shard shard, long from, long length) {
      this.shard = shard;
      this.at = from;
      this.end = from + length;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
      int count = (int) Math.min(length, end - at);
      if (count <= 0) {
        return length == 0 ? 0 : -1;
      }
      SafetensorsElements.readFully(shard, ByteBuffer.wrap(into, offset, count), at);
      at += count;
      return count;
    }
  }

  private void read(SortedMap<String, Entry> entries, SortedMap<String, String> metadata)
      throws IOException {
    json.nextToken();
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String name = json.currentName();
      json.nextToken();
      if (name.equals(Safetensors.METADATA)) {
        readMetadata(metadata);
        continue;
      }
      if (name.length() > LONGEST_NAME) {
        throw wrong(
            String.format(
                "tensor=%s has a name of %d characters, more than %d",
                DataException.quote(name), name.length(), LONGEST_NAME));
      }
      if (entries.size() == MOST_TENSORS) {
        throw wrong("it holds more than " + MOST_TENSORS + " tensors");
      }
      entries.put(name, entry("tensor=" + DataException.quote(name)));
    }
  }

  private void readMetadata(SortedMap<String, String> metadata) throws IOException {
    if (json.currentToken() != JsonToken.START_OBJECT) {
      throw wrong(Safetensors.METADATA + "=" + kind() + " where an object is needed");
    }
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String key = json.currentName();
      if (json.nextToken() != JsonToken.VALUE_STRING) {
        throw wrong(
            Safetensors.METADATA
                + " entry "
                + DataException.quote(key)
                + " is "
                + kind()
                + " where a string is needed");
      }
      metadata.put(key, json.getText());
    }
  }

  private Entry entry(String tensor) throws IOException {
    if (json.currentToken() != JsonToken.START_OBJECT) {
      throw wrong(tensor + " is " + kind() + " where an object is needed");
    }
    DType dtype = null;
    long[] shape = null;
    long[] offsets = null;
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String field = json.currentName();
      json.nextToken();
      switch (field) {
        case "dtype" -> dtype = dtype(tensor);
        case "shape" -> shape = longs(tensor + " shape", MOST_AXES);
        case "data_offsets" -> offsets = longs(tensor + " data_offsets", 2);
        default -> json.skipChildren();
      }
    }
    if (dtype == null) {
      throw wrong(tensor + " dtype=(missing) where a string is needed");
    }
    if (shape == null) {
      throw wrong(tensor + " shape=(missing) where an array is needed");
    }
    if (offsets == null) {
      throw wrong(tensor + " data_offsets=(missing) where an array is needed");
    }
    return entry(tensor, dtype, shape, offsets);
  }

  private Entry entry(String tensor, DType dtype, long[] shape, long[] offsets) {
    if (offsets.length != 2) {
      throw wrong(tensor + " data_offsets has length=" + offsets.length + ", not 2");
    }
    long count = elementCount(tensor, shape, dtype);
    long available = size - dataStart;
    if (offsets[0] > offsets[1] || offsets[1] > available) {
      throw wrong(
          String.format(
              "%s data_offsets=[%d, %d] lie outside the %d bytes of data (truncated file?)",
              tensor, offsets[0], offsets[1], available));
    }
    if (offsets[1] - offsets[0] != count * dtype.bytes) {
      throw wrong(
          String.format(
              "%s takes %d bytes, but dtype=%s with shape=%s needs %d",
              tensor, offsets[1] - offsets[0], dtype, text(shape), count * dtype.bytes));
    }
    return new Entry(shard, dtype, shape, count, dataStart + offsets[0]);
  }

  private DType dtype(String tensor) throws IOException {
    if (json.currentToken() != JsonToken.VALUE_STRING) {
      throw wrong(tensor + " dtype=" + kind() + " where a string is needed");
    }
    return DType.named(file, tensor, json.getText());
  }

  private long[] longs(String what, int most) throws IOException {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw wrong(what + "=" + kind() + " where an array is needed");
    }
    long[] values = new long[most];
    int count = 0;
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (count < most) {
        if (json.currentToken() != JsonToken.VALUE_NUMBER_INT
            || json.getNumberType() == JsonParser.NumberType.BIG_INTEGER
            || json.getLongValue() < 0) {
          throw wrong(
              what + "[" + count + "]=" + kind() + " where an integer from 0 to 2^63-1 is needed");
        }
        values[count] = json.getLongValue();
      }
      json.skipChildren();
      count++;
    }
    if (count > most) {
      throw wrong(what + " has length=" + count + ", more than " + most);
    }
    return Arrays.copyOf(values, count);
  }

  private long elementCount(String tensor, long[] shape, DType dtype) {
    try {
      long strideBound = dtype.bytes;
      long count = 1;
      for (long length : shape) {
        strideBound = Math.multiplyExact(strideBound, Math.max(1, length));
        count *= length;
      }
      return count;
    } catch (ArithmeticException e) {
      throw wrong(tensor + " shape=" + text(shape) + " overflows 64 bits");
    }
  }

  private static void requireEveryByteOnce(
      Path file, SortedMap<String, Entry> entries, long dataStart, long size) {
    List<Map.Entry<String, Entry>> inOrder = new ArrayList<>(entries.entrySet());
    inOrder.sort(
        Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin())
            .thenComparingLong(e -> e.getValue().bytes()));
    long at = dataStart;
    for (Map.Entry<String, Entry> entry : inOrder) {
      long begin = entry.getValue().begin();
      if (begin != at) {
        throw Safetensors.wrong(
            file,
            String.format(
                "tensor=%s begins at data offset=%d, but the tensors before it end at %d (%s)",
                DataException.quote(entry.getKey()),
                begin - dataStart,
                at - dataStart,
                begin < at ? "they overlap" : "there is a hole"));
      }
      at = begin + entry.getValue().bytes();
    }
    if (at != size) {
      throw Safetensors.wrong(
          file,
          String.format(
              "the tensors end at data offset=%d, but the file holds %d bytes of data",
              at - dataStart, size - dataStart));
    }
  }

  /** A shape, cut after some axes. */
  private static String text(long[] shape) {
    String text = Arrays.toString(Arrays.copyOf(shape, Math.min(shape.length, AXES_SHOWN)));
    return shape.length <= AXES_SHOWN
        ? text
        : text.replace("]", ", … " + (shape.length - AXES_SHOWN) + " more]");
  }

  /** What the parser stands at, for messages. */
  private String kind() throws IOException {
    return switch (json.currentToken()) {
      case START_ARRAY -> "an array";
      case START_OBJECT -> "an object";
      case VALUE_STRING -> '"' + DataException.printable(json.getText(), 40) + '"';
      default -> DataException.printable(json.getText(), 40);
    };
  }

  private DataException wrong(String what) {
    return Safetensors.wrong(file, what);
  }
}
