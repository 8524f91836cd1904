package io.autocircuit.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Forked;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs Jazzer, a coverage-guided fuzzer, on the readers of untrusted files, each in a process of
 * its own for {@code -Dfuzz.seconds} (default 1). See {@code docs/fuzzing.md} for long runs.
 */
@Tag("slow")
class FuzzingTest {
  private static final int SECONDS = Integer.getInteger("fuzz.seconds", 1);
  private static final int SEEDS = Integer.getInteger("fuzz.seeds", 300);
  private static final int BUG_FOUND = 77;
  private static final int FEWEST_INPUTS = 100;

  @TempDir Path directory;

  @Test
  void safetensors() throws IOException, InterruptedException {
    survives(
        SafetensorsTarget.class, SafetensorsTarget.seeds(), "io.autocircuit.tensor.Safetensors");
  }

  @Test
  void torchArchives() throws IOException, InterruptedException {
    survives(TorchTarget.class, TorchTarget.seeds(), "io.autocircuit.tensor.TorchPickle");
  }

  @Test
  void promptDatasets() throws IOException, InterruptedException {
    survives(
        PromptDatasetTarget.class,
        PromptDatasetTarget.seeds(),
        "io.autocircuit.data.PromptDataset");
  }

  @Test
  void tokenizers() throws IOException, InterruptedException {
    survives(
        TokenizerTarget.class, TokenizerTarget.seeds(), "io.autocircuit.data.TokenizerGrammar");
  }

  @Test
  void mutatedTokenizers() throws IOException, InterruptedException {
    List<String> java = List.of("-Xmx512m", "-XX:+UseSerialGC", "-DOPT_OUT_TRACKING=true");
    String last = Integer.toString(SEEDS);
    List<String> printed;
    try {
      printed =
          Forked.run(
              directory.resolve("log"),
              java,
              Map.of(),
              TokenizerChild.class,
              "checked",
              directory.toString(),
              "0",
              last);
    } catch (AssertionError e) {
      throw new AssertionError("seed=" + Files.readString(directory.resolve("seed")), e);
    }
    // Mutations that no file survives would test the parser of JSON only.
    int loaded = Integer.parseInt(printed.get(printed.size() - 1).replaceAll("\\D", ""));
    assertTrue(loaded >= SEEDS / 10 && loaded <= SEEDS / 2, "loaded " + loaded);
  }

  @Test
  void theFuzzerFindsAPlantedBug() throws IOException, InterruptedException {
    Outcome outcome = fuzz(PlantedBugTarget.class, List.of(), 60);
    assertEquals(BUG_FOUND, outcome.exit(), outcome.output());
    assertTrue(outcome.output().contains("IllegalStateException: planted"), outcome.output());
  }

  @Test
  void theBoundsAreEnforced() {
    assertThrows(AssertionError.class, () -> Bounded.reads(10, () -> keep(new byte[5_000_000])));
    assertFalse(
        Bounded.reads(
            10,
            () -> {
              throw new DataException("two\nlines");
            }));
    assertThrows(
        IllegalStateException.class,
        () ->
            Bounded.reads(
                10,
                () -> {
                  throw new IllegalStateException();
                }));
    assertTrue(Bounded.reads(10, () -> keep(new byte[100_000])));
  }

  private static void keep(byte[] array) {
    array[array.length - 1] = 1;
  }

  private void survives(Class<?> target, List<byte[]> seeds, String instrumented)
      throws IOException, InterruptedException {
    Outcome outcome = fuzz(target, seeds, SECONDS);
    if (outcome.exit() == 0 && outcome.executed() < FEWEST_INPUTS) {
      // A busy machine may need the time for loading and instrumenting alone.
      outcome = fuzz(target, seeds, SECONDS + 20);
    }
    assertEquals(0, outcome.exit(), outcome.output());
    assertTrue(
        outcome.output().contains("Instrumented " + instrumented), "no coverage of the reader");
    assertTrue(outcome.executed() >= FEWEST_INPUTS, outcome.output());
  }

  private record Outcome(int exit, String output) {
    /** How many inputs the target was given. */
    long executed() {
      Matcher executed =
          Pattern.compile("stat::number_of_executed_units:\\s+(\\d+)").matcher(output);
      return executed.find() ? Long.parseLong(executed.group(1)) : 0;
    }
  }

  private Outcome fuzz(Class<?> target, List<byte[]> seeds, int seconds)
      throws IOException, InterruptedException {
    String kept = System.getProperty("fuzz.corpus");
    Path corpus =
        kept == null
            ? Files.createDirectories(directory.resolve("corpus"))
            : Files.createDirectories(Path.of(kept).resolve(target.getSimpleName()));
    Path begin = Files.createDirectories(directory.resolve("seeds"));
    for (int i = 0; i < seeds.size(); i++) {
      Files.write(begin.resolve("seed" + i), seeds.get(i));
    }
    Path temporary = Files.createDirectories(directory.resolve("tmp"));
    Path found =
        Files.createDirectories(
            kept == null ? directory.resolve("found") : Path.of(kept).resolve("found"));
    Path log = directory.resolve("log");
    // The fuzzer limits its peak resident memory. A process started straight from here would
    // inherit
    // the peak of this one, which runs all tests; a child that a shell forks starts from nothing.
    ProcessBuilder builder =
        new ProcessBuilder(
                "sh",
                "-c",
                "\"$@\"; exit $?",
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:-OmitStackTraceInFastThrow",
                "-XX:+EnableDynamicAgentLoading",
                "-Djava.io.tmpdir=" + temporary,
                "-cp",
                System.getProperty("java.class.path"),
                "com.code_intelligence.jazzer.Jazzer",
                "--target_class=" + target.getName(),
                "--instrumentation_includes=io.autocircuit.**:com.fasterxml.jackson.core.json.Reader*",
                "--custom_hook_includes=io.autocircuit.**",
                "--reproducer_path=" + found,
                "-artifact_prefix=" + found + "/",
                "-max_total_time=" + seconds,
                "-max_len=4096",
                "-timeout=20",
                "-rss_limit_mb=3000",
                "-print_final_stats=1",
                corpus.toString(),
                begin.toString())
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    builder.environment().remove("JAVA_TOOL_OPTIONS");
    Process process = builder.start();
    try {
      assertTrue(process.waitFor(seconds + 120L, TimeUnit.SECONDS), "the fuzzer does not end");
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    return new Outcome(process.exitValue(), Files.readString(log, StandardCharsets.ISO_8859_1));
  }
}
