package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.commons.statistics.distribution.NormalDistribution;
import org.junit.jupiter.api.Test;

/** Intervals over prompts. */
class BootstrapTest {
  private static double mean(double[] values, int[] drawn) {
    return Arrays.stream(drawn).mapToDouble(i -> values[i]).average().orElseThrow();
  }

  @Test
  void theDistributionOfThreePromptsIsKnown() {
    // of the 27 draws of 0, 3, 6 the sums are 0 (1), 3 (3), 6 (6), 9 (7), 12 (6), 15 (3), 18 (1)
    double[] values = {0, 3, 6};
    double[] levels = {0.2, 0.5, 0.8, 0.95};
    double[][] ends = {{3, 3}, {2, 4}, {1, 5}, {0, 6}};
    for (int i = 0; i < levels.length; i++) {
      Bootstrap.Interval found =
          new Bootstrap(50_000, levels[i], 1).of(3, drawn -> mean(values, drawn));
      assertEquals(ends[i][0], found.low(), 1e-12, "level " + levels[i]);
      assertEquals(ends[i][1], found.high(), 1e-12, "level " + levels[i]);
    }
  }

  @Test
  void ofManyPromptsItIsTheNormalInterval() {
    Random random = new Random(4);
    double[] values = random.doubles(400).map(u -> Math.sqrt(-Math.log(u))).toArray();
    double mean = Arrays.stream(values).average().orElseThrow();
    double error =
        Math.sqrt(Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / 400) / 20;
    Bootstrap.Interval found =
        new Bootstrap(10_000, 0.95, 1).of(Metric.LOGIT_DIFF, values, new double[400]);
    assertEquals(mean - 1.96 * error, found.low(), 0.1 * error);
    assertEquals(mean + 1.96 * error, found.high(), 0.1 * error);
  }

  @Test
  void percentagesDrawTheFullModelWithTheCircuit() {
    double[] full = {1, 2, 4, 8};
    double[] half = {0.5, 1, 2, 4};
    Bootstrap.Interval found =
        new Bootstrap(1000, 0.95, 1).of(Metric.LOGIT_DIFF_PERCENT, half, full);
    assertEquals(new Bootstrap.Interval(50, 50, 0.95), found);
  }

  @Test
  void theSeedDecides() {
    double[] values = new Random(1).doubles(20).toArray();
    double[] full = new double[20];
    Bootstrap.Interval first = new Bootstrap(100, 0.9, 1).of(Metric.LOGIT_DIFF, values, full);
    assertEquals(first, new Bootstrap(100, 0.9, 1).of(Metric.LOGIT_DIFF, values, full));
    assertNotEquals(first, new Bootstrap(100, 0.9, 2).of(Metric.LOGIT_DIFF, values, full));
    assertTrue(first.low() < first.high());
  }

  @Test
  void whatIsNoNumberHasNoInterval() {
    Bootstrap.Interval found =
        new Bootstrap(100, 0.9, 1).of(2, drawn -> drawn[0] == 0 ? Double.NaN : 1);
    assertTrue(Double.isNaN(found.low()) && Double.isNaN(found.high()));
    double inf = Double.POSITIVE_INFINITY;
    assertEquals(
        new Bootstrap.Interval(inf, inf, 0.9), new Bootstrap(100, 0.9, 1).of(2, drawn -> inf));
  }

