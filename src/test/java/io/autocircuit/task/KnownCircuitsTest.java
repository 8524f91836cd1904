package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.Edge;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * The known circuits of tasks have the edges that AutoCircuit's own functions give ({@code
 * official/*.json} under {@code reference.dir}), and as many as those without these files.
 */
class KnownCircuitsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** By the name of the reference file. */
  private static final Map<String, KnownCircuit> CIRCUITS =
      Map.of(
          "ioi-edges", IoiCircuits.edges(),
          "ioi-edges-mlp0", IoiCircuits.mlp0(),
          "ioi-heads", IoiCircuits.heads(),
          "docstring-edges", DocstringCircuits.edges(),
          "docstring-heads", DocstringCircuits.heads(),
          "greaterthan", GreaterThanCircuit.edges(),
          "sports-players", SportsPlayersCircuits.edges(),
          "sports-players-probe", SportsPlayersCircuits.probe());

  /** The vanilla template, BOS counted. */
  private static final Map<String, Integer> IOI =
      Map.of("IO", 2, "IO-1", 1, "S1", 4, "S1+1", 5, "S2", 10, "end", 14);

  private static final Map<String, Integer> DOCSTRING =
      Map.of(
          "A_def", 11, "B_def", 13, ",_B", 14, "C_def", 15, "A_doc", 27, "param_2", 33, "B_doc", 34,
          "param_3", 40);

  private static final Map<String, Integer> SPORTS =
      Map.of("first_name_tok", 13, "final_name_tok", 15, "end", 19);

  private static ComputationGraph gpt2(int positions) {
    return ComputationGraph.factorized(12, 12, Wiring.SEQUENTIAL, true, positions);
  }

  private static ComputationGraph attentionOnly(int positions) {
    return ComputationGraph.factorized(4, 8, Wiring.ATTENTION_ONLY, true, positions);
  }

  private static ComputationGraph pythia(int positions) {
    return ComputationGraph.factorized(32, 32, Wiring.PARALLEL, false, positions);
  }

  private static SortedMap<String, Integer> words(Map<String, Integer> whole, int cut) {
    SortedMap<String, Integer> words = new TreeMap<>();
    whole.forEach((word, position) -> words.put(word, position - cut));
    return words;
  }

  private static int count(
      KnownCircuit circuit, ComputationGraph graph, SortedMap<String, Integer> words) {
    List<Edge> edges = circuit.edges().of(graph, words);
    assertEquals(edges.size(), Set.copyOf(edges).size(), "each once");
    return edges.size();
  }

  @Test
  void indirectObjectIdentification() {
    SortedMap<String, Integer> none = new TreeMap<>();
    assertEquals(771, count(IoiCircuits.edges(), gpt2(0), none));
    assertEquals(869, count(IoiCircuits.edges(), gpt2(15), words(IOI, 0)));
    assertEquals(869, count(IoiCircuits.edges(), gpt2(13), words(IOI, 2)));
    assertEquals(242, count(IoiCircuits.mlp0(), gpt2(0), none));
    assertEquals(266, count(IoiCircuits.mlp0(), gpt2(15), words(IOI, 0)));
    assertEquals(6540, count(IoiCircuits.heads(), gpt2(0), none));
    assertEquals(41_328, count(IoiCircuits.heads(), gpt2(13), words(IOI, 2)));
  }

  @Test
  void docstring() {
    SortedMap<String, Integer> none = new TreeMap<>();
    assertEquals(24, count(DocstringCircuits.edges(), attentionOnly(0), none));
    assertEquals(34, count(DocstringCircuits.edges(), attentionOnly(41), words(DOCSTRING, 0)));
    assertEquals(588, count(DocstringCircuits.heads(), attentionOnly(0), none));
    assertEquals(8632, count(DocstringCircuits.heads(), attentionOnly(41), words(DOCSTRING, 0)));
    assertEquals(7565, count(DocstringCircuits.heads(), attentionOnly(30), words(DOCSTRING, 11)));
  }

  @Test
  void greaterThanKnowsNoWords() {
    SortedMap<String, Integer> none = new TreeMap<>();
    assertEquals(235, count(GreaterThanCircuit.edges(), gpt2(0), none));
    assertEquals(235 * 11, count(GreaterThanCircuit.edges(), gpt2(11), none));
  }

  @Test
  void sportsPlayers() {
    SortedMap<String, Integer> none = new TreeMap<>();
    assertEquals(2276, count(SportsPlayersCircuits.edges(), pythia(0), none));
    assertEquals(4518, count(SportsPlayersCircuits.edges(), pythia(7), words(SPORTS, 13)));
    assertEquals(4518, count(SportsPlayersCircuits.edges(), pythia(20), words(SPORTS, 0)));
    assertEquals(3600, count(SportsPlayersCircuits.probe(), pythia(0), none));
    assertEquals(5842, count(SportsPlayersCircuits.probe(), pythia(7), words(SPORTS, 13)));
  }

  /** Of an unfactorized graph, by the nodes that the circuit's edges join. */
  @Test
  void circuitsOfEdgesInUnfactorizedGraphs() {
    ComputationGraph nodes = ComputationGraph.unfactorized(12, 12, Wiring.SEQUENTIAL, 0);
    List<String> edges =
        GreaterThanCircuit.edges().in(nodes, new TreeMap<>()).stream().map(Edge::name).toList();
    assertTrue(edges.contains("A5.5->Resid Mid 5"), "a head of the circuit");
    assertTrue(!edges.contains("A5.6->Resid Mid 5"), "another head");
    assertTrue(edges.contains("MLP 9->Resid Post 9"), "an MLP of the circuit");
    assertTrue(edges.contains("Resid Post 4->Resid Mid 5"), "the stream");
    ComputationGraph tokens = ComputationGraph.unfactorized(4, 8, Wiring.ATTENTION_ONLY, 41);
    List<Edge> some = DocstringCircuits.edges().in(tokens, words(DOCSTRING, 0));
    assertTrue(some.contains(tokens.edge("A3.0->Resid End", 40)));
    assertTrue(!some.contains(tokens.edge("A3.0->Resid End", 39)));
    assertTrue(some.contains(tokens.edge("A0.5->Resid Post 0", 13)), "B_def");
  }

  @Test
  void headsMayShareOneInput() {
    ComputationGraph joint = ComputationGraph.factorized(4, 8, Wiring.ATTENTION_ONLY, false, 0);
    List<Edge> edges = DocstringCircuits.heads().edges().of(joint, new TreeMap<>());
    assertTrue(
        edges.stream().anyMatch(e -> e.name().equals("A1.4->A2.0")), "a head of the circuit");
    assertTrue(edges.stream().noneMatch(e -> e.source().name().equals("A1.5")), "another head");
  }

  @Test
  void aMissingWordIsNamedWithThoseThatThereAre() {
    SortedMap<String, Integer> words = words(IOI, 0);
    words.remove("S2");
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> IoiCircuits.edges().edges().of(gpt2(15), words));
    assertEquals(
        "circuit=ioi-edges needs word=\"S2\" in the prompts' word_idxs, which have IO, IO-1, S1,"
            + " S1+1, end; give prompts with word_idxs, or leave --token-positions away",
        e.getMessage());
  }

  @Test
  void aWordOutsideTheGraphIsRefused() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> IoiCircuits.heads().edges().of(gpt2(12), words(IOI, 0)))
            .getMessage();
    assertTrue(message.contains("word=\"end\" at position=14"), message);
    message =
        assertThrows(
                IllegalArgumentException.class,
                () -> IoiCircuits.edges().edges().of(gpt2(10), words(IOI, 5)))
            .getMessage();
    assertTrue(message.contains("position=-1"), message);
  }

  @Test
  void anotherModelsGraphIsRefused() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> GreaterThanCircuit.edges().edges().of(attentionOnly(0), new TreeMap<>()))
            .getMessage();
    assertEquals(
        "circuit=greater-than belongs to a model of blocks=12, heads=12, wiring=SEQUENTIAL, but"
            + " this one has blocks=4, heads=8, wiring=ATTENTION_ONLY; take the model that the task"
            + " names",
        message);
    ComputationGraph joint = ComputationGraph.factorized(12, 12, Wiring.SEQUENTIAL, false, 0);
    message =
        assertThrows(
                IllegalArgumentException.class,
                () -> IoiCircuits.edges().edges().of(joint, new TreeMap<>()))
            .getMessage();
    assertTrue(message.endsWith("give --separate-qkv=true, or another circuit"), message);
  }

  @TestFactory
  Stream<DynamicTest> theEdgesAreAutoCircuits() throws IOException {
    Path folder =
        Path.of(System.getProperty("reference.dir", "../shared/reference")).resolve("official");
    if (!Files.isDirectory(folder)) {
      System.out.println("KnownCircuitsTest: no official circuits at reference.dir");
    }
    assumeTrue(Files.isDirectory(folder), "no official circuits at reference.dir");
    List<DynamicTest> tests = new ArrayList<>();
    for (Map.Entry<String, KnownCircuit> circuit : new TreeMap<>(CIRCUITS).entrySet()) {
      JsonNode file = JSON.readTree(folder.resolve(circuit.getKey() + ".json").toFile());
      for (JsonNode variant : file.path("variants")) {
        String name = circuit.getKey() + ", " + variant.path("id").asText();
        tests.add(
            DynamicTest.dynamicTest(
                name, () -> compare(circuit.getValue(), file.path("model"), variant)));
      }
    }
    assertEquals(30, tests.size());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(
          CIRCUITS.keySet(),
          files
              .map(f -> f.getFileName().toString().replace(".json", ""))
              .filter(f -> !f.startsWith("tracr-")) // those of compiled programs
              .collect(Collectors.toSet()));
    }
    return tests.stream();
  }

  private static void compare(KnownCircuit circuit, JsonNode model, JsonNode variant) {
    Wiring wiring =
        model.path("attn_only").asBoolean()
            ? Wiring.ATTENTION_ONLY
            : model.path("parallel").asBoolean() ? Wiring.PARALLEL : Wiring.SEQUENTIAL;
    int blocks = model.path("n_layers").asInt();
    int heads = model.path("n_heads").asInt();
    int positions =
        variant.path("token_positions").asBoolean() ? variant.path("seq_len").asInt() : 0;
    ComputationGraph graph =
        variant.path("factorized").asBoolean()
            ? ComputationGraph.factorized(
                blocks, heads, wiring, model.path("separate_qkv").asBoolean(), positions)
            : ComputationGraph.unfactorized(blocks, heads, wiring, positions);
    assertEquals(variant.path("n_edges_of_graph").asInt(), graph.edgeCount());
    int cut = variant.path("seq_start_idx").asInt();
    SortedMap<String, Integer> words = new TreeMap<>();
    variant
        .path("word_idxs")
        .properties()
        .forEach(word -> words.put(word.getKey(), word.getValue().asInt() - cut));
    TreeSet<String> theirs = new TreeSet<>();
    JsonNode edges = variant.path("edges");
    if (edges.isArray()) {
      edges.forEach(name -> theirs.add(name.asText()));
    } else {
      edges
          .properties()
          .forEach(e -> e.getValue().forEach(p -> theirs.add(e.getKey() + "@" + p.asInt())));
    }
    assertEquals(variant.path("count").asInt(), theirs.size());
    TreeSet<String> ours = new TreeSet<>();
    circuit.in(graph, words).forEach(e -> ours.add(e.toString()));
    if (variant.path("reading").asText().equals("as_coded")) {
      // AutoCircuit takes the index of the last word for the last block: no MLP lies before the end
      TreeSet<String> more = new TreeSet<>(ours);
      more.removeAll(theirs);
      assertTrue(ours.containsAll(theirs), "nothing of theirs is missing");
      assertEquals(771 - 739, more.size());
      assertTrue(
          more.stream().allMatch(e -> e.matches("(A|MLP )(9|10|11).*MLP.*|MLP (9|10|11)->.*")));
      return;
    }
    TreeSet<String> missing = new TreeSet<>(theirs);
    missing.removeAll(ours);
    TreeSet<String> extra = new TreeSet<>(ours);
    extra.removeAll(theirs);
    assertEquals(List.of(), List.copyOf(missing), "missing");
    assertEquals(List.of(), List.copyOf(extra), "too many");
  }
}
