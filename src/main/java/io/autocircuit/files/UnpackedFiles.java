package io.autocircuit.files;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.zip.CRC32;

/**
 * The files of one directory of a jar, unpacked to a directory on disk where native code can load
 * them.
 *
 * <p>A file appears under its name only when all of it is on the disk, so that a process that is
 * ended while it unpacks, or a second one that unpacks beside it, harms nobody. What has been
 * written is noted in a list beside the files with its checksum, size and times; a file that no
 * longer is what the list says is compared with the jar and, if it differs, unpacked again. While
 * the list holds, nothing is locked, read or written.
 *
 * <p>Each file has the jar's size and time, which is what JavaCPP looks for before it unpacks a
 * library itself.
 */
public final class UnpackedFiles {
  /** The list of what was unpacked, in the directory of the files. */
  private static final String LIST = ".unpacked";

  /** In place of the jar's stamp: a jar in a jar, for example. */
  private static final String UNKNOWN = "?";

  private static final String TEMPORARY = ".autocircuit-unpacking";
  private static final int BLOCK = 1 << 20;

  private final JarFile jar;
  private final String folder;
  private final Path target;
  private final Path lock;
  private final String prefix;
  private final Map<String, String> secondNames;
  private final Runnable step;

  /** A file as the list knows it. */
  private record Line(long checksum, long size, long modified, String changed) {}

  /** A file that shall be there. */
  private record Wanted(String name, JarEntry entry) {}

  private UnpackedFiles(
      JarFile jar,
      String folder,
      Path target,
      Path lock,
      String prefix,
      Map<String, String> secondNames,
      Runnable step) {
    this.jar = jar;
    this.folder = folder;
    this.target = target;
    this.lock = lock;
    this.prefix = prefix;
    this.secondNames = secondNames;
    this.step = step;
  }

  /**
   * Unpacks the directory of a jar that holds a resource, without its subdirectories, unless that
   * was done before.
   *
   * @param root where the files of each jar have a directory of their own, as JavaCPP's cache has
   *     them: {@code root/NAME.jar/path/in/the/jar}
   * @param flat whether all files lie in {@code root} itself
   * @param resource any file of the directory
   * @param prefix with which the names of the files begin; others stay in the jar
   * @param secondNames files that shall be there under a second name too
   * @return where the files are: below {@code root}, or where they were if the resource is a file;
   *     null if it is neither in a jar nor a file
   * @throws IOException if the files cannot be read or written
   */
  public static Path below(
      Path root, boolean flat, URL resource, String prefix, Map<String, String> secondNames)
      throws IOException {
    JarURLConnection connection = connection(resource);
    if (connection == null) {
      return beside(resource);
    }
    JarFile jar = connection.getJarFile();
    String folder = folder(connection);
    Path name = Path.of(jar.getName()).getFileName();
    Path target = flat || name == null ? root : root.resolve(name).resolve(folder);
    return new UnpackedFiles(
            jar, folder, target, root.resolve(".lock"), prefix, secondNames, UnpackedFiles::nothing)
        .unpack();
  }

  /**
   * Unpacks the directory of a jar that holds a resource, without its subdirectories, unless that
   * was done before.
   *
   * @param target the directory for the files; made if it does not exist
   * @param resource any file of the directory
   * @return where the files are: {@code target}, or where they were if the resource is a file; null
   *     if it is neither in a jar nor a file
   * @throws IOException if the files cannot be read or written
   */
  public static Path in(Path target, URL resource) throws IOException {
    return in(target, resource, UnpackedFiles::nothing);
  }

  /**
   * Like {@link #in(Path, URL)}.
   *
   * @param step run before each change on the disk
   */
  static Path in(Path target, URL resource, Runnable step) throws IOException {
    JarURLConnection connection = connection(resource);
    if (connection == null) {
      return beside(resource);
    }
    Path lock = target.resolve(".lock");
    return new UnpackedFiles(
            connection.getJarFile(), folder(connection), target, lock, "", Map.of(), step)
        .unpack();
  }

  private static void nothing() {}

  private static JarURLConnection connection(URL resource) throws IOException {
    URLConnection connection = resource.openConnection();
    return connection instanceof JarURLConnection inJar ? inJar : null;
  }

