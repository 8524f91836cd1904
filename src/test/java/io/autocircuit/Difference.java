package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Locale;

/** How far results that should not differ do differ; not for use by several threads. */
public final class Difference {
  private final String name;
  private final double epsilon;
  private long count;
  private long different;
  private double worst;

  /**
   * Counts differences.
   *
   * @param epsilon the spacing of numbers at 1
   */
  public Difference(String name, double epsilon) {
    this.name = name;
    this.epsilon = epsilon;
  }

  /**
   * Compares.
   *
   * @param bound the largest difference that is allowed, in units of ε times the largest expected
   *     number (at least 1e-3); 0 for the same bits
   */
  public void check(String what, double[] expected, double[] actual, double bound) {
    assertEquals(expected.length, actual.length, what);
    double scale = 1e-3;
    for (double e : expected) {
      scale = Double.isFinite(e) ? Math.max(scale, Math.abs(e)) : scale;
    }
    for (int i = 0; i < expected.length; i++) {
      count++;
      if (Double.compare(expected[i], actual[i]) != 0) {
        different++;
        double units = Math.abs(expected[i] - actual[i]) / (epsilon * scale);
        assertTrue(
            units <= bound,
            what + "[" + i + "]: " + actual[i] + ", expected " + expected[i] + ", ε=" + units);
        worst = Math.max(worst, units);
      }
    }
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%s: %d of %d numbers differ, by at most %.2f ε of the largest",
        name,
        different,
        count,
        worst);
  }
}
