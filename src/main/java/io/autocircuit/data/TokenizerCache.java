package io.autocircuit.data;

import io.autocircuit.files.UnpackedFiles;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;

/**
 * The native library of tokenizers, unpacked to where DJL keeps it: {@code
 * ~/.djl.ai/tokenizers/VERSION}, or below {@code DJL_CACHE_DIR} or {@code ENGINE_CACHE_DIR}.
 *
 * <p>DJL takes whatever file it finds there, goes to a name in the directory for temporary files
 * that anybody can foretell where the home directory cannot be written, and looks for another build
 * on the network where there is a CUDA device. It does none of this when it is told the file.
 */
final class TokenizerCache {
  /** Where DJL looks for the file, in the environment or the system properties. */
  private static final String PROPERTY = "RUST_LIBRARY_PATH";

  /** What is wrong, or null; found out when this class is initialised. */
  private static final String PROBLEM = problem();

  private TokenizerCache() {}

  /**
   * Sees to it that the library lies whole where DJL loads it from. Once is enough, and it must be
   * before the first use of DJL.
   *
   * @throws IllegalStateException if it cannot be put there
   */
  static void prepare() {
    if (PROBLEM != null) {
      throw new IllegalStateException(PROBLEM);
    }
  }

  private static String problem() {
    if (setting(PROPERTY) != null) {
      return null; // the user knows better
    }
    String platform = platform(System.getProperty("os.name"), System.getProperty("os.arch"));
    String library = System.mapLibraryName("tokenizers");
    URL resource = TokenizerCache.class.getResource("/native/lib/" + platform + "/cpu/" + library);
    if (resource == null) {
      return null; // DJL says for which platforms there is one
    }
    Path target = null;
    try {
      target = cache().resolve("tokenizers").resolve(version() + "-cpu-" + platform);
      Path directory = UnpackedFiles.in(target, resource);
      if (directory != null) {
        System.setProperty(PROPERTY, directory.resolve(library).toAbsolutePath().toString());
      }
      return null;
    } catch (IOException e) {
      return "native library cache="
          + (target == null ? "unknown" : target)
          + " cannot be used ("
          + e.getClass().getSimpleName()
          + ": "
          + e.getMessage()
          + "); make it writable, or set the environment variable DJL_CACHE_DIR to a directory"
          + " of yours with 20 MB free";
    }
  }

  /** DJL's name for a platform. */
  static String platform(String system, String processor) {
    String os = system.toLowerCase(Locale.ROOT);
    String name = os.startsWith("win") ? "win" : os.startsWith("mac") ? "osx" : "linux";
    return name + "-" + (processor.equals("amd64") ? "x86_64" : processor);
  }

  private static Path cache() throws IOException {
    for (String name : new String[] {"ENGINE_CACHE_DIR", "DJL_CACHE_DIR"}) {
      String value = setting(name);
      if (value != null) {
        return Path.of(value);
      }
    }
    String home = System.getProperty("user.home");
    if (home == null || home.isBlank() || home.equals("?")) {
      throw new IOException("this user has no home directory, user.home=" + home);
    }
    return Path.of(home, ".djl.ai");
  }

  private static String version() throws IOException {
    Properties properties = new Properties();
    try (InputStream in =
        TokenizerCache.class.getResourceAsStream("/native/lib/tokenizers.properties")) {
      if (in != null) {
        properties.load(in);
      }
    }
    return properties.getProperty("version", "unknown");
  }

  /** From the environment or else the system properties, as DJL reads its settings. */
  private static String setting(String name) {
    String value = System.getenv(name);
    String found = value == null || value.isEmpty() ? System.getProperty(name) : value;
    return found == null || found.isEmpty() ? null : found;
  }
}
