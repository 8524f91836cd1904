package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code --ablation optimal} and {@code --constants}. */
@Tag("slow")
class OptimalAblationCommandTest {
  private static final Object[] RUN = {
    "--ablation", "optimal", "--train", 3, "--test", 4, "--edges", "0,9,all", "--threads", 1
  };

  @TempDir Path folder;

  private static Object[] with(Object[] words, Object... more) {
    Object[] all = java.util.Arrays.copyOf(words, words.length + more.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return all;
  }

  @Test
  void constantsAreLearnedWrittenAndReadBack() throws Exception {
    Path first = folder.resolve("first");
    Results learned = Results.discover(first, RUN);
    Path constants = first.resolve("constants.safetensors");
    try (Safetensors in = Safetensors.open(constants)) {
      assertTrue(in.contains("Resid Start") && in.contains("A1.3"), in.names()::toString);
    }
    assertEquals("optimal", learned.measurements().at("/runs/0/ablation").asText("optimal"));
    // the same numbers from the file, whatever the seed would have learned
    Path second = folder.resolve("second");
    Results read = Results.discover(second, with(RUN, "--constants", constants));
    assertEquals(learned.scores(), read.scores());
    assertEquals(learned.metric("kl_div"), read.metric("kl_div"));
    String run = Files.readString(second.resolve("run.json"));
    assertTrue(
        new ObjectMapper().readTree(run).at("/constants/sha256").asText().matches("[0-9a-f]{64}"),
        run);
    assertFalse(Files.readString(first.resolve("run.json")).contains("\"constants\""));
    // repeated, also where the file lies elsewhere now
    Path moved = Files.move(constants, folder.resolve("moved.safetensors"));
    Results again =
        Results.discover(
            folder.resolve("again"), "--run", second.resolve("run.json"), "--constants", moved);
    assertEquals(learned.metric("kl_div"), again.metric("kl_div"));
    Results anew = Results.discover(folder.resolve("anew"), "--run", first.resolve("run.json"));
    assertEquals(learned.metric("kl_div"), anew.metric("kl_div"));
    Path store = folder.resolve("store");
    Ran ran =
        Ran.command(
            "discover",
            "--algorithm",
            "eap,ugs",
            "--epochs",
            2,
            "--ablation",
            "optimal,zero",
            "--constants",
            moved,
            "--train",
            3,
            "--test",
            4,
            "--edges",
            9,
            "--out",
            store);
    assertEquals(0, ran.code(), ran::err);
    String table = Ran.command("results", store, "--metric", "kl_div", "--edges", 9).out();
    assertTrue(table.contains("optimal") && table.contains("Uniform gradient"), table);
    // one without them takes the file away again
    Results.discover(second, "--edges", "9", "--threads", 1);
    assertFalse(Files.exists(second.resolve("constants.safetensors")));
  }

  @Test
  void whatDoesNotFitIsSaid() throws Exception {
    Path out = folder.resolve("x");
    Ran useless = Ran.command("discover", "--constants", "c.safetensors", "--out", out);
    assertEquals(2, useless.code());
    assertTrue(useless.err().contains("give --ablation optimal too"), useless::err);
    Path wrong = folder.resolve("wrong.safetensors");
    Files.write(wrong, new byte[] {1, 2, 3});
    Ran damaged =
        Ran.command(with(new Object[] {"discover", "--out", out}, with(RUN, "--constants", wrong)));
    assertEquals(1, damaged.code());
    assertEquals(1, damaged.err().lines().count(), damaged::err);
    Ran missing =
        Ran.command(
            with(
                new Object[] {"discover", "--out", out},
                with(RUN, "--constants", folder.resolve("none"))));
    assertNotEquals(0, missing.code());
    assertEquals(1, missing.err().lines().count(), missing::err);
  }
}
