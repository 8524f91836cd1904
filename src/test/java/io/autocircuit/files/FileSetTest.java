package io.autocircuit.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Forked;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class FileSetTest {
  private static final List<String> NAMES = List.of("a", "b", "c", "d");
  private static final int MOST_STEPS = 100;

  @TempDir Path folder;

  /** The process is dead: nothing that would change the disk is done any more. */
  private static final class Killed extends Error {
    private static final long serialVersionUID = 1L;
  }

  /** What is there before. */
  private enum Before {
    NOTHING,
    ALL_FILES,
    SOME_FILES,
    LINKS_OF_THE_USER,
    WHAT_ANOTHER_DEAD_PROCESS_LEFT
  }

  @ParameterizedTest
  @EnumSource
  void aKillAtEachStepLeavesAllOldOrAllNewFiles(Before before) throws IOException {
    int killed = 0;
    int kept = 0;
    for (int k = 1; k <= MOST_STEPS; k++) {
      Path directory = Files.createDirectories(folder.resolve("kill" + k));
      prepare(directory, before);
      Map<String, String> old = read(directory);
      boolean done = replaceAndDieAt(k, directory);
      Map<String, String> found = read(directory);
      assertTrue(found.equals(old) || found.equals(all("new")), "step " + k + ": " + found);
      assertEquals("mine", Files.readString(directory.resolve("notes.txt")));
      new FileSet(directory, NAMES).check();
      assertEquals(found, read(directory), "after the next process, step " + k);
      assertOnlyFiles(directory, before, found);
      replace(directory, "newer");
      assertEquals(all("newer"), read(directory));
      assertOnlyFiles(directory, Before.ALL_FILES, all("newer"));
      if (done) {
        assertEquals(all("new"), found);
        assertTrue(killed > 10, "steps: " + killed);
        assertTrue(before == Before.NOTHING || (kept > 0 && kept < killed), "kept: " + kept);
        return;
      }
      killed++;
      kept += found.equals(old) ? 1 : 0;
    }
    throw new AssertionError("not done in " + MOST_STEPS + " steps");
  }

  @Test
  void whereLinksCannotBeMadeFilesAreMovedOneByOne() throws IOException {
    FileSet files = new FileSet(folder, List.of("a", "b"), List.of("extra"));
    files.replace(fresh -> write(fresh, "old", "a", "b", "extra"));
    assertEquals(Map.of("a", "old", "b", "old", "extra", "old"), read(folder, "a", "b", "extra"));
    files.replace(
        fresh -> {
          write(fresh, "new", "a", "b");
          Files.writeString(fresh.resolveSibling("current"), "in the way of the link");
        });
    assertEquals(Map.of("a", "new", "b", "new"), read(folder, "a", "b", "extra"));
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(2, left.count());
    }
  }

  private static void write(Path directory, String text, String... names) throws IOException {
    for (String name : names) {
      Files.writeString(directory.resolve(name), text);
    }
  }

  private static Map<String, String> read(Path directory, String... names) throws IOException {
    Map<String, String> found = new TreeMap<>();
    for (String name : names) {
      if (Files.exists(directory.resolve(name))) {
        assertFalse(Files.isSymbolicLink(directory.resolve(name)));
        found.put(name, Files.readString(directory.resolve(name)));
      }
    }
    return found;
  }

  @Test
  void aFailureKeepsTheOldFilesAndLeavesNoOther() throws IOException {
    prepare(folder, Before.ALL_FILES);
    Map<String, String> old = read(folder);
    FileSet files = new FileSet(folder, NAMES);
    assertThrows(
        IOException.class,
        () ->
            files.replace(
                fresh -> {
                  Files.writeString(fresh.resolve("a"), "new");
                  throw new IOException("disk full");
                }));
    assertEquals(old, read(folder));
    // a file is missing: noticed when it is to take its place
    assertThrows(
        IOException.class, () -> files.replace(fresh -> Files.writeString(fresh.resolve("a"), "")));
    assertOnlyFiles(folder, Before.ALL_FILES, old);
  }

  @Test
  void leftoversOfTheVersionBeforeAreRemovedAndOthersAreNot() throws IOException {
    Files.createDirectory(folder.resolve(".autocircuit-123456"));
    Files.writeString(folder.resolve(".autocircuit-123456/edges.json"), "[");
    Files.createDirectory(folder.resolve(".autocircuit-notes"));
    new FileSet(folder, NAMES).check();
    assertEquals(Set.of(".autocircuit-notes"), names(folder));
  }

  @Test
  void otherUsersMayReadWhatTheyMightReadBefore() throws IOException {
    replace(folder, "one");
    Path plain = Files.writeString(folder.resolve("plain"), "");
    for (String name : NAMES) {
      assertEquals(
          Files.getPosixFilePermissions(plain),
          Files.getPosixFilePermissions(folder.resolve(name)));
    }
  }

  @Test
  void writersAtOnceWriteOneAfterTheOther() throws Exception {
    ExecutorService both = Executors.newFixedThreadPool(2);
    try {
      List<Future<List<String>>> runs = new ArrayList<>();
      for (String text : List.of("left", "right")) {
        runs.add(
            both.submit(
                () ->
                    Forked.run(
                        folder.resolve(text + ".log"),
                        List.of("-Xshare:auto"),
                        Map.of(),
                        Writer.class,
                        folder.resolve("out").toString(),
                        text)));
      }
      for (Future<List<String>> run : runs) {
        assertEquals(List.of("done"), run.get());
      }
    } finally {
      both.shutdownNow();
    }
    Map<String, String> found = read(folder.resolve("out"));
    assertTrue(found.equals(all("left")) || found.equals(all("right")), found::toString);
    assertEquals(new TreeSet<>(NAMES), names(folder.resolve("out")));
  }

  @Test
  void threadsAtOnceWriteOneAfterTheOther() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Future<?>> runs = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        String text = "thread " + i;
        runs.add(
            threads.submit(
                () -> {
                  replace(folder, text);
                  return null;
                }));
      }
      for (Future<?> run : runs) {
        run.get();
      }
    } finally {
      threads.shutdownNow();
    }
    Map<String, String> found = read(folder);
    assertEquals(all(found.get("a").substring(2)), found);
    assertEquals(new TreeSet<>(NAMES), names(folder));
  }

  /** A process that replaces the files again and again. */
  public static final class Writer {
    private Writer() {}

    /** Words: the directory and what to write. */
    public static void main(String[] words) throws IOException {
      Path directory = Files.createDirectories(Path.of(words[0]));
      for (int i = 0; i < 40; i++) {
        replace(directory, words[1]);
      }
      System.out.println("done");
    }
  }

  private void prepare(Path directory, Before before) throws IOException {
    Files.writeString(directory.resolve("notes.txt"), "mine");
    switch (before) {
      case NOTHING -> {}
      case ALL_FILES -> replace(directory, "old");
      case SOME_FILES -> {
        Files.writeString(directory.resolve("b"), "b of somebody else");
        Files.writeString(directory.resolve("d"), "d of somebody else");
      }
      case LINKS_OF_THE_USER -> {
        Path elsewhere = Files.createDirectories(folder.resolve("elsewhere"));
        for (String name : NAMES) {
          Files.writeString(elsewhere.resolve(name), name + " elsewhere");
          Files.createSymbolicLink(directory.resolve(name), Path.of("../elsewhere", name));
        }
      }
      case WHAT_ANOTHER_DEAD_PROCESS_LEFT -> {
        replace(directory, "old");
        // in the middle of changing files to links
        assertFalse(replaceAndDieAt(4, directory));
        assertTrue(
            NAMES.stream().anyMatch(n -> Files.isSymbolicLink(directory.resolve(n))),
            () -> "no links");
      }
    }
  }

  /** A file that is written only sometimes comes and goes with the others, at whatever moment. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void anOptionalFileComesAndGoesWithTheOthers(boolean comes) throws IOException {
    for (int k = 1; k <= MOST_STEPS; k++) {
      Path directory = Files.createDirectories(folder.resolve("optional" + k));
      Map<String, String> old = new TreeMap<>(all("old"));
      Map<String, String> fresh = new TreeMap<>(all("new"));
      (comes ? fresh : old).put("e", "e");
      new FileSet(directory, NAMES, List.of("e")).replace(into -> write(into, old));
      assertEquals(old, read(directory));
      int[] steps = {0};
      int at = k;
      FileSet files =
          new FileSet(
              directory,
              NAMES,
              List.of("e"),
              () -> {
                if (++steps[0] >= at) {
                  throw new Killed();
                }
              });
      boolean done = false;
      try {
        files.replace(into -> write(into, fresh));
        done = true;
      } catch (Killed e) {
        // what is left is looked at
      }
      Map<String, String> found = read(directory);
      assertTrue(found.equals(old) || found.equals(fresh), "step " + k + ": " + found);
      new FileSet(directory, NAMES, List.of("e")).check();
      assertEquals(found, read(directory), "after the next process, step " + k);
      if (done) {
        assertEquals(fresh, found);
        assertEquals(comes, Files.exists(directory.resolve("e"), LinkOption.NOFOLLOW_LINKS));
        assertTrue(k > 10, "steps: " + k);
        return;
      }
    }
    throw new AssertionError("not done in " + MOST_STEPS + " steps");
  }

  private static void write(Path directory, Map<String, String> files) throws IOException {
    for (Map.Entry<String, String> e : files.entrySet()) {
      Files.writeString(directory.resolve(e.getKey()), e.getValue());
    }
  }

  private static boolean replaceAndDieAt(int k, Path directory) throws IOException {
    int[] steps = {0};
    FileSet files =
        new FileSet(
            directory,
            NAMES,
            List.of(),
            () -> {
              if (++steps[0] >= k) {
                throw new Killed();
              }
            });
    try {
      files.replace(fresh -> write(fresh, "new"));
      return true;
    } catch (Killed e) {
      return false;
    }
  }

  private static void replace(Path directory, String text) throws IOException {
    new FileSet(directory, NAMES).replace(fresh -> write(fresh, text));
  }

  private static void write(Path directory, String text) throws IOException {
    for (String name : NAMES) {
      Files.writeString(directory.resolve(name), name + " " + text);
    }
  }

  private static Map<String, String> all(String text) {
    return Map.of("a", "a " + text, "b", "b " + text, "c", "c " + text, "d", "d " + text);
  }

  /** What somebody reads who knows nothing of links. */
  private static Map<String, String> read(Path directory) throws IOException {
    Map<String, String> found = new TreeMap<>();
    for (String name : List.of("a", "b", "c", "d", "e")) {
      if (Files.exists(directory.resolve(name))) {
        found.put(name, Files.readString(directory.resolve(name)));
      }
    }
    return found;
  }

  private static void assertOnlyFiles(Path directory, Before before, Map<String, String> files)
      throws IOException {
    Set<String> expected = new TreeSet<>(files.keySet());
    expected.add("notes.txt");
    assertEquals(expected, names(directory));
    for (String name : files.keySet()) {
      assertTrue(
          before == Before.LINKS_OF_THE_USER
              || Files.isRegularFile(directory.resolve(name), LinkOption.NOFOLLOW_LINKS),
          name);
    }
  }

  private static Set<String> names(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return new TreeSet<>(files.map(f -> f.getFileName().toString()).toList());
    }
  }
}
