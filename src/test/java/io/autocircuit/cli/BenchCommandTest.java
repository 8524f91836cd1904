package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.benchmark.BenchmarkComparison;
import io.autocircuit.benchmark.BenchmarkComparison.Verdict;
import io.autocircuit.benchmark.BenchmarkFigures;
import io.autocircuit.files.JsonFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code bench} in a process of its own, as a user runs it: its result file has every figure, each
 * a plausible number, and idle threads sleep.
 */
@Tag("slow")
class BenchCommandTest {
  private static final List<String> RATIOS =
      List.of(
          "dense",
          "einsum",
          "circuit_0",
          "circuit_32",
          "circuit_1pct",
          "circuit_10pct",
          "sweep32_per_circuit",
          "eap",
          "ig5",
          "acdc_per_edge",
          "cp_epoch",
          "nodes_eap",
          "nodes_circuit_10pct",
          "latents_eap",
          "latents_circuit_10pct");

  private static final List<String> METHODS =
      List.of(
          "eap",
          "ig5",
          "eap_ig_inputs5",
          "ceap5",
          "clean_corrupted",
          "eap_ig_activations5",
          "atp_star",
          "information_flow_routes",
          "relp",
          "gim",
          "ugs_epoch",
          "eap_per_prompt",
          "optimal_step",
          "exact_per_edge");

  private static final long SECONDS = 120;

  @TempDir Path folder;

  private JsonNode bench(Path file, String... options) throws Exception {
    Path log = folder.resolve("log");
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx1g",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                Main.class.getName(),
                "bench",
                "--shape",
                "stories260k",
                "--threads",
                "1",
                "--json",
                file.toString()));
    command.addAll(List.of(options));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    // as on a user's machine, where nothing says how threads wait
    builder.environment().keySet().removeIf(k -> k.startsWith("OMP_") || k.startsWith("OPENBLAS_"));
    Process child = builder.start();
    try {
      assertTrue(child.waitFor(SECONDS, TimeUnit.SECONDS), "not done after " + SECONDS + " s");
    } finally {
      child.destroyForcibly();
    }
    assertEquals(0, child.exitValue(), Files.readString(log));
    List<String> names = List.of(options).contains("--methods") ? METHODS : RATIOS;
    for (String name : names) {
      assertTrue(Files.readString(log).contains("\n" + name + " "), "printed: " + name);
    }
    return JsonFiles.read(file);
  }

  @Test
  void theResultFileHasEveryFigure() throws Exception {
    Path file = folder.resolve("bench.json");
    JsonNode r = bench(file, "--batch", "32", "--seq", "16", "--repeats", "3");
    assertTrue(r.path("machine").asText().contains("core"), r::toString);
    assertEquals("stories260k", r.path("shape").textValue());
    assertEquals(32, r.path("batch").intValue());
    assertEquals(16, r.path("seq").intValue());
    assertEquals(1, r.path("threads").intValue());
    assertEquals("sleep", r.path("idle_threads").textValue());
    for (String name : List.of("plain_ms", "plain_gflops", "product_gflops")) {
      positive(r.path(name), name, r);
    }
    for (String name : RATIOS) {
      positive(r.path("ratios").path(name), "ratios." + name, r);
      atLeastZero(r.path("spreads").path(name), "spreads." + name, r);
    }
    for (String name : List.of("dense", "circuit_32", "circuit_1pct", "circuit_10pct")) {
      positive(r.path("live_share").path(name), "live_share." + name, r);
    }
    // nothing of a circuit without edges is live
    assertEquals(0, r.path("live_share").path("circuit_0").asDouble(-1), r::toString);
    positive(r.path("peak_native_mb").path("eap"), "peak_native_mb.eap", r);
    ordered(r.path("live_share"), "circuit_32", "circuit_10pct");
    ordered(r.path("ratios"), "circuit_0", "dense");
    ordered(r.path("ratios"), "eap", "ig5");
    BenchmarkFigures read = BenchmarkFigures.read(file);
    BenchmarkComparison same = BenchmarkComparison.of(read, read, 0);
    assertTrue(same.names(Verdict.SAME).containsAll(RATIOS), same::toString);
  }

  @Test
  void theMethodsOfAttributionHaveFigures() throws Exception {
    Path file = folder.resolve("methods.json");
    JsonNode r = bench(file, "--methods", "--batch", "2", "--seq", "6", "--repeats", "1");
    for (String name : METHODS) {
      positive(r.path("ratios").path(name), "ratios." + name, r);
    }
    assertEquals(METHODS.size(), r.path("ratios").size());
    // 2 forward and 1 backward pass; of 11 sites at 5 steps each, and 2 forward passes
    assertEquals(4, r.path("eap_ig_passes").path("eap").asDouble());
    assertEquals(167, r.path("eap_ig_passes").path("eap_ig_activations5").asDouble());
    assertFalse(r.path("eap_ig_passes").has("ceap5"), "it has no such method");
    BenchmarkFigures read = BenchmarkFigures.read(file);
    assertTrue(
        BenchmarkComparison.of(read, read, 0).names(Verdict.SAME).containsAll(METHODS),
        read::toString);
  }

  @Test
  void everyFigureIsMeasuredBesideBusyProcesses() throws Exception {
    String pair =
        "{\"clean\":[1,2,3,4,5,6],\"corrupt\":[1,2,7,4,5,6],\"answers\":[8],\"wrong_answers\":[9]}";
    Path prompts =
        Files.writeString(
            folder.resolve("prompts.json"),
            "{\"prompts\":[" + String.join(",", List.of(pair, pair, pair, pair, pair)) + "]}");
    JsonNode r =
        bench(
            folder.resolve("busy.json"),
            "--dataset",
            prompts.toString(),
            "--batch",
            "4",
            "--repeats",
            "1",
            "--busy",
            "2");
    assertEquals(4, r.path("batch").intValue(), "the first prompts of the file");
    assertEquals(6, r.path("seq").intValue());
    JsonNode busy = r.path("busy");
    assertEquals(2, busy.path("processes").intValue());
    positive(busy.path("plain_ms"), "busy.plain_ms", r);
    positive(busy.path("plain_over_idle"), "busy.plain_over_idle", r);
    for (String name : RATIOS) {
      positive(busy.path("ratios").path(name), "busy.ratios." + name, r);
      double idle = r.path("ratios").path(name).doubleValue();
      double both = busy.path("ratios").path(name).doubleValue();
      double worse = busy.path("ratios_over_idle").path(name).doubleValue();
      // each is written with four digits after the point
      assertEquals(both / idle, worse, 1e-4 + worse * 1e-4 * (1 / idle + 1 / both), name);
    }
    assertTrue(
        Files.readString(folder.resolve("log")).contains("beside 2 busy processes"), r::toString);
  }

  private static void ordered(JsonNode figures, String less, String more) {
    double a = figures.path(less).asDouble();
    double b = figures.path(more).asDouble();
    assertTrue(a < b, () -> less + "=" + a + " must be less than " + more + "=" + b);
  }

  private static void positive(JsonNode value, String name, JsonNode all) {
    atLeastZero(value, name, all);
    assertTrue(value.doubleValue() > 0, () -> name + "=" + value + " in " + all);
  }

  private static void atLeastZero(JsonNode value, String name, JsonNode all) {
    assertTrue(
        value.isNumber() && value.doubleValue() >= 0 && Double.isFinite(value.doubleValue()),
        () -> name + "=" + value + " in " + all);
  }
}
