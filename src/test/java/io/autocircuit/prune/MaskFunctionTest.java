package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class MaskFunctionTest {
  @ParameterizedTest
  @CsvSource({
    "0.1, -2, 0", "0.1, 0, 0", "0.1, 1.6094379, 0.251396",
    "0.5, -2, 0", "0.5, 0, 0.5", "0.5, 1.6094379, 1",
    "0.9, -2, 0.588109", "0.9, 0, 1", "0.9, 1.6094379, 1"
  })
  void hardConcreteVectors(double u, double theta, double mask) {
    assertEquals(mask, MaskFunction.HARD_CONCRETE.value(theta, u), 1e-6);
  }

  @Test
  void constants() {
    assertEquals(1.6094379, MaskFunction.INITIAL, 1e-7);
    assertEquals(-1.5985968, MaskFunction.REGULARIZE_CONST, 1e-7);
  }

  @ParameterizedTest
  @EnumSource(MaskFunction.class)
  void derivativeEqualsFiniteDifferences(MaskFunction function) {
    SplittableRandom random = new SplittableRandom(1);
    int inside = 0;
    int clamped = 0;
    for (int i = 0; i < 2000; i++) {
      double theta = random.nextDouble(-6, 6);
      double u = MaskFunction.uniform(random);
      double h = 1e-6;
      double up = function.value(theta + h, u);
      double down = function.value(theta - h, u);
      boolean atClamp = (up == 0 || up == 1) != (down == 0 || down == 1);
      if (!atClamp) {
        assertEquals((up - down) / (2 * h), function.derivative(theta, u), 1e-7);
        if (up == down) {
          clamped++;
        } else {
          inside++;
        }
      }
    }
    assertTrue(inside > 400, "inside=" + inside);
    assertEquals(function == MaskFunction.HARD_CONCRETE, clamped > 400, "clamped=" + clamped);
  }

  @Test
  void onlyHardConcreteSamples() {
    assertTrue(MaskFunction.HARD_CONCRETE.samples());
    assertFalse(MaskFunction.SIGMOID.samples());
    assertEquals(0.25, MaskFunction.NONE.value(0.25, 0.7));
    assertEquals(0.5, MaskFunction.SIGMOID.value(0, 0.7));
  }

  @Test
  void samplesKeepAwayFromTheEndsAndAverageAsTheyShould() {
    SplittableRandom random = new SplittableRandom(2);
    double sum = 0;
    int n = 200_000;
    for (int i = 0; i < n; i++) {
      double u = MaskFunction.uniform(random);
      assertTrue(u >= 1e-4 && u <= 1 - 1e-4);
      sum += MaskFunction.HARD_CONCRETE.value(MaskFunction.INITIAL, u);
    }
    assertEquals(0.807, sum / n, 0.003);
  }
}
