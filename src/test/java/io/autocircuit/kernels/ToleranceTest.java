package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

class ToleranceTest {
  private final Tolerance tolerance = new Tolerance(0.5, 0.25);

  private void check(double reference, double actual) {
    tolerance.check("x", new long[] {1, 2}, new double[] {1, reference}, new double[] {1, actual});
  }

  @Test
  void acceptsUpToTheBound() {
    check(2, 3);
    check(2, 1);
    check(Double.NaN, Double.NaN);
    check(Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);
  }

  @Test
  void namesTensorIndexAndBothValues() {
    AssertionError e = assertThrows(AssertionError.class, () -> check(2, 3.0625));
    assertEquals(
        "x[0, 1]: actual=3.06250000, expected 2.00000000 ± (0.500 + 0.250·|expected|); 1 of 2"
            + " elements differ",
        e.getMessage());
  }

  @Test
  void nanAndInfinityAreNotNumbers() {
    assertThrows(AssertionError.class, () -> check(2, Double.NaN));
    assertThrows(AssertionError.class, () -> check(Double.NaN, 2));
    assertThrows(AssertionError.class, () -> check(2, Double.POSITIVE_INFINITY));
    assertThrows(
        AssertionError.class, () -> check(Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY));
  }

  @Test
  void theWorstErrorIsAShareOfWhatIsAllowed() {
    Tolerance t = new Tolerance(1, 1);
    double nan = Double.NaN;
    double[] reference = {1, nan, 2};
    assertEquals(0, t.worst(reference, reference.clone()));
    assertEquals(0.5, t.worst(reference, new double[] {2, nan, 2}));
    assertEquals(Double.POSITIVE_INFINITY, t.worst(reference, new double[] {1, 0, 2}));
    assertEquals(Double.POSITIVE_INFINITY, t.worst(reference, new double[] {nan, nan, 2}));
  }

  @Test
  void growsWithTheRootOfTheTerms() {
    Tolerance one = Tolerance.of(ScalarType.Double, 1);
    assertEquals(3 * one.atol(), Tolerance.of(ScalarType.Double, 9).atol(), 1e-20);
    assertEquals(0, Tolerance.of(ScalarType.Float, 4).atol() / one.atol() % 2);
    assertThrows(IllegalArgumentException.class, () -> Tolerance.of(ScalarType.Half, 1));
  }
}
