package io.autocircuit.tensor;

import org.bytedeco.openblas.global.openblas_full;
import org.bytedeco.pytorch.global.torch;

/**
 * Sets how many threads libtorch, our kernels and OpenBLAS use, until closed; then all have the
 * counts they had before. The counts are the process's.
 *
 * <p>Our kernels have a thread pool of their own, whose callers wait for no thread that has not
 * begun, and use as many threads as libtorch. OpenBLAS has another, whose callers wait for each
 * other, and the number of its threads changes the last bits of its products. Only libtorch's
 * attention over some 200 positions and more still calls it, so {@link #use} gives it one thread.
 */
public final class NativeThreads implements AutoCloseable {
  static {
    NativeCache.prepare();
  }

  private final int torchThreads = torch.get_num_threads();
  private final int blasThreads = openblas_full.openblas_get_num_threads();

  private NativeThreads(int torchCount, int blasCount) {
    if (torchCount < 1) {
      throw new IllegalArgumentException("threads=" + torchCount + " must be at least 1");
    }
    torch.set_num_threads(torchCount);
    openblas_full.openblas_set_num_threads(blasCount);
  }

  /**
   * {@code count} threads for libtorch and our kernels, one for OpenBLAS.
   *
   * @param count threads of an operation, at least 1
   * @return what sets the counts back when it is closed
   * @throws IllegalArgumentException if it is not positive
   */
  public static NativeThreads use(int count) {
    return new NativeThreads(count, 1);
  }

  /**
   * {@code count} threads for OpenBLAS too: for libtorch's own products, as a yardstick.
   *
   * @param count threads of an operation, at least 1
   * @return what sets the counts back when it is closed
   * @throws IllegalArgumentException if it is not positive
   */
  public static NativeThreads withBlas(int count) {
    return new NativeThreads(count, count);
  }

  /**
   * The kind of processor whose matrix products OpenBLAS runs, such as {@code SkylakeX}.
   *
   * @return OpenBLAS's name of it
   */
  public static String blas() {
    return openblas_full.openblas_get_corename().getString();
  }

  /**
   * One thread.
   *
   * @return what sets the counts back when it is closed
   */
  public static NativeThreads one() {
    return use(1);
  }

  @Override
  public void close() {
    torch.set_num_threads(torchThreads);
    openblas_full.openblas_set_num_threads(blasThreads);
  }
}
