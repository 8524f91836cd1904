package io.autocircuit;

import java.util.Arrays;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The one rule by which tests call two tensors equal: {@code |actual − reference| ≤ atol +
 * rtol·|reference|} for every element, NaN and infinity only where the reference is the same.
 *
 * @param atol absolute part, in the units of the compared values
 * @param rtol relative part
 */
public record Tolerance(double atol, double rtol) {
  /** Rounding errors, in units of ε, allowed per root of the number of terms. */
  private static final double FACTOR = 8;

  /**
   * The tolerance for sums of {@code terms} terms of magnitude one, computed in {@code type}:
   * rounding errors grow as the root of the number of terms.
   */
  public static Tolerance of(ScalarType type, long terms) {
    double epsilon =
        switch (type.intern()) {
          case Double -> Math.ulp(1.0);
          case Float -> Math.ulp(1.0f);
          default -> throw new IllegalArgumentException("type=" + type + "; use Float or Double");
        };
    double error = FACTOR * epsilon * Math.sqrt(Math.max(terms, 1));
    return new Tolerance(error, error);
  }

  /** The tolerance for values {@code magnitude} times as large. */
  public Tolerance scaled(double magnitude) {
    return new Tolerance(atol * magnitude, rtol);
  }

  /**
   * Compares all elements.
   *
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
    check(name, shape, values(reference), values(actual));
  }

  /** As {@link #check(String, Tensor, Tensor)}, for row-major values of one shape. */
  public void check(String name, long[] shape, double[] reference, double[] actual) {
    int worst = -1;
    double excess = 0;
    int failures = 0;
    for (int i = 0; i < reference.length; i++) {
      boolean same =
          Double.compare(reference[i], actual[i]) == 0
              || (Double.isFinite(reference[i])
                  && Math.abs(actual[i] - reference[i]) <= atol + rtol * Math.abs(reference[i]));
      if (!same) {
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

  /** The elements in row-major order. */
  public static double[] values(Tensor tensor) {
    double[] values = new double[Math.toIntExact(tensor.numel())];
    if (values.length > 0) {
      try (Tensor copy = tensor.detach().cpu().to(ScalarType.Double).contiguous()) {
        new DoublePointer(copy.data_ptr()).get(values);
      }
    }
    return values;
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
