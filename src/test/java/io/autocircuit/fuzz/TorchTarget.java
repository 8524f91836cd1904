package io.autocircuit.fuzz;

import io.autocircuit.tensor.TorchArchive;
import io.autocircuit.tensor.TorchFiles;
import io.autocircuit.tensor.TorchTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Opens fuzzed torch archives and reads all that is in them. The first byte chooses what the rest
 * is: a whole archive, or a pickle, round which the archive is made, so that the fuzzer need not
 * guess the checksum.
 */
public final class TorchTarget {
  private static final Path DIRECTORY = directory();
  private static final byte[] STORAGE = new byte[24];

  private TorchTarget() {}

  private static Path directory() {
    try {
      return Files.createTempDirectory("fuzz");
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
    byte[] content = (input[0] & 3) == 0 ? rest : archive(rest);
    Path file = DIRECTORY.resolve("fuzzed.pt");
    Files.write(file, content);
    boolean ignored = Bounded.reads(content.length, () -> readAll(file));
  }

  private static byte[] archive(byte[] pickle) {
    return TorchFiles.archive(
        new String(pickle, java.nio.charset.StandardCharsets.ISO_8859_1), STORAGE);
  }

  private static void readAll(Path file) {
    try (TorchArchive archive = TorchArchive.open(file)) {
      readAll(archive, archive.value());
    }
  }

  private static void readAll(TorchArchive archive, Object value) {
    if (value instanceof Map<?, ?> map) {
      map.values().forEach(v -> readAll(archive, v));
    } else if (value instanceof List<?> list) {
      list.forEach(v -> readAll(archive, v));
    } else if (value instanceof TorchTensor tensor) {
      long count = Arrays.stream(tensor.shape()).reduce(1, (a, b) -> a * b);
      if (archive.floats(tensor).length != count) {
        throw new AssertionError("a tensor does not have its " + count + " elements");
      }
    } else if (value != null
        && !(value instanceof String
            || value instanceof Long
            || value instanceof Double
            || value instanceof Boolean)) {
      throw new AssertionError("built " + value.getClass());
    }
  }

  /** Inputs to begin with: each kind, programs, and sizes that lie. */
  static List<byte[]> seeds() {
    String good = TorchFiles.dictionary(TorchFiles.tensor("FloatStorage", 6, 0, "23", "31"));
    return List.of(
        join(0, TorchFiles.archive(good, STORAGE)),
        join(1, TorchFiles.bytes(good)),
        join(1, TorchFiles.bytes(good.replace("K\6t(", "J\u00ff\u00ff\u00ff\u007ft("))),
        join(
            1,
            TorchFiles.bytes(
                TorchFiles.dictionary(TorchFiles.tensor("FloatStorage", 6, 1, "32", "12")))),
        join(1, TorchFiles.bytes("cos\nsystem\n(X\4\0\0\0truetR")),
        join(1, TorchFiles.bytes("]q\0(]q\1h\1h\1K\1J\0\0\0\1G????????N\u0088\u0089e")));
  }

  private static byte[] join(int first, byte[] rest) {
    byte[] all = new byte[rest.length + 1];
    all[0] = (byte) first;
    System.arraycopy(rest, 0, all, 1, rest.length);
    return all;
  }
}
