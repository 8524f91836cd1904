package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.patch.Circuit;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The tests' numbers by hand, and what random circuits are. */
class CircuitTestsTest {
  private static final double TINY = 1e-12;

  private static double equivalence(double epsilon, double... differences) {
    return Equivalence.of(differences, new double[differences.length], epsilon).pValue();
  }

  @Test
  void equivalenceCountsSigns() {
    assertEquals(2 / 16.0, equivalence(0, 1, 2, 3, 4), TINY);
    assertEquals(2 / 16.0, equivalence(0, -1, -2, -3, -4), TINY);
    assertEquals(10 / 16.0, equivalence(0, 1, 2, 3, -4), TINY);
    assertEquals(1, equivalence(0, 1, 2, -3, -4), TINY);
    assertEquals(1, equivalence(0, 0, 0), TINY);
    // of 0, 1, 2 above: 0.4², 2·0.4·0.6, 0.6²
    assertEquals(0.16 + 0.36, equivalence(0.1, 1, 1), TINY);
    assertEquals(0.16 + 0.36, equivalence(0.1, -1, -1), TINY);
    Equivalence e =
        Equivalence.of(new double[] {1, 2, 3, Double.NaN, 5}, new double[] {0, 2, 4, 4, 4}, 0.1);
    assertEquals(List.of(2, 1, 2), List.of(e.above(), e.below(), e.equal()));
    // all four of 3 are at least as far from one half as 2
    assertEquals(1, e.pValue(), TINY);
    assertThrows(IllegalArgumentException.class, () -> equivalence(0.5, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> Equivalence.of(new double[] {1}, new double[] {1, 2}, 0));
  }

  @Test
  void independenceIsOfKernels() {
    // two prompts: both kernels [1 a; a 1], a = exp(−½), centred (1−a)/2 · [1 −1; −1 1]
    double a = Math.exp(-0.5);
    Independence two = Independence.of(new double[] {0, 1}, new double[] {5, 2}, 10, 1);
    assertEquals((1 - a) * (1 - a), two.hsic(), TINY);
    assertEquals(1, two.pValue(), TINY); // either order is the same
    double[] x = IntStream.range(-40, 41).mapToDouble(i -> i / 10.0).toArray();
    double[] squares = Arrays.stream(x).map(v -> v * v).toArray(); // uncorrelated, not independent
    assertEquals(1 / 201.0, Independence.of(x, squares, 200, 1).pValue(), TINY);
    Random random = new Random(3);
    double[] others = random.doubles(x.length).toArray();
    assertTrue(Independence.of(x, others, 200, 1).pValue() > 0.05);
    Independence constant = Independence.of(x, new double[x.length], 20, 1);
    assertEquals(0, constant.hsic(), TINY);
    assertEquals(1, constant.pValue(), TINY);
    others[3] = Double.NaN; // no evidence of anything
    assertEquals(1, Independence.of(x, others, 20, 1).pValue(), TINY);
    assertThrows(
        IllegalArgumentException.class, () -> Independence.of(new double[1], new double[1], 20, 1));
  }

  @Test
  void minimalityIsAdjustedByHolm() {
    assertArrayEquals(
        new double[] {0.03, 0.06, 0.06}, Minimality.holm(new double[] {0.01, 0.04, 0.03}), TINY);
    assertArrayEquals(new double[] {1, 1}, Minimality.holm(new double[] {0.9, 0.8}), TINY);
    ComputationGraph graph = ComputationGraph.factorized(1, 1, Wiring.ATTENTION_ONLY, false, 0);
    double[] random = {0, 0.1, 0.2, 0.3, 0.4};
    Minimality m =
        Minimality.of(Circuit.full(graph).edges(), new double[] {1, 0.2, 0}, random, 0.9);
    assertEquals(List.of(5, 2, 0), m.rows().stream().map(Minimality.Row::larger).toList());
    assertEquals(1, m.rows().get(0).pValue(), TINY);
    // P(Binomial(5, 0.9) ≤ 2) = 0.1⁵ + 5·0.9·0.1⁴ + 10·0.81·0.1³
    assertEquals(1e-5 + 4.5e-4 + 8.1e-3, m.rows().get(1).pValue(), TINY);
    assertEquals(1e-5, m.rows().get(2).pValue(), TINY);
    assertEquals(3e-5, m.rows().get(2).adjusted(), TINY);
    assertEquals(2 * 8.56e-3, m.rows().get(1).adjusted(), TINY);
    assertEquals(List.of(graph.edge(1), graph.edge(2)), m.redundant(0.05));
    assertEquals(List.of(graph.edge(2)), m.redundant(0.01));
  }

  private static Circuit some(ComputationGraph graph, int seed) {
    BitSet edges = new BitSet();
    new Random(seed).ints(12, 0, graph.edgeCount()).forEach(edges::set);
    return Circuit.of(graph, edges);
  }

  private static Map<String, Long> kinds(Circuit circuit) {
    return circuit.edges().stream()
        .map(e -> e.source().block() + e.source().name().replaceAll("[0-9]", ""))
        .collect(Collectors.groupingBy(k -> k, Collectors.counting()));
  }

  private static Map<String, Long> inputs(Circuit circuit) {
    return circuit.edges().stream()
        .map(e -> e.destination().block() + " " + e.destination().input())
        .collect(Collectors.groupingBy(k -> k, Collectors.counting()));
  }

  @Test
  void randomCircuitsAreMatched() {
    for (int positions : new int[] {0, 3}) {
      ComputationGraph graph =
          ComputationGraph.factorized(3, 4, Wiring.SEQUENTIAL, true, positions);
      Circuit of = some(graph, 5);
      RandomCircuits random = new RandomCircuits(of, 1);
      for (int i = 0; i < 20; i++) {
        Circuit matched = random.matched();
        assertEquals(kinds(of), kinds(matched));
        assertEquals(inputs(of), inputs(matched));
        assertEquals(of.size(), matched.size());
        assertEquals(of.size(), random.sameSize().size());
      }
      assertNotEquals(random.sameSize(), random.sameSize());
      assertNotEquals(of, random.matched());
      assertEquals(new RandomCircuits(of, 7).matched(), new RandomCircuits(of, 7).matched());
    }
  }

  @Test
  void circuitsAreInflatedByAPath() {
    for (int positions : new int[] {0, 3}) {
      ComputationGraph graph =
          ComputationGraph.factorized(3, 4, Wiring.SEQUENTIAL, true, positions);
      RandomCircuits paths = new RandomCircuits(Circuit.empty(graph), 2);
      Circuit of = some(graph, 6);
      RandomCircuits random = new RandomCircuits(of, 2);
      for (int i = 0; i < 50; i++) {
        // everything of a path lies between the start and the end
        BitSet path = paths.inflated().circuit().edgeSet();
        assertEquals(path, graph.nodes().connected(path));
        RandomCircuits.Inflated inflated = random.inflated();
        assertTrue(inflated.circuit().contains(inflated.edge()));
        assertFalse(of.contains(inflated.edge()));
        assertEquals(of, Completeness.without(of, Completeness.without(of, inflated.circuit())));
        assertEquals(inflated.circuit().size() - 1, inflated.without().size());
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> new RandomCircuits(Circuit.full(graph), 1).inflated());
    }
  }
}
