package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    Ran ran =
        Ran.command(
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
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("d_model 32), 262 edges\n"), ran::out);
    assertTrue(ran.out().contains("prompts: 8, of 9 tokens at most\n"), ran::out);
    assertTrue(ran.out().contains("for weights in bfloat16"), ran::out);
    assertTrue(ran.out().contains("GFLOP/s (measured now"), ran::out);
    assertTrue(Files.notExists(out));
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
