package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A process of its own for measurements of memory. */
public final class Forked {
  private static final long SECONDS = 180;

  private Forked() {}

  /** Whether the kernel tells a process's resident memory. */
  public static boolean canMeasure() {
    return field("VmRSS") > 0;
  }

  /**
   * Runs a main class on the tests' class path.
   *
   * @param log where its output goes
   * @param java options of the virtual machine
   * @param environment added to the process's
   * @return the lines that it printed
   */
  public static List<String> run(
      Path log, List<String> java, Map<String, String> environment, Class<?> main, String... words)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-XX:TieredStopAtLevel=1"); // as the tests' own process
    command.addAll(java);
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.add(main.getName());
    command.addAll(List.of(words));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    builder.environment().putAll(environment);
    Process child = builder.start();
    try {
      assertTrue(child.waitFor(SECONDS, TimeUnit.SECONDS), "not done after " + SECONDS + " s");
    } finally {
      child.destroyForcibly();
    }
    assertEquals(0, child.exitValue(), Files.readString(log));
    return Files.readAllLines(log);
  }

  /** Bytes of a field of this process's {@code /proc/self/status}; 0 where there is none. */
  public static long field(String name) {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(l -> l.startsWith(name + ":"))
          .mapToLong(l -> 1024 * Long.parseLong(l.replaceAll("\\D", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException notLinux) {
      return 0;
    }
  }

  /** Sets this process's peak of resident memory ({@code VmHWM}) to what it has now. */
  public static void resetPeak() throws IOException {
    Files.writeString(Path.of("/proc/self/clear_refs"), "5");
  }
}
