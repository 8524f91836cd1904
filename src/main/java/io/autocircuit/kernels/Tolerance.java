package io.autocircuit.kernels;

import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The one rule by which two tensors count as equal, in the self-test and in tests: {@code |actual −
 * reference| ≤ atol + rtol·|reference|} for every element, NaN and infinity only where the
 * reference is the same.
 *
 * @param atol absolute part, in the units of the compared values
 * @param rtol relative part
 */
public record Tolerance(double atol, double rtol) {
  /** Rounding errors, in units of ε, allowed per root of the number of terms. */
  private static final double FACTOR = 8;

  /** What rounding to bfloat16 may change a number by, over the number. */
  private static final double BFLOAT16_EPSILON = 1.0 / 256;

  /**
   * The tolerance for sums of {@code terms} terms of magnitude one, computed or stored in {@code
   * type}: rounding errors grow as the root of the number of terms.
   *
   * @param type float32, float64 or bfloat16
   * @param terms their number; less than 1 counts as 1
   * @return the tolerance
   * @throws IllegalArgumentException if the type is another one
   */
  public static Tolerance of(ScalarType type, long terms) {
    double epsilon =
        switch (type.intern()) {
          case Double -> Math.ulp(1.0);
          case Float -> Math.ulp(1.0f);
          case BFloat16 -> BFLOAT16_EPSILON;
          default ->
              throw new IllegalArgumentException(
                  "type=" + type + "; use Float, Double or BFloat16");
        };
    double error = FACTOR * epsilon * Math.sqrt((double) Math.max(terms, 1));
    return new Tolerance(error, error);
  }

  /**
   * The tolerance for values {@code magnitude} times as large.
   *
   * @param magnitude of the values
   * @return the tolerance
   */
  public Tolerance scaled(double magnitude) {
    return new Tolerance(atol * magnitude, rtol);
  }

  /**
   * Compares all elements.
   *
   * @param name of the tensor, for the message
   * @param reference what it should be
   * @param actual what it is; of the same shape
   * @throws AssertionError that names the tensor, the worst element's index and both values
   */
  public void check(String name, Tensor reference, Tensor actual) {
    long[] shape = shape(reference);
    if (!Arrays.equals(shape, shape(actual))) {
      throw new AssertionError(
          name
              + ": shape="
              + Arrays.toString(shape(actual))
              + ", expected "
              + Arrays.toString(shape));
    }
    check(name, shape, Tensors.doubles(reference), Tensors.doubles(actual));
  }

  /**
   * As {@link #check(String, Tensor, Tensor)}, for row-major values of one shape.
   *
   * @param name of the tensor, for the message
   * @param shape its sizes
   * @param reference what the values should be
   * @param actual what they are
   * @throws AssertionError that names the tensor, the worst element's index and both values
   */
  public void check(String name, long[] shape, double[] reference, double[] actual) {
    int worst = -1;
    double excess = 0;
    int failures = 0;
    for (int i = 0; i < reference.length; i++) {
      if (!(error(reference[i], actual[i]) <= 1)) {
        failures++;
        double e = Math.abs(actual[i] - reference[i]) - rtol * Math.abs(reference[i]);
        if (worst < 0 || Double.isNaN(e) || e > excess) {
          worst = i;
          excess = e;
        }
      }
    }
    if (worst >= 0) {
      throw new AssertionError(
          String.format(
              "%s%s: actual=%.9g, expected %.9g ± (%.3g + %.3g·|expected|); %d of %d elements differ",
              name,
              Arrays.toString(index(shape, worst)),
              actual[worst],
              reference[worst],
              atol,
              rtol,
              failures,
              reference.length));
    }
  }

  /**
   * The largest error of an element over what is allowed.
   *
   * @param reference what the values should be
   * @param actual what they are
   * @return 1 or less if they count as equal; infinite where only one is finite
   */
  public double worst(double[] reference, double[] actual) {
    double worst = 0;
    for (int i = 0; i < reference.length; i++) {
      worst = Math.max(worst, error(reference[i], actual[i]));
    }
    return worst;
  }

  private double error(double reference, double actual) {
    if (Double.compare(reference, actual) == 0) {
      return 0;
    }
    double error = Math.abs(actual - reference) / (atol + rtol * Math.abs(reference));
    return Double.isNaN(error) ? Double.POSITIVE_INFINITY : error;
  }

  private static long[] shape(Tensor tensor) {
    long[] shape = new long[Math.toIntExact(tensor.dim())];
    Arrays.setAll(shape, tensor::size);
    return shape;
  }

  private static long[] index(long[] shape, int flat) {
    long[] index = new long[shape.length];
    long rest = flat;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    return index;
  }
}
