package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code discover --dry-run}. */
class DiscoverPlanTest {
  @TempDir Path folder;

  @Test
  void aPlanIsPrintedAndNothingIsWritten() throws IOException {
    Path reference = Path.of(System.getProperty("reference.dir", ""), "tiny-gpt2");
    if (!Files.isDirectory(reference)) {
      System.out.println("DiscoverPlanTest skipped: no tiny-gpt2 under reference.dir");
    }
    Assumptions.assumeTrue(Files.isDirectory(reference), "no reference.dir");
    Path out = folder.resolve("out");
    Locale usual = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab")); // with digits of its own
    Ran ran;
    try {
      ran = plan(reference, out);
    } finally {
      Locale.setDefault(usual);
    }
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("d_model 32), 262 edges\n"), ran::out);
    assertTrue(ran.out().contains("prompts: 8, of 9 tokens at most\n"), ran::out);
    assertTrue(ran.out().contains("for weights in bfloat16"), ran::out);
    assertTrue(ran.out().contains("GFLOP/s (measured now"), ran::out);
    assertTrue(Files.notExists(out));
  }

  private static Ran plan(Path reference, Path out) {
    return Ran.command(
        "discover",
        "--model",
        reference.resolve("model"),
        "--dataset",
        reference.resolve("dataset.json"),
        "--weights",
        "bf16",
        "--dry-run",
        "--out",
        out);
  }

  /** Of models and prompts in files the weights are not read. */
  @Test
  void anExperimentIsPlannedLikewise() throws IOException {
    Path reference = Path.of(System.getProperty("reference.dir", ""), "tiny-gpt2");
    if (!Files.isDirectory(reference)) {
      System.out.println("DiscoverPlanTest skipped: no tiny-gpt2 under reference.dir");
    }
    Assumptions.assumeTrue(Files.isDirectory(reference), "no reference.dir");
    Path file =
        Files.writeString(
            folder.resolve("mine.yaml"),
            "title: mine\ntasks: [{name: tiny, model: %s, dataset: %s}]\n"
                    .formatted(
                        reference.toRealPath().resolve("model"),
                        reference.toRealPath().resolve("dataset.json"))
                + "algorithms: [eap, eap-ig-activations]\nrandom_baseline: false\n"
                + "graph: {form: [factorized, unfactorized]}\n");
    Ran ran = Ran.command("experiment", file, "--dry-run", "--out", folder.resolve("out"));
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("4 cells, about "), ran::out);
    assertTrue(ran.out().contains("scoring of 1, of whose algorithms no cost is known"), ran::out);
    assertTrue(ran.out().contains("(estimated from settings, names of tensors"), ran::out);
    assertTrue(
        ran.out()
            .contains("cannot be run: --algorithm eap-ig-activations does not fit an unfactorized"),
        ran::out);
  }

  @Test
  void aModelThatIsNotThereIsToBeFetched() {
    Ran ran =
        Ran.with(
            Map.of("HF_HUB_CACHE", folder.toString()),
            "discover",
            "--model",
            "org/tiny",
            "--dataset",
            folder.resolve("prompts.json"),
            "--dry-run");
    assertEquals(1, ran.code());
    assertTrue(
        ran.err().contains("--dry-run downloads nothing; 'models fetch org/tiny' first"), ran::err);
  }

  @Test
  void whatItCannotTellIsSaid() {
    Ran several = Ran.command("discover", "--algorithm", "eap,ig", "--dry-run");
    assertEquals(2, several.code());
    assertTrue(several.err().contains("--dry-run is of one run"), several::err);
    Ran embedded = Ran.command("discover", "--dry-run");
    assertEquals(2, embedded.code());
    assertTrue(embedded.err().contains("--dry-run needs --model"), embedded::err);
  }
}
