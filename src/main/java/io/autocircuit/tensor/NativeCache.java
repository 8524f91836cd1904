package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import io.autocircuit.files.UnpackedFiles;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Loader;

/**
 * The directory into which native libraries are unpacked from the jar: {@code
 * org.bytedeco.javacpp.cachedir}, or {@code ~/.javacpp/cache}.
 *
 * <p>JavaCPP unpacks libraries one by one as they are needed, each under its own name. A process
 * that is ended in between leaves a part of a library, which the next one loads before JavaCPP
 * looks at it; and where the directory cannot be written, JavaCPP goes to a name in the directory
 * for temporary files that anybody can foretell. So all libraries are put there beforehand ({@link
 * UnpackedFiles}), whole and with the sizes and times by which JavaCPP knows them, and JavaCPP
 * finds nothing left to do.
 *
 * <p>Classes of this library that use native ones do this when they are first used. A program that
 * uses JavaCPP or libtorch before them calls {@link NativeTuning#apply} first.
 */
public final class NativeCache {
  private static final String PROPERTY = "org.bytedeco.javacpp.cachedir";

  /** The directories that hold libraries; some may not be there. */
  private static final List<Libraries> LIBRARIES = libraries();

  /** JavaCPP loads one library under two names. */
  private static final Map<String, String> SECOND_NAMES =
      Map.of(
          "libopenblas.so.0", "libopenblas_nolapack.so.0",
          "libopenblas.0.dylib", "libopenblas_nolapack.0.dylib",
          "libopenblas.dll", "libopenblas_nolapack.dll");

  /** What is wrong with the directory, or null; found out when this class is initialised. */
  private static final String PROBLEM = problem();

  /**
   * @param folder a directory in a jar
   * @param one a library that is in it
   * @param prefix with which the files to unpack begin
   */
  private record Libraries(String folder, String one, String prefix) {
    Libraries(String folder, String one) {
      this(folder, one, "");
    }
  }

  private NativeCache() {}

  /**
   * Sees to it that all native libraries lie whole where JavaCPP loads them from, and that the
   * process is set up for them ({@link NativeTuning}). Whatever in this library loads native code
   * calls it first; only the first call does anything.
   *
   * @throws IllegalStateException if they cannot be put there
   */
  public static void prepare() {
    NativeAhead.await();
    unpack();
    NativeTuning.applyIfItLoads();
  }

  /** The first half of {@link #prepare}. */
  static void unpack() {
    if (PROBLEM != null) {
      throw new IllegalStateException(PROBLEM);
    }
  }

  /**
   * The directory that holds a resource and its siblings as files, unpacked if they are in a jar.
   *
   * @param beside a class from the same class loader
   * @param resource an absolute name, as {@link Class#getResource} takes it
   * @return the directory; null if there is no such resource
   * @throws IllegalStateException if it cannot be unpacked
   */
  public static Path directory(Class<?> beside, String resource) {
    return directory(beside, resource, "");
  }

  private static Path directory(Class<?> beside, String resource, String prefix) {
    URL url = beside.getResource(resource);
    if (url == null) {
      return null;
    }
    Path root = root();
    try {
      return UnpackedFiles.below(root, flat(), url, prefix, SECOND_NAMES);
    } catch (IOException e) {
      throw unusable(root, e);
    }
  }

  private static List<Libraries> libraries() {
    String platform = Loader.getPlatform() + "/";
    return List.of(
        new Libraries("/org/bytedeco/javacpp/" + platform, "jnijavacpp"),
        new Libraries("/org/bytedeco/openblas/" + platform, "jniopenblas"),
        new Libraries("/org/bytedeco/pytorch/" + platform, "jnitorch"),
        // NVIDIA's own libraries may lie beside these, 3 GB of them
        new Libraries("/org/bytedeco/cuda/" + platform, "jnicudart", "libjni"),
        new Libraries("/io/autocircuit/kernels/internal/" + platform, "jniautocircuit"),
        new Libraries("/io/autocircuit/tensor/internal/" + platform, "jniautocircuit_env"));
  }

  private static String problem() {
    if (!Loader.isLoadLibraries() || !on("org.bytedeco.javacpp.cacheLibraries", true)) {
      return null; // JavaCPP will unpack nothing
    }
    try {
      System.setProperty(PROPERTY, root().toString());
      for (Libraries libraries : LIBRARIES) {
        directory(
            NativeCache.class,
            libraries.folder() + System.mapLibraryName(libraries.one()),
            libraries.prefix());
      }
      return null;
    } catch (IllegalStateException e) {
      return e.getMessage();
    }
  }

  /** JavaCPP's directory, made if it does not exist, under its real name. */
  private static Path root() {
    String given =
        System.getProperty(PROPERTY, System.getProperty("org.bytedeco.javacpp.cacheDir"));
    Path root =
        given != null ? Path.of(given) : home(System.getProperty("user.home"), ".javacpp", "cache");
    try {
      Files.createDirectories(root);
      Path real = root.toRealPath();
      if (!Files.isReadable(real) || !Files.isWritable(real) || !Files.isExecutable(real)) {
        throw new IOException("permission denied");
      }
      return real;
    } catch (IOException e) {
      throw unusable(root, e);
    }
  }

  /** A directory in the user's home; Java calls a home that it does not know "?". */
  private static Path home(String home, String... names) {
    if (home == null || home.isBlank() || home.equals("?")) {
      throw new IllegalStateException(
          "native library cache: this user has no home directory (user.home="
              + home
              + "); "
              + CURE);
    }
    return Path.of(home, names);
  }

  private static final String CURE =
      "set -D"
          + PROPERTY
          + "=DIR to a directory of yours on a disk with 600 MB free, as in java -D"
          + PROPERTY
          + "=DIR -jar autocircuit.jar";

  private static IllegalStateException unusable(Path root, IOException e) {
    return new IllegalStateException(
        "native library cache="
            + root
            + " cannot be used ("
            + e.getClass().getSimpleName()
            + ": "
            + DataException.printable(String.valueOf(e.getMessage()), 300)
            + "); make it writable or "
            + CURE,
        e);
  }

  private static boolean flat() {
    return on("org.bytedeco.javacpp.cachedir.nosubdir", false);
  }

  /** A switch as JavaCPP reads it. */
  private static boolean on(String property, boolean otherwise) {
    String text = System.getProperty(property, String.valueOf(otherwise));
    return text.isEmpty() || text.equalsIgnoreCase("true") || text.equalsIgnoreCase("t");
  }
}
