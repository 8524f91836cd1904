package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.Edge;
import io.autocircuit.patch.CircuitSelection.Rule;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class CircuitSelectionTest {
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);

  private static PruneScores scores(Map<String, Double> some) {
    float[] values = new float[GRAPH.edgeCount()];
    some.forEach((name, score) -> values[GRAPH.edges(name).get(0).index()] = score.floatValue());
    return new PruneScores(GRAPH, values);
  }

  private static TreeSet<String> names(Circuit circuit) {
    return new TreeSet<>(circuit.edges().stream().map(Edge::name).toList());
  }

  private static TreeSet<String> set(String... names) {
    return new TreeSet<>(List.of(names));
  }

  @Test
  void signedScoresAndAbsoluteOnes() {
    PruneScores scores =
        scores(Map.of("Resid Start->MLP 0", -3.0, "MLP 0->Resid End", 2.0, "A0.0->MLP 0", 1.0));
    CircuitSelection signed = new CircuitSelection(Rule.TOP, true, false);
    assertEquals(
        set("MLP 0->Resid End", "Resid Start->MLP 0"),
        names(CircuitSelection.TOP.ofCounts(scores, 2).get(0).circuit()));
    assertEquals(
        set("MLP 0->Resid End", "A0.0->MLP 0"), names(signed.ofCounts(scores, 2).get(0).circuit()));
    int[] order = signed.ranking(scores);
    assertEquals("Resid Start->MLP 0", GRAPH.edge(order[order.length - 1]).name());
    assertEquals(
        set("Resid Start->MLP 0"),
        names(
            new CircuitSelection(Rule.THRESHOLD, false, false, List.of(3.0))
                .ofThresholds(scores)
                .get(0)
                .circuit()));
  }

  @Test
  void theFirstIsAsItAlwaysWas() {
    Random random = new Random(3);
    float[] values = new float[GRAPH.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(9) - 4;
    }
    PruneScores scores = new PruneScores(GRAPH, values);
    for (int k = 0; k <= values.length; k++) {
      assertEquals(scores.top(k), CircuitSelection.TOP.ofCounts(scores, k).get(0).circuit());
    }
  }

  @Test
  void greedyCirclesReachTheEndAndGoByTheBestCandidate() {
    PruneScores scores =
        scores(
            Map.of(
                "Resid Start->A0.0.V", 9.0, // no way to the end but by A0.0
                "A0.0->Resid End", 1.0,
                "MLP 1->Resid End", -2.0,
                "A0.1->MLP 1", 3.0));
    CircuitSelection greedy = new CircuitSelection(Rule.GREEDY, false, false);
    List<CircuitSelection.Selected> all = greedy.ofCounts(scores, 0, 1, 2, 3, 4);
    assertEquals(set(), names(all.get(0).circuit()));
    assertEquals(set("MLP 1->Resid End"), names(all.get(1).circuit()));
    assertEquals(set("MLP 1->Resid End", "A0.1->MLP 1"), names(all.get(2).circuit()));
    assertEquals(
        set("MLP 1->Resid End", "A0.1->MLP 1", "A0.0->Resid End"), names(all.get(3).circuit()));
    assertTrue(all.get(4).circuit().contains(GRAPH.edges("Resid Start->A0.0.V").get(0).index()));
    assertEquals(
        GRAPH.edgeCount(), greedy.ofCounts(scores, GRAPH.edgeCount()).get(0).circuit().size());
  }

  @Test
  void equalCandidatesGoInTheOrderInWhichTheyWereFound() {
    PruneScores zero = scores(Map.of());
    CircuitSelection greedy = new CircuitSelection(Rule.GREEDY, false, false);
    // first all edges to the end, by source; the start has no inputs, so then those of A0.0
    assertEquals(
        set("Resid Start->Resid End", "A0.0->Resid End", "A0.1->Resid End"),
        names(greedy.ofCounts(zero, 3).get(0).circuit()));
    int end = GRAPH.sources().size();
    assertEquals(
        set("Resid Start->A0.0.Q"),
        new TreeSet<>(
            names(greedy.ofCounts(zero, end + 1).get(0).circuit()).stream()
                .filter(n -> !n.endsWith("Resid End"))
                .toList()));
  }

  @Test
  void pruningTakesOutWhatLeadsNowhereOrComesFromNowhere() {
    Circuit dangling =
        Circuit.named(
            GRAPH,
            List.of(
                "Resid Start->A0.0.Q",
                "A0.0->MLP 0", // MLP 0 is read by nothing, so neither is A0.0
                "A1.0->Resid End", // A1.0 reads nothing
                "Resid Start->MLP 1",
                "MLP 1->Resid End"));
    assertEquals(
        set("Resid Start->MLP 1", "MLP 1->Resid End"), names(CircuitSelection.pruned(dangling)));
    assertEquals(0, CircuitSelection.pruned(Circuit.empty(GRAPH)).size());
    assertEquals(Circuit.full(GRAPH), CircuitSelection.pruned(Circuit.full(GRAPH)));
    CircuitSelection.Selected both =
        new CircuitSelection(Rule.TOP, false, true)
            .ofCounts(scores(Map.of("A1.0->Resid End", 2.0, "Resid Start->Resid End", 1.0)), 2)
            .get(0);
    assertEquals(2, both.chosen().size());
    assertEquals(set("Resid Start->Resid End"), names(both.circuit()));
  }

  /** By hand, on random circuits: what is pruned is the largest part in which nothing dangles. */
  @Test
  void pruningIsAFixedPointAndKeepsEveryPath() {
    Random random = new Random(5);
    for (int round = 0; round < 50; round++) {
      BitSet some = new BitSet();
      for (int e = 0; e < GRAPH.edgeCount(); e++) {
        some.set(e, random.nextInt(4) == 0);
      }
      Circuit circuit = Circuit.of(GRAPH, some);
      Circuit left = CircuitSelection.pruned(circuit);
      assertEquals(some, circuit.edgeSet(), "what was pruned stays as it is");
      assertEquals(left, CircuitSelection.pruned(left));
      // under resampling, live edges are those that can change the output
      Circuit live = CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE).live(circuit);
      assertEquals(live, left, () -> circuit.edges().toString());
    }
  }

  @Test
  void neuronsWithoutAScoreAreInAndEdgesCountByTheirShare() {
    int sources = GRAPH.sources().size();
    float[] scores = new float[sources * 2];
    Arrays.fill(scores, 0.1f);
    scores[0] = Float.NaN;
    scores[2 * (sources - 1) + 1] = -5; // MLP 1
    CircuitSelection pruned = new CircuitSelection(Rule.TOP, false, true);
    NeuronCircuit circuit = NeuronCircuit.top(GRAPH, scores, 2, 1, pruned);
    assertEquals(
        set("Resid Start->MLP 1", "MLP 1->Resid End", "Resid Start->Resid End"),
        names(circuit.circuit()));
    assertEquals(1.5, circuit.weightedEdges());
    NeuronCircuit open =
        NeuronCircuit.top(GRAPH, scores, 2, 1, new CircuitSelection(Rule.TOP, false, false));
    assertEquals(GRAPH.destinations().size() + 1, open.circuit().size());
    NeuronCircuit signed =
        NeuronCircuit.top(GRAPH, scores, 2, 1, new CircuitSelection(Rule.TOP, true, true));
    assertEquals(bits(0, 1), signed.neurons());
  }

  private static BitSet bits(int... set) {
    BitSet bits = new BitSet();
    Arrays.stream(set).forEach(bits::set);
    return bits;
  }

  @Test
  void whatCannotBeChosenIsRefusedByName() {
    PruneScores scores = scores(Map.of());
    ComputationGraph stream = ComputationGraph.unfactorized(2, 2, Wiring.SEQUENTIAL, 0);
    for (Exception e :
        List.of(
            assertThrows(IllegalArgumentException.class, () -> Rule.of("best")),
            assertThrows(
                IllegalArgumentException.class,
                () -> new CircuitSelection(Rule.THRESHOLD, false, false)),
            assertThrows(
                IllegalArgumentException.class,
                () -> new CircuitSelection(Rule.GREEDY, false, false, List.of(1.0))),
            assertThrows(
                IllegalArgumentException.class,
                () -> CircuitSelection.TOP.ofCounts(scores, GRAPH.edgeCount() + 1)),
            assertThrows(
                IllegalArgumentException.class,
                () -> CircuitSelection.pruned(Circuit.full(stream))),
            assertThrows(
                IllegalArgumentException.class,
                () ->
                    new CircuitSelection(Rule.GREEDY, false, false)
                        .ofCounts(new PruneScores(stream, new float[stream.edgeCount()]), 1)))) {
      assertTrue(e.getMessage().contains("; ") || e.getMessage().contains("choose"), e::getMessage);
    }
  }

  /** As torch compares: a threshold is as near to what was meant as a stored score is. */
  @Test
  void aScoreReachesTheThresholdOfItsOwnDigits() {
    PruneScores scores = scores(Map.of("Resid Start->MLP 0", 0.7, "A0.0->MLP 0", 0.69));
    assertEquals(
        set("Resid Start->MLP 0"),
        names(
            new CircuitSelection(Rule.THRESHOLD, false, false, List.of(0.7))
                .ofThresholds(scores)
                .get(0)
                .circuit()));
  }

  /** An MLP that writes at position 1 is led to at position 1; heads read keys at all. */
  @Test
  void greedyKeepsToPositions() {
    ComputationGraph graph = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 3);
    float[] values = new float[graph.edgeCount()];
    values[graph.edge("MLP 1->Resid End", 1).index()] = 9;
    values[graph.edge("A0.0->MLP 1", 2).index()] = 8; // leads nowhere that is in
    values[graph.edge("A0.0->MLP 1", 1).index()] = 7;
    values[graph.edge("Resid Start->A0.0.K", 2).index()] = 6;
    values[graph.edge("Resid Start->A0.0.Q", 0).index()] = 5;
    values[graph.edge("Resid Start->A0.0.Q", 1).index()] = 4;
    Circuit found =
        new CircuitSelection(Rule.GREEDY, false, false)
            .ofCounts(new PruneScores(graph, values), 4)
            .get(0)
            .circuit();
    assertEquals(
        set(
            "MLP 1->Resid End@1",
            "A0.0->MLP 1@1",
            "Resid Start->A0.0.K@2",
            "Resid Start->A0.0.Q@1"),
        new TreeSet<>(found.edges().stream().map(e -> e.name() + "@" + e.position()).toList()));
  }
}
