package io.autocircuit.spark;

import io.autocircuit.files.DataException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/** The store of a group of cells as bytes, and back. */
final class PackedStore {
  private PackedStore() {}

  /**
   * All files of a store, but for the charting library that its pages share.
   *
   * @param store its directory; no process has it open
   * @return a ZIP archive
   */
  static byte[] pack(Path store) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes);
        Stream<Path> files = Files.walk(store)) {
      zip.setLevel(Deflater.BEST_SPEED);
      List<Path> all =
          files.filter(Files::isRegularFile).filter(f -> !f.toString().endsWith(".js")).toList();
      for (Path file : all) {
        zip.putNextEntry(new ZipEntry(store.relativize(file).toString().replace('\\', '/')));
        Files.copy(file, zip);
      }
    } catch (OutOfMemoryError e) {
      throw new DataException(
          "the results of a task are too large for one piece; give a smaller --task-seconds, or"
              + " executors more memory",
          e);
    }
    return bytes.toByteArray();
  }

  /**
   * Writes the files of a store.
   *
   * @param packed what {@link #pack} gave
   * @param store an empty directory
   */
  static void unpack(byte[] packed, Path store) throws IOException {
    try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(packed))) {
      for (ZipEntry e = zip.getNextEntry(); e != null; e = zip.getNextEntry()) {
        Path file = store.resolve(e.getName()).normalize();
        if (!file.startsWith(store)) {
          throw new DataException(
              "file=" + DataException.quote(e.getName()) + " of a task lies outside of its store");
        }
        Files.createDirectories(file.getParent());
        Files.copy(zip, file);
      }
    }
  }

  /** Removes a directory with all that is in it, as far as it can be removed. */
  static void remove(Path directory) {
    try (Stream<Path> files = Files.walk(directory)) {
      files.sorted(Comparator.reverseOrder()).forEach(f -> f.toFile().delete());
    } catch (IOException e) {
      // temporary files: what is left, the system removes
    }
  }
}
