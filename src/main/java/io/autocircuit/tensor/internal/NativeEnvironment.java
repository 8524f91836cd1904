package io.autocircuit.tensor.internal;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Platform;

/**
 * The process's environment, as native libraries read it when they are loaded. A library of its
 * own: it must be loaded before libtorch, which reads the environment then. It lies unpacked before
 * this class is used; {@link io.autocircuit.tensor.NativeTuning} sees to that.
 */
@Platform(
    include = {"<cstdlib>", "native_environment.h"},
    compiler = "cpp17",
    library = "jniautocircuit_env")
public final class NativeEnvironment {
  static {
    Loader.load(NativeEnvironment.class);
  }

  private NativeEnvironment() {}

  /**
   * C's {@code setenv}.
   *
   * @param name of the variable
   * @param value what it becomes
   * @param overwrite 0 to leave a variable that is set as it is
   * @return 0 if it worked
   */
  public static native int setenv(String name, String value, int overwrite);

  /**
   * C's {@code getenv}.
   *
   * @param name of the variable
   * @return the value as the native libraries see it; null if it is not set
   */
  public static native String getenv(String name);

  /**
   * See {@code native/include/native_environment.h}.
   *
   * @return 1 on such a processor, else 0
   */
  public static native int amd_with_avx512();

  /** See {@code native/include/native_environment.h}. */
  public static native void keep_freed_memory();

  /** See {@code native/include/native_environment.h}. */
  public static native void return_freed_memory();
}
