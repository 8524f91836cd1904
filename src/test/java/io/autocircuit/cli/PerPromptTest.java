package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code discover --per-prompt}, and {@code per_prompt} of experiments. */
@Tag("slow")
class PerPromptTest {
  private static final int EDGES = 81;
  private static final int PROMPTS = 6;

  @TempDir Path folder;

  private Ran discover(Path out, Object... words) {
    return Ran.command(
        Stream.concat(
                Stream.of("discover", "--out", out, "--train=6", "--test=4", "--edges=0,9"),
                Stream.of(words))
            .toArray());
  }

  @Test
  void scoresOfEachPromptAreWritten() throws IOException {
    Path out = folder.resolve("out");
    Ran ran = discover(out, "--per-prompt=7");
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("among its 7 best"), ran::out);
    assertTrue(ran.out().contains("mean Jaccard index"), ran::out);
    Results results = Results.read(out);
    JsonNode file = new ObjectMapper().readTree(out.resolve("prompts.json").toFile());
    assertEquals(7, file.get("k").asInt());
    assertEquals(EDGES, file.get("edges").size());
    assertEquals(PROMPTS, file.get("prompts").size());
    assertEquals(7, file.get("stability").size());
    JsonNode redrawn = file.get("redrawn");
    assertTrue(redrawn.get("low").asDouble() <= redrawn.get("overlap").asDouble());
    assertTrue(redrawn.get("overlap").asDouble() <= redrawn.get("high").asDouble());
    assertTrue(ran.out().contains("the edges of prompts drawn again: "), ran::out);
    assertTrue(file.get("overlap").asDouble() > 0 && file.get("overlap").asDouble() <= 1);
    Set<Integer> indices = new HashSet<>();
    float[] all;
    try (Safetensors in = Safetensors.open(out.resolve("prompt_scores.safetensors"))) {
      assertArrayEquals(new long[] {PROMPTS, EDGES}, in.shape("scores"));
      all = in.floats("scores");
    }
    for (int e = 0; e < EDGES; e++) {
      double sum = 0;
      for (int i = 0; i < PROMPTS; i++) {
        sum += all[i * EDGES + e];
      }
      String name = file.get("edges").get(e).get(0).asText();
      assertEquals(results.scores().get(name), sum / PROMPTS, 1e-5);
    }
    for (JsonNode prompt : file.get("prompts")) {
      assertTrue(indices.add(prompt.get("index").asInt()));
      assertEquals(7, prompt.get("circuit").size());
      double before = Double.POSITIVE_INFINITY;
      for (JsonNode edge : prompt.get("circuit")) {
        assertTrue(Math.abs(edge.get("score").asDouble()) <= before);
        before = Math.abs(edge.get("score").asDouble());
      }
    }
    List<String> table = Files.readAllLines(out.resolve("stability.csv"));
    assertEquals("name,seq_idx,share,mean,deviation,agreement", table.get(0));
    assertEquals(8, table.size());
    assertTrue(table.get(1).startsWith(results.best(1).get(0) + ",,"), table.get(1));
    // a repetition writes the same bytes
    Path again = folder.resolve("again");
    Ran second = Ran.command("discover", "--run", out.resolve("run.json"), "--out", again);
    assertEquals(0, second.code(), second::err);
    for (String name : List.of("prompt_scores.safetensors", "prompts.json", "stability.csv")) {
      assertArrayEquals(
          Files.readAllBytes(out.resolve(name)), Files.readAllBytes(again.resolve(name)), name);
    }
    // those of an earlier run go
    assertEquals(0, discover(out).code());
    assertFalse(Files.exists(out.resolve("prompts.json")));
    assertFalse(Files.exists(out.resolve("prompt_scores.safetensors")));
  }

  @Test
  void positionsAndPathsGoTogether() throws IOException {
    Path out = folder.resolve("positions");
    Ran ran =
        discover(
            out,
            "--per-prompt",
            "--algorithm=ig",
            "--path=layer",
            "--samples=2",
            "--token-positions");
    assertEquals(0, ran.code(), ran::err);
    JsonNode file = new ObjectMapper().readTree(out.resolve("prompts.json").toFile());
    assertEquals(20, file.get("k").asInt());
    assertTrue(file.get("stability").get(0).get("seq_idx").isInt());
    assertTrue(file.get("edges").size() > EDGES);
  }

  @Test
  void algorithmsThatCannotAreRefused() {
    Ran acdc = discover(folder.resolve("no"), "--per-prompt", "--algorithm=acdc");
    assertEquals(2, acdc.code());
    assertTrue(acdc.err().contains("eap-ig-inputs"), acdc::err);
    Ran nodes = discover(folder.resolve("no"), "--per-prompt=5", "--level=node", "--edges=0,all");
    assertEquals(2, nodes.code());
    assertTrue(
        nodes.err().contains("--per-prompt scores edges, but --level=node is given"), nodes::err);
    Ran none = discover(folder.resolve("no"), "--per-prompt=0");
    assertEquals(2, none.code());
    assertTrue(none.err().contains("--per-prompt=0"), none::err);
    assertFalse(Files.exists(folder.resolve("no")));
  }

  @Test
  void cellsOfAnExperimentHaveThem() throws IOException {
    Path file = folder.resolve("sweep.yaml");
    Files.writeString(
        file,
        "tasks: induction\nalgorithms: [eap, {algorithm: eap-ig-inputs, steps: 2}]\ntrain: 6\n"
            + "test: 4\nedges: [0, 9]\nmetrics: kl_div\nper_prompt: 5\n");
    Path out = folder.resolve("sweep");
    Ran ran = Ran.command("experiment", file, "--out", out);
    assertEquals(0, ran.code(), ran::err);
    // eap and eap-ig-inputs; random scores no prompts
    try (Stream<Path> cells = Files.list(out.resolve("prompts"))) {
      List<Path> all = cells.toList();
      assertEquals(2, all.size());
      for (Path cell : all) {
        assertEquals(6, Files.readAllLines(cell.resolve("stability.csv")).size());
        assertTrue(Files.exists(cell.resolve("prompt_scores.safetensors")));
      }
    }
  }
}
