package io.autocircuit.files;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * The SHA-256 of what files hold, as 64 lower-case hexadecimal digits: what {@code sha256sum}
 * prints. Files are streamed.
 */
public final class Fingerprint {
  private static final int BLOCK = 1 << 18;

  private Fingerprint() {}

  /**
   * Of a file.
   *
   * @param file the file
   * @return 64 digits
   * @throws DataException if it cannot be read
   */
  public static String of(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      MessageDigest digest = digest();
      byte[] block = new byte[BLOCK];
      for (int n = in.read(block); n >= 0; n = in.read(block)) {
        digest.update(block, 0, n);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      throw JsonFiles.unreadable(file, e);
    }
  }

  /**
   * Of several files of a directory: that of the one file; of more, that of the lines which {@code
   * sha256sum} prints for them, sorted by name.
   *
   * @param directory where they lie
   * @param names their names in it, at least one
   * @return 64 digits
   * @throws DataException if one cannot be read
   */
  public static String of(Path directory, List<String> names) {
    if (names.size() == 1) {
      return of(directory.resolve(names.get(0)));
    }
    StringBuilder lines = new StringBuilder();
    names.stream()
        .sorted()
        .forEach(
            name ->
                lines.append(of(directory.resolve(name))).append("  ").append(name).append('\n'));
    return of(lines.toString().getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Of bytes.
   *
   * @param bytes the bytes
   * @return 64 digits
   */
  public static String of(byte[] bytes) {
    return HexFormat.of().formatHex(digest().digest(bytes));
  }

  /**
   * Whether a text is one.
   *
   * @param text any text
   * @return whether it is 64 lower-case hexadecimal digits
   */
  public static boolean isOne(String text) {
    return text.matches("[0-9a-f]{64}");
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
