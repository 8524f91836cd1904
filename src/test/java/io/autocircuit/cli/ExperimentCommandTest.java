package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.metric.Roc;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("slow")
class ExperimentCommandTest {
  @TempDir Path folder;

  private Path file(String... lines) throws IOException {
    return Files.writeString(folder.resolve("mine.yaml"), String.join("\n", lines) + "\n");
  }

  private ExperimentResults results(Path store) {
    try (ExperimentStore s = ExperimentStore.open(store)) {
      return s.results();
    }
  }

  /** The embedded experiment: nothing fails, and the official circuits are found by themselves. */
  @Test
  void theEmbeddedExperimentComparesAllAlgorithmsOnAllPrograms() {
    Path out = folder.resolve("embedded");
    Ran ran = Ran.command("experiment", "--out", out, "--no-pages");
    assertEquals(0, ran.code(), ran.err() + ran.out());
    ExperimentResults results = results(out);
    Set<String> tasks = results.cells().stream().map(CellResult::task).collect(Collectors.toSet());
    assertEquals(9, tasks.size(), tasks.toString());
    assertTrue(tasks.contains("induction") && tasks.contains("tracr-reverse"), tasks.toString());
    assertEquals(ExperimentSpec.embedded().cells(t -> null).size(), results.cells().size());
    for (CellResult cell : results.cells()) {
      assertTrue(cell.official().isPresent(), cell.task());
      assertFalse(cell.series().isEmpty(), cell.task());
      if (cell.algorithm().equals("ground-truth") || cell.algorithm().equals("exact")) {
        assertEquals(1, Roc.area(cell.roc()), 0, cell.task() + ", " + cell.label());
      }
    }
    assertTrue(Files.exists(out.resolve("report.html")));
    assertTrue(ran.out().contains("63/63 "), ran.out());
  }

  /** A list of algorithms or ablations is the runs that discover with one of each would do. */
  @Test
  void discoverWithListsIsAnExperimentOfTheSameRuns() throws IOException {
    Path all = folder.resolve("all");
    Ran ran =
        Ran.command(
            "discover",
            "--algorithm",
            "eap,ig",
            "--ablation",
            "resample,zero",
            "--samples",
            "3",
            "--edges",
            "3,9,all",
            "--metrics",
            "kl_div",
            "--threads",
            "1",
            "--out",
            all);
    assertEquals(0, ran.code(), ran.err());
    List<CellResult> cells = results(all).cells();
    assertEquals(4, cells.size());
    CellResult cell = cells.get(3);
    assertEquals("ig", cell.algorithm());
    assertEquals("zero", cell.ablation());
    assertEquals("zero", cell.settings().get("algorithm.score_ablation"));
    assertEquals("3", cell.settings().get("algorithm.samples"));
    Path one = folder.resolve("one");
    Ran single =
        Ran.command(
            "discover",
            "--algorithm",
            "ig",
            "--ablation",
            "zero",
            "--samples",
            "3",
            "--edges",
            "3,9,all",
            "--metrics",
            "kl_div",
            "--threads",
            "1",
            "--out",
            one);
    assertEquals(0, single.code(), single.err());
    try (Safetensors a = Safetensors.open(one.resolve("scores.safetensors"));
        Safetensors b = Safetensors.open(cell.scores())) {
      assertEquals(new TreeSet<>(a.names()), new TreeSet<>(b.names()));
      for (String module : a.names()) {
        assertArrayEquals(a.floats(module), b.floats(module), module);
      }
    }
    assertTrue(
        Files.readString(one.resolve("measurements.json")).contains(cell.run()),
        "the cell's key is the run's hash");
    for (CellResult c : cells) {
      String page = Files.readString(c.page().orElseThrow());
      Matcher library =
          Pattern.compile("<script nonce=\"([^\"]+)\" src=\"echarts.min.js\">").matcher(page);
      assertTrue(library.find());
      assertTrue(page.contains("script-src 'nonce-" + library.group(1) + "' 'sha256-"));
    }
    assertTrue(Files.size(all.resolve("circuits/echarts.min.js")) > 500_000);
  }

