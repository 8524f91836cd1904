package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeEnvironment;
import io.autocircuit.tensor.NativeCache;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Settings of the native libraries that the process reads when they are loaded.
 *
 * <ul>
 *   <li>Idle threads sleep. libtorch (OpenMP) and OpenBLAS have a thread pool each, and a pool's
 *       idle threads spin for a while before they sleep. A forward pass goes back and forth between
 *       the two, so that one pool's spinning threads keep the cores from the other's working ones.
 *   <li>OpenBLAS uses AVX-512 where the machine has it. On AMD machines newer than its release it
 *       falls back to AVX2.
 *   <li>Large tensors lie on huge pages, and freed memory stays with the process: an evaluation
 *       frees what the next one allocates, and fetching pages from the system and clearing them
 *       again costs as much as computing on them.
 * </ul>
 *
 * <p>The environment variables of these settings have precedence where they are set.
 */
public final class NativeTuning {
  private static final String CORE_TYPE = "OPENBLAS_CORETYPE";
  private static final String WAIT_POLICY = "OMP_WAIT_POLICY";

  private NativeTuning() {}

  /**
   * Unpacks the native libraries, see {@link NativeCache}, and applies the settings. Works only
   * before the first use of libtorch in this process. Programs that embed the library may call it
   * as their first statement; the command line does.
   *
   * @throws IllegalStateException if the native libraries cannot be unpacked
   * @throws LinkageError if the native library is missing or cannot be loaded
   */
  public static void apply() {
    NativeCache.prepare();
    settings().forEach((name, value) -> NativeEnvironment.setenv(name, value, 0));
    NativeEnvironment.keep_freed_memory();
  }

  private static Map<String, String> settings() {
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put(WAIT_POLICY, "passive");
    settings.put("OPENBLAS_THREAD_TIMEOUT", "4");
    settings.put("THP_MEM_ALLOC_ENABLE", "1");
    if (NativeEnvironment.amd_with_avx512() != 0) {
      settings.put(CORE_TYPE, "SkylakeX");
    }
    return settings;
  }

  /**
   * Whether {@link #apply}, or the environment, asks OpenMP's idle threads to sleep.
   *
   * @return whether they do
   */
  public static boolean idleThreadsSleep() {
    return "passive".equalsIgnoreCase(NativeEnvironment.getenv(WAIT_POLICY));
  }
}
