package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.formats.EapIgGraph;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.formats.ScoreFiles.Content;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.task.OfficialCircuit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.BitSet;
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
  void edgesWithoutAScoreStaySoBetweenEapIgsFormats() throws IOException {
    EapIgGraph graph = ScoreFiles.graph(eapIg);
    graph.scores()[0] = Float.NaN; // of the start and A0.0.Q
    ScoreFiles.write(eapIg, ScoreFiles.Format.EAP_IG, new Content(null, graph), Map.of());
    Path json = folder.resolve("nan.json");
    Ran there = Ran.command("scores", "convert", eapIg, json);
    assertEquals(0, there.code(), there::err);
    assertTrue(there.err().startsWith("note: 1 scores of edges are NaN, and stay so"), there::err);
    assertTrue(there.out().startsWith(GRAPH.edgeCount() + " edges: "), there::out);
    Path back = folder.resolve("graph again.pt");
    assertEquals(0, Ran.command("scores", "convert", json, back).code());
    assertArrayEquals(graph.scores(), ScoreFiles.graph(back).scores());
    assertEquals(graph.edges(), ScoreFiles.graph(back).edges());
    for (String chosen : List.of("--edges=3", "--to=safetensors")) {
      Ran refused = Ran.command("scores", "convert", json, folder.resolve("x.pt"), chosen);
      assertEquals(1, refused.code());
      assertTrue(refused.err().contains("score of edge \"input->a0.h0<q>\" is NaN"), refused::err);
    }
  }

  @Test
  void theWidthOfTheStreamMustBeKnown() {
    Ran ran = Ran.command("scores", "convert", scores, folder.resolve("a.json"));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("give --model MODEL or --d-model N"), ran::err);
    Ran none = Ran.command("scores", "convert", scores, folder.resolve("a.json"), "--d-model", 0);
    assertEquals(2, none.code());
    assertTrue(none.err().contains("--d-model=0 is below 1"), none::err);
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
    assertTrue(
        unlike.err().contains("is of another graph (blocks=3, heads=2, sequential, edges="),
        unlike::err);
    Path typo = Files.writeString(folder.resolve("t.json"), "[\"a0.h1->m7\"]");
    Ran near = Ran.command("circuit", "union", eapIg, typo);
    assertEquals(1, near.code());
    assertTrue(near.err().contains("MLP 1"), near::err);
  }

  /** Four heads in two groups: scores, of which the first are the best. */
  private Path grouped(ComputationGraph graph, String name) {
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = values.length - i;
    }
    Path file = folder.resolve(name);
    new PruneScores(graph, values).write(file, Map.of());
    return file;
  }

  @Test
  void circuitsOfGroupsAreReadBack() {
    for (int positions : new int[] {0, 2}) {
      ComputationGraph graph =
          ComputationGraph.factorized(2, 4, 2, Wiring.SEQUENTIAL, true, positions);
      Path all = grouped(graph, "grouped.safetensors");
      Path names = folder.resolve("names.json");
      int k = graph.edgeCount() - 10;
      Ran ran = Ran.command("circuit", "union", all, all, "--edges", k, "--out", names);
      assertEquals(0, ran.code(), ran::err);
      assertEquals(
          PruneScores.read(all, graph).top(k), OfficialCircuit.read(names, graph), "positions");
      Ran compared = Ran.command("circuit", "compare", names, all, "--edges", k);
      assertTrue(compared.out().contains("only in A 0, only in B 0"), compared::out);
    }
  }

  @Test
  void groupsAndTheirHeadsAreBroughtToOneGraph() {
    ComputationGraph few = ComputationGraph.factorized(2, 4, 2, Wiring.SEQUENTIAL, true, 0);
    ComputationGraph many = ComputationGraph.factorized(2, 4, Wiring.SEQUENTIAL, true, 0);
    Path all = grouped(few, "few.safetensors");
    PruneScores none = new PruneScores(many, new float[many.edgeCount()]);
    Path heads = folder.resolve("heads.pt");
    Circuit two = Circuit.named(many, List.of("Resid Start->A0.2.K", "Resid Start->A0.3.K"));
    ScoreFiles.write(
        heads, ScoreFiles.Format.EAP_IG, new Content(none, EapIgGraph.of(none, two, 8)), Map.of());
    Path best = folder.resolve("best.pt");
    Ran copied =
        Ran.command("scores", "convert", all, best, "--edges", few.edgeCount(), "--d-model", "8");
    assertTrue(copied.err().contains("is copied to its 2 heads"), copied::err);
    for (Path[] pair : new Path[][] {{all, heads}, {heads, all}}) {
      // all edges of both: 2 edges of heads are 1 of the group
      Ran ran = Ran.command("circuit", "union", pair[0], pair[1], "--edges", few.edgeCount());
      assertTrue(
          ran.out().startsWith("union: " + few.edgeCount() + " edges"), ran.out() + ran.err());
    }
    Path full = folder.resolve("full.pt");
    Ran whole =
        Ran.command(
            "circuit",
            "intersect",
            all,
            best,
            "--edges",
            few.edgeCount(),
            "--to",
            "eap_ig",
            "--out",
            full);
    assertEquals(0, whole.code(), whole::err);
    assertTrue(whole.err().contains("is copied to its 2 heads"), whole::err);
    EapIgGraph made = ScoreFiles.graph(full);
    assertEquals(
        PruneScores.read(all, few).best(1).get(0).score(),
        made.pruneScores(full).best(1).get(0).score());
    assertTrue(made.circuit().size() > few.edgeCount());
  }

  /** As EAP-IG's information flow routes write them. */
  @Test
  void circuitsWhoseScoresAreNanOrOfNodesToo() {
    Circuit circuit = Circuit.named(GRAPH, List.of("A0.1->MLP 1"));
    EapIgGraph plain =
        EapIgGraph.of(new PruneScores(GRAPH, new float[GRAPH.edgeCount()]), circuit, 1);
    int rows = plain.cfg().rows();
    float[] ones = new float[rows];
    Arrays.fill(ones, 1);
    BitSet neurons = new BitSet();
    neurons.set(2);
    for (boolean nan : new boolean[] {true, false}) {
      float[] values = plain.scores().clone();
      values[0] = nan ? Float.NaN : 1;
      EapIgGraph flow =
          new EapIgGraph(plain.cfg(), values, plain.edges(), plain.nodes(), ones, neurons, ones);
      for (String name : List.of("flow.pt", "flow.json")) {
        Path file = folder.resolve(name);
        ScoreFiles.write(file, ScoreFiles.Format.EAP_IG, new Content(null, flow), Map.of());
        assertEquals(circuit, OfficialCircuit.read(file, GRAPH));
        Path to = folder.resolve("to.pt");
        Ran ran = Ran.command("circuit", "minus", file, eapIg, "--to", "eap_ig", "--out", to);
        assertEquals(0, ran.code(), ran::err);
        EapIgGraph made = ScoreFiles.graph(to);
        assertEquals(0, made.edges().cardinality());
        assertEquals(nan, Float.isNaN(made.scores()[0]));
        assertArrayEquals(ones, made.nodeScores());
        assertArrayEquals(ones, made.neuronScores());
        assertEquals(neurons, made.neurons());
        Ran converted = Ran.command("scores", "convert", file, to, "--edges", 1);
        assertEquals(nan ? 1 : 0, converted.code(), converted::err);
      }
    }
    EapIgGraph made = ScoreFiles.graph(folder.resolve("to.pt"));
    assertEquals(1, made.edges().cardinality());
    assertArrayEquals(ones, made.nodeScores());
    Ran left = Ran.command("scores", "convert", folder.resolve("to.pt"), folder.resolve("x.pkl"));
    assertTrue(left.err().contains("have nodes and neurons; theirs are left out"), left::err);
  }

  // ---- submissions to MIB ----

  /** Scores of a model of that many blocks and heads. */
  private Path scored(String name, int blocks, int heads, int channels) {
    ComputationGraph graph = ComputationGraph.factorized(blocks, heads, Wiring.SEQUENTIAL, true, 0);
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = 1f / (1 + i);
    }
    Path file = folder.resolve(name);
    PruneScores all = new PruneScores(graph, values);
    ScoreFiles.write(
        file,
        ScoreFiles.Format.EAP_IG,
        new Content(all, EapIgGraph.of(all, null, channels)),
        Map.of());
    return file;
  }

  @Test
  void aSubmissionOfTwoPairs() throws IOException {
    Path to = folder.resolve("submission");
    Path gpt2 = scored("gpt2.pt", 12, 12, 768);
    Path gemma = scored("gemma.pt", 26, 8, 2304);
    Ran first = Ran.command("mib", "export", gpt2, to, "--task", "ioi", "--as", "gpt2");
    assertEquals(to.resolve("ioi_gpt2") + "\n", first.out());
    Ran alone = Ran.command("mib", "check", to);
    assertEquals(1, alone.code());
    assertTrue(alone.out().contains("tasks=1 and models=1; the leaderboard takes two"), alone::out);
    Ran second =
        Ran.command("mib", "export", gemma, to, "--task", "mcqa", "--as", "gemma2", "--by-size");
    assertEquals(0, second.code(), second::err);
    assertEquals("nothing is wrong with " + to + "\n", Ran.command("mib", "check", to).out());
    Path mcqa = to.resolve("mcqa_gemma2");
    EapIgGraph tenth = ScoreFiles.graph(mcqa.resolve("0.1.json"));
    assertEquals(tenth.circuit().graph().edgeCount() / 1000, tenth.circuit().size());
    Files.copy(
        mcqa.resolve("50.json"), mcqa.resolve("20.json"), StandardCopyOption.REPLACE_EXISTING);
    Ran large = Ran.command("mib", "check", to);
    assertTrue(large.out().contains("its file number 9 by size has edges="), large::out);
    Files.delete(mcqa.resolve("20.json"));
    assertTrue(Ran.command("mib", "check", to).out().contains("it has files=9, not one"));
  }

  @Test
  void pairsThatTheLeaderboardHasNot() {
    Path file = scored("s.pt", 2, 2, 8);
    String[][] wrong = {
      {"iio", "gpt2", "task=\"iio\" is not on the leaderboard; it has arc-challenge"},
      {"mcqa", "gpt2", "model=\"gpt2\" is not on the leaderboard of mcqa"},
      {"ioi", "gpt2", "the graph is not of gpt2: n_layers=2, n_heads=2, d_model=8"},
    };
    for (String[] pair : wrong) {
      Ran ran =
          Ran.command(
              "mib", "export", file, folder.resolve("m"), "--task", pair[0], "--as", pair[1]);
      assertEquals(1, ran.code());
      assertTrue(ran.err().contains(pair[2]), ran::err);
    }
    assertTrue(Files.notExists(folder.resolve("m")));
  }
}