  @Test
  void aDryRunPrintsTheCellsAndRunsNothing() throws IOException {
    Path out = folder.resolve("dry");
    Ran ran =
        Ran.command(
            "experiment",
            file("tasks: [induction]", "algorithms: [eap, {algorithm: ig, samples: [3, 30]}]"),
            "--dry-run",
            "--out",
            out);
    assertEquals(0, ran.code(), ran.err());
    assertFalse(Files.exists(out));
    List<String> lines = ran.out().lines().toList();
    assertTrue(lines.get(0).matches("task +algorithm +ablation +patch +seed +estimate"));
    assertTrue(lines.get(2).startsWith("induction  Integrated gradients (samples 3)"), ran.out());
    assertTrue(ran.out().contains("4 cells, about "), ran.out());
    assertTrue(estimate(lines.get(3)) > estimate(lines.get(2)), "more samples take longer");
  }

  private static double estimate(String line) {
    return Double.parseDouble(line.replaceFirst(".* ([0-9.]+) s$", "$1"));
  }

  @Test
  void onlySomeCells() throws IOException {
    Path file = file("tasks: [induction]", "algorithms: [eap, ig, exact]", "edges: [3]");
    Path out = folder.resolve("some");
    Ran ran =
        Ran.command("experiment", file, "--only", "algorithm=eap|ex*", "--out", out, "--no-pages");
    assertEquals(0, ran.code(), ran.err());
    assertEquals(
        List.of("eap", "exact"), results(out).cells().stream().map(CellResult::algorithm).toList());
    Ran wrong = Ran.command("experiment", file, "--only", "algorithm=aep", "--out", out);
    assertEquals(2, wrong.code());
    assertTrue(wrong.err().contains("did you mean \"eap\""), wrong.err());
    // the rest follows, and what is there is not run again
    ran = Ran.command("experiment", file, "--out", out, "--no-pages");
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("mine: 4 cells, 2 in " + out + " already"), ran.out());
    assertTrue(ran.out().contains("cells: 4 done, 2 of them now, 0 failed"), ran.out());
  }

  @Test
  void failedCellsAreListedAndEndWithOne() throws IOException {
    Path file = file("tasks: [ioi, induction]", "algorithms: [eap]", "edges: [3]");
    Path out = folder.resolve("failing");
    Ran ran = Ran.command("experiment", file, "--out", out, "--no-pages", "--model-dir", folder);
    assertEquals(1, ran.code());
    assertEquals("", ran.err());
    assertTrue(ran.out().contains("cells: 2 done, 2 of them now, 2 failed"), ran.out());
    assertTrue(
        ran.out().contains("  ioi, Edge attribution patching, resample, tree, seed 42: task=ioi"),
        ran.out());
    assertTrue(ran.out().contains("openai-community/gpt2"), ran.out());
    assertTrue(ran.out().contains("to run them again: autocircuit experiment "), ran.out());
  }

  @Test
  void mistakesOfTheFileHaveTheirPlace() throws IOException {
    Ran ran = Ran.command("experiment", file("tasks: [induction]", "algorithms: [eap, acdcc]"));
    assertEquals(1, ran.code());
    assertTrue(ran.err().contains("line 2, column 19"), ran.err());
    assertTrue(ran.err().contains("\"acdc\""), ran.err());
  }

  @Test
  void theExampleIsAnExperimentAndTheSchemaIsPrinted() throws IOException {
    Ran example = Ran.command("experiment", "--example");
    assertEquals(0, example.code());
    Path copy = Files.writeString(folder.resolve("copy.yaml"), example.out());
    assertEquals(ExperimentSpec.embedded(), ExperimentSpec.read(copy));
    Ran schema = Ran.command("experiment", "--schema");
    assertEquals(
        Files.readString(Path.of("docs/experiment.schema.json")).strip(), schema.out().strip());
  }

  @Test
  void numbersOutOfRangeAreWrongUsage() {
    assertEquals(2, Ran.command("experiment", "--workers", "0").code());
    assertEquals(2, Ran.command("experiment", "--threads", "0").code());
    assertEquals(2, Ran.command("experiment", "--memory", "much").code());
    assertEquals(1, Ran.command("experiment", "nowhere.yaml").code());
  }
}
