package io.autocircuit.prune;

/**
 * The masks of {@link UniformGradientSampling}. An edge is kept with probability θ = σ(l). Its mask
 * α, 1 for kept, is uniform in (0,1) with probability w = θ(1 − θ), and else 1 or 0, so that its
 * mean is θ: with u uniform in (0,1) and x = (u − θ)/w
 *
 * <pre>
 * α = 1 − clamp(x + ½, 0, 1)
 * dα/dl = 1 + (1 − 2θ) x where |x| &lt; ½, else 0
 * </pre>
 */
final class UniformMask {
  private UniformMask() {}

  private static double x(double keep, double u) {
    return (u - keep) / (keep * (1 - keep));
  }

  /**
   * The mask.
   *
   * @param keep θ
   * @param u a uniform sample
   * @return α, from 0 to 1
   */
  static double value(double keep, double u) {
    if (keep * (1 - keep) == 0) {
      return keep;
    }
    return 1 - Math.min(1, Math.max(0, x(keep, u) + 0.5));
  }

  /**
   * Its derivative with respect to l.
   *
   * @param keep θ
   * @param u the sample
   * @return 0 where the mask is 0 or 1
   */
  static double slope(double keep, double u) {
    if (keep * (1 - keep) == 0) {
      return 0;
    }
    double x = x(keep, u);
    return Math.abs(x) < 0.5 ? 1 + (1 - 2 * keep) * x : 0;
  }
}
