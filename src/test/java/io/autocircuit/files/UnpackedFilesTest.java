package io.autocircuit.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Forked;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Files of a jar that the test makes, unpacked whole whatever happens meanwhile. */
@Tag("slow")
class UnpackedFilesTest {
  private static final int DIED = 9;
  private static final String LARGE = "liblarge.so";

  @TempDir Path folder;
  private Path jar;
  private Path target;
  private final Map<String, byte[]> files = new TreeMap<>();

  @BeforeEach
  void aJar() throws IOException {
    Random random = new Random(1);
    for (String name : List.of("liba.so", LARGE, "libz.so.1")) {
      byte[] content = new byte[name.equals(LARGE) ? 5_000_000 : 10_000];
      random.nextBytes(content);
      files.put(name, content);
    }
    jar = write("set.jar");
    target = folder.resolve("target");
  }

  @Test
  void unpacksTheFilesOfTheDirectoryAndNoOther() throws IOException {
    assertEquals(target, unpack());
    assertWhole();
    assertEquals(Set.of(".lock", ".unpacked", "liba.so", LARGE, "libz.so.1"), names());
  }

  @Test
  void doesNothingWhereAllIsThere() throws IOException {
    unpack();
    int[] steps = {0};
    UnpackedFiles.in(target, url(), () -> steps[0]++);
    assertEquals(0, steps[0]);
    // a copy of the jar is looked at, found to hold the same, and noted
    Object before = Files.getAttribute(target.resolve(LARGE), "unix:ctime");
    jar = Files.copy(jar, folder.resolve("copy.jar"));
    unpack();
    assertEquals(before, Files.getAttribute(target.resolve(LARGE), "unix:ctime"));
    UnpackedFiles.in(target, url(), () -> steps[0]++);
    assertEquals(0, steps[0]);
  }

  /** What may happen to a file that was unpacked. */
  private enum Damage {
    SHORTER,
    EMPTY,
    LONGER,
    ZEROS_AND_THE_OLD_TIME,
    ANOTHER_TIME,
    REMOVED,
    A_LINK_TO_NOWHERE,
    AN_EMPTY_DIRECTORY,
    NO_LIST,
    A_LIST_OF_NONSENSE,
    A_LIST_THAT_LIES
  }

