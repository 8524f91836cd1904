package io.autocircuit.tensor;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas_full;
import org.bytedeco.pytorch.global.torch;

/**
 * Loads libtorch on a thread of its own, while a program reads its command line and its files: it
 * takes as long as they do. Whatever in this library uses native code waits for it ({@link
 * NativeCache#prepare}); nothing waits where it was not begun.
 */
public final class NativeAhead {
  /** Held by the thread that loads. */
  private static final Object LOADING = new Object();

  /** In jars that hold libtorch twice, what loads first decides which one it is. */
  private static final String FOR_CUDA = "/org/bytedeco/pytorch/linux-x86_64-gpu/libtorch_cuda.so";

  private NativeAhead() {}

  /**
   * Begins; for a program's first statement, since it must come before any use of JavaCPP.
   *
   * @return done when {@link NativeTuning#apply} is, which then is all that may fail: its exception
   */
  public static CompletableFuture<Void> begin() {
    CompletableFuture<Void> tuned = new CompletableFuture<>();
    CountDownLatch held = new CountDownLatch(1);
    Thread thread = new Thread(() -> load(tuned, held), "native libraries");
    thread.setDaemon(true);
    thread.start();
    boolean interrupted = false;
    while (held.getCount() > 0) {
      try {
        held.await();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return tuned;
  }

  private static void load(CompletableFuture<Void> tuned, CountDownLatch held) {
    synchronized (LOADING) {
      held.countDown();
      try {
        NativeTuning.apply();
        tuned.complete(null);
        if (NativeAhead.class.getResource(FOR_CUDA) == null) {
          Loader.loadProperties().putIfAbsent("platform.extension", "");
          Loader.load(torch.class);
          Loader.load(openblas_full.class);
        }
      } catch (IllegalStateException | LinkageError e) {
        tuned.completeExceptionally(e); // or, if that is done: who uses it, meets it again
      }
    }
  }

  /** Waits for the thread that loads, if there is one. */
  static void await() {
    synchronized (LOADING) {
      // nobody loads
    }
  }
}
