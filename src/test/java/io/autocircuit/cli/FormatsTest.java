package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.formats.EapIgGraph;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.formats.ScoreFiles.Content;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code scores convert} and {@code circuit}. */
class FormatsTest {
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);

  @TempDir Path folder;
  private Path scores;
  private Path eapIg;

  @BeforeEach
  void files() {
    float[] values = new float[GRAPH.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = 1 + i;
    }
    PruneScores all = new PruneScores(GRAPH, values);
    scores = folder.resolve("scores.safetensors");
    all.write(scores, Map.of());
    eapIg = folder.resolve("graph.pt");
    Circuit circuit = Circuit.named(GRAPH, List.of("A0.1->MLP 1", "Resid Start->MLP 0"));
    ScoreFiles.write(
        eapIg,
        ScoreFiles.Format.EAP_IG,
        new Content(all, EapIgGraph.of(all, circuit, 8)),
        Map.of());
  }

  @Test
  void aRoundThroughAllFormats() throws IOException {
    Path before = scores;
    for (String name : List.of("a.json", "b.pt", "edges.json", "c.pkl", "d.safetensors")) {
      Path after = folder.resolve(name);
      Ran ran = Ran.command("scores", "convert", before, after, "--d-model", "8");
      assertEquals(0, ran.code(), ran::err);
      assertTrue(ran.out().startsWith(GRAPH.edgeCount() + " edges: "), ran::out);
      before = after;
    }
    assertEquals(-1, Files.mismatch(scores, before));
  }

  @Test
  void theWidthOfTheStreamMustBeKnown() {
    Ran ran = Ran.command("scores", "convert", scores, folder.resolve("a.json"));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("give --model MODEL or --d-model N"), ran::err);
  }

  @Test
  void theBestEdgesAreInTheGraph() {
    Path to = folder.resolve("best.pt");
    Ran ran = Ran.command("scores", "convert", scores, to, "--edges", "3", "--d-model", "8");
    assertEquals(0, ran.code(), ran::err);
    EapIgGraph read = ScoreFiles.read(to, null, null).eapIg();
    assertEquals(read.pruneScores(to).top(3), read.circuit());
  }

  @Test
  void setsOfEdges() throws IOException {
    Path names = Files.writeString(folder.resolve("n.json"), "[\"a0.h1->m1\", \"m1->logits\"]");
    Path pairs = Files.writeString(folder.resolve("p.json"), "[[\"a0.h1\", \"m1\"]]");
    Ran both = Ran.command("circuit", "intersect", eapIg, names);
    assertEquals("intersect: 1 edges (2 and 2)\n  A0.1->MLP 1\n", both.out());
    Path union = folder.resolve("u.json");
    Ran all = Ran.command("circuit", "union", names, eapIg, "--out", union);
    assertEquals("union: 3 edges (2 and 2)\n" + union + "\n", all.out());
    Path minus = folder.resolve("m.pt");
    Ran rest = Ran.command("circuit", "minus", union, eapIg, "--to", "eap_ig", "--out", minus);
    assertEquals(0, rest.code(), rest::err);
    assertEquals(
        Circuit.named(GRAPH, List.of("MLP 1->Resid End")),
        ScoreFiles.read(minus, null, null).eapIg().circuit());
    Path written = folder.resolve("w.json");
    Ran.command("circuit", "union", pairs, eapIg, "--to", "edge_pruning", "--out", written);
    Ran compared = Ran.command("circuit", "compare", written, eapIg);
    assertTrue(
        compared.out().contains("in both 2, only in A 0, only in B 0, Jaccard index 1.000"),
        compared::out);
    Ran best = Ran.command("circuit", "compare", scores, eapIg, "--edges", "5");
    assertTrue(best.out().startsWith("A 5 edges, B 5 edges"), best::out);
  }

  @Test
  void whatDoesNotFitIsSaid() throws IOException {
    Path names = Files.writeString(folder.resolve("n.json"), "[\"A0.1->MLP 1\"]");
    Ran none = Ran.command("circuit", "union", names, names);
    assertEquals(2, none.code());
    assertTrue(none.err().contains("give --model MODEL"), none::err);
    Ran scored = Ran.command("circuit", "union", scores, names);
    assertTrue(scored.err().contains("say with --edges how many"), scored::err);
    Path other = folder.resolve("o.safetensors");
    ComputationGraph larger = ComputationGraph.factorized(3, 2, Wiring.SEQUENTIAL, true, 0);
    new PruneScores(larger, new float[larger.edgeCount()]).write(other, Map.of());
    Ran unlike = Ran.command("circuit", "compare", scores, other, "--edges", "1");
    assertEquals(1, unlike.code());
    assertTrue(unlike.err().contains("is of another graph"), unlike::err);
    Path typo = Files.writeString(folder.resolve("t.json"), "[\"a0.h1->m7\"]");
    Ran near = Ran.command("circuit", "union", eapIg, typo);
    assertEquals(1, near.code());
    assertTrue(near.err().contains("MLP 1"), near::err);
  }
}
