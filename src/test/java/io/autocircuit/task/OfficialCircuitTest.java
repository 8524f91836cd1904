package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OfficialCircuitTest {
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(2, 4, ComputationGraph.Wiring.SEQUENTIAL, true, 0);
  private static final ComputationGraph JOINT =
      ComputationGraph.factorized(2, 4, ComputationGraph.Wiring.SEQUENTIAL, false, 0);
  private static final ComputationGraph POSITIONS =
      ComputationGraph.factorized(2, 4, ComputationGraph.Wiring.SEQUENTIAL, true, 3);

  @TempDir private Path folder;

  private Path file(String json) {
    try {
      return Files.writeString(folder.resolve("official.json"), json);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Test
  void aPositionInAGraphWithoutPositionsNamesTheOption() {
    Path path = file("[{\"name\": \"A0.1->MLP 0\", \"seq_idx\": 99}]");
    String message =
        assertThrows(DataException.class, () -> OfficialCircuit.read(path, GRAPH)).getMessage();
    assertTrue(
        message.contains(
            "this graph has one edge for all positions; leave seq_idx out, or give"
                + " --token-positions"),
        message);
    String other =
        assertThrows(DataException.class, () -> OfficialCircuit.read(path, POSITIONS)).getMessage();
    assertTrue(other.contains("this graph has positions="), other);
  }

  private Set<String> read(String json, ComputationGraph graph) {
    Set<String> names = new TreeSet<>();
    for (Edge e : OfficialCircuit.read(file(json), graph).edges()) {
      names.add(e.name() + (e.position() < 0 ? "" : "@" + e.position()));
    }
    return names;
  }

  @Test
  void autoCircuitsNames() {
    assertEquals(
        Set.of("A0.1->MLP 0", "MLP 1->Resid End"),
        read("[\"A0.1->MLP 0\", {\"name\": \"MLP 1->Resid End\", \"seq_idx\": null}]", GRAPH));
    assertEquals(
        Set.of("A0.1->MLP 0@2", "MLP 1->Resid End@0", "MLP 1->Resid End@1", "MLP 1->Resid End@2"),
        read("[{\"name\": \"A0.1->MLP 0\", \"seq_idx\": 2}, \"MLP 1->Resid End\"]", POSITIONS));
  }

  @Test
  void whatIsInAGraphOfEapIg() {
    assertEquals(
        Set.of("A0.1->MLP 0", "Resid Start->A0.1.V", "A0.3->A1.0.K", "MLP 1->Resid End"),
        read(
            """
            {"cfg": {"n_layers": 2}, "nodes": {}, "edges": {
              "a0.h1->m0": {"score": 0.5, "in_graph": true},
              "input->a0.h1<v>": {"score": -0.2, "in_graph": true},
              "a0.h3->a1.h0<k>": {"in_graph": true},
              "a0.h3->a1.h0<q>": {"in_graph": false},
              "m1->logits": {"in_graph": true}}}
            """,
            GRAPH));
  }

  @Test
  void pairsOfEdgePruning() {
    assertEquals(
        Set.of("A0.1->MLP 0", "A0.1->A1.0.Q", "MLP 1->Resid End", "Resid Start->MLP 1"),
        read(
            "[[\"a0.h1\", \"m0\"], [\"a0.h1\", \"a1.h0.q\"], [\"m1\", \"resid_post\"],"
                + " [\"input\", \"m1\"]]",
            GRAPH));
  }

  @Test
  void headsWithOneInputHaveNoLetter() {
    assertEquals(
        Set.of("A0.1->A1.0"),
        read("[[\"a0.h1\", \"a1.h0.q\"], [\"a0.h1\", \"a1.h0\"]]", JOINT),
        "both inputs are the head's one input");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "{\"edges\": []}",
        "{\"edges\": {}}",
        "{\"edges\": {\"a0.h1->m0\": {\"score\": 1}}}",
        "{\"edges\": {\"a0.h1->m0\": {\"in_graph\": false}}}",
        "{\"edges\": {\"a0.h1\": {\"in_graph\": true}}}",
        "{\"edges\": {\"a0.h1->m0->m1\": {\"in_graph\": true}}}",
        "{\"edges\": {\"b0.h1->m0\": {\"in_graph\": true}}}",
        "{\"edges\": {\"a0.h9->m0\": {\"in_graph\": true}}}",
        "{\"edges\": {\"m1->m0\": {\"in_graph\": true}}}",
        "{\"edges\": {\"a0.h1->a1.h0\": {\"in_graph\": true}}}",
        "{\"edges\": {\"a0.h1<q>->m0\": {\"in_graph\": true}}}",
        "{\"edges\": {\"a99999999999.h1->m0\": {\"in_graph\": true}}}",
        "[]",
        "\"A0.1->MLP 0\"",
        "[[\"a0.h1\"]]",
        "[[\"a0.h1\", 3]]",
        "[[\"a0.h1\", \"m0\", \"m1\"]]",
        "[{\"name\": \"A0.1->MLP 0\", \"seq_idx\": -1}]",
        "[{\"name\": \"A0.1->MLP 0\", \"seq_idx\": -2147483648}]",
        "[{\"name\": \"A0.1->MLP 0\", \"seq_idx\": 1.5}]",
        "[{\"name\": \"A0.1->MLP 0\", \"seq_idx\": 1}]",
        "[{\"seq_idx\": 1}]",
        "[\"A0.1->MLP 7\"]",
        "[17]"
      })
  void everythingElseIsRefusedInOneLine(String json) {
    Path path = file(json);
    String message =
        assertThrows(DataException.class, () -> OfficialCircuit.read(path, GRAPH)).getMessage();
    assertTrue(message.startsWith("file=" + path), message);
    assertEquals(1, message.lines().count());
    assertFalse(message.contains("Exception"), message);
  }

  @Test
  void aPositionThatIsNoneSaysSo() {
    String message =
        assertThrows(
                DataException.class,
                () -> read("[{\"name\": \"A0.1->MLP 0\", \"seq_idx\": -1}]", POSITIONS))
            .getMessage();
    assertTrue(message.contains("seq_idx=-1, which is no position; give null"), message);
    assertEquals(
        List.of(),
        POSITIONS.edges("A0.1->MLP 0").stream().filter(e -> e.position() < 0).toList(),
        "no edge of this graph is without a position");
  }
}
