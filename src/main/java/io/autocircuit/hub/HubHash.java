package io.autocircuit.hub;

import io.autocircuit.files.JsonFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What a file of the hub is known by, and called in the cache: the SHA-256 of a large one, git's
 * SHA-1 of a small one (that of its size and its bytes).
 *
 * @param digits 64 or 40 lower-case hexadecimal digits
 */
public record HubHash(String digits) {
  private static final Pattern DIGITS = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");
  private static final int SHA_256_DIGITS = 64;
  private static final int BLOCK = 1 << 18;

  /**
   * Checks the digits.
   *
   * @param digits 64 or 40 lower-case hexadecimal digits
   * @throws IllegalArgumentException if they are not
   */
  public HubHash {
    if (!DIGITS.matcher(digits).matches()) {
      throw new IllegalArgumentException(
          "hash=" + digits + ": give 40 or 64 lower-case hexadecimal digits");
    }
  }

  /**
   * Reads an entity tag, or the digits alone.
   *
   * @param text such as {@code W/"7cb18…"}
   * @return empty if it is no hash
   */
  public static Optional<HubHash> parse(String text) {
    String digits = text.strip().replaceFirst("^W/", "").replaceFirst("^\"(.*)\"$", "$1");
    return DIGITS.matcher(digits).matches() ? Optional.of(new HubHash(digits)) : Optional.empty();
  }

  /**
   * Whether it is of a large file.
   *
   * @return true for a SHA-256, false for git's SHA-1
   */
  public boolean isSha256() {
    return digits.length() == SHA_256_DIGITS;
  }

  /**
   * Begins to compute a hash of the same kind.
   *
   * @param size of the file, in bytes
   * @return what the file's bytes are to be put into
   */
  MessageDigest begin(long size) {
    try {
      if (isSha256()) {
        return MessageDigest.getInstance("SHA-256");
      }
      MessageDigest digest = MessageDigest.getInstance("SHA-1");
      digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
      return digest;
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-1 and SHA-256", e);
    }
  }

  /** The hash that was computed. */
  static HubHash of(MessageDigest digest) {
    return new HubHash(HexFormat.of().formatHex(digest.digest()));
  }

  /**
   * The hash of the same kind of a file.
   *
   * @param file any file
   * @return what it is called on the hub
   * @throws io.autocircuit.files.DataException if it cannot be read
   */
  public HubHash of(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      MessageDigest digest = begin(Files.size(file));
      byte[] block = new byte[BLOCK];
      for (int n = in.read(block); n >= 0; n = in.read(block)) {
        digest.update(block, 0, n);
      }
      return of(digest);
    } catch (IOException e) {
      throw JsonFiles.unreadable(file, e);
    }
  }

  @Override
  public String toString() {
    return digits;
  }
}
