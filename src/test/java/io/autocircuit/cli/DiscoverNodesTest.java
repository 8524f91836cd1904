package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.graph.ComputationGraph.Form;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code discover --graph} and {@code --level}. */
class DiscoverNodesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private Map<String, Double> nodes(Path directory) throws IOException {
    Map<String, Double> scores = new LinkedHashMap<>();
    for (JsonNode n : JSON.readTree(directory.resolve("nodes.json").toFile())) {
      String name =
          n.get("name").asText()
              + (n.get("seq_idx").isNull() ? "" : "@" + n.get("seq_idx").asInt());
      JsonNode score = n.get("score");
      scores.put(name, score.isTextual() ? Double.POSITIVE_INFINITY : score.asDouble());
    }
    return scores;
  }

  @ParameterizedTest
  @CsvSource({
    "eap",
    "ig",
    "acdc",
    "exact",
    "sp",
    "cp",
    "edge-pruning",
    "random",
    "ground-truth",
    "activation-magnitude"
  })
  void everyAlgorithmScoresUnfactorizedGraphs(String algorithm) throws IOException {
    Object[] few = {
      "--graph", "unfactorized", "--algorithm", algorithm, "--train", "8", "--no-shuffle"
    };
    Object[] more =
        switch (algorithm) {
          case "ig" -> new Object[] {"--samples", "2"};
          case "sp" -> new Object[] {"--epochs", "2"};
          case "cp" -> new Object[] {"--epochs", "2", "--circuit-sizes", "3"};
          case "edge-pruning" -> new Object[] {"--steps", "2"};
          default -> new Object[0];
        };
    Object[] all = new Object[few.length + more.length];
    System.arraycopy(few, 0, all, 0, few.length);
    System.arraycopy(more, 0, all, few.length, more.length);
    Results r = Results.discover(folder.resolve("out"), all);
    assertEquals(10, r.measurements().get("n_edges").asInt());
    assertEquals("unfactorized", r.measurements().get("graph").asText());
    assertTrue(r.scores().containsKey("A0.2->Resid Post 0"), r.scores()::toString);
    assertEquals(100, r.metric("logit_diff_percent").get(10), 1e-3);
    assertTrue(r.measurements().has("roc"), "the task's circuit, by its nodes");
    assertTrue(r.scores().values().stream().distinct().count() > 1, r.scores()::toString);
    if (algorithm.equals("ground-truth")) {
      Set<String> known = new TreeSet<>();
      r.scores().forEach((edge, score) -> known.add(score == 1 ? edge : "another: " + score));
      assertEquals(
          Set.of(
              "another: 0.0",
              "Resid Start->Resid Post 0",
              "A0.2->Resid Post 0",
              "Resid Post 0->Resid End",
              "A1.0->Resid End",
              "A1.1->Resid End",
              "A1.2->Resid End",
              "A1.3->Resid End"),
          known);
    }
  }

  @Test
  void nodesAreScoredJudgedAndWritten() throws IOException {
    Path out = folder.resolve("out");
    Ran ran =
        Ran.command(
            "discover",
            "--level",
            "node",
            "--algorithm",
            "acdc",
            "--tau",
            "0.01",
            "--out",
            out,
            "--edges",
            "all");
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("81 edges, 8 nodes"), ran.out());
    assertTrue(ran.out().contains("top nodes"), ran.out());
    assertTrue(ran.out().contains("kept at τ = 0.01: 4 nodes"), ran.out());
    Map<String, Double> nodes = nodes(out);
    assertEquals(8, nodes.size());
    assertEquals("A0.2", nodes.keySet().iterator().next(), "the previous-token head");
    Results r = Results.read(out);
    assertEquals(8, r.measurements().get("n_nodes").asInt());
    assertEquals("node", r.measurements().get("level").asText());
    JsonNode found = r.measurements().get("found").get(0);
    assertEquals(
        nodes.values().stream().filter(v -> v.isInfinite()).count(), found.get("nodes").asLong());
    assertEquals(9, r.metric("kl_div").size(), "0 to 8 nodes");
    assertEquals(100, r.metric("logit_diff_percent").get(8), 1e-3);
    // one point for each size, and the two ends
    assertEquals(9 + 2, r.measurements().get("roc").size());
    // an edge has the score of its less important end
    assertEquals(Double.POSITIVE_INFINITY, r.scores().get("Resid Start->Resid End"));
    assertEquals(nodes.get("A0.0"), r.scores().get("A0.0->A1.2.K"));
    assertEquals(nodes.get("A0.0"), r.scores().get("A0.0->Resid End"));
    assertEquals(nodes.get("A1.2"), r.scores().get("Resid Start->A1.2.Q"));
    assertTrue(Files.readString(out.resolve("report.html")).contains("Circuit nodes"));
  }

  @Test
  void nodesAreChosenByTheirSignAndByThresholds() throws IOException {
    Path signed = folder.resolve("signed");
    Results r = Results.discover(signed, "--level", "node", "--signed", "--edges", "0,3,all");
    Map<String, Double> nodes = nodes(signed);
    assertTrue(nodes.values().stream().anyMatch(s -> s < 0), nodes::toString);
    assertEquals(List.of(0, 3, 5, 8), List.copyOf(r.metric("kl_div").keySet()));
    List<Double> best = nodes.values().stream().sorted(Comparator.reverseOrder()).limit(3).toList();
    Path reached = folder.resolve("reached");
    Results t =
        Results.discover(
            reached,
            "--level",
            "node",
            "--signed",
            "--prune",
            "--select",
            "threshold",
            "--thresholds",
            best.get(2));
    assertEquals(List.of(0, 3, 8), List.copyOf(t.metric("kl_div").keySet()));
    assertEquals(r.metric("kl_div").get(3), t.metric("kl_div").get(3));
    Ran greedy = Ran.command("discover", "--level", "node", "--select", "greedy", "--out", signed);
    assertEquals(2, greedy.code());
    assertTrue(greedy.err().contains("--select=greedy goes from edge to edge"), greedy::err);
  }

  @Test
  void savedScoresOfNodesAreTheNodesAgain() throws IOException {
    Path first = folder.resolve("first");
    Results.discover(first, "--level", "node", "--edges", "0,5,8");
    Results again =
        Results.discover(
            folder.resolve("again"),
            "--level",
            "node",
            "--edges",
            "0,5,8",
            "--scores",
            first.resolve("scores.safetensors"));
    assertEquals(nodes(first), nodes(folder.resolve("again")));
    assertEquals(Results.read(first).metric("kl_div"), again.metric("kl_div"));
    Results edges = Results.discover(folder.resolve("again"), "--edges", "0,9,all");
    assertFalse(Files.exists(folder.resolve("again/nodes.json")), "that of an earlier run is gone");
    assertFalse(edges.measurements().has("n_nodes"));
  }

  @Test
  void bothTogetherWithPositionsAndRepeated() throws IOException {
    Path out = folder.resolve("out");
    Results r =
        Results.discover(
            out,
            "--graph",
            "unfactorized",
            "--level",
            "node",
            "--token-positions",
            "--ablation",
            "zero",
            "--train",
            "8",
            "--edges",
            "0,20,0.5");
    int positions = r.measurements().get("n_edges").asInt() / 10;
    assertEquals(8 * positions, r.measurements().get("n_nodes").asInt());
    assertTrue(nodes(out).containsKey("A0.2@0"));
    assertEquals(
        List.of(0, 20, 4 * positions, 5 * positions),
        List.copyOf(r.metric("kl_div").keySet()),
        "the last is the number of the known circuit's nodes");
    RunSpec spec = RunSpec.read(out.resolve("run.json"));
    assertEquals(Form.UNFACTORIZED, spec.graph().form());
    Path again = folder.resolve("again");
    Ran ran = Ran.command("discover", "--run", out.resolve("run.json"), "--out", again);
    assertEquals(0, ran.code(), ran.err());
    for (String file : List.of("nodes.json", "edges.json", "measurements.json", "run.json")) {
      assertEquals(
          Files.readString(out.resolve(file)), Files.readString(again.resolve(file)), file);
    }
  }

  /** Files of runs whose graph is the usual one are as they were. */
  @Test
  void theUsualGraphIsNotNamed() throws IOException {
    Path out = folder.resolve("out");
    Results.discover(out, "--edges", "0,9");
    JsonNode graph = JSON.readTree(out.resolve("run.json").toFile()).get("graph");
    assertEquals(
        "{\"kv\":\"grouped\",\"separate_qkv\":true,\"token_positions\":false}", graph.toString());
  }

  @Test
  void whatDoesNotFitIsRefused() {
    refused(
        "--separate-qkv is given, but in the graph of --graph=unfactorized",
        "--graph",
        "unfactorized",
        "--separate-qkv=false");
    refused("exceeds the graph's nodes=8", "--level", "node", "--edges", "9");
    refused(
        "--circuit-sizes=9 exceeds the graph's nodes=8",
        "--level",
        "node",
        "--algorithm",
        "cp",
        "--circuit-sizes",
        "9");
    refused("unfactorized", "--graph", "unfactorised");
    refused("node", "--level", "nodes");
  }

  private void refused(String part, Object... words) {
    Object[] line = new Object[words.length + 3];
    line[0] = "discover";
    line[1] = "--out";
    line[2] = folder.resolve("refused");
    System.arraycopy(words, 0, line, 3, words.length);
    Ran ran = Ran.command(line);
    assertEquals(2, ran.code(), ran.out() + ran.err());
    assertTrue(ran.err().contains(part), ran.err());
    assertFalse(Files.exists(folder.resolve("refused")));
  }

  @Test
  void experimentsSpanFormsAndLevels() throws IOException {
    Path file =
        Files.writeString(
            folder.resolve("nodes.yaml"),
            """
            tasks: [induction]
            algorithms: [eap, random]
            edges: [0, 5]
            graph: {form: [factorized, unfactorized], level: [edge, node]}
            """);
    Path store = folder.resolve("store");
    Ran dry = Ran.command("experiment", file, "--out", store, "--dry-run");
    assertEquals(0, dry.code(), dry.err());
    assertTrue(dry.out().contains("form unfactorized, level node"), dry.out());
    Ran ran = Ran.command("experiment", file, "--out", store);
    assertEquals(0, ran.code(), ran.err());
    Map<String, Integer> cells = new TreeMap<>();
    try (ExperimentStore of = ExperimentStore.open(store)) {
      for (CellResult cell : of.results().cells()) {
        String form = cell.settings().getOrDefault("graph.form", "factorized");
        String level = cell.settings().getOrDefault("graph.level", "edge");
        int edges = form.equals("unfactorized") ? 10 : 81;
        assertEquals(level.equals("node") ? 8 : edges, cell.edges());
        cells.merge(form + " " + level + "s", 1, Integer::sum);
      }
    }
    assertEquals(
        Map.of(
            "factorized edges", 2,
            "factorized nodes", 2,
            "unfactorized edges", 2,
            "unfactorized nodes", 2),
        cells);
  }
}
