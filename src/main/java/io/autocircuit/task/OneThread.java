package io.autocircuit.task;

import org.bytedeco.openblas.global.openblas_full;
import org.bytedeco.pytorch.global.torch;

/**
 * Holds libtorch and OpenBLAS to one thread until closed; then both have the thread counts they had
 * before. The counts are the process's, so other work in the meantime is slower, but right.
 *
 * <p>Each library has a thread pool of its own. On tensors as small as these the two wait for each
 * other more than they compute, many times slower than one thread when the machine is busy.
 */
final class OneThread implements AutoCloseable {
  private final int torchThreads = torch.get_num_threads();
  private final int blasThreads = openblas_full.openblas_get_num_threads();

  OneThread() {
    torch.set_num_threads(1);
    openblas_full.openblas_set_num_threads(1);
  }

  @Override
  public void close() {
    torch.set_num_threads(torchThreads);
    openblas_full.openblas_set_num_threads(blasThreads);
  }
}