  @Test
  void mistakesAreNamed() {
    assertThrows(IllegalArgumentException.class, () -> new Bootstrap(0, 0.9, 1));
    assertThrows(IllegalArgumentException.class, () -> new Bootstrap(1, 1, 1));
    Bootstrap b = new Bootstrap(1, 0.9, 1);
    assertThrows(IllegalArgumentException.class, () -> b.of(0, drawn -> 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> b.of(Metric.LOGIT_DIFF, new double[2], new double[3]));
  }

  /** Of a mean of few skewed values: the definition, by hand. */
  @Test
  void bcaIsItsDefinition() {
    double[] values = {0, 0.1, 0.2, 0.4, 0.5, 1, 2, 9};
    int n = values.length;
    Bootstrap b = new Bootstrap(4000, 0.9, 7, Bootstrap.Method.BCA);
    double[] draws = new double[4000];
    int[] next = {0};
    new Bootstrap(4000, 0.9, 7) // the same draws
        .of(
            n,
            drawn -> {
              double m = mean(values, drawn);
              draws[next[0]++] = m;
              return m;
            });
    Arrays.sort(draws);
    double mean = Arrays.stream(values).average().orElseThrow();
    double below = 0;
    for (double d : draws) {
      below += d < mean ? 1 : d == mean ? 0.5 : 0;
    }
    NormalDistribution normal = NormalDistribution.of(0, 1);
    double z0 = normal.inverseCumulativeProbability(below / draws.length);
    // of means the jackknife's skewness is that of the values
    double squares = Arrays.stream(values).map(v -> Math.pow(v - mean, 2)).sum();
    double cubes = Arrays.stream(values).map(v -> Math.pow(v - mean, 3)).sum();
    double a = cubes / (6 * Math.pow(squares, 1.5));
    Bootstrap.Interval found = b.of(n, drawn -> mean(values, drawn));
    double[] ends = {found.low(), found.high()};
    for (int side = 0; side < 2; side++) {
      double z = z0 + normal.inverseCumulativeProbability(side == 0 ? 0.05 : 0.95);
      double share = normal.cumulativeProbability(z0 + z / (1 - a * z));
      double place = share * (draws.length - 1);
      int at = (int) place;
      assertEquals(draws[at] + (place - at) * (draws[at + 1] - draws[at]), ends[side], 1e-9);
    }
    Bootstrap.Interval percentiles = new Bootstrap(4000, 0.9, 7).of(n, d -> mean(values, d));
    assertTrue(found.low() > percentiles.low() && found.high() > percentiles.high());
  }

  @Test
  void severalNumbersShareTheirDraws() {
    double[] values = new Random(3).doubles(12).toArray();
    Bootstrap b = new Bootstrap(300, 0.9, 5, Bootstrap.Method.BCA);
    assertEquals(
        List.of(
            b.of(12, drawn -> mean(values, drawn)), b.of(12, drawn -> -2 * mean(values, drawn))),
        b.several(12, drawn -> new double[] {mean(values, drawn), -2 * mean(values, drawn)}));
    assertEquals(new Bootstrap.Interval(4, 4, 0.9), b.of(1, drawn -> 4)); // one prompt says nothing
  }

  @Test
  void areasOfFaithfulnessAreRatiosOfMeans() {
    double[][] prompts = {{0, 2}, {1, 2}, {4, 6}}; // 0, 5 and 10 edges
    List<Measurement.Point> points = new ArrayList<>();
    for (int i = 0; i < prompts.length; i++) {
      double[] p = prompts[i];
      points.add(new Measurement.Point(5 * i, (p[0] + p[1]) / 2, List.of(p[0], p[1])));
    }
    Faithfulness f =
        Faithfulness.of(
                new Measurement(Metric.LOGIT_DIFF, points),
                Map.of(0, 0, 1, 0, 2, 5, 5, 5, 10, 10),
                10,
                Bootstrap.USUAL)
            .orElseThrow();
    // f at 5 edges is (1.5 - 1) / (5 - 1)
    assertEquals(
        0.5 * 0.125 / 2 + 0.5 * 1.125 / 2, f.of(Faithfulness.Kind.EXACT_CPR).orElse(-1), 1e-12);
    assertEquals(
        0.1 * 0.125 / 2 + 0.3 * 0.125 + 0.5 * 1.125 / 2,
        f.of(Faithfulness.Kind.CPR).orElse(-1),
        1e-12);
    for (Faithfulness.Area a : f.areas()) {
      Bootstrap.Interval i = a.interval().orElseThrow();
      assertTrue(i.low() <= a.value() && a.value() <= i.high(), a::toString);
    }
    assertEquals(
        List.of(Faithfulness.Kind.EXACT_CPR, Faithfulness.Kind.EXACT_CMD),
        Faithfulness.of(
                new Measurement(Metric.LOGIT_DIFF, points),
                Map.of(0, 0, 5, 5, 10, 10),
                10,
                Bootstrap.USUAL)
            .orElseThrow()
            .areas()
            .stream()
            .map(Faithfulness.Area::kind)
            .toList());
  }

  /** One prompt unlike all others, and a wide interval: no end is beyond the other. */
  @Test
  void endsOfWideIntervalsKeepTheirOrder() {
    double[] values = new double[40];
    values[7] = 1;
    for (double level : new double[] {0.95, 0.99, 0.9999}) {
      for (int sign : new int[] {1, -1}) {
        Bootstrap b = new Bootstrap(2000, level, 3, Bootstrap.Method.BCA);
        Bootstrap.Interval i = b.of(values.length, d -> sign * mean(values, d));
        assertTrue(i.low() <= i.high(), i::toString);
        assertTrue(i.low() <= sign / 40.0 && sign / 40.0 <= i.high(), i::toString);
      }
    }
  }
}
