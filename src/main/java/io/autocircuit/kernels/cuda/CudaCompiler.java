package io.autocircuit.kernels.cuda;

import java.util.List;

/** Turns a source into what a device runs. {@link Nvrtc} does; tests put something else here. */
interface CudaCompiler {
  /** Its version, such as {@code 13.1}. */
  String version();

  /**
   * The device generations it knows, as in {@code sm_90}, ascending.
   *
   * @return 80, 86, 89, 90, 100, …
   */
  int[] architectures();

  /**
   * Compiles.
   *
   * @param options as the compiler takes them
   * @return a cubin
   * @throws CudaException with the compiler's messages if it refuses
   */
  byte[] compile(CudaSource source, List<String> options);
}
