package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.UnknownNameException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Ranking, circuits and masks: plain values on a graph. */
class ScoresAndCircuitsTest {
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);
  private static final float INF = Float.POSITIVE_INFINITY;

  private static PruneScores scores(float... first) {
    return new PruneScores(GRAPH, Arrays.copyOf(first, GRAPH.edgeCount()));
  }

  @Test
  void masksOfTooManyPromptsAreRefused() {
    int most = (Integer.MAX_VALUE - 8) / GRAPH.edgeCount();
    String message =
        assertThrows(IllegalArgumentException.class, () -> PatchMask.zeros(GRAPH, most + 1))
            .getMessage();
    assertEquals(
        "masks of prompts="
            + (most + 1)
            + " and edges="
            + GRAPH.edgeCount()
            + " are more than 2^31 numbers; give a smaller --batch",
        message);
    assertEquals(3 * GRAPH.edgeCount(), PatchMask.zeros(GRAPH, 3).values().length);
  }

  @Test
  void rankingIsByMagnitudeThenCanonicalOrder() {
    assertEquals(46, GRAPH.edgeCount());
    int[] order = scores(0.5f, -2, 2, -0f, INF, -1, 1e-45f, -INF, INF).ranking();
    assertArrayEquals(new int[] {4, 7, 8, 1, 2, 5, 0, 6, 3, 9, 10}, Arrays.copyOf(order, 11));
    assertEquals(46, Arrays.stream(order).distinct().count());
  }

  @Test
  void rankingEqualsASort() {
    Random random = new Random(4);
    ComputationGraph graph = GRAPH.withPositions(40);
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(200) == 0 ? INF : random.nextInt(50) * 0.37f - 9;
    }
    int[] expected =
        IntStream.range(0, values.length)
            .boxed()
            .sorted(
                Comparator.comparingDouble((Integer i) -> -Math.abs(values[i]))
                    .thenComparingInt(i -> i))
            .mapToInt(i -> i)
            .toArray();
    assertArrayEquals(expected, new PruneScores(graph, values).ranking());
  }

  @Test
  void topHasExactlyAsManyEdgesAndTiesFollowTheOrder() {
    PruneScores tied = scores(1, 2, 1, 3, 1);
    for (int k = 0; k <= 46; k++) {
      assertEquals(k, tied.top(k).size());
    }
    assertEquals(Circuit.of(GRAPH, BitSet.valueOf(new long[] {0b01011})), tied.top(3));
    assertEquals(5, tied.topWithTies(3).size());
    assertEquals(2, tied.topWithTies(2).size());
    assertEquals(46, tied.topWithTies(6).size());
  }

  private static TreeSet<Integer> sizes(PruneScores scores, int... counts) {
    TreeSet<Integer> sizes = new TreeSet<>();
    Arrays.stream(counts).forEach(k -> sizes.add(scores.topWithTies(k).size()));
    return sizes;
  }

  @Test
  void sizesWithTies() {
    assertEquals(new TreeSet<>(List.of(0, 46)), sizes(scores(), 0, 3, 10, 46));
    // AutoCircuit has no circuit of 0 edges here
    assertEquals(new TreeSet<>(List.of(0, 3, 46)), sizes(scores(INF, INF, INF), 0, 3, 46));
  }

  @Test
  void countsOutsideTheGraphAreRefused() {
    for (int k : new int[] {-1, 47, 10_000}) {
      for (IllegalArgumentException e :
          List.of(
              assertThrows(IllegalArgumentException.class, () -> scores().top(k)),
              assertThrows(IllegalArgumentException.class, () -> scores().topWithTies(k)))) {
        assertTrue(e.getMessage().contains("edge count=" + k), e.getMessage());
        assertTrue(e.getMessage().contains("0..46"), e.getMessage());
      }
    }
  }

  @Test
  void scoresMustBeNumbersForEveryEdge() {
    assertThrows(IllegalArgumentException.class, () -> new PruneScores(GRAPH, new float[45]));
    float[] values = new float[46];
    values[1] = Float.NaN;
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> new PruneScores(GRAPH, values));
    assertTrue(e.getMessage().contains(GRAPH.edge(1).name()), e.getMessage());
  }

  @Test
  void bestNamesTheEdges() {
    List<PruneScores.Scored> best = scores(1, -5, 2).best(2);
    assertEquals(
        List.of(
            new PruneScores.Scored(GRAPH.edge(1), -5), new PruneScores.Scored(GRAPH.edge(2), 2)),
        best);
    assertEquals(46, scores().best(1000).size());
    assertEquals(-5, scores(1, -5).of(GRAPH.edge(1)));
  }

  @Test
  void modulesRoundTrip() {
    for (int positions : new int[] {0, 1, 3}) {
      ComputationGraph graph = GRAPH.withPositions(positions);
      float[] values = new float[graph.edgeCount()];
      for (int i = 0; i < values.length; i++) {
        values[i] = i;
      }
      PruneScores scores = new PruneScores(graph, values);
      Map<String, float[]> modules = scores.modules();
      assertArrayEquals(values, PruneScores.fromModules(graph, modules).values());
      // AutoCircuit's layout: [positions?][head][source]
      int p = Math.max(1, positions);
      Edge e = graph.edge("A0.1->A1.1.K", positions == 0 ? -1 : positions - 1);
      int flat = ((p - 1) * 2 + 1) * 4 + e.source().index();
      assertEquals(e.index(), modules.get("blocks.1.hook_k_input")[flat]);
    }
  }

  @Test
  void modulesMustBeThoseOfTheGraph() {
    Map<String, float[]> modules = new HashMap<>(scores(1).modules());
    modules.put("blocks.0.hook_k_input", new float[3]);
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> PruneScores.fromModules(GRAPH, modules));
    assertTrue(e.getMessage().contains("length=3"), e.getMessage());
    modules.remove("blocks.0.hook_k_input");
    assertThrows(IllegalArgumentException.class, () -> PruneScores.fromModules(GRAPH, modules));
    modules.put("blocks.0.hook_k_imput", new float[2]);
    UnknownNameException unknown =
        assertThrows(UnknownNameException.class, () -> PruneScores.fromModules(GRAPH, modules));
    assertTrue(unknown.getMessage().contains("blocks.0.hook_k_input"), unknown.getMessage());
  }

  @Test
  void circuitsAreSetsOfEdges() {
    Circuit circuit = Circuit.named(GRAPH, List.of("A0.0->MLP 0", "Resid Start->Resid End"));
    assertEquals(2, circuit.size());
    assertTrue(circuit.contains(GRAPH.edge("A0.0->MLP 0", -1).index()));
    assertFalse(circuit.contains(GRAPH.edge("A0.1->MLP 0", -1).index()));
    assertEquals(circuit, Circuit.of(GRAPH, circuit.edges()));
    assertEquals(circuit.hashCode(), Circuit.of(GRAPH, circuit.edgeSet()).hashCode());
    assertNotEquals(circuit, Circuit.empty(GRAPH));
    assertEquals(46, Circuit.full(GRAPH).size());
    circuit.edgeSet().clear();
    assertEquals(2, circuit.size(), "the set is a copy");
    BitSet set = new BitSet();
    set.set(3);
    Circuit copied = Circuit.of(GRAPH, set);
    set.clear();
    assertTrue(copied.contains(3), "the set was copied");
  }

  @Test
  void aNameSelectsEveryPosition() {
    assertEquals(
        List.of(0, 1, 2),
        Circuit.named(GRAPH.withPositions(3), List.of("A0.0->MLP 0")).edges().stream()
            .map(Edge::position)
            .toList());
  }

  @Test
  void edgesOfAnotherGraphAreRefused() {
    BitSet beyond = new BitSet();
    beyond.set(46);
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> Circuit.of(GRAPH, beyond));
    assertTrue(e.getMessage().contains("46"), e.getMessage());
    Edge foreign = GRAPH.withPositions(3).edge("A0.0->MLP 0", 0);
    IllegalArgumentException other =
        assertThrows(IllegalArgumentException.class, () -> Circuit.of(GRAPH, List.of(foreign)));
    assertTrue(other.getMessage().contains("A0.0->MLP 0"), other.getMessage());
  }

  @Test
  void masksOfCircuits() {
    Circuit circuit = Circuit.named(GRAPH, List.of("A0.0->MLP 0"));
    int index = circuit.edgeSet().nextSetBit(0);
    float[] edge = circuit.mask(PatchType.EDGE_PATCH).values();
    float[] tree = circuit.mask(PatchType.TREE_PATCH).values();
    for (int i = 0; i < 46; i++) {
      assertEquals(i == index ? 1f : 0f, edge[i]);
      assertEquals(1f - edge[i], tree[i]);
    }
  }

  @Test
  void masksHaveAValueForEveryEdgeAndInstance() {
    for (int length : new int[] {45, 47, 92}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> PatchMask.of(GRAPH, new float[length]));
      assertTrue(e.getMessage().contains("length=" + length), e.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> new PatchMask(GRAPH, new float[46], 2));
    assertEquals(2, new PatchMask(GRAPH, new float[92], 2).instances());
    assertTrue(PatchMask.uniform(GRAPH, 0).isZero());
    assertFalse(PatchMask.uniform(GRAPH, 0.25).isZero());
    assertEquals(0.25f, PatchMask.uniform(GRAPH, 0.25).values()[45]);
  }
}
