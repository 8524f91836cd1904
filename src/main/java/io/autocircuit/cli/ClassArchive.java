package io.autocircuit.cli;

import io.autocircuit.cli.internal.ProcessImage;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Enumeration;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * The archive of classes with which the virtual machine starts faster (class data sharing, JEP
 * 350): made by the first run of a jar, read by later ones.
 *
 * <p>The virtual machine writes it when it ends, under a name with the number of its process. The
 * next start gives it its name if it is whole, which is one atomic step; so a process that is ended
 * while it writes, or several that write at once, harm nobody. The name says the jar and the
 * virtual machine, with sizes and times: an archive of another is never read, and the virtual
 * machine checks the jar once more. Where it cannot be written or does not fit, starts are slower,
 * and that is all.
 */
final class ClassArchive {
  /** The system property for the directory; {@value #OFF} for no archive. */
  static final String PROPERTY = "autocircuit.archive";

  /** The value of {@link #PROPERTY} that switches the archive off. */
  static final String OFF = "off";

  /** The virtual machine's option that reads an archive. */
  static final String READ = "-XX:SharedArchiveFile=";

  /** The virtual machine's option that makes an archive when it ends. */
  static final String MAKE = "-XX:ArchiveClassesAtExit=";

  /** Runs that may try to make an archive; something is wrong if none of them did. */
  private static final int TRIES = 5;

  private static final String ARCHIVE = ".jsa";
  private static final String NEW = ".new";
  private static final String COUNT = ".tries";
  private static final String LIBRARY = ".so";

  /** The first bytes of an archive, which are written last. */
  private static final int[] MAGIC = {0xa8, 0xab, 0x0b, 0xf0};

  private final File folder;

  /** What the names of all files of this jar and this virtual machine begin with. */
  private final String owner;

  /** {@link #owner}, and what they are like today. */
  private final String name;

  /**
   * The archive of a jar.
   *
   * @param folder where it is or will be
   * @param jar the class path, one file
   * @param java the directory of the virtual machine
   */
  ClassArchive(File folder, File jar, File java) {
    this.folder = folder;
    StringBuilder who = new StringBuilder();
    who.append(jar.getAbsolutePath()).append('\n').append(java.getPath());
    File base = base(java);
    StringBuilder what = new StringBuilder();
    what.append(jar.length()).append('\n').append(jar.lastModified()).append('\n');
    what.append(base.length()).append('\n').append(base.lastModified()).append('\n');
    what.append(System.getProperty("java.vm.version"));
    this.owner = hash(who);
    this.name = owner.concat("-").concat(hash(what));
  }

  /**
   * The archive of this user: in the directory that {@value #PROPERTY} says, or in {@code
   * autocircuit/start} under {@code XDG_CACHE_HOME} or {@code ~/.cache}.
   *
   * @param jar the class path, one file
   * @return null for none
   */
  static ClassArchive ofUser(String jar) {
    File java = new File(System.getProperty("java.home"));
    if (!base(java).exists()) {
      return null; // the virtual machine has no archive of its own classes to build on
    }
    File folder = folder();
    // the option takes a colon for the end of a first archive's name
    return folder == null || folder.getPath().indexOf(':') >= 0 || !safe(folder)
        ? null
        : new ClassArchive(folder, new File(jar), java);
  }

  /** Whether nobody but this user can put something there, which would be run. */
  static boolean safe(File folder) {
    if (!folder.exists()) {
      return true; // it is made so
    }
    try {
      PosixFileAttributes is = Files.readAttributes(folder.toPath(), PosixFileAttributes.class);
      return is.owner().equals(Files.getOwner(Path.of("/proc/self")))
          && !is.permissions().contains(PosixFilePermission.GROUP_WRITE)
          && !is.permissions().contains(PosixFilePermission.OTHERS_WRITE);
    } catch (IOException | UnsupportedOperationException e) {
      return false; // starts are slower, and that is all
    }
  }

  private static File folder() {
    String given = System.getProperty(PROPERTY);
    if (given != null && !given.isBlank()) {
      return given.equals(OFF) ? null : new File(given).getAbsoluteFile();
    }
    String cache = System.getenv("XDG_CACHE_HOME");
    if (cache != null && cache.startsWith("/")) { // as its specification demands
      return new File(cache, "autocircuit/start");
    }
    String home = System.getProperty("user.home");
    return home == null || !home.startsWith("/")
        ? null
        : new File(home, ".cache/autocircuit/start");
  }

  private static File base(File java) {
    return new File(java, "lib/server/classes.jsa");
  }

  private static String hash(StringBuilder text) {
    long hash = 0xcbf29ce484222325L; // FNV-1a
    for (int i = 0; i < text.length(); i++) {
      hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
    }
    return Long.toHexString(hash);
  }

  /**
   * The archive: its name says the size and the time that it must have, since a virtual machine
   * that reads a part of one crashes.
   *
   * @return null if there is none, or none that is as it was made
   */
  File archive() {
    String[] files = folder.list();
    for (int i = 0; files != null && i < files.length; i++) {
      if (files[i].startsWith(name) && files[i].endsWith(ARCHIVE)) {
        File file = new File(folder, files[i]);
        if (files[i].equals(nameOf(file))) {
          return file;
        }
        file.delete();
      }
    }
    return null;
  }

