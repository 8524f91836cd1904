package io.autocircuit.files;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * Several files of a directory that are replaced together: whoever reads them finds all of the old
 * ones or all of the new ones, also if the process that replaces them is ended at any moment. See
 * ADR 7.
 *
 * <p>The new files are written whole into a hidden directory beside the old ones. Each old file
 * then gives way to a symbolic link, which leads to it by way of one other link; turning that one
 * link replaces all of them. Last, the new files take the place of the links. What a process leaves
 * that was ended in between is finished, or undone, by the next one that writes there. Where there
 * are no symbolic links, the files are moved one after the other.
 *
 * <p>Other files in the directory are not touched. Two processes that write to one directory do so
 * one after the other.
 */
public final class FileSet {
  private static final String HIDDEN = ".autocircuit-";

  /** The hidden directories of this version, and those of the one before, which had no links. */
  private static final Pattern HIDDEN_NAME =
      Pattern.compile(Pattern.quote(HIDDEN) + "([0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})");

  private static final String LOCK = ".autocircuit.lock";
  private static final String NEW = "new";
  private static final String OLD = "old";
  private static final String CURRENT = "current";
  private static final Duration LONGEST = Duration.ofMinutes(1);

  private final Path directory;
  private final List<String> names;
  private final List<String> optional;
  private final Runnable step;

  /** Writes the files. */
  @FunctionalInterface
  public interface Writer {
    /**
     * Writes all files into a directory, which is moved afterwards.
     *
     * @param directory empty
     * @throws IOException if one cannot be written; then none of them shows
     */
    void into(Path directory) throws IOException;
  }

  /**
   * Files in a directory.
   *
   * @param directory exists when they are replaced
   * @param names of the files
   */
  public FileSet(Path directory, List<String> names) {
    this(directory, names, List.of(), () -> {});
  }

  /**
   * Files in a directory, some of which need not be written.
   *
   * @param directory exists when they are replaced
   * @param names of the files that are written each time
   * @param optional of further files; an old one goes where no new one is written
   */
  public FileSet(Path directory, List<String> names, List<String> optional) {
    this(directory, names, optional, () -> {});
  }

  /**
   * Like {@link #FileSet(Path, List, List)}.
   *
   * @param step run before each change of what the directory shows
   */
  FileSet(Path directory, List<String> names, List<String> optional, Runnable step) {
    this.directory = directory;
    this.names = List.copyOf(names);
    this.optional = List.copyOf(optional);
    this.step = step;
  }

  /**
   * Sees whether the files could be replaced, and finishes or undoes what dead processes left.
   *
   * @throws IOException if the directory cannot be written
   */
  public void check() throws IOException {
    synchronized (FileSet.class) { // threads; the lock is for processes
      try (LockFile lock = lock()) {
        recover();
        Files.delete(hidden());
      }
    }
  }

  /**
   * Replaces the files. If that fails, the old ones are there and nothing else.
   *
   * @param writer writes the new ones
   * @throws IOException if they cannot be written
   */
  public void replace(Writer writer) throws IOException {
    synchronized (FileSet.class) { // threads; the lock is for processes
      try (LockFile lock = lock()) {
        recover();
        step.run();
        Path hidden = hidden();
        try {
          Path fresh = Files.createDirectory(hidden.resolve(NEW));
          writer.into(fresh);
          change(hidden);
        } finally {
          recover(hidden);
        }
      }
    }
  }

  private LockFile lock() throws IOException {
    return LockFile.removed(
        directory.resolve(LOCK), "writing to " + directory.toAbsolutePath(), LONGEST);
  }

  /** Like the directory, it can be read by whoever may read what is made here. */
  private Path hidden() throws IOException {
    return Files.createDirectory(directory.resolve(HIDDEN + UUID.randomUUID()));
  }

  private void change(Path hidden) throws IOException {
    for (String name : names) {
      if (!Files.isRegularFile(hidden.resolve(NEW).resolve(name))) {
        throw new IOException("file=" + name + " was not written");
      }
    }
    List<String> all = new ArrayList<>(names);
    for (String name : optional) {
      if (Files.exists(hidden.resolve(NEW).resolve(name))
          || Files.exists(directory.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
        all.add(name);
      }
    }
    if (!links(hidden)) {
      for (String name : all) {
        if (Files.exists(hidden.resolve(NEW).resolve(name))) {
          move(hidden.resolve(NEW).resolve(name), directory.resolve(name));
        } else {
          step.run();
          Files.delete(directory.resolve(name));
        }
      }
      return;
    }
    for (String name : all) {
      keep(directory.resolve(name), hidden.resolve(OLD).resolve(name));
    }
    for (String name : all) {
      Path link = hidden.resolve("link-" + name);
      Files.createSymbolicLink(
          link, directory.getFileSystem().getPath(hidden.getFileName().toString(), CURRENT, name));
      move(link, directory.resolve(name));
    }
    Path turned = hidden.resolve("turned");
    Files.createSymbolicLink(turned, directory.getFileSystem().getPath(NEW));
    move(turned, hidden.resolve(CURRENT));
  }

  /** Makes the link that leads to the old files; whether there are links. */
  private boolean links(Path hidden) throws IOException {
    Files.createDirectory(hidden.resolve(OLD));
    try {
      Files.createSymbolicLink(hidden.resolve(CURRENT), directory.getFileSystem().getPath(OLD));
      return true;
    } catch (IOException | UnsupportedOperationException e) {
      // FAT, some network drives, Windows without the right: files are moved one by one, each whole
      return false;
    }
  }

  /** Gives an old file, if there is one, a second name. */
  private static void keep(Path file, Path second) throws IOException {
    if (Files.isSymbolicLink(file)) {
      if (Files.exists(file)) {
        Files.createSymbolicLink(second, file.toRealPath());
      }
    } else if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      try {
        Files.createLink(second, file);
      } catch (IOException | UnsupportedOperationException e) {
        // no hard links on this file system, or another owner's file: a copy does as well; what is
        // wrong with the file or the disk itself, the copy reports
        Files.copy(file, second, StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
  }

  /** Finishes or undoes what was begun; whoever holds the lock knows that nobody else will. */
  private void recover() throws IOException {
    for (Path hidden : entries(HIDDEN + "*")) {
      if (HIDDEN_NAME.matcher(hidden.getFileName().toString()).matches()
          && Files.isDirectory(hidden, LinkOption.NOFOLLOW_LINKS)) {
        recover(hidden);
      }
    }
  }

  private void recover(Path hidden) throws IOException {
    Path current = hidden.resolve(CURRENT);
    boolean turned = Files.isSymbolicLink(current) && Files.readSymbolicLink(current).endsWith(NEW);
    Path kept = hidden.resolve(turned ? NEW : OLD);
    for (Path file : entries("*")) {
      if (Files.isSymbolicLink(file)
          && Files.readSymbolicLink(file).startsWith(hidden.getFileName())) {
        Path whole = kept.resolve(file.getFileName());
        if (Files.exists(whole, LinkOption.NOFOLLOW_LINKS)) {
          move(whole, file);
        } else {
          step.run();
          Files.delete(file);
        }
      }
    }
    delete(hidden);
  }

  private List<Path> entries(String glob) throws IOException {
    List<Path> entries = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(directory, glob)) {
      stream.forEach(entries::add);
    }
    return entries;
  }

  private void move(Path from, Path to) throws IOException {
    step.run();
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private void delete(Path hidden) throws IOException {
    Files.walkFileTree(
        hidden,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            step.run();
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path folder, IOException e) throws IOException {
            if (e != null) {
              throw e;
            }
            step.run();
            Files.delete(folder);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
