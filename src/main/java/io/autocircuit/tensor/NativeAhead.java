package io.autocircuit.tensor;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
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

  /**
   * The resident memory at which JavaCPP refuses tensors; 0 for none. It is four times the heap's
   * unless it is set, and asks the system for each tensor that is made, under one lock for all
   * threads: a tenth of the time of small models. Where the heap has its usual size, a quarter of
   * the memory, this limit is all the memory there is and keeps nobody from anything.
   */
  private static final String LIMIT = "org.bytedeco.javacpp.maxPhysicalBytes";

  private static final double LIMIT_OF_HEAP = 4;

  /** A part of the memory is not the heap's to count. */
  private static final double NEAR_ALL = 0.95;

  private NativeAhead() {}

  /** All memory of the machine, in bytes; more than there can be where the system does not tell. */
  private static double memory() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
      return lines
          .filter(l -> l.startsWith("MemTotal:"))
          .mapToDouble(l -> 1024 * Double.parseDouble(l.replaceAll("\\D", "")))
          .findFirst()
          .orElse(Double.POSITIVE_INFINITY);
    } catch (IOException | UncheckedIOException | NumberFormatException e) {
      return Double.POSITIVE_INFINITY;
    }
  }

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
        if (System.getProperty(LIMIT) == null
            && LIMIT_OF_HEAP * Runtime.getRuntime().maxMemory() >= NEAR_ALL * memory()) {
          System.setProperty(LIMIT, "0");
        }
        NativeTuning.apply();
        tuned.complete(null);
        if (NativeAhead.class.getResource(FOR_CUDA) == null) {
          Loader.loadProperties().putIfAbsent("platform.extension", "");
          Loader.load(torch.class);
          Loader.load(openblas_full.class);
        }
      } catch (Throwable e) { // whoever waits must hear of it
        tuned.completeExceptionally(e); // or, if that is done: who uses it, meets it again
      }
    }
  }

  /** Waits for the thread that loads, if there is one. */
  public static void await() {
    synchronized (LOADING) {
      // nobody loads
    }
  }
}
