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
