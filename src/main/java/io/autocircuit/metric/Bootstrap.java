package io.autocircuit.metric;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;

/**
 * How uncertain a number is that was measured on some prompts of the many that there could be:
 * percentile intervals of the bootstrap (Efron 1979, "Bootstrap methods: another look at the
 * jackknife", Annals of Statistics 7:1). The number is computed anew on as many prompts drawn from
 * the same ones with replacement, again and again; the interval leaves the same share of these
 * numbers out on both sides.
 *
 * @param resamples how often prompts are drawn, at least 1; some thousand for the ends of a 95 %
 *     interval
 * @param level the share of numbers that lie in the interval, between 0 and 1
 * @param seed of the draws
 */
public record Bootstrap(int resamples, double level, long seed) {
  /**
   * Checks the settings.
   *
   * @param resamples at least 1
   * @param level between 0 and 1
   * @param seed of the draws
   * @throws IllegalArgumentException if a number is out of range
   */
  public Bootstrap {
    if (resamples < 1 || !(level > 0 && level < 1)) {
      throw new IllegalArgumentException(
          "resamples="
              + resamples
              + ", level="
              + level
              + " out of range; the first is 1 or more, the second between 0 and 1");
    }
  }

  /**
   * Where a number may lie.
   *
   * @param low its lower end
   * @param high its upper end
   * @param level the share of draws that lie in it
   */
  public record Interval(double low, double high, double level) {}

  /**
   * The interval of a metric's value.
   *
   * @param metric what was measured
   * @param circuit its value on each prompt
   * @param fullModel the full model's value on the same prompts
   * @return of the {@linkplain Metric#combine combined} value
   * @throws IllegalArgumentException if there are no prompts, or not as many of both
   */
  public Interval of(Metric metric, double[] circuit, double[] fullModel) {
    if (circuit.length != fullModel.length) {
      throw new IllegalArgumentException(
          "circuit prompts=" + circuit.length + " but full model prompts=" + fullModel.length);
    }
    return of(
        circuit.length, drawn -> metric.combine(pick(circuit, drawn), pick(fullModel, drawn)));
  }

  /** The values at some indices. */
  private static double[] pick(double[] values, int[] indices) {
    double[] some = new double[indices.length];
    for (int i = 0; i < some.length; i++) {
      some[i] = values[indices[i]];
    }
    return some;
  }

  /**
   * The interval of any number of prompts.
   *
   * @param prompts how many there are
   * @param number of the prompts of those indices, from 0, of which there are as many; some come
   *     again, others are missing. The array is used again
   * @return NaN at both ends if the number is NaN of some draw
   * @throws IllegalArgumentException if there are no prompts
   */
  public Interval of(int prompts, ToDoubleFunction<int[]> number) {
    if (prompts < 1) {
      throw new IllegalArgumentException("prompts=0; there is nothing to draw from");
    }
    SplittableRandom random = new SplittableRandom(seed);
    double[] numbers = new double[resamples];
    int[] drawn = new int[prompts];
    for (int r = 0; r < resamples; r++) {
      for (int i = 0; i < prompts; i++) {
        drawn[i] = random.nextInt(prompts);
      }
      numbers[r] = number.applyAsDouble(drawn);
    }
    if (Arrays.stream(numbers).anyMatch(Double::isNaN)) {
      return new Interval(Double.NaN, Double.NaN, level);
    }
    Arrays.sort(numbers);
    return new Interval(
        quantile(numbers, (1 - level) / 2), quantile(numbers, (1 + level) / 2), level);
  }

  /** Between the two nearest of sorted numbers, linear. */
  private static double quantile(double[] sorted, double share) {
    double place = share * (sorted.length - 1);
    int below = (int) Math.floor(place);
    int above = Math.min(below + 1, sorted.length - 1);
    // between infinite numbers, or up to one, there is no line
    return place == below || sorted[below] == sorted[above] || Double.isInfinite(sorted[below])
        ? sorted[below]
        : sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  }
}
