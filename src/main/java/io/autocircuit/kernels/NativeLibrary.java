package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeKernels;
import io.autocircuit.tensor.NativeCache;
import java.net.URL;
import org.bytedeco.javacpp.Loader;

/** Loads the native library, and says what is wrong when that fails. */
final class NativeLibrary {
  private NativeLibrary() {}

  /**
   * Loads the native library unless that was done before.
   *
   * @throws IllegalStateException if it is missing, or cannot be unpacked or loaded
   */
  static void require() {
    NativeCache.prepare();
    try {
      NativeKernels.instruction_set_available(0);
    } catch (LinkageError e) {
      String platform = Loader.getPlatform();
      throw unusable(platform, library(NativeKernels.class, platform), e);
    }
  }

  /**
   * Whether there is none for this platform: it is neither beside its binding nor where the system
   * looks for libraries and loads. One beside its binding that does not load is not missing.
   */
  static boolean missing() {
    return Missing.HERE;
  }

  /** Found out once: neither jars nor the platform change. */
  private static final class Missing {
    static final boolean HERE = find();

    private Missing() {}

    private static boolean find() {
      if (library(NativeKernels.class, Loader.getPlatform()) != null) {
        return false;
      }
      try {
        require();
        return false;
      } catch (IllegalStateException e) {
        return true;
      }
    }
  }

  /** Where the library of {@code platform} lies beside {@code binding}, or null. */
  static URL library(Class<?> binding, String platform) {
    return binding.getResource(platform + "/" + System.mapLibraryName("jniautocircuit"));
  }

  /** The exception for a library that is not there ({@code library} null) or does not load. */
  static IllegalStateException unusable(String platform, URL library, LinkageError cause) {
    return new IllegalStateException(
        library == null
            ? "native library missing: platform="
                + platform
                + ", name=jniautocircuit; run `mvn package` on this platform (it needs g++), or use"
                + " a jar that was built there"
            : "native library broken: file="
                + library
                + ", error="
                + cause.getMessage()
                + "; delete target/ and JavaCPP's cache (by default ~/.javacpp/cache), then run"
                + " `mvn package`",
        cause);
  }
}
