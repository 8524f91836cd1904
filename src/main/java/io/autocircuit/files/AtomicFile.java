package io.autocircuit.files;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Random;

/** Writing a file whole or not at all: into a temporary sibling, which is then moved into place. */
public final class AtomicFile {
  private AtomicFile() {}

  /** What a file shall hold. */
  @FunctionalInterface
  public interface Content {
    /**
     * Writes the content.
     *
     * @param out buffered; closed by the caller
     * @throws IOException if it cannot be written
     */
    void writeTo(OutputStream out) throws IOException;
  }

  /**
   * Writes {@code content} to {@code file}, replacing what is there only once all is written. An
   * exception of any kind leaves the old file, or none, and no temporary file.
   *
   * @param file what is replaced; its directory exists
   * @param content writes it; called once
   * @throws DataException if the file cannot be written
   */
  public static void write(Path file, Content content) {
    Path target = file.toAbsolutePath();
    Path name = target.getFileName();
    if (name == null || Files.isDirectory(target)) {
      throw new DataException("file=" + file + " is a directory; name a file to write");
    }
    Path temporary =
        target.resolveSibling(
            "." + name + "." + Long.toHexString(new Random().nextLong()) + ".tmp");
    try {
      try {
        try (FileChannel channel =
                FileChannel.open(
                    temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            OutputStream out =
                new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16)) {
          content.writeTo(out);
          out.flush();
          channel.force(true);
        }
        replace(temporary, target);
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (IOException e) {
      throw new DataException(
          String.format(
              "file=%s cannot be written (%s: %s); choose a directory that exists and is writable",
              file,
              e.getClass().getSimpleName(),
              DataException.printable(String.valueOf(e.getMessage()), 200)),
          e);
    }
  }

  /**
   * Writes a text as UTF-8, whole or not at all.
   *
   * @param file what is replaced; its directory exists
   * @param text all of it
   * @throws DataException if the file cannot be written
   */
  public static void write(Path file, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    write(file, out -> out.write(bytes));
  }

  /**
   * Fails now if a file could not be written later.
   *
   * @param file what will be written
   * @throws DataException if it is a directory, or its directory is not there or not writable
   */
  public static void requireWritable(Path file) {
    Path target = file.toAbsolutePath();
    if (target.getFileName() == null || Files.isDirectory(target)) {
      throw new DataException("file=" + file + " is a directory; name a file to write");
    }
    Path folder = target.getParent();
    if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
      throw new DataException(
          "file=" + file + " cannot be written; choose a directory that exists and is writable");
    }
  }

  /**
   * Gives a file another name, in the place of what is there; in one step where the file system
   * can.
   *
   * @param from what is moved; written whole
   * @param to its new name
   * @throws IOException if it cannot be moved
   */
  public static void replace(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }
}
