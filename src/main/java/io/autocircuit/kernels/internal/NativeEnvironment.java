package io.autocircuit.kernels.internal;

import io.autocircuit.tensor.NativeCache;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Platform;

/**
 * The process's environment, as native libraries read it when they are loaded. A library of its
 * own: it must be loaded before libtorch, whose OpenMP runtime the kernels need.
 */
@Platform(
    include = {"<cstdlib>", "native_environment.h"},
    compiler = "cpp17",
    library = "jniautocircuit_env")
public final class NativeEnvironment {
  static {
    NativeCache.prepare();
    Loader.load(NativeEnvironment.class);
  }

  private NativeEnvironment() {}

  /**
   * C's {@code setenv}.
   *
   * @param name the variable's name
   * @param value its value
   * @param overwrite 0 to leave a value that is there
   * @return 0 if it worked
   */
  public static native int setenv(String name, String value, int overwrite);

  /**
   * C's {@code getenv}.
   *
   * @param name the variable's name
   * @return the value as the native libraries see it; null if it is not set
   */
  public static native String getenv(String name);

  /**
   * See {@code native/include/native_environment.h}.
   *
   * @return 1 on such a machine, else 0
   */
  public static native int amd_with_avx512();

  /** See {@code native/include/native_environment.h}. */
  public static native void keep_freed_memory();
}
