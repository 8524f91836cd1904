package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeEnvironment;
import java.util.Map;

/**
 * How the threads of the native libraries wait for work.
 *
 * <p>libtorch (OpenMP) and OpenBLAS have a thread pool each, and a pool's idle threads spin for a
 * while before they sleep. A forward pass goes back and forth between the two, so that one pool's
 * spinning threads keep the cores from the other's working ones.
 */
public final class ThreadPools {
  private static final Map<String, String> SETTINGS =
      Map.of("OMP_WAIT_POLICY", "passive", "OPENBLAS_THREAD_TIMEOUT", "4");

  private ThreadPools() {}

  /**
   * Lets idle threads sleep at once. Works only before the first use of libtorch in this process;
   * the environment variables {@code OMP_WAIT_POLICY} and {@code OPENBLAS_THREAD_TIMEOUT} have
   * precedence where they are set.
   */
  public static void sleepWhenIdle() {
    SETTINGS.forEach((name, value) -> NativeEnvironment.setenv(name, value, 0));
  }

  /** Whether {@link #sleepWhenIdle}, or the environment, asks OpenMP's idle threads to sleep. */
  public static boolean sleeping() {
    return "passive".equalsIgnoreCase(NativeEnvironment.getenv("OMP_WAIT_POLICY"));
  }
}
