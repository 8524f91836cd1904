package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
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
}
