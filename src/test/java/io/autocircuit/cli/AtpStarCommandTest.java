package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code discover --algorithm atp-star}. */
class AtpStarCommandTest {
  @TempDir Path folder;

  private Ran discover(Object... words) {
    Object[] line = {
      "discover", "--out", folder.resolve("out"), "--algorithm", "atp-star", "--train", 8,
    };
    Object[] all = java.util.Arrays.copyOf(line, line.length + words.length);
    System.arraycopy(words, 0, all, line.length, words.length);
    return Ran.command(all);
  }

  @Test
  void verifiedScoresArePrintedAndStored() throws IOException {
    Ran ran = discover("--verify", 20, "--confidence", 0.9, "--edges", "5,all");
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("AtP* (verified)"), ran::out);
    assertTrue(
        ran.out().contains("note: 10 of 81 edges were verified by exact patching"), ran::out);
    assertTrue(ran.out().contains("at 90 % confidence, by 10 random subsets"), ran::out);
    Results results = Results.read(folder.resolve("out"));
    JsonNode verification = results.measurements().get("verification");
    assertEquals(10, verification.get("subsets").asInt());
    assertEquals(0.9, verification.get("confidence").asDouble());
    assertTrue(verification.get("bound").asDouble() > 0);
    assertEquals(10, verification.get("verified").size());
    for (JsonNode one : verification.get("verified")) {
      assertTrue(one.get("seq_idx").isNull());
      assertEquals(
          one.get("exact").asDouble(), results.scores().get(one.get("name").asText()), 1e-5);
      assertTrue(one.get("estimate").asDouble() > 0);
    }
    // a run that is repeated is verified again
    Results again =
        Results.discover(
            folder.resolve("again"), "--run", folder.resolve("out").resolve("run.json"));
    assertEquals(verification, again.measurements().get("verification"));
  }

  @Test
  void nodesOfEitherGraphAndPrompts() throws IOException {
    Ran nodes = discover("--level", "node", "--verify", 16);
    assertTrue(nodes.out().contains("note: all 8 nodes were verified"), nodes::out);
    assertTrue(
        Results.read(folder.resolve("out"))
            .measurements()
            .get("verification")
            .get("bound")
            .isNull());
    assertEquals(0, discover("--graph", "unfactorized", "--qk-fix=false").code());
    Ran both = discover("--per-prompt=5", "--verify", 16);
    assertEquals(2, both.code(), both::out);
    assertTrue(both.err().contains("--verify is of the scores of all prompts together"), both::err);
    Ran prompts = discover("--per-prompt=5");
    assertTrue(prompts.out().contains("overlap of two prompts' edges"), prompts::out);
    Ran refused = discover("--graph", "unfactorized");
    assertEquals(2, refused.code());
    assertTrue(
        refused
            .err()
            .contains(
                "--qk-fix needs inputs of their own for queries and keys; give --qk-fix=false, or"
                    + " --graph factorized"),
        refused::err);
  }
}
