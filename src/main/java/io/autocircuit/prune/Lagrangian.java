package io.autocircuit.prune;

/**
 * What holds a sparsity s at a target t while something else is minimised: λ₁(s − t) + λ₂(s − t)²,
 * of which the multipliers are maximised by gradient ascent and begin with 0 (Wang et al. 2020,
 * "Structured pruning of large language models", arXiv:1910.04732; so in edge pruning, Bhaskar et
 * al. 2024). Below the target λ₁ falls, which makes more sparsity a gain.
 */
final class Lagrangian {
  private final double start;
  private final double target;
  private final int warmUp;
  private final double[] multipliers = new double[2];
  private final Adam adam;

  /**
   * A target.
   *
   * @param start the target of the first step
   * @param target that of the last
   * @param warmUp after how many steps it is reached, 0 or more
   * @param learningRate of the multipliers
   */
  Lagrangian(double start, double target, int warmUp, double learningRate) {
    this.start = start;
    this.target = target;
    this.warmUp = warmUp;
    adam = new Adam(2, learningRate);
  }

  /** The target of a step, counted from 0: from the start on a straight line. */
  double target(int step) {
    return step < warmUp ? start + (target - start) * step / warmUp : target;
  }

  /** The value for a sparsity. */
  double value(double sparsity, int step) {
    double off = sparsity - target(step);
    return multipliers[0] * off + multipliers[1] * off * off;
  }

  /** The derivative with respect to the sparsity. */
  double slope(double sparsity, int step) {
    return multipliers[0] + 2 * multipliers[1] * (sparsity - target(step));
  }

  /** Moves the multipliers along their gradient, by a share of the learning rate. */
  void ascend(double sparsity, int step, double share) {
    double off = sparsity - target(step);
    adam.step(multipliers, new double[] {-off, -off * off}, share);
  }

  /** λ₁. */
  double linear() {
    return multipliers[0];
  }

  /** λ₂. */
  double quadratic() {
    return multipliers[1];
  }
}
