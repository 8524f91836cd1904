package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code discover --spans}, {@code spans} of experiments, and what {@code dataset check} says. */
@Tag("slow")
class SpansCommandTest {
  private static final List<String> NAMES =
      List.of("asked", "answer", "other", "wrong", "end", "rest");

  @TempDir Path folder;

  /** Spans find with a few edges what positions need many for, since places differ by prompt. */
  @Test
  void embeddedPromptsHaveSpans() throws IOException {
    Results spans =
        Results.discover(folder.resolve("spans"), "--spans", "--edges=0,20,all", "--per-prompt=5");
    assertEquals(81 * NAMES.size(), spans.measurements().get("n_edges").asInt());
    assertFalse(spans.measurements().get("token_positions").asBoolean());
    List<String> names = new ArrayList<>();
    spans.measurements().get("spans").forEach(n -> names.add(n.asText()));
    assertEquals(NAMES, names);
    for (JsonNode edge : spans.edges()) {
      assertEquals(NAMES.get(edge.get("seq_idx").asInt()), edge.get("span").asText());
    }
    // induction: the answer is moved from behind the asked token to the end
    assertEquals("end", spans.edges().get(0).get("span").asText());
    Results positions =
        Results.discover(folder.resolve("tokens"), "--token-positions", "--edges=0,20,all");
    assertTrue(
        spans.metric("kl_div").get(20) < 1e-3 * positions.metric("kl_div").get(20),
        () -> spans.metric("kl_div") + " " + positions.metric("kl_div"));
    // sums over the positions of a span are sums over the spans of an edge: those of all positions
    Results all = Results.discover(folder.resolve("all"), "--edges=0,9");
    all.scores()
        .forEach(
            (name, score) -> {
              double sum = 0;
              for (int s = 0; s < NAMES.size(); s++) {
                sum += spans.scores().get(name + "@" + s);
              }
              assertEquals(score, sum, 1e-4 * (1 + Math.abs(score)), name);
            });
    Path again = folder.resolve("again");
    Ran second =
        Ran.command("discover", "--run", spans.directory().resolve("run.json"), "--out", again);
    assertEquals(0, second.code(), second::err);
    assertTrue(second.out().contains("spans: asked, answer, other, wrong, end, rest"));
    assertArrayEquals(
        Files.readAllBytes(spans.directory().resolve("edges.json")),
        Files.readAllBytes(again.resolve("edges.json")));
  }

  private static final String RAGGED =
      """
      {"prompts": [
      {"clean": [0, 5, 6, 7, 8, 5], "corrupt": [0, 7, 6, 5, 8, 5], "answers": [6],
       "wrong_answers": [8], "spans": {"asked": 1, "answer": [2], "pair": [3, 4]}},
      {"clean": [0, 9, 5, 6, 7, 8, 3, 5], "corrupt": [0, 9, 7, 6, 5, 8, 3, 5], "answers": [6],
       "wrong_answers": [8], "spans": {"asked": 2, "answer": [3], "pair": [4, 5]}}
      ]}
      """;

  @Test
  void promptsMayDifferInLength() throws IOException {
    Path model = Ran.embeddedCopy(folder.resolve("model"));
    Path prompts = Files.writeString(folder.resolve("ragged.json"), RAGGED);
    for (String algorithm : List.of("eap", "acdc", "sp")) {
      Results r =
          Results.discover(
              folder.resolve(algorithm),
              "--model",
              model,
              "--dataset",
              prompts,
              "--spans",
              "--algorithm",
              algorithm,
              "--edges=0,9,all");
      assertEquals(81 * 4, r.measurements().get("n_edges").asInt());
      assertEquals(0, r.metric("kl_div").get(81 * 4), 1e-5);
    }
    Results padded =
        Results.discover(
            folder.resolve("padded"),
            "--model",
            model,
            "--dataset",
            prompts,
            "--spans",
            "--pad",
            "--edges=0,9,all");
    Results parted = Results.read(folder.resolve("eap"));
    parted.scores().forEach((name, s) -> assertEquals(s, padded.scores().get(name), 1e-4, name));
    Ran positions =
        Ran.command(
            "discover",
            "--model",
            model,
            "--dataset",
            prompts,
            "--token-positions",
            "--out",
            folder.resolve("no"));
    assertEquals(1, positions.code());
    Ran check = Ran.command("dataset", "check", prompts);
    assertEquals(0, check.code(), check::err);
    assertTrue(
        check.out().replaceAll("\\s+", " ").contains("pair (in 2 of 2, at most 2 tokens)"),
        check::out);
  }

  @Test
  void whatCannotBeIsRefused() throws IOException {
    Path out = folder.resolve("no");
    Ran both = Ran.command("discover", "--spans", "--token-positions", "--out", out);
    assertEquals(2, both.code());
    assertTrue(both.err().contains("--spans"), both::err);
    Path model = Ran.embeddedCopy(folder.resolve("model"));
    Path prompts =
        Files.writeString(
            folder.resolve("none.json"), RAGGED.replaceAll(", \"spans\": \\{[^}]*\\}", ""));
    Ran none =
        Ran.command("discover", "--model", model, "--dataset", prompts, "--spans", "--out", out);
    assertEquals(1, none.code());
    assertTrue(none.err().contains("no spans"), none::err);
    assertFalse(Files.exists(out));
  }

  @Test
  void experimentsSpanThem() throws IOException {
    Path file = folder.resolve("sweep.yaml");
    Files.writeString(
        file,
        "tasks: induction\nalgorithms: eap\ntrain: 6\ntest: 4\nedges: [0, 9]\nmetrics: kl_div\n"
            + "random_baseline: false\ngraph: {spans: [false, true], token_positions: true}\n");
    Path out = folder.resolve("sweep");
    Ran ran = Ran.command("experiment", file, "--out", out);
    assertEquals(0, ran.code(), ran::err);
    try (var cells = Files.list(out.resolve("scores"))) {
      assertEquals(2, cells.count());
    }
  }
}
