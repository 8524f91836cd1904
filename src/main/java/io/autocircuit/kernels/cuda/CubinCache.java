package io.autocircuit.kernels.cuda;

import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Compiled kernels on disk, one file each, named by all that went into it. A file is {@code
 * ACCUBIN1}, the SHA-256 of the rest, and the cubin.
 *
 * <p>Files appear whole or not at all, so a crash leaves nothing half written; one that is damaged
 * all the same does not match its checksum, is ignored and written anew. Several processes may use
 * one directory: they may compile the same kernel twice, and the last one's file stays. Where the
 * directory cannot be written, everything is compiled in each process.
 *
 * @param directory where; null for no cache
 */
public record CubinCache(Path directory) {
  /** The system property for the directory; {@value #OFF} for no cache. */
  public static final String PROPERTY = "autocircuit.cuda.cache";

  /** The value of {@link #PROPERTY} that switches the cache off. */
  public static final String OFF = "off";

  private static final byte[] MAGIC = "ACCUBIN1".getBytes(StandardCharsets.US_ASCII);
  private static final int DIGEST = 32;

  /** Larger files were not written by this class: 64 MiB. */
  private static final long LARGEST = 64L << 20;

  /**
   * The cache of this user: {@value #PROPERTY}, or {@code autocircuit/cuda} under {@code
   * XDG_CACHE_HOME} or {@code ~/.cache}.
   *
   * @return the cache
   */
  public static CubinCache ofUser() {
    return of(System.getProperty(PROPERTY), System.getenv(), System.getProperty("user.home"));
  }

  static CubinCache of(String property, Map<String, String> environment, String home) {
    if (property != null && !property.isBlank()) {
      return new CubinCache(property.equals(OFF) ? null : Path.of(property));
    }
    String base = environment.get("XDG_CACHE_HOME");
    if (base != null && Path.of(base).isAbsolute()) { // as its specification demands
      return new CubinCache(Path.of(base, "autocircuit", "cuda"));
    }
    return new CubinCache(
        home == null || home.isBlank() ? null : Path.of(home, ".cache", "autocircuit", "cuda"));
  }

  /** The name of what a compiler of that version makes of a source under these options. */
  static String key(CudaSource source, List<String> options, String compiler) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      // each text with its length, so that no two lists of texts make the same bytes
      text(out, compiler);
      out.writeInt(options.size());
      for (String option : options) {
        text(out, option);
      }
      text(out, source.name());
      text(out, source.text());
      for (Map.Entry<String, String> header : source.headers().entrySet()) {
        text(out, header.getKey());
        text(out, header.getValue());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e); // an array has no end
    }
    return HexFormat.of().formatHex(sha256(bytes.toByteArray(), 0, bytes.size()));
  }

  private static void text(DataOutputStream out, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  /** What is kept under {@code key}, or else what {@code compile} makes, which is then kept. */
  byte[] get(String key, Supplier<byte[]> compile) {
    byte[] kept = directory == null ? null : read(file(key));
    if (kept != null) {
      return kept;
    }
    byte[] cubin = compile.get();
    if (directory != null) {
      write(file(key), cubin);
    }
    return cubin;
  }

  /** The file of a key. */
  Path file(String key) {
    return directory.resolve(key + ".cubin");
  }

  private static byte[] read(Path file) {
    try {
      if (!Files.isRegularFile(file) || Files.size(file) > LARGEST) {
        return null;
      }
      byte[] bytes = Files.readAllBytes(file);
      int start = MAGIC.length + DIGEST;
      boolean intact =
          bytes.length > start
              && Arrays.equals(bytes, 0, MAGIC.length, MAGIC, 0, MAGIC.length)
              && Arrays.equals(
                  sha256(bytes, start, bytes.length - start),
                  Arrays.copyOfRange(bytes, MAGIC.length, start));
      return intact ? Arrays.copyOfRange(bytes, start, bytes.length) : null;
    } catch (IOException e) {
      return null; // as good as absent
    }
  }

  private static void write(Path file, byte[] cubin) {
    try {
      Files.createDirectories(file.getParent());
      AtomicFile.write(
          file,
          out -> {
            out.write(MAGIC);
            out.write(sha256(cubin, 0, cubin.length));
            out.write(cubin);
          });
    } catch (IOException | DataException e) {
      // a cache that cannot be written saves no time and does no harm
      return;
    }
  }

  private static byte[] sha256(byte[] bytes, int offset, int length) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(bytes, offset, length);
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("SHA-256 is part of every Java platform", e);
    }
  }
}
