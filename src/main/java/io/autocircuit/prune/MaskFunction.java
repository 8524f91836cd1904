package io.autocircuit.prune;

import java.util.SplittableRandom;

/** How a mask value follows from its parameter θ in subnetwork probing. */
public enum MaskFunction {
  /** m = θ. */
  NONE,
  /** m = σ(θ). */
  SIGMOID,
  /** {@link HardConcrete#STANDARD}. */
  HARD_CONCRETE;

  private static final double LEFT = HardConcrete.STANDARD.left();
  private static final double RIGHT = HardConcrete.STANDARD.right();
  private static final double CLOSEST = 1e-4;

  /** The θ at which the mean mask is 0.9 before the clamp: ln(p/(1−p)), p = 1/1.2. */
  public static final double INITIAL =
      Math.log(((0.9 - LEFT) / (RIGHT - LEFT)) / (1 - (0.9 - LEFT) / (RIGHT - LEFT)));

  /** The θ below which a hard concrete mask is mostly 0: {@link HardConcrete#even}. */
  public static final double REGULARIZE_CONST = HardConcrete.STANDARD.even();

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
      case SIGMOID -> HardConcrete.sigmoid(theta);
      case HARD_CONCRETE -> HardConcrete.STANDARD.value(theta, u);
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
      case HARD_CONCRETE -> HardConcrete.STANDARD.derivativeAt(value);
    };
  }
}
