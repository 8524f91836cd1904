package io.autocircuit.benchmark;

import java.io.IOException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The program that {@link BusyProcesses} starts: one thread that computes whenever it is told to.
 * It ends when its standard input does, and so with the process that started it, however that one
 * ends.
 */
final class BusyLoop {
  /** Tells it to compute; it answers with the same byte as soon as it does. */
  static final int COMPUTE = 'c';

  /** Tells it to rest; it answers with the same byte as soon as it does. */
  static final int REST = 'r';

  private final Semaphore wanted = new Semaphore(0);
  private final AtomicBoolean computing = new AtomicBoolean();

  private BusyLoop() {}

  /**
   * Rests until standard input says otherwise, and ends with it.
   *
   * @param words none
   * @throws IOException if standard input cannot be read
   */
  public static void main(String[] words) throws IOException {
    try {
      BusyLoop loop = new BusyLoop();
      Thread thread = new Thread(loop::run, "busy");
      thread.setDaemon(true);
      thread.start();
      for (int word = System.in.read(); word >= 0; word = System.in.read()) {
        if (word == COMPUTE) {
          loop.computing.set(true);
          loop.wanted.release();
        } else {
          loop.computing.set(false);
        }
      }
    } finally {
      Runtime.getRuntime().halt(0);
    }
  }

  private void run() {
    long x = System.nanoTime() | 1;
    while (x != 0) { // an odd number stays odd
      wanted.acquireUninterruptibly();
      say(COMPUTE);
      while (computing.get() && x != 0) {
        x = x * 6364136223846793005L + 2;
      }
      say(REST);
    }
  }

  private static void say(int word) {
    System.out.write(word);
    System.out.flush();
  }
}
