package io.autocircuit.data;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Calls native code with a time limit. A call that does not end cannot be stopped; it is left
 * behind in a thread that does not keep the process from ending, and later calls fail at once.
 */
final class TokenizerRunner implements AutoCloseable {
  /** The stack of the threads, in bytes: the library's parsers recurse. */
  private static final long STACK = 16L << 20;

  private final ThreadPoolExecutor threads =
      new ThreadPoolExecutor(
          0,
          Integer.MAX_VALUE,
          1,
          TimeUnit.SECONDS,
          new SynchronousQueue<>(),
          work -> {
            Thread thread = new Thread(null, work, "tokenizer", STACK);
            thread.setDaemon(true);
            return thread;
          });
  private final AtomicBoolean stuck = new AtomicBoolean();

  /** Whether a call did not end in time. */
  boolean stuck() {
    return stuck.get();
  }

  /**
   * The result of {@code call}; what it throws is thrown.
   *
   * @throws TimeoutException if it does not end within {@code limit}, or one before it did not
   */
  <T> T call(Callable<T> call, Duration limit) throws Exception {
    if (stuck.get()) {
      throw new TimeoutException();
    }
    Future<T> future = threads.submit(call);
    long end = System.nanoTime() + limit.toNanos();
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return future.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
          interrupted = true; // native code cannot be interrupted: wait, then say so
        }
      }
    } catch (TimeoutException e) {
      stuck.set(true);
      throw e;
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Exception cause) {
        throw cause;
      }
      throw (Error) e.getCause();
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Lets idle threads end. */
  @Override
  public void close() {
    threads.shutdown();
  }
}
