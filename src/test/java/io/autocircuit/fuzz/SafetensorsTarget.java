package io.autocircuit.fuzz;

import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Opens fuzzed safetensors files and reads all of their tensors. The first byte chooses what the
 * rest is: a whole file; a header, a zero byte and the data, to which the right length is prefixed,
 * so that the fuzzer need not guess it; or the index of a model in one shard.
 */
public final class SafetensorsTarget {
  private static final Path DIRECTORY = directory();

  private SafetensorsTarget() {}

  private static Path directory() {
    try {
      Path directory = Files.createTempDirectory("fuzz");
      Safetensors.write(
          directory.resolve("s"),
          Map.of("t", new Safetensors.Array(new long[] {2}, new float[] {1, 2})),
          Map.of());
      return directory;
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What Jazzer calls. */
  public static void fuzzerTestOneInput(byte[] input) throws IOException {
    if (input.length == 0) {
      return;
    }
    byte[] rest = Arrays.copyOfRange(input, 1, input.length);
    switch (input[0] & 3) {
      case 0 -> open(DIRECTORY.resolve("raw.safetensors"), rest);
      case 1 -> open(DIRECTORY.resolve("model.safetensors.index.json"), rest);
      default -> open(DIRECTORY.resolve("framed.safetensors"), framed(rest));
    }
  }

  private static byte[] framed(byte[] input) {
    int header = 0;
    while (header < input.length && input[header] != 0) {
      header++;
    }
    int data = Math.max(0, input.length - header - 1);
    ByteBuffer file = ByteBuffer.allocate(8 + header + data).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(header).put(input, 0, header).put(input, input.length - data, data);
    return file.array();
  }

  private static void open(Path file, byte[] content) throws IOException {
    Files.write(file, content);
    boolean ignored = Bounded.reads(content.length, () -> readAll(file));
  }

  private static void readAll(Path file) {
    try (Safetensors read = Safetensors.open(file)) {
      for (String name : read.names()) {
        long count = Arrays.stream(read.shape(name)).reduce(1, (a, b) -> a * b);
        float[] floats = read.floats(name);
        double[] doubles = read.doubles(name);
        if (floats.length != count || doubles.length != count) {
          throw new AssertionError(name + " has " + floats.length + " of " + count + " elements");
        }
        read.requireFinite(name);
      }
    }
  }

  /** Inputs to begin with, one of each kind and some that lie. */
  static List<byte[]> seeds() {
    String two =
        "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
            + "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[4,8]},"
            + "\"c\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]}} ";
    byte[] file = framed(bytes(two + "\0" + "12345678abcdefgh"));
    return List.of(
        join((byte) 0, file),
        join((byte) 0, Arrays.copyOf(file, file.length - 3)),
        join((byte) 1, bytes("{\"metadata\":{},\"weight_map\":{\"t\":\"s\"}}")),
        join((byte) 1, bytes("{\"weight_map\":{\"t\":\"../s\",\"u\":\"./s\"}}")),
        join((byte) 2, bytes(two + "\0" + "12345678abcdefgh")),
        join(
            (byte) 2,
            bytes(
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1048576,0,4294967296],"
                    + "\"data_offsets\":[0,0]}}\0")),
        join(
            (byte) 2, bytes("{\"a\":{\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[0,8]}}\0")));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static byte[] join(byte first, byte[] rest) {
    byte[] all = new byte[rest.length + 1];
    all[0] = first;
    System.arraycopy(rest, 0, all, 1, rest.length);
    return all;
  }
}
