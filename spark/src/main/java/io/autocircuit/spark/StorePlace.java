package io.autocircuit.spark;

import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.files.DataException;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * Where a store is kept. SQLite needs a disk of the driver: a store on another file system is
 * fetched to a temporary directory at first, and written back while the sweep goes on.
 */
final class StorePlace implements AutoCloseable {
  /** How often a store is written back. */
  private static final Duration PERIOD = Duration.ofMinutes(5);

  private static final String LOCAL = "file";
  private static final String PART = ".part";

  /** Where the header of an SQLite file says how long its pages are, and how many there are. */
  private static final int PAGE_SIZE = 16;

  private static final int PAGES = 28;

  private final Path directory;
  private final FileSystem remote;
  private final org.apache.hadoop.fs.Path there;
  private long saved = System.nanoTime();

  private StorePlace(Path directory, FileSystem remote, org.apache.hadoop.fs.Path there) {
    this.directory = directory;
    this.remote = remote;
    this.there = there;
  }

  /**
   * Opens a place.
   *
   * @param out a path, or a URI of a file system that Hadoop knows
   * @param hadoop its settings
   * @throws DataException if it cannot be read
   */
  static StorePlace of(String out, Configuration hadoop) {
    if (!out.matches("[a-zA-Z][a-zA-Z0-9+.-]+:.*")) {
      return new StorePlace(Path.of(out), null, null);
    }
    try {
      URI uri = URI.create(out);
      if (uri.isOpaque()) {
        throw new DataException(
            "--out="
                + out
                + " names no place from the root; write "
                + uri.getScheme()
                + ":///PATH, or a path without "
                + uri.getScheme()
                + ":");
      }
      if (LOCAL.equals(uri.getScheme())) {
        return new StorePlace(Path.of(uri.getPath()), null, null);
      }
      org.apache.hadoop.fs.Path there = new org.apache.hadoop.fs.Path(uri);
      FileSystem remote = there.getFileSystem(hadoop);
      StorePlace place =
          new StorePlace(Files.createTempDirectory("autocircuit-store-"), remote, there);
      boolean fetched = false;
      try {
        place.fetch();
        fetched = true;
        return place;
      } finally {
        if (!fetched) {
          place.close();
        }
      }
    } catch (IOException | IllegalArgumentException e) {
      throw unusable(out, e);
    }
  }

  private static DataException unusable(Object out, Exception e) {
    return new DataException(
        "--out="
            + out
            + " cannot be used: "
            + DataException.oneLine(String.valueOf(e.getMessage()))
            + "; give a directory of the driver, or a URI that Spark's Hadoop reads and writes",
        e);
  }

  /** The directory in which the driver works. */
  Path directory() {
    return directory;
  }

  /** What users know it by. */
  String name() {
    return there == null ? directory.toString() : there.toString();
  }

  private void fetch() throws IOException {
    if (!remote.exists(there)) {
      return;
    }
    String root = remote.makeQualified(there).toUri().getPath();
    RemoteIterator<LocatedFileStatus> files = remote.listFiles(there, true);
    while (files.hasNext()) {
      org.apache.hadoop.fs.Path file = files.next().getPath();
      String name = file.toUri().getPath().substring(root.length()).replaceFirst("^/+", "");
      Path to = directory.resolve(name).normalize();
      if (!to.startsWith(directory)) {
        throw new IOException("file=" + file + " lies outside of it");
      }
      Files.createDirectories(to.getParent());
      try (var in = remote.open(file)) {
        Files.copy(in, to);
      }
    }
    Path part = directory.resolve(ExperimentStore.FILE + PART);
    Path file = directory.resolve(ExperimentStore.FILE);
    if (Files.exists(part) && Files.notExists(file) && isWhole(part)) {
      Files.move(part, file); // whoever wrote it ended before it was renamed
    }
    Files.deleteIfExists(part);
  }

  /** Whether an SQLite file is as long as it says: size of a page, and how many. */
  private static boolean isWhole(Path file) throws IOException {
    try (DataInputStream in = new DataInputStream(Files.newInputStream(file))) {
      in.skipNBytes(PAGE_SIZE);
      int page = in.readUnsignedShort();
      in.skipNBytes(PAGES - PAGE_SIZE - Short.BYTES);
      long pages = in.readInt() & 0xFFFFFFFFL;
      return pages > 0 && pages * (page == 1 ? 1 << Short.SIZE : page) == Files.size(file);
    } catch (EOFException e) {
      return false;
    }
  }

  /** Writes back what is new, if the last time is long ago. */
  void saveSometimes(ExperimentStore store) {
    if (System.nanoTime() - saved > PERIOD.toNanos()) {
      save(store);
    }
  }

  /**
   * Writes back what is new: files, then the rows that name them. Whoever stops in between leaves
   * the store as it was.
   *
   * @throws DataException if it cannot be written
   */
  void save(ExperimentStore store) {
    saved = System.nanoTime();
    if (remote == null) {
      return;
    }
    try {
      List<Path> files;
      try (Stream<Path> all = Files.walk(directory)) {
        files =
            all.filter(Files::isRegularFile)
                .filter(f -> !f.getFileName().toString().startsWith(ExperimentStore.FILE))
                .toList();
      }
      for (Path file : files) {
        String name = directory.relativize(file).toString().replace('\\', '/');
        org.apache.hadoop.fs.Path to = new org.apache.hadoop.fs.Path(there, name);
        boolean same =
            name.indexOf('/') > 0
                && remote.exists(to)
                && remote.getFileStatus(to).getLen() == Files.size(file);
        if (!same) {
          put(file, to);
        }
      }
      Path copy = directory.resolve(ExperimentStore.FILE + ".copy");
      Files.deleteIfExists(copy);
      store.copy(copy);
      put(copy, new org.apache.hadoop.fs.Path(there, ExperimentStore.FILE));
      Files.delete(copy);
    } catch (IOException e) {
      throw unusable(there, e);
    }
  }

  /** Writes a file under another name first. */
  private void put(Path file, org.apache.hadoop.fs.Path to) throws IOException {
    org.apache.hadoop.fs.Path part = to.suffix(PART);
    try (var out = remote.create(part, true)) {
      Files.copy(file, out);
    }
    remote.delete(to, false);
    if (!remote.rename(part, to)) {
      throw new IOException("file=" + part + " cannot be renamed to " + to.getName());
    }
  }

  @Override
  public void close() {
    if (remote != null) {
      PackedStore.remove(directory);
    }
  }
}