  @ParameterizedTest
  @EnumSource
  void whatIsDamagedIsRepaired(Damage damage) throws IOException {
    unpack();
    Path file = target.resolve(LARGE);
    Path list = target.resolve(".unpacked");
    FileTime time = Files.getLastModifiedTime(file);
    switch (damage) {
      case SHORTER, EMPTY, LONGER, ZEROS_AND_THE_OLD_TIME -> {
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
          switch (damage) {
            case SHORTER -> open.setLength(4_999_999);
            case EMPTY -> open.setLength(0);
            case LONGER -> open.setLength(5_000_001);
            default -> {
              open.seek(2_000_000);
              open.write(new byte[4096]);
            }
          }
        }
        Files.setLastModifiedTime(file, time);
      }
      case ANOTHER_TIME -> Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000_000));
      case REMOVED -> Files.delete(file);
      case A_LINK_TO_NOWHERE -> {
        Files.delete(file);
        Files.createSymbolicLink(file, Path.of("nowhere"));
      }
      case AN_EMPTY_DIRECTORY -> {
        Files.delete(file);
        Files.createDirectory(file);
      }
      case NO_LIST -> {
        Files.delete(list);
        Files.write(file, new byte[] {1}); // the list is not all that is looked at
      }
      case A_LIST_OF_NONSENSE -> {
        Files.write(list, new byte[] {(byte) 0xff, 0, 1});
        Files.delete(target.resolve("liba.so"));
      }
      case A_LIST_THAT_LIES -> {
        List<String> lines = new ArrayList<>(Files.readAllLines(list));
        Files.write(file, new byte[] {1});
        Files.setLastModifiedTime(file, time);
        lines.removeIf(l -> l.startsWith(LARGE));
        Files.write(list, lines);
        jar = Files.copy(jar, folder.resolve("copy.jar"));
      }
    }
    unpack();
    assertWhole();
    // and now nothing is left to do
    UnpackedFiles.in(
        target,
        url(),
        () -> {
          throw new AssertionError("a second repair");
        });
  }

  @Test
  void anotherJarOfTheSameNameTakesItsPlace() throws IOException {
    unpack();
    files.put("liba.so", "another version".getBytes(StandardCharsets.UTF_8));
    files.put("libnew.so", new byte[] {1, 2, 3});
    Path folderOfTheOther = Files.createDirectory(folder.resolve("other"));
    Path other = write("other/set.jar");
    assertTrue(other.startsWith(folderOfTheOther));
    jar = other;
    unpack();
    assertWhole();
  }

  @Test
  void javacppFindsNothingLeftToDo() throws IOException {
    Path root = Files.createDirectory(Loader.getCacheDir().toPath().resolve("autocircuit-test"));
    try {
      UnpackedFiles.below(root, false, url(), "lib", Map.of("liba.so", "libsecond.so"));
      Path unpacked = root.resolve("set.jar").resolve("native");
      assertArrayEquals(files.get("liba.so"), Files.readAllBytes(unpacked.resolve("libsecond.so")));
      Path expected = Loader.getCacheDir().toPath().resolve("set.jar");
      assertFalse(Files.exists(expected));
      Files.move(root.resolve("set.jar"), expected);
      try {
        Path file = expected.resolve("native").resolve(LARGE);
        Object before = Files.getAttribute(file, "unix:ctime");
        assertEquals(file.toFile(), Loader.cacheResource(url(LARGE)));
        assertEquals(before, Files.getAttribute(file, "unix:ctime"));
      } finally {
        Loader.deleteDirectory(expected.toFile());
      }
    } finally {
      Loader.deleteDirectory(root.toFile());
    }
  }

  @Test
  void filesThatAreInNoJarStayWhereTheyAre() throws IOException {
    Path file = Files.writeString(folder.resolve("a file.txt"), "");
    assertEquals(folder, UnpackedFiles.in(target, file.toUri().toURL()));
    assertFalse(Files.exists(target));
  }

  @Test
  void aDamagedJarIsNamedAndLeavesNothing() throws IOException {
    byte[] bytes = Files.readAllBytes(jar);
    bytes[3_000_000] ^= 1; // in the content of the large file, which is stored as it is
    Files.write(jar, bytes);
    IOException e = assertThrows(IOException.class, this::unpack);
    assertTrue(e.getMessage().contains("is damaged at native/" + LARGE), e::getMessage);
    assertFalse(Files.exists(target.resolve(LARGE)));
    assertEquals(Set.of(".lock", "liba.so"), names());
  }

  @Test
  void aProcessThatIsKilledAtAnyStepHarmsNobody() throws Exception {
    int killed = 0;
    Set<String> whole = new TreeSet<>();
    while (unpackAndDieAt(killed + 1)) {
      killed++;
      for (String name : names()) {
        if (files.containsKey(name)) {
          assertArrayEquals(
              files.get(name), Files.readAllBytes(target.resolve(name)), name + ", step " + killed);
          whole.add(name);
        }
      }
      unpack();
      assertWhole();
      assertEquals(Set.of(".lock", ".unpacked", "liba.so", LARGE, "libz.so.1"), names());
      Loader.deleteDirectory(target.toFile());
    }
    assertTrue(killed >= 10, "killed: " + killed);
    assertEquals(files.keySet(), whole);
    assertWhole();
  }

  @Test
  void twoFirstStartsAtOnceBothEndWell() throws Exception {
    ExecutorService both = Executors.newFixedThreadPool(2);
    try {
      List<Future<List<String>>> runs = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        Path log = folder.resolve("log" + i);
        runs.add(
            both.submit(
                () ->
                    Forked.run(
                        log,
                        List.of("-Xshare:auto"),
                        Map.of(),
                        Unpacker.class,
                        url().toString(),
                        target.toString(),
                        "0")));
      }
      for (Future<List<String>> run : runs) {
        assertEquals(List.of("whole"), run.get());
      }
    } finally {
      both.shutdownNow();
    }
    assertWhole();
  }

  /** A process that unpacks, and ends itself at a step. */
  public static final class Unpacker {
    private Unpacker() {}

    /** Words: the URL, the target and the step, or 0. */
    public static void main(String[] words) throws IOException {
      int[] left = {Integer.parseInt(words[2])};
      UnpackedFiles.in(
          Path.of(words[1]),
          URI.create(words[0]).toURL(),
          () -> {
            if (--left[0] == 0) {
              Runtime.getRuntime().halt(DIED);
            }
          });
      System.out.println("whole");
    }
  }

  /** Whether it died; if not, all is unpacked. */
  private boolean unpackAndDieAt(int k) throws IOException, InterruptedException {
    try {
      Forked.run(
          folder.resolve("log"),
          List.of("-Xshare:auto"),
          Map.of(),
          Unpacker.class,
          url().toString(),
          target.toString(),
          String.valueOf(k));
      return false;
    } catch (AssertionError e) {
      assertNotEquals(-1, String.valueOf(e.getMessage()).indexOf("<" + DIED + ">"), e::toString);
      return true;
    }
  }

  private Path unpack() throws IOException {
    return UnpackedFiles.in(target, url());
  }

  private URL url() throws IOException {
    return url("liba.so");
  }

  private URL url(String name) throws IOException {
    return URI.create("jar:" + jar.toUri() + "!/native/" + name).toURL();
  }

  private void assertWhole() throws IOException {
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      Path path = target.resolve(file.getKey());
      assertTrue(Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS), path::toString);
      assertArrayEquals(file.getValue(), Files.readAllBytes(path), path::toString);
    }
  }

  private Set<String> names() throws IOException {
    try (Stream<Path> list = Files.list(target)) {
      return new TreeSet<>(list.map(f -> f.getFileName().toString()).toList());
    }
  }

  private Path write(String name) throws IOException {
    Path path = folder.resolve(name);
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(path))) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        add(out, "native/" + file.getKey(), file.getValue());
      }
      add(out, "native/sub/other.so", new byte[1]);
      add(out, "nativeelse", new byte[1]);
    }
    return path;
  }

  private static void add(JarOutputStream out, String name, byte[] content) throws IOException {
    JarEntry entry = new JarEntry(name);
    entry.setTime(1_600_000_000_000L);
    out.putNextEntry(entry);
    out.write(content);
    out.closeEntry();
  }
}
