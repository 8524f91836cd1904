package io.autocircuit.prune;

/**
 * The hard concrete distribution of a mask m with a parameter θ (Louizos et al. 2018, "Learning
 * sparse neural networks through L0 regularization", arXiv:1712.01312): u uniform in (0,1), s =
 * σ((ln u − ln(1−u) + θ)/τ), m = clamp(l + (r − l)s, 0, 1). It is 0 and 1 with a probability that
 * is not 0, and has a gradient in between.
 *
 * @param temperature τ, positive
 * @param left l, below 0
 * @param right r, above 1
 */
public record HardConcrete(double temperature, double left, double right) {
  /** τ = 2/3, l = −0.1, r = 1.1: those of Louizos et al., and of all who used it for circuits. */
  public static final HardConcrete STANDARD = new HardConcrete(2.0 / 3, -0.1, 1.1);

  /**
   * Checks the numbers.
   *
   * @param temperature τ, positive
   * @param left l, below 0
   * @param right r, above 1
   * @throws IllegalArgumentException if one is out of range
   */
  public HardConcrete {
    if (!(temperature > 0 && temperature < Double.POSITIVE_INFINITY)
        || !(left < 0 && left > Double.NEGATIVE_INFINITY)
        || !(right > 1 && right < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "temperature="
              + temperature
              + ", left="
              + left
              + ", right="
              + right
              + " out of range; the first is positive, the second below 0, the third above 1");
    }
  }

  /**
   * The mask.
   *
   * @param theta the parameter
   * @param u a uniform sample, between 0 and 1
   * @return 0 to 1
   */
  public double value(double theta, double u) {
    double s = sigmoid((Math.log(u / (1 - u)) + theta) / temperature);
    return Math.min(1, Math.max(0, s * (right - left) + left));
  }

  /**
   * The derivative of the mask with respect to θ, for the same u.
   *
   * @param value the mask
   * @return 0 where it is clamped
   */
  public double derivativeAt(double value) {
    double s = (value - left) / (right - left);
    return value <= 0 || value >= 1 ? 0 : (right - left) * s * (1 - s) / temperature;
  }

  /**
   * The probability that the mask is not 0.
   *
   * @param theta the parameter
   * @return σ(θ − τ ln(−l/r))
   */
  public double open(double theta) {
    return sigmoid(theta - even());
  }

  /**
   * The derivative of {@link #open}.
   *
   * @param theta the parameter
   * @return with respect to θ
   */
  public double openSlope(double theta) {
    double p = open(theta);
    return p * (1 - p);
  }

  /**
   * The parameter with which the mask is 0 as often as not.
   *
   * @return τ ln(−l/r)
   */
  public double even() {
    return temperature * Math.log(-left / right);
  }

  /** {@return 1/(1 + e⁻ˣ)} */
  static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }
}