  /** The path of the directory in the jar, with its last slash. */
  private static String folder(JarURLConnection connection) {
    String name = connection.getEntryName();
    return name.substring(0, name.lastIndexOf('/') + 1);
  }

  private static Path beside(URL resource) throws IOException {
    if (!resource.getProtocol().equals("file")) {
      return null;
    }
    try {
      return Path.of(new URI(resource.toString())).getParent();
    } catch (URISyntaxException e) {
      throw new IOException("resource=" + resource + " has no path", e);
    }
  }

  private Path unpack() throws IOException {
    List<String> list = list();
    String stamp = stamp(Path.of(jar.getName()));
    if (stamp.equals(UNKNOWN)
        ? allThere(wanted(), lines(list))
        : !list.isEmpty() && list.get(0).equals(stamp) && allAsListed(lines(list))) {
      return target;
    }
    Files.createDirectories(target);
    locked(
        () -> {
          removeLeftovers();
          Map<String, Line> known = lines(list());
          StringBuilder now = new StringBuilder(stamp).append('\n');
          for (Wanted file : wanted()) {
            Path path = target.resolve(file.name());
            if (!intact(path, file.entry(), known.get(file.name()))) {
              unpack(path, file.entry());
            }
            Line line = line(path, file.entry().getCrc());
            now.append(file.name())
                .append('\t')
                .append(line.checksum())
                .append('\t')
                .append(line.size())
                .append('\t')
                .append(line.modified())
                .append('\t')
                .append(line.changed())
                .append('\n');
          }
          appear(target.resolve(LIST), out -> out.write(bytes(now.toString())), null);
        });
    return target;
  }

  // what is there

  private List<String> list() {
    try {
      return Files.readAllLines(target.resolve(LIST));
    } catch (IOException | UncheckedIOException e) {
      return List.of(); // none, or damaged: as good as none
    }
  }

  private static Map<String, Line> lines(List<String> list) {
    Map<String, Line> lines = new HashMap<>();
    for (String text : list.subList(Math.min(1, list.size()), list.size())) {
      String[] parts = text.split("\t", -1);
      try {
        lines.put(
            parts[0],
            new Line(
                Long.parseLong(parts[1]),
                Long.parseLong(parts[2]),
                Long.parseLong(parts[3]),
                parts[4]));
      } catch (IllegalArgumentException | ArrayIndexOutOfBoundsException e) {
        return Map.of(); // damaged: as good as none
      }
    }
    return lines;
  }

  /** The jar, so that nothing in it need be looked at while it is the same. */
  private static String stamp(Path jar) {
    try {
      BasicFileAttributes attributes = Files.readAttributes(jar, BasicFileAttributes.class);
      return jar.toAbsolutePath()
          + "\t"
          + attributes.size()
          + "\t"
          + attributes.lastModifiedTime().toMillis()
          + "\t"
          + changed(jar, attributes);
    } catch (IOException e) {
      return UNKNOWN;
    }
  }

  /**
   * When a file was last changed in any way: nobody can set that time, so that a file with the time
   * of the list has the content of the list. Where the system has no such time, the one of its
   * content.
   */
  private static String changed(Path file, BasicFileAttributes attributes) throws IOException {
    if (file.getFileSystem().supportedFileAttributeViews().contains("unix")) {
      return Files.getAttribute(file, "unix:ctime", LinkOption.NOFOLLOW_LINKS).toString();
    }
    return attributes.lastModifiedTime().toString();
  }

  private static Line line(Path file, long checksum) throws IOException {
    BasicFileAttributes attributes =
        Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    if (!attributes.isRegularFile()) {
      throw new IOException(file + " is no file");
    }
    return new Line(
        checksum,
        attributes.size(),
        attributes.lastModifiedTime().toMillis(),
        changed(file, attributes));
  }

  private boolean allAsListed(Map<String, Line> lines) {
    return !lines.isEmpty()
        && lines.entrySet().stream().allMatch(e -> asListed(e.getKey(), e.getValue()));
  }

  private boolean asListed(String name, Line listed) {
    try {
      return line(target.resolve(name), listed.checksum()).equals(listed);
    } catch (IOException e) {
      return false;
    }
  }

