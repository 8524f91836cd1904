package io.autocircuit.formats;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import io.autocircuit.formats.ScoreFiles.Content;
import io.autocircuit.formats.ScoreFiles.Format;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.TorchArchive;
import io.autocircuit.tensor.TorchArchive.Booleans;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scores and circuits go through the files of other programs and come back as they were. */
class ScoreFilesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path directory;

  private static PruneScores random(ComputationGraph graph) {
    SplittableRandom random = new SplittableRandom(7);
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return new PruneScores(graph, values);
  }

  private static Path reference(String model) {
    Path folder = Path.of(System.getProperty("reference.dir", ""), model);
    boolean there = Files.isDirectory(folder);
    if (!there) {
      System.out.println("ScoreFilesTest skipped: no " + model + " under reference.dir");
    }
    assumeTrue(there, "no reference.dir");
    return folder;
  }

  private static void same(EapIgGraph expected, EapIgGraph actual) {
    assertEquals(expected.cfg(), actual.cfg());
    assertArrayEquals(expected.scores(), actual.scores());
    assertEquals(expected.edges(), actual.edges());
    assertEquals(expected.nodes(), actual.nodes());
    assertArrayEquals(expected.nodeScores(), actual.nodeScores());
    assertEquals(expected.neurons(), actual.neurons());
    assertArrayEquals(expected.neuronScores(), actual.neuronScores());
  }

  private Content read(Path file) {
    return ScoreFiles.read(file, null, null);
  }

  private Content through(String name, Format format, Content content) {
    Path file = directory.resolve(name);
    Content written =
        format == Format.EAP_IG && content.eapIg() == null
            ? new Content(content.scores(), EapIgGraph.of(content.scores(), null, 16))
            : content;
    ScoreFiles.write(file, format, written, Map.of());
    return read(file);
  }

  @Test
  void everyFormatGivesBackWhatItWasGiven() {
    for (Wiring wiring : List.of(Wiring.SEQUENTIAL, Wiring.PARALLEL)) {
      PruneScores scores = random(ComputationGraph.factorized(3, 4, wiring, true, 0));
      Content content = new Content(scores, null);
      for (Map.Entry<String, Format> to :
          Map.of(
                  "a.json", Format.EAP_IG,
                  "a.pt", Format.EAP_IG,
                  "b.pt", Format.AUTOCIRCUIT,
                  "a.safetensors", Format.SAFETENSORS)
              .entrySet()) {
        Content back = through(to.getKey(), to.getValue(), content);
        assertEquals(scores.graph(), back.scores().graph(), to.getKey());
        assertArrayEquals(scores.values(), back.scores().values(), to.getKey());
      }
    }
  }

  @Test
  void shapesTellTheGraph() {
    for (ComputationGraph graph :
        List.of(
            ComputationGraph.factorized(2, 4, Wiring.ATTENTION_ONLY, true, 0),
            ComputationGraph.factorized(2, 4, Wiring.SEQUENTIAL, false, 0),
            ComputationGraph.factorized(1, 2, Wiring.SEQUENTIAL, true, 5),
            ComputationGraph.factorized(2, 4, 2, Wiring.SEQUENTIAL, true, 0))) {
      PruneScores scores = random(graph);
      for (Format format : List.of(Format.AUTOCIRCUIT, Format.SAFETENSORS)) {
        Content back = through("x" + format, format, new Content(scores, null));
        assertEquals(graph, back.scores().graph());
        assertArrayEquals(scores.values(), back.scores().values());
      }
    }
  }

  @Test
  void groupsOfHeadsAreCopiedForEapIg() {
    ComputationGraph grouped = ComputationGraph.factorized(2, 4, 2, Wiring.SEQUENTIAL, true, 0);
    PruneScores scores = random(grouped);
    PruneScores back = through("g.pt", Format.EAP_IG, new Content(scores, null)).scores();
    assertEquals(4, back.graph().keyValueHeads());
    float group = scores.of(grouped.edge("A0.3->A1.1.K", -1));
    assertEquals(group, back.of(back.graph().edge("A0.3->A1.2.K", -1)));
    assertEquals(group, back.of(back.graph().edge("A0.3->A1.3.K", -1)));
    PruneScores again = ScoreFiles.read(directory.resolve("g.pt"), grouped, null).scores();
    assertEquals(grouped, again.graph());
    assertEquals(2 * group, again.of(grouped.edge("A0.3->A1.1.K", -1)));
  }

  @Test
  void whatEapIgHasNotIsRefused() {
    Map<ComputationGraph, String> others =
        Map.of(
            ComputationGraph.factorized(2, 4, Wiring.SEQUENTIAL, false, 0), "heads with one input",
            ComputationGraph.factorized(2, 4, Wiring.SEQUENTIAL, true, 3), "each position",
            ComputationGraph.unfactorized(2, 4, Wiring.SEQUENTIAL, 0), "an unfactorized graph");
    others.forEach(
        (graph, why) -> {
          IllegalArgumentException e =
              assertThrows(
                  IllegalArgumentException.class, () -> EapIgGraph.of(random(graph), null, 8));
          assertTrue(e.getMessage().contains(why), e::getMessage);
        });
  }

  @Test
  void circuitsOfEdgesAndTheirNodes() {
    ComputationGraph graph = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);
    Circuit circuit = Circuit.named(graph, List.of("input->a0.h1<v>", "A0.1->MLP 1"));
    EapIgGraph written = EapIgGraph.of(random(graph), circuit, 8);
    assertEquals(circuit, written.circuit());
    List<String> nodes = new ArrayList<>();
    written.nodes().stream().forEach(row -> nodes.add(written.cfg().rowName(row)));
    assertEquals(List.of("input", "a0.h1", "m1"), nodes);
    Path file = directory.resolve("c.json");
    EapIgJson.write(file, written);
    same(written, read(file).eapIg());
  }

  // ---- what the library wrote ----

  @Test
  void theLibrarysGraphs() throws IOException {
    for (String model : List.of("tiny-gpt2", "stories260k")) {
      Path folder = reference(model);
      EapIgGraph json = read(folder.resolve("eap_ig_graph.json")).eapIg();
      EapIgGraph torch = read(folder.resolve("eap_ig_graph.pt")).eapIg();
      same(json, torch);
      assertTrue(torch.edges().cardinality() > 0 && torch.nodes().cardinality() > 0);
      Content content = read(folder.resolve("eap_ig_graph.pt"));
      same(torch, through("back.pt", Format.EAP_IG, content).eapIg());
      same(torch, through("back.json", Format.EAP_IG, content).eapIg());
      JsonNode theirs = JSON.readTree(folder.resolve("eap_ig_graph.json").toFile());
      JsonNode ours = JSON.readTree(directory.resolve("back.json").toFile());
      assertEquals(theirs, ours);
      List<String> names = new ArrayList<>();
      theirs.path("edges").fieldNames().forEachRemaining(names::add);
      List<String> written = new ArrayList<>();
      ours.path("edges").fieldNames().forEachRemaining(written::add);
      assertEquals(names, written, "the order of edges");
    }
  }

  @Test
  void theLibrarysNodesAndNeurons() {
    Path folder = reference("tiny-gpt2");
    for (String name : List.of("eap_ig_graph_node.pt", "eap_ig_graph_neuron.pt")) {
      Content content = read(folder.resolve(name));
      EapIgGraph graph = content.eapIg();
      assertEquals(!name.contains("neuron"), graph.nodeScores() != null, name);
      assertEquals(name.contains("neuron"), graph.neuronScores() != null, name);
      same(graph, through("n.json", Format.EAP_IG, content).eapIg());
      same(graph, through("n.pt", Format.EAP_IG, content).eapIg());
    }
  }

  // ---- what is wrong with files ----

  private static Map<String, Object> graph() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("cfg", Map.of("n_layers", 1, "n_heads", 1, "parallel_attn_mlp", false, "d_model", 2));
    map.put("src_nodes", List.of("input", "a0.h0", "m0"));
    map.put("dst_nodes", List.of("a0.h0<q>", "a0.h0<k>", "a0.h0<v>", "m0", "logits"));
    float[] ones = new float[15];
    Arrays.fill(ones, 1);
    boolean[] all = new boolean[15];
    Arrays.fill(all, true);
    map.put("edges_scores", new Array(new long[] {3, 5}, ones));
    map.put("edges_in_graph", new Booleans(new long[] {3, 5}, all));
    map.put("nodes_in_graph", new Booleans(new long[] {3}, new boolean[3]));
    return map;
  }

  private void refuses(Path file, String... parts) {
    DataException e = assertThrows(DataException.class, () -> read(file));
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e::getMessage);
    }
  }

  @Test
  void cellsWithoutAnEdgeAreLeftOut() {
    Path file = directory.resolve("g.pt");
    TorchArchive.write(file, graph());
    EapIgGraph read = read(file).eapIg();
    assertEquals(8, read.edges().cardinality());
    assertEquals(0, read.scores()[5]);
    assertNull(read.nodeScores());
  }

  @Test
  void graphsThatDoNotFitTheirSizes() {
    Path file = directory.resolve("g.pt");
    Map<String, Object> changed = graph();
    changed.put("src_nodes", List.of("input", "m0", "a0.h0"));
    TorchArchive.write(file, changed);
    refuses(file, "src_nodes has 3 names, and not in the order that cfg gives (a0.h0 at 1)");
    changed = graph();
    changed.put("edges_scores", new Array(new long[] {15}, new float[15]));
    TorchArchive.write(file, changed);
    refuses(file, "edges_scores has shape=[15], cfg needs shape=[3, 5]");
    changed = graph();
    changed.remove("nodes_in_graph");
    TorchArchive.write(file, changed);
    refuses(file, "nodes_in_graph is no tensor");
    changed = graph();
    changed.put("cfg", Map.of("n_layers", 1 << 20, "n_heads", 1 << 20, "d_model", 1));
    TorchArchive.write(file, changed);
    refuses(file, "n_layers=1048576", "out of range");
    float[] nan = new float[15];
    nan[3] = Float.NaN;
    changed = graph();
    changed.put("edges_scores", new Array(new long[] {3, 5}, nan));
    TorchArchive.write(file, changed);
    refuses(file, "score of edge \"input->m0\" is NaN");
  }

  @Test
  void jsonGraphs() throws IOException {
    Path file = directory.resolve("g.json");
    String cfg =
        "{\"cfg\": {\"n_layers\": 1, \"n_heads\": 2, \"parallel_attn_mlp\": false, \"d_model\": 2},";
    Files.writeString(
        file,
        cfg
            + "\"nodes\": {\"input\": {\"in_graph\": true, \"score\": NaN},"
            + " \"a0.h0\": {\"in_graph\": true, \"neurons_scores\": [1, 2]},"
            + " \"a0.h1\": {\"in_graph\": false, \"neurons_scores\": [[3, 4], [5, -Infinity]]},"
            + " \"logits\": {\"in_graph\": true}},"
            + "\"edges\": {\"input->a0.h1<q>\": {\"score\": 0.25, \"in_graph\": true}}}");
    EapIgGraph read = read(file).eapIg();
    assertTrue(Float.isNaN(read.nodeScores()[0]));
    assertArrayEquals(
        new float[] {0, 0, 1, 2, 5, Float.NEGATIVE_INFINITY, 0, 0}, read.neuronScores());
    assertNull(read.neurons());
    assertEquals(
        List.of("Resid Start->A0.1.Q"),
        read.circuit().edges().stream().map(e -> e.name()).toList());
    Files.writeString(
        file,
        cfg + "\"nodes\": {}, \"edges\": {\"m0->a0.h1<q>\": {\"score\": 1, \"in_graph\": true}}}");
    refuses(file, "edge \"m0->a0.h1<q>\" does not exist");
    Files.writeString(
        file,
        cfg + "\"nodes\": {\"a0.h0\": {\"in_graph\": true, \"neurons\": [true]}}, \"edges\": {}}");
    refuses(file, "neurons of node \"a0.h0\" are 1, d_model=2");
    Files.writeString(file, cfg + "\"nodes\": {\"a9.h0\": {\"in_graph\": true}}, \"edges\": {}}");
    refuses(file, "node \"a9.h0\" does not exist");
    Files.writeString(file, "{}");
    refuses(file, "is neither a graph of EAP-IG");
  }

  /** 246 million cells, 123 million edges: several GB before a line of the file is looked at. */
  @Test
  void smallFilesOfLargeGraphs() throws IOException {
    Path json = directory.resolve("g.json");
    String cfg = "{\"cfg\":{\"n_layers\":90,\"n_heads\":100,\"d_model\":%s},%s,\"edges\":{}}";
    Files.writeString(json, String.format(cfg, 1, "\"nodes\":{\"input\":{\"in_graph\":true}}"));
    assertTrue(Files.size(json) < 120);
    refuses(json, "n_layers=90, n_heads=100, d_model=1 needs cells=246284281, but");
    String neurons =
        "\"nodes\":{\"m0\":{\"in_graph\":true,\"neurons_scores\":[" + "0,".repeat(9999);
    Files.writeString(
        json,
        String.format(cfg, 10_000, neurons + "0]}}").replace(":90", ":99").replace(":100,", ":4,"));
    refuses(json, "needs cells=4960000, but a file of this size has at most");
    Path torch = directory.resolve("g.pt");
    Map<String, Object> changed = graph();
    changed.put("cfg", Map.of("n_layers", 90, "n_heads", 100, "d_model", 1));
    TorchArchive.write(torch, changed);
    refuses(torch, "needs cells=246284281");
  }

  @Test
  void numbersBeyondFloat32() throws IOException {
    Path file = directory.resolve("g.json");
    Files.writeString(
        file,
        "{\"cfg\": {\"n_layers\": 1, \"n_heads\": 1, \"d_model\": 1}, \"nodes\": {}, \"edges\":"
            + " {\"input->m0\": {\"in_graph\": true, \"score\": -1e39}}}");
    refuses(file, "the score of \"input->m0\" is -1.0E39, beyond float32");
    Files.writeString(
        file,
        "[{\"name\": \"Resid Start->MLP 0\", \"score\": 1e39},"
            + " {\"name\": \"Resid Start->A0.0.Q\", \"score\": 1},"
            + " {\"name\": \"Resid Start->A0.0.K\", \"score\": 1},"
            + " {\"name\": \"Resid Start->A0.0.V\", \"score\": 1},"
            + " {\"name\": \"A0.0->MLP 0\", \"score\": 1},"
            + " {\"name\": \"Resid Start->Resid End\", \"score\": 1},"
            + " {\"name\": \"A0.0->Resid End\", \"score\": 1},"
            + " {\"name\": \"MLP 0->Resid End\", \"score\": 1}]");
    refuses(file, "edge \"Resid Start->MLP 0\" has score=1.0E39, beyond float32");
  }

  @Test
  void listsOfScoredEdges() throws IOException {
    Path file = directory.resolve("edges.json");
    for (ComputationGraph graph :
        List.of(
            ComputationGraph.factorized(2, 4, Wiring.SEQUENTIAL, true, 0),
            ComputationGraph.factorized(2, 4, 2, Wiring.PARALLEL, true, 0),
            ComputationGraph.factorized(1, 2, Wiring.ATTENTION_ONLY, false, 3))) {
      PruneScores scores = random(graph);
      ArrayNode list = JSON.createArrayNode();
      for (PruneScores.Scored s : scores.best(graph.edgeCount())) {
        ObjectNode item = list.addObject().put("name", s.edge().name());
        if (s.edge().position() < 0) {
          item.putNull("seq_idx");
        } else {
          item.put("seq_idx", s.edge().position());
        }
        item.put("score", s.score());
      }
      JSON.writeValue(file.toFile(), list);
      assertEquals(graph, read(file).scores().graph());
      assertArrayEquals(scores.values(), read(file).scores().values());
      ((ObjectNode) list.get(1)).set("name", list.get(0).path("name"));
      ((ObjectNode) list.get(1)).set("seq_idx", list.get(0).path("seq_idx"));
      JSON.writeValue(file.toFile(), list);
      refuses(file, "is there twice");
      list.remove(1);
      JSON.writeValue(file.toFile(), list);
      refuses(file, "not all edges of a factorized graph");
    }
    Files.writeString(file, "[]");
    refuses(file, "not all edges of a factorized graph");
  }

  @Test
  void pairsOfEdgePruning() {
    ComputationGraph graph = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);
    Circuit circuit =
        Circuit.named(graph, List.of("A0.1->A1.0.Q", "MLP 0->Resid End", "Resid Start->MLP 1"));
    List<List<String>> pairs = EdgeNames.pairs(circuit);
    assertEquals(
        Set.of(List.of("a0.h1", "a1.h0.q"), List.of("m0", "resid_post"), List.of("input", "m1")),
        Set.copyOf(pairs));
    assertEquals(
        circuit, Circuit.named(graph, pairs.stream().map(p -> String.join("->", p)).toList()));
    ComputationGraph positions = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 2);
    assertThrows(IllegalArgumentException.class, () -> EdgeNames.pairs(Circuit.full(positions)));
  }

  @Test
  void pairsOfGroupsAreThoseOfTheirHeads() {
    ComputationGraph graph = ComputationGraph.factorized(2, 4, 2, Wiring.SEQUENTIAL, true, 0);
    Circuit circuit = Circuit.named(graph, List.of("Resid Start->A0.1.K"));
    assertEquals(
        List.of(List.of("input", "a0.h2.k"), List.of("input", "a0.h3.k")),
        EdgeNames.pairs(circuit));
  }

  @Test
  void cachesOfAutoCircuit() {
    PruneScores scores = random(ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0));
    Map<String, Object> tensors = new LinkedHashMap<>();
    scores
        .graph()
        .modules()
        .forEach(
            m -> tensors.put(m.name(), new Array(scores.graph().maskShape(m), scores.module(m))));
    Path file = directory.resolve("cache.pkl");
    TorchArchive.write(file, Map.of("ioi", Map.of("EAP", tensors)));
    assertArrayEquals(scores.values(), read(file).scores().values());
    Map<String, Object> two = new LinkedHashMap<>();
    two.put("EAP", tensors);
    two.put("ACDC", tensors);
    TorchArchive.write(file, Map.of("ioi", two));
    refuses(file, "holds the scores of ioi/ACDC, ioi/EAP; choose one with --part");
    assertArrayEquals(scores.values(), ScoreFiles.read(file, null, "ioi/EAP").scores().values());
    Map<String, Object> lacking = new LinkedHashMap<>(tensors);
    lacking.remove("blocks.0.hook_v_input");
    TorchArchive.write(file, lacking);
    refuses(file, "no factorized graph follows");
    ComputationGraph other = ComputationGraph.factorized(2, 4, Wiring.SEQUENTIAL, true, 0);
    TorchArchive.write(file, tensors);
    DataException e = assertThrows(DataException.class, () -> ScoreFiles.read(file, other, null));
    assertTrue(e.getMessage().contains("are of another graph"), e::getMessage);
  }
}
