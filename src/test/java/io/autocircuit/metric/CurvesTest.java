package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.metric.Measurement.Point;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Areas under curves, and receiver operating characteristics. */
class CurvesTest {
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);
  private static final List<Point> POINTS =
      List.of(new Point(0, 1), new Point(1, 2), new Point(10, 4), new Point(100, 5));

  @Test
  void areas() {
    assertEquals(333.5, AreaUnderCurve.LINEAR.of(POINTS), 1e-9);
    assertEquals(5.5, new AreaUnderCurve(true, false, 1).of(POINTS), 1e-9);
  }

  @Test
  void theOrderOfPointsDoesNotMatter() {
    List<Point> shuffled = new ArrayList<>(POINTS);
    Collections.reverse(shuffled);
    assertEquals(333.5, AreaUnderCurve.LINEAR.of(shuffled), 1e-9);
  }

  @Test
  void logarithmicValues() {
    List<Point> points =
        List.of(new Point(0, .5), new Point(1, 2), new Point(10, 10), new Point(100, 100));
    double l2 = Math.log10(2);
    double expected = (l2 + 1) / 2 + 1.5 - 2 * Math.log10(.5);
    assertEquals(expected, new AreaUnderCurve(true, true, 0.01).of(points), 1e-9);
    // the floor is where the axis begins; it moves nothing above it
    assertEquals(expected, new AreaUnderCurve(true, true, 0.1).of(points), 1e-9);
    assertEquals(
        (0 + 1) / 2.0 + 1.5,
        new AreaUnderCurve(true, true, 1)
            .of(List.of(new Point(0, .5), new Point(1, 1), new Point(10, 10), new Point(100, 100))),
        1e-9);
  }

  @Test
  void areasMayBeNegative() {
    List<Point> falling = List.of(new Point(0, 4), new Point(2, 2));
    assertEquals(-2, AreaUnderCurve.LINEAR.of(falling), 1e-9);
    assertEquals(0, AreaUnderCurve.LINEAR.of(List.of(new Point(0, 4))), 0);
  }

  @Test
  void thePointAtZeroIsNeeded() {
    for (List<Point> points : List.of(List.<Point>of(), POINTS.subList(1, 4))) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> AreaUnderCurve.LINEAR.of(points));
      assertTrue(e.getMessage().contains("0 edges"), e.getMessage());
    }
  }

  private static Circuit official() {
    BitSet set = new BitSet();
    set.set(3, 10);
    return Circuit.of(GRAPH, set);
  }

  private static int[] all() {
    return IntStream.rangeClosed(0, GRAPH.edgeCount()).toArray();
  }

  @Test
  void perfectAndOppositeScores() {
    float[] values = new float[46];
    Arrays.fill(values, 3, 10, -2f);
    PruneScores perfect = new PruneScores(GRAPH, values);
    assertEquals(1, Roc.area(Roc.curve(perfect, official(), all())), 1e-12);
    for (int i = 0; i < 46; i++) {
      values[i] = official().contains(i) ? 0.5f : 1;
    }
    assertEquals(0, Roc.area(Roc.curve(new PruneScores(GRAPH, values), official(), all())), 1e-12);
  }

  @Test
  void equalScoresAreOneStep() {
    List<Roc.Point> points =
        Roc.curve(new PruneScores(GRAPH, new float[46]), official(), new int[] {0, 5, 46});
    assertEquals(
        List.of(
            new Roc.Point(0, 0),
            new Roc.Point(0, 0),
            new Roc.Point(1, 1),
            new Roc.Point(1, 1),
            new Roc.Point(1, 1)),
        points);
    assertEquals(0.5, Roc.area(points), 1e-12);
  }

  @Test
  void ratesEqualThoseOfTheCircuits() {
    Random random = new Random(3);
    float[] values = new float[46];
    for (int i = 0; i < 46; i++) {
      values[i] = i % 5 == 0 ? Float.POSITIVE_INFINITY : random.nextInt(6) - 3;
    }
    PruneScores scores = new PruneScores(GRAPH, values);
    List<Roc.Point> points = Roc.curve(scores, official(), all());
    for (int k = 0; k <= 46; k++) {
      BitSet circuit = scores.topWithTies(k).edgeSet();
      int size = circuit.cardinality();
      circuit.and(official().edgeSet());
      int hits = circuit.cardinality();
      assertEquals(hits / 7.0, points.get(k + 1).truePositiveRate(), 1e-12);
      assertEquals((size - hits) / 39.0, points.get(k + 1).falsePositiveRate(), 1e-12);
    }
  }

  @Test
  void degenerateOfficialCircuitsAreRefused() {
    PruneScores scores = new PruneScores(GRAPH, new float[46]);
    for (Circuit c : List.of(Circuit.empty(GRAPH), Circuit.full(GRAPH))) {
      assertThrows(IllegalArgumentException.class, () -> Roc.curve(scores, c, all()));
    }
    Circuit other = Circuit.named(GRAPH.withPositions(2), List.of("A0.0->MLP 0"));
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> Roc.curve(scores, other, all()));
    assertTrue(e.getMessage().contains("another graph"), e.getMessage());
  }

  /** By its definition, pair by pair, with ties; a point where nothing is out of order. */
  @Test
  void theIntervalOfTheRankAreaIsDeLongs() {
    Random random = new Random(9);
    float[] values = new float[46];
    for (int i = 0; i < 46; i++) {
      values[i] = random.nextInt(9) - 4 + (official().contains(i) ? 2 : 0);
    }
    PruneScores scores = new PruneScores(GRAPH, values);
    int[] inside = official().edgeSet().stream().toArray();
    int[] outside = IntStream.range(0, 46).filter(i -> !official().contains(i)).toArray();
    double[] ofInside = new double[inside.length];
    double[] ofOutside = new double[outside.length];
    for (int i = 0; i < inside.length; i++) {
      for (int o = 0; o < outside.length; o++) {
        float x = Math.abs(values[inside[i]]);
        float y = Math.abs(values[outside[o]]);
        double above = x > y ? 1 : x == y ? 0.5 : 0;
        ofInside[i] += above / outside.length;
        ofOutside[o] += above / inside.length;
      }
    }
    double area = Roc.rankArea(scores, official());
    double deviation =
        Math.sqrt(
            variance(ofInside, area) / inside.length + variance(ofOutside, area) / outside.length);
    Bootstrap.Interval found = Roc.interval(scores, official(), 0.95);
    assertEquals(Math.max(0, area - 1.959963984540054 * deviation), found.low(), 1e-12);
    assertEquals(Math.min(1, area + 1.959963984540054 * deviation), found.high(), 1e-12);
    assertTrue(deviation > 0.01, "deviation=" + deviation);
    float[] perfect = new float[46];
    official().edgeSet().stream().forEach(e -> perfect[e] = 1);
    assertEquals(
        new Bootstrap.Interval(1, 1, 0.95),
        Roc.interval(new PruneScores(GRAPH, perfect), official(), 0.95));
  }

  private static double variance(double[] x, double mean) {
    return Arrays.stream(x).map(v -> (v - mean) * (v - mean)).sum() / (x.length - 1);
  }

  /** To the bit, since stored numbers were summed so. */
  @Test
  void meansAreThoseOfStreams() {
    Random random = new Random(4);
    for (int k = 0; k < 2000; k++) {
      double[] x =
          random.doubles(1 + random.nextInt(70), -1, 1).map(v -> v * v * v * 1e6).toArray();
      x[0] = k % 50 == 0 ? Double.POSITIVE_INFINITY : x[0];
      assertEquals(Arrays.stream(x).sum() / x.length, StandardMetric.mean(x));
    }
  }
}
