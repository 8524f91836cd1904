package io.autocircuit.prune;

import java.util.SplittableRandom;

/** How a mask value follows from its parameter θ in subnetwork probing. */
public enum MaskFunction {
  /** m = θ. */
  NONE,
  /** m = σ(θ). */
  SIGMOID,
  /**
   * The hard concrete distribution (Louizos et al. 2018, "Learning sparse neural networks through
   * L0 regularization", arXiv:1712.01312): u uniform in (0,1), s = σ((ln u − ln(1−u) + θ)/τ) with τ
   * = 2/3, m = clamp(1.2 s − 0.1, 0, 1).
   */
  HARD_CONCRETE;

  private static final double TEMPERATURE = 2.0 / 3;
  private static final double LEFT = -0.1;
  private static final double RIGHT = 1.1;
  private static final double CLOSEST = 1e-4;

  /** The θ at which the mean mask is 0.9 before the clamp: ln(p/(1−p)), p = 1/1.2. */
  public static final double INITIAL =
      Math.log(((0.9 - LEFT) / (RIGHT - LEFT)) / (1 - (0.9 - LEFT) / (RIGHT - LEFT)));

  /** The θ below which a hard concrete mask is mostly 0: τ ln(−left/right). */
  public static final double REGULARIZE_CONST = TEMPERATURE * Math.log(-LEFT / RIGHT);

  /**
   * Whether the mask is random.
   *
   * @return true if {@link #value} reads the uniform sample
   */
  public boolean samples() {
    return this == HARD_CONCRETE;
  }

  /** A uniform sample, clamped away from 0 and 1. */
  static double uniform(SplittableRandom random) {
    return Math.min(1 - CLOSEST, Math.max(CLOSEST, random.nextDouble()));
  }

  /**
   * The mask value.
   *
   * @param theta the parameter
   * @param u the uniform sample; not read unless {@link #samples}
   * @return the mask value
   */
  public double value(double theta, double u) {
    return switch (this) {
      case NONE -> theta;
      case SIGMOID -> sigmoid(theta);
      case HARD_CONCRETE -> Math.min(1, Math.max(0, stretched(theta, u)));
    };
  }

  /**
   * The derivative of {@link #value} with respect to θ; 0 where it is clamped.
   *
   * @param theta the parameter
   * @param u the uniform sample; not read unless {@link #samples}
   * @return the derivative
   */
  public double derivative(double theta, double u) {
    return derivativeAt(value(theta, u));
  }

  /**
   * {@link #derivative} from the {@link #value} there: what it costs to find that is not spent
   * twice.
   */
  double derivativeAt(double value) {
    return switch (this) {
      case NONE -> 1;
      case SIGMOID -> value * (1 - value);
      case HARD_CONCRETE -> {
        double s = (value - LEFT) / (RIGHT - LEFT);
        yield value <= 0 || value >= 1 ? 0 : (RIGHT - LEFT) * s * (1 - s) / TEMPERATURE;
      }
    };
  }

  private static double stretched(double theta, double u) {
    double s = sigmoid((Math.log(u / (1 - u)) + theta) / TEMPERATURE);
    return s * (RIGHT - LEFT) + LEFT;
  }

  static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }
}
