package io.autocircuit.files;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Random;

/**
 * A lock on a file, held by one process until it is closed or the process ends. Callers see to it
 * that the threads of a process take it one after the other. Where the file system has no locks,
 * everybody gets it.
 */
public final class LockFile implements AutoCloseable {
  private static final Duration WORD_AFTER = Duration.ofSeconds(3);
  private static final Duration FOREVER = Duration.ofDays(10_000);
  private static final Duration PAUSE = Duration.ofMillis(20);

  private final Path file;
  private final FileChannel channel;
  private final boolean remove;

  private LockFile(Path file, FileChannel channel, boolean remove) {
    this.file = file;
    this.channel = channel;
    this.remove = remove;
  }

  /**
   * Waits for a lock, and says so on the error stream after three seconds.
   *
   * @param file made if it does not exist, and kept
   * @param doing what its holder does, for that message
   * @return the lock, to be closed
   * @throws IOException if the file cannot be made
   */
  public static LockFile kept(Path file, String doing) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    locked(channel, file, doing, FOREVER);
    return new LockFile(file, channel, false);
  }

  /**
   * Waits for a lock, and says so on the error stream after three seconds.
   *
   * @param file made if it does not exist, and removed when the lock is closed
   * @param doing what its holder does, for that message
   * @param longest how long to wait
   * @throws IOException if another process still holds it then
   */
  static LockFile removed(Path file, String doing, Duration longest) throws IOException {
    while (true) {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      if (!locked(channel, file, doing, longest)) {
        throw new IOException("another process is " + doing + ", it holds " + file);
      }
      LockFile lock = new LockFile(file, channel, true);
      try {
        if (lies(channel, file)) {
          return lock;
        }
      } catch (IOException e) {
        lock.close();
        throw e;
      }
      channel.close(); // its holder has removed it meanwhile: begin again
    }
  }

  /** Takes the lock, or closes the channel. */
  private static boolean locked(FileChannel channel, Path file, String doing, Duration longest)
      throws IOException {
    long start = System.nanoTime();
    boolean said = false;
    boolean locked = false;
    try {
      while (!locked) {
        locked = tryLock(channel);
        long waited = System.nanoTime() - start;
        if (!locked && waited > longest.toNanos()) {
          return false;
        }
        if (!locked && !said && waited > WORD_AFTER.toNanos()) {
          System.err.println(
              "autocircuit: waiting for another process that is " + doing + "; it holds " + file);
          said = true;
        }
        if (!locked) {
          pause(file);
        }
      }
      return true;
    } finally {
      if (!locked) {
        channel.close();
      }
    }
  }

  private static boolean tryLock(FileChannel channel) {
    try {
      FileLock lock = channel.tryLock(); // released when the channel is closed
      return lock != null;
    } catch (OverlappingFileLockException e) {
      return false; // another thread's
    } catch (IOException e) {
      return true; // no locks here
    }
  }

  private static void pause(Path file) throws IOException {
    try {
      Thread.sleep(PAUSE.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting for lock=" + file);
    }
  }

  /**
   * Whether the file of that name is the one that the channel writes. Opening it to look would end
   * the lock: a process's locks on a file end when it closes the file anywhere. So the length
   * tells.
   */
  private static boolean lies(FileChannel channel, Path file) throws IOException {
    int length = 1 + new Random().nextInt(1 << 20);
    channel.write(ByteBuffer.allocate(1), length - 1L);
    try {
      return Files.size(file) == length;
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /**
   * Gives it back.
   *
   * @throws IOException if the file cannot be closed or removed
   */
  @Override
  public void close() throws IOException {
    try (channel) {
      if (remove) {
        Files.deleteIfExists(file);
      }
    }
  }
}
