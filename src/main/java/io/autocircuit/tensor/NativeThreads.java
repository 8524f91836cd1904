package io.autocircuit.tensor;

import org.bytedeco.openblas.global.openblas_full;
import org.bytedeco.pytorch.global.torch;

/**
 * Sets how many threads libtorch and OpenBLAS use, until closed; then both have the counts they had
 * before. The counts are the process's.
 *
 * <p>Each library has a thread pool of its own. On small tensors the two pools wait for each other
 * more than they compute, many times slower than one thread when the machine is busy.
 */
public final class NativeThreads implements AutoCloseable {
  static {
    NativeCache.prepare();
  }

  private final int torchThreads = torch.get_num_threads();
  private final int blasThreads = openblas_full.openblas_get_num_threads();

  private NativeThreads(int count) {
    torch.set_num_threads(count);
    openblas_full.openblas_set_num_threads(count);
  }

  /**
   * Uses {@code count} threads.
   *
   * @throws IllegalArgumentException if it is not positive
   */
  public static NativeThreads use(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("threads=" + count + " must be at least 1");
    }
    return new NativeThreads(count);
  }

  /** The kind of processor whose matrix products OpenBLAS runs, such as {@code SkylakeX}. */
  public static String blas() {
    return openblas_full.openblas_get_corename().getString();
  }

  /** One thread. */
  public static NativeThreads one() {
    return use(1);
  }

  @Override
  public void close() {
    torch.set_num_threads(torchThreads);
    openblas_full.openblas_set_num_threads(blasThreads);
  }
}
