package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code discover --scores}: scores are judged again without being computed again. */
class SavedScoresTest {
  @TempDir static Path folder;
  private static Results first;
  private static Path scores;

  @BeforeAll
  static void score() throws IOException {
    first = Results.discover(folder.resolve("first"), "--edges", "0,9,all");
    scores = folder.resolve("first/scores.safetensors");
  }

  @Test
  void judgedTheSameWayTheyGiveTheSame() throws IOException {
    Results again =
        Results.discover(folder.resolve("again"), "--scores", scores, "--edges", "0,9,all");
    assertEquals(
        Files.readString(folder.resolve("first/edges.json")),
        Files.readString(folder.resolve("again/edges.json")));
    assertEquals(first.metric("kl_div"), again.metric("kl_div"));
    assertEquals("saved", again.measurements().get("algorithm").asText());
    assertTrue(again.measurements().get("score_ablation").isNull());
  }

  @Test
  void judgedUnderAnotherAblationTheyGiveOtherCurves() throws IOException {
    Results zero =
        Results.discover(
            folder.resolve("zero"), "--scores", scores, "--edges", "0,9,all", "--ablation", "zero");
    assertEquals(first.scores(), zero.scores());
    assertFalse(first.metric("kl_div").get(9).equals(zero.metric("kl_div").get(9)));
  }

  @Test
  void scoresOfAnotherGraphAreRefused() throws IOException {
    refused(1, "hook_attn_in", "--scores", scores, "--separate-qkv=false");
    refused(1, "needs shape=", "--scores", scores, "--token-positions");
    refused(2, "not both", "--scores", scores, "--algorithm", "eap");
    refused(1, "does not exist", "--scores", folder.resolve("none"));
    Map<String, Safetensors.Array> tensors = new LinkedHashMap<>();
    try (Safetensors in = Safetensors.open(scores)) {
      for (String name : in.names()) {
        tensors.put(name, new Safetensors.Array(in.shape(name), in.floats(name)));
      }
    }
    Path other = folder.resolve("other.safetensors");
    float[] values = tensors.get("blocks.1.hook_resid_post").data();
    values[3] = Float.NaN;
    Safetensors.write(other, tensors, Map.of());
    refused(1, "is NaN", "--scores", other);
    tensors.remove("blocks.1.hook_resid_post");
    Safetensors.write(other, tensors, Map.of());
    refused(1, "blocks.1.hook_resid_post are missing", "--scores", other);
  }

  private static void refused(int code, String part, Object... words) {
    Object[] line = new Object[words.length + 3];
    line[0] = "discover";
    line[1] = "--out";
    line[2] = folder.resolve("never");
    System.arraycopy(words, 0, line, 3, words.length);
    Ran ran = Ran.command(line);
    assertEquals(code, ran.code(), ran::err);
    assertTrue(ran.err().contains(part), ran::err);
    assertEquals(1, ran.err().lines().count(), ran::err);
  }
}