  private boolean allThere(List<Wanted> wanted, Map<String, Line> lines) {
    return wanted.stream()
        .allMatch(
            w -> {
              Line line = lines.get(w.name());
              return line != null && of(line, w.entry()) && asListed(w.name(), line);
            });
  }

  private static boolean of(Line line, JarEntry entry) {
    return line.checksum() == entry.getCrc()
        && line.size() == entry.getSize()
        && line.modified() == entry.getTime();
  }

  private List<Wanted> wanted() {
    List<Wanted> wanted = new ArrayList<>();
    jar.stream()
        .filter(e -> !e.isDirectory() && e.getName().startsWith(folder + prefix))
        .filter(e -> e.getName().indexOf('/', folder.length()) < 0)
        .forEach(
            e -> {
              String name = e.getName().substring(folder.length());
              wanted.add(new Wanted(name, e));
              if (secondNames.containsKey(name)) {
                wanted.add(new Wanted(secondNames.get(name), e));
              }
            });
    return wanted;
  }

  /** Whether a file is what the jar holds; it then has the jar's time, too. */
  private boolean intact(Path file, JarEntry entry, Line known) {
    try {
      Line line = line(file, entry.getCrc());
      if (line.equals(known) && of(line, entry)) {
        return true;
      }
      if (line.size() != entry.getSize() || checksum(file) != entry.getCrc()) {
        return false;
      }
      if (line.modified() != entry.getTime()) {
        step.run();
        Files.setLastModifiedTime(file, FileTime.fromMillis(entry.getTime()));
      }
      return true;
    } catch (IOException e) {
      return false; // none, or none that can be read
    }
  }

  private static long checksum(Path file) throws IOException {
    CRC32 checksum = new CRC32();
    byte[] block = new byte[BLOCK];
    try (InputStream in = Files.newInputStream(file)) {
      for (int n = in.readNBytes(block, 0, BLOCK); n > 0; n = in.readNBytes(block, 0, BLOCK)) {
        checksum.update(block, 0, n);
      }
    }
    return checksum.getValue();
  }

  // how it gets there

  private interface Content {
    void writeTo(OutputStream out) throws IOException;
  }

  private interface Action {
    void run() throws IOException;
  }

  private void unpack(Path file, JarEntry entry) throws IOException {
    if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
      Files.delete(file); // fails by name if something is in it
    }
    appear(
        file,
        out -> {
          CRC32 checksum = new CRC32();
          byte[] block = new byte[BLOCK];
          try (InputStream in = jar.getInputStream(entry)) {
            for (int n = in.readNBytes(block, 0, BLOCK);
                n > 0;
                n = in.readNBytes(block, 0, BLOCK)) {
              step.run();
              out.write(block, 0, n);
              checksum.update(block, 0, n);
            }
          }
          if (checksum.getValue() != entry.getCrc()) {
            throw new IOException(
                "jar=" + jar.getName() + " is damaged at " + entry.getName() + "; fetch it again");
          }
        },
        FileTime.fromMillis(entry.getTime()));
  }

  private void appear(Path file, Content content, FileTime time) throws IOException {
    Path temporary =
        target.resolve(
            "." + file.getFileName() + "." + Long.toHexString(new Random().nextLong()) + TEMPORARY);
    temporary.toFile().deleteOnExit(); // for Ctrl-C
    try {
      step.run();
      try (FileChannel channel =
          FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        content.writeTo(Channels.newOutputStream(channel));
        channel.force(true);
      }
      if (time != null) {
        Files.setLastModifiedTime(temporary, time);
      }
      step.run();
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** Whoever holds the lock is alone in writing, so temporary files of others are of the dead. */
  private void removeLeftovers() throws IOException {
    try (DirectoryStream<Path> leftovers = Files.newDirectoryStream(target, ".*" + TEMPORARY)) {
      for (Path file : leftovers) {
        step.run();
        Files.deleteIfExists(file);
      }
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** Does something while no other process that uses this lock file, JavaCPP's included, does. */
  private void locked(Action action) throws IOException {
    // JavaCPP takes its lock within this monitor, and a process cannot lock a file twice
    synchronized (Runtime.getRuntime()) {
      try (LockFile held = LockFile.kept(lock, "unpacking files to " + lock.getParent())) {
        action.run();
      }
    }
  }
}
