package io.autocircuit.tensor;

import io.autocircuit.tensor.internal.NativeEnvironment;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.Loader;

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
 * <p>They are applied when this library first needs native code, before libtorch is loaded. A
 * program that uses libtorch or JavaCPP before this library calls {@link #apply} first. The system
 * property {@value #PROPERTY}{@code =false} leaves the process as it is; the environment variables
 * of these settings have precedence where they are set.
 */
public final class NativeTuning {
  /** The system property that switches tuning off, with the value {@code false}. */
  public static final String PROPERTY = "autocircuit.tuning";

  private static final String CORE_TYPE = "OPENBLAS_CORETYPE";
  private static final String WAIT_POLICY = "OMP_WAIT_POLICY";

  private NativeTuning() {}

  /** Applies the settings when it is initialised: once in a process. */
  private static final class Applied {
    static {
      if (wanted()) {
        settings().forEach((name, value) -> NativeEnvironment.setenv(name, value, 0));
        NativeEnvironment.keep_freed_memory();
      }
    }

    private Applied() {}

    static void require() {
      // it is done: this class is initialised
    }
  }

  /**
   * Unpacks the native libraries, see {@link NativeCache}, and applies the settings unless that was
   * done or is switched off. Works only before the first use of libtorch in this process.
   *
   * @throws IllegalStateException if the native libraries cannot be unpacked
   * @throws LinkageError if the native library is missing or cannot be loaded
   */
  public static void apply() {
    NativeCache.unpack();
    Applied.require();
  }

  /**
   * {@link #apply} for whoever only wants to use libtorch next: where our own native library does
   * not load, what needs its kernels says so.
   */
  static void applyIfItLoads() {
    try {
      Applied.require();
    } catch (LinkageError withoutNatives) {
      // libtorch works as it comes
    }
  }

  private static boolean wanted() {
    return Loader.isLoadLibraries()
        && !"false".equalsIgnoreCase(System.getProperty(PROPERTY, "true").strip());
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
   * Whether the settings, or the environment, ask OpenMP's idle threads to sleep.
   *
   * @return what libtorch read, or will read, when it is loaded
   * @throws IllegalStateException if the native libraries cannot be unpacked
   */
  public static boolean idleThreadsSleep() {
    NativeCache.unpack();
    String policy;
    try {
      policy = NativeEnvironment.getenv(WAIT_POLICY);
    } catch (LinkageError withoutNatives) { // then nothing was set
      policy = System.getenv(WAIT_POLICY);
    }
    return "passive".equalsIgnoreCase(policy);
  }

  /**
   * Gives memory that native code has freed back to the system, where the C library can. The next
   * allocations are slower; measurements of memory begin with it.
   *
   * @throws IllegalStateException if the native libraries cannot be unpacked
   * @throws LinkageError if the native library is missing or cannot be loaded
   */
  public static void returnFreedMemory() {
    NativeCache.unpack();
    NativeEnvironment.return_freed_memory();
  }
}
