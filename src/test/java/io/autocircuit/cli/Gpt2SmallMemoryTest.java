package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * EAP and circuits on a model of GPT-2 small's shape, 32 prompts of 16 tokens, in a process of its
 * own: its largest resident memory, by the kernel's own account, stays under 4 GB. Where it is
 * asked for, EAP on TinyLlama's shape (1.1 billion parameters) with weights in bfloat16, 8 prompts
 * of 32 tokens, under 12 GB.
 */
@Tag("alone")
class Gpt2SmallMemoryTest {
  private static final long LIMIT_KB = 4_000_000;
  private static final long FREE_KB = 5_000_000;
  private static final long MINUTES = 8;
  private static final int EDGES = 32_491;
  private static final long POLL_MILLIS = 50;
  private static final String LARGE = "autocircuit.large";
  private static final long LARGE_LIMIT_KB = 12_000_000;
  private static final long LARGE_FREE_KB = 14_000_000;

  @TempDir Path folder;

  @Test
  void eapAndCircuitsOnGpt2SmallStayUnderFourGigabytes() throws Exception {
    needs(FREE_KB, "5 GB");
    Path out = folder.resolve("out");
    long peak =
        peak("--random-weights", "gpt2-small", "--edges", "0,32,all", "--out", out.toString());
    assertTrue(peak > 700_000, "peak=" + peak + " kB is less than the weights: not measured");
    assertTrue(peak < LIMIT_KB, "peak resident memory=" + peak + " kB exceeds " + LIMIT_KB);
    Results r = Results.read(out);
    assertEquals(EDGES, r.edges().size());
    assertEquals(32, r.measurements().get("prompts").asInt());
    assertEquals(Set.of(0, 32, EDGES), r.metric("kl_div").keySet());
    assertEquals(0, r.metric("kl_div").get(EDGES), 1e-5);
    assertTrue(r.metric("kl_div").get(0) > 0.01);
  }

  @Test
  void eapOnTinyLlamaInBfloat16StaysUnderTwelveGigabytes() throws Exception {
    boolean asked = Boolean.getBoolean(LARGE);
    if (!asked) {
      System.out.println("Gpt2SmallMemoryTest: TinyLlama skipped: ask for it with -D" + LARGE);
    }
    Assumptions.assumeTrue(asked, "takes minutes; -D" + LARGE + "=true asks for it");
    needs(LARGE_FREE_KB, "14 GB");
    Path out = folder.resolve("out");
    long peak =
        peak(
            "--random-weights",
            "tinyllama",
            "--weights",
            "bfloat16",
            "--random-prompts",
            "8x32",
            "--algorithm",
            "eap",
            "--edges",
            "32",
            "--out",
            out.toString());
    assertTrue(peak > 2_500_000 + 1_400_000, "peak=" + peak + " kB is less than weights and Δ");
    assertTrue(peak < LARGE_LIMIT_KB, "peak resident memory=" + peak + " kB exceeds 12 GB");
    assertEquals(8, Results.read(out).measurements().get("prompts").asInt());
  }

  private static void needs(long kilobytes, String text) {
    Path memory = Path.of("/proc/meminfo");
    boolean enough = Files.exists(memory) && field(memory, "MemAvailable") > kilobytes;
    if (!enough) {
      System.out.println("Gpt2SmallMemoryTest skipped: needs Linux with " + text + " free");
    }
    Assumptions.assumeTrue(enough, "needs Linux with " + text + " of free memory");
  }

  /** The largest resident memory, in kilobytes, of {@code discover} with some options. */
  private long peak(String... options) throws Exception {
    Path log = folder.resolve("log");
    long start = System.nanoTime();
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx2g",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                Main.class.getName(),
                "discover"));
    command.addAll(List.of(options));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    // as on a user's machine: all cores
    builder.environment().remove("OMP_NUM_THREADS");
    builder.environment().remove("OPENBLAS_NUM_THREADS");
    Process child = builder.start();
    long peak = 0;
    try {
      Path status = Path.of("/proc", String.valueOf(child.pid()), "status");
      long deadline = start + TimeUnit.MINUTES.toNanos(MINUTES);
      while (!child.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
        assertTrue(System.nanoTime() < deadline, "not done after " + MINUTES + " minutes");
        // a high-water mark: only the very last moments of the process can escape
        peak = Math.max(peak, field(status, "VmHWM"));
      }
    } finally {
      child.destroyForcibly();
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    assertEquals(0, child.exitValue(), Files.readString(log));
    System.out.printf(
        Locale.ROOT,
        "Gpt2SmallMemoryTest: discover took %.1f s, peak resident memory %.2f GB%n",
        seconds,
        peak / 1e6);
    return peak;
  }

  /** A number of kilobytes in a file of {@code /proc}; 0 where it is gone or lacks it. */
  private static long field(Path file, String name) {
    try {
      return Files.readAllLines(file).stream()
          .filter(l -> l.startsWith(name + ":"))
          .mapToLong(l -> Long.parseLong(l.replaceAll("\\D", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException gone) {
      return 0;
    }
  }
}
