package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.report.ResultDirectory;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code discover}, killed by {@code strace} at every third rename, leaves the old or the new
 * results. {@code FileSetTest} does the same at every step of the code that moves files, without a
 * process for each.
 */
@Tag("alone")
class DiscoverKillTest {
  private static final Set<String> FILES =
      Set.of(
          "scores.safetensors",
          "edges.json",
          "measurements.json",
          "activations.json",
          "report.html",
          "run.json");

  /** The renames before are of files that nobody sees yet; one of them is enough. */
  private static final int FIRST = 4;

  private static final int MOST = 40;
  private static final long SECONDS = 120;

  @TempDir Path folder;

  @Test
  void aKillAtARenameLeavesAllOldOrAllNewResults() throws Exception {
    assumeTrue(straceRuns(), "no strace that can kill");
    Map<String, String> old = results("old", 1);
    Map<String, String> fresh = results("fresh", 2);
    assertEquals(FILES, old.keySet());
    for (String file : FILES) {
      assertFalse(old.get(file).equals(fresh.get(file)), file + " must tell the runs apart");
    }
    ConcurrentLinkedQueue<Map<String, String>> found = new ConcurrentLinkedQueue<>();
    ExecutorService two = Executors.newFixedThreadPool(2);
    try {
      List<Future<Boolean>> runs = new ArrayList<>();
      for (int k = FIRST; k <= MOST; k += Exhaustive.on() ? 1 : 3) {
        int rename = k;
        runs.add(two.submit(() -> killedAt(rename, old, fresh, found)));
        if (runs.size() > 1 && !runs.get(runs.size() - 2).get()) {
          break; // there are no more renames
        }
      }
      for (Future<Boolean> run : runs) {
        run.get();
      }
    } finally {
      two.shutdownNow();
    }
    assertTrue(found.contains(old) && found.contains(fresh), "kills before and after the switch");
  }

  private boolean killedAt(
      int k,
      Map<String, String> old,
      Map<String, String> fresh,
      ConcurrentLinkedQueue<Map<String, String>> all)
      throws IOException, InterruptedException {
    Path out = Files.createDirectories(folder.resolve("kill" + k + "/out"));
    for (String file : FILES) {
      Files.copy(folder.resolve("old/out").resolve(file), out.resolve(file));
    }
    List<String> command = new ArrayList<>(List.of("strace", "-f", "-qq", "-o", "/dev/null", "-e"));
    command.add("trace=rename,renameat,renameat2");
    command.add("-e");
    command.add("inject=rename,renameat,renameat2:signal=KILL:when=" + k);
    command.addAll(discover(2));
    int code = run(command, "kill" + k);
    Map<String, String> found = read(out);
    assertTrue(found.equals(old) || found.equals(fresh), "rename " + k + ": a mixture");
    all.add(found);
    // the first thing that the next run does removes what this one left
    ResultDirectory.requireWritable(out);
    assertEquals(found, read(out));
    try (Stream<Path> left = Files.list(out)) {
      assertEquals(FILES, new TreeSet<>(left.map(f -> f.getFileName().toString()).toList()));
    }
    for (String file : FILES) {
      assertTrue(Files.isRegularFile(out.resolve(file), LinkOption.NOFOLLOW_LINKS), file);
    }
    return code != 0;
  }

  private Map<String, String> results(String name, int seed)
      throws IOException, InterruptedException {
    Files.createDirectory(folder.resolve(name));
    assertEquals(0, run(discover(seed), name));
    return read(folder.resolve(name).resolve("out"));
  }

  private static List<String> discover(int seed) {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-XX:TieredStopAtLevel=1", // few threads, few system calls to be traced
        "-XX:+UseSerialGC",
        "-cp",
        classPath(),
        Main.class.getName(),
        "discover",
        "--algorithm",
        "random",
        "--threads",
        "1",
        "--memory", // which run.json has, and which else follows what is free
        "1g",
        "--edges",
        seed + ",all",
        "--seed",
        String.valueOf(seed),
        "--out",
        "out");
  }

  /** The tests' class path, from every directory. */
  static String classPath() {
    String path =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return Stream.of(path.split(File.pathSeparator))
        .map(p -> Path.of(p).toAbsolutePath().toString())
        .collect(Collectors.joining(File.pathSeparator));
  }

  /** Runs a command in a directory of that name. */
  private int run(List<String> command, String name) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command)
            .directory(folder.resolve(name).toFile())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve(name + ".log").toFile())
            .start();
    try {
      assertTrue(process.waitFor(SECONDS, TimeUnit.SECONDS), "not done after " + SECONDS + " s");
      return process.exitValue();
    } finally {
      process.destroyForcibly();
    }
  }

  /** What each file holds for somebody who opens it. */
  private static Map<String, String> read(Path directory) throws IOException {
    Map<String, String> found = new TreeMap<>();
    for (String file : FILES) {
      if (Files.exists(directory.resolve(file))) {
        found.put(file, HexFormat.of().formatHex(Files.readAllBytes(directory.resolve(file))));
      }
    }
    return found;
  }

  private boolean straceRuns() throws IOException, InterruptedException {
    try {
      String options = "-f -qq -e trace=/rename -e inject=/rename:signal=KILL";
      List<String> command = new ArrayList<>(List.of("strace"));
      command.addAll(List.of(options.split(" ")));
      command.addAll(List.of("mv", "a", "b"));
      Files.createFile(Files.createDirectory(folder.resolve("strace")).resolve("a"));
      return run(command, "strace") != 0 && Files.exists(folder.resolve("strace/a"));
    } catch (IOException e) {
      return false; // there is none
    }
  }
}
