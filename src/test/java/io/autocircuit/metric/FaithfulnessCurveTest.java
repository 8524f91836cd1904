package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FaithfulnessCurveTest {
  private static final double TINY = 1e-12;

  @Test
  void aPerfectCircuitHasTheBenchmarksLargestArea() {
    double[] perfect = new double[10];
    Arrays.fill(perfect, 3);
    FaithfulnessCurve curve = FaithfulnessCurve.mib(perfect, 1, 3);
    assertEquals(0.999, curve.areaUnder(), TINY);
    assertEquals(0, curve.areaFromOne(), TINY);
    assertEquals(1, curve.average(), TINY);
  }

  @Test
  void countsAreRoundedDown() {
    assertArrayEquals(
        new int[] {32, 64, 162, 324, 649, 1624, 3249, 6498, 16245, 32491},
        EdgeCounts.ofShares(32491));
    assertArrayEquals(new int[] {0, 0, 0, 0, 0, 0, 0, 1, 4, 8}, EdgeCounts.ofShares(8));
  }

  /** f goes 0, 2, 1: by trapezoids of |1 − f| more than between the lines and 1. */
  @Test
  void theExactAreaKnowsWhereLinesCrossOne() {
    FaithfulnessCurve curve =
        FaithfulnessCurve.exact(
            List.of(
                new Measurement.Point(0, 5),
                new Measurement.Point(5, 9),
                new Measurement.Point(10, 7)),
            10);
    assertEquals(List.of(0.0, 2.0, 1.0), curve.points().stream().map(p -> p.value()).toList());
    assertEquals(0.5 + 0.75, curve.areaUnder(), TINY);
    assertEquals(0.5 + 0.25, curve.areaFromOne(), TINY);
    assertEquals(0.25 + 0.25, curve.exactAreaFromOne(), TINY);
  }

  @Test
  void theExactAreaIsTheLimitOfManyTrapezoids() {
    Random random = new Random(1);
    double[] f = random.doubles(6, -1, 3).toArray();
    List<FaithfulnessCurve.Point> points =
        java.util.stream.IntStream.range(0, f.length)
            .mapToObj(i -> new FaithfulnessCurve.Point(i / 5.0, f[i]))
            .toList();
    int steps = 500_000;
    double sum = 0;
    for (int s = 0; s < steps; s++) {
      double x = (s + 0.5) / steps * 5;
      int i = (int) x;
      sum += Math.abs(1 - (f[i] + (x - i) * (f[i + 1] - f[i]))) / steps;
    }
    assertEquals(sum, new FaithfulnessCurve(points).exactAreaFromOne(), 1e-6);
  }

  @Test
  void whatIsNoCurveIsRefused() {
    assertEquals(Double.NaN, FaithfulnessCurve.mib(new double[10], 2, 2).areaUnder());
    List<Measurement.Point> open =
        List.of(new Measurement.Point(1, 1), new Measurement.Point(9, 2));
    assertThrows(IllegalArgumentException.class, () -> FaithfulnessCurve.exact(open, 9));
    assertThrows(IllegalArgumentException.class, () -> FaithfulnessCurve.mib(new double[9], 0, 1));
  }

  @Test
  void theRankAreaCountsPairs() {
    ComputationGraph graph = ComputationGraph.factorized(1, 2, Wiring.SEQUENTIAL, true, 0);
    Random random = new Random(2);
    float[] scores = new float[graph.edgeCount()];
    BitSet in = new BitSet();
    for (int i = 0; i < scores.length; i++) {
      scores[i] = random.nextInt(7) - 3; // with ties
      in.set(i, random.nextBoolean());
    }
    double pairs = 0;
    for (int a = 0; a < scores.length; a++) {
      for (int b = 0; b < scores.length; b++) {
        if (in.get(a) && !in.get(b)) {
          pairs += (Math.signum(Math.abs(scores[a]) - Math.abs(scores[b])) + 1) / 2;
        }
      }
    }
    int n = in.cardinality();
    assertEquals(
        pairs / n / (scores.length - n),
        Roc.rankArea(new PruneScores(graph, scores), Circuit.of(graph, in)),
        TINY);
  }

  @Test
  void anEmptyTruthOrOneOfAllEdgesIsRefusedAndNothingFoundIsNoHit() {
    ComputationGraph graph = ComputationGraph.factorized(1, 2, Wiring.SEQUENTIAL, true, 0);
    Circuit some = Circuit.named(graph, List.of("Resid Start->Resid End"));
    for (Circuit truth : List.of(Circuit.empty(graph), Circuit.full(graph))) {
      assertThrows(IllegalArgumentException.class, () -> Roc.Found.of(some, truth));
    }
    assertEquals(new Roc.Found(0, 1, 1), Roc.Found.of(some, some));
    assertEquals(new Roc.Found(0, 0, 0), Roc.Found.of(Circuit.empty(graph), some));
    // what the hypothesis lacks is a false or a true negative, never a hit
    assertEquals(
        new Roc.Found(1.0 / (graph.edgeCount() - 1), 0, 0),
        Roc.Found.of(Circuit.named(graph, List.of("A0.0->MLP 0")), some));
  }
}