  private String nameOf(File archive) {
    StringBuilder text = new StringBuilder(name);
    text.append('.').append(Long.toHexString(archive.length()));
    text.append('.').append(Long.toHexString(archive.lastModified()));
    return text.append(ARCHIVE).toString();
  }

  /** The library of {@link ProcessImage}; there when {@link #option} has returned one. */
  File library() {
    return new File(folder, name.concat(LIBRARY));
  }

  /**
   * The option with which the virtual machine is to start again.
   *
   * @param command the first word of the command line
   * @return null if it should go on as it is
   * @throws IOException if the directory cannot be used
   */
  String option(String command) throws IOException {
    File archive = archive();
    if (archive == null && folder.isDirectory()) {
      archive = adopted();
    }
    if (archive != null && library().exists()) {
      return READ.concat(archive.getPath());
    }
    // short commands would put too little into it
    return command.equals("discover") || command.equals("experiment") ? make() : null;
  }

  /** Gives an archive that a process has made its name; null if there is none. */
  private File adopted() throws IOException {
    File adopted = null;
    String begin = begin();
    String[] files = folder.list();
    for (int i = 0; files != null && i < files.length; i++) {
      String file = files[i];
      if (!file.startsWith(begin) || !file.endsWith(NEW)) {
        continue;
      }
      String process = file.substring(begin.length(), file.length() - NEW.length());
      // this one has not begun: in a container the number may be that of an earlier one
      if (!process.equals(self()) && new File("/proc", process).exists()) {
        continue; // it may be writing
      }
      File made = new File(folder, file);
      File named = new File(folder, nameOf(made));
      if (adopted == null && whole(made) && made.renameTo(named)) {
        adopted = named;
        new File(folder, name.concat(COUNT)).delete();
      } else {
        made.delete();
      }
    }
    return adopted;
  }

  /**
   * What the names of archives begin with that processes make: since this system started, since
   * nobody knows what of a file is on the disk when it ends without notice.
   */
  private String begin() throws IOException {
    try (InputStream in = new FileInputStream("/proc/sys/kernel/random/boot_id")) {
      String boot = new String(in.readNBytes(8), StandardCharsets.US_ASCII);
      return name.concat(".").concat(boot).concat(".");
    }
  }

  /** Whether an archive was written to its end; then it is on the disk, too. */
  private static boolean whole(File made) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(made, "r")) {
      for (int expected : MAGIC) {
        if (file.read() != expected) {
          return false;
        }
      }
      file.getFD().sync();
      return true;
    }
  }

  private String make() throws IOException {
    Files.createDirectories(
        folder.toPath(),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    removeOthers();
    File count = new File(folder, name.concat(COUNT));
    if (count.length() >= TRIES) {
      return null;
    }
    try (FileOutputStream out = new FileOutputStream(count, true)) {
      out.write('\n');
    }
    if (!library().exists()) {
      unpackLibrary();
    }
    StringBuilder option = new StringBuilder(MAKE);
    option.append(folder.getPath()).append('/').append(begin()).append(self());
    return option.append(NEW).toString();
  }

  /** The number of this process. */
  private static String self() throws IOException {
    return new File("/proc/self").getCanonicalFile().getName();
  }

  /**
   * Archives of this jar as it was, of this virtual machine as it was, or from before a restart.
   */
  private void removeOthers() throws IOException {
    String begin = begin();
    String[] files = folder.list();
    for (int i = 0; files != null && i < files.length; i++) {
      boolean old = !files[i].startsWith(name);
      boolean lost = files[i].endsWith(NEW) && !files[i].startsWith(begin);
      if (files[i].startsWith(owner.concat("-")) && (old || lost)) {
        new File(folder, files[i]).delete();
      }
    }
  }

  private void unpackLibrary() throws IOException {
    File temporary = File.createTempFile(name, NEW.concat(LIBRARY), folder);
    try (InputStream in = ProcessImage.class.getResourceAsStream(ProcessImage.LIBRARY)) {
      if (in == null) {
        throw new IOException("no library");
      }
      try (FileOutputStream out = new FileOutputStream(temporary)) {
        in.transferTo(out);
        out.getFD().sync();
      }
      temporary.renameTo(library());
    } finally {
      temporary.delete();
    }
  }

  /**
   * Loads all classes of this library, so that an archive that is made in this process has those of
   * other commands, too.
   *
   * @param jar the class path
   */
  static void loadAll(String jar) {
    try (JarFile file = new JarFile(jar)) {
      for (Enumeration<JarEntry> entries = file.entries(); entries.hasMoreElements(); ) {
        String entry = entries.nextElement().getName();
        if (entry.startsWith("io/autocircuit/") && entry.endsWith(".class")) {
          String type = entry.substring(0, entry.length() - ".class".length()).replace('/', '.');
          load(type);
        }
      }
    } catch (IOException e) {
      // the archive has fewer classes
    }
  }

  private static void load(String type) {
    try {
      Class.forName(type, false, ClassArchive.class.getClassLoader());
    } catch (ClassNotFoundException | LinkageError e) {
      // needs what this jar has not
    }
  }
}
