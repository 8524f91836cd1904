package io.autocircuit.metric;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.apache.commons.statistics.distribution.NormalDistribution;

/**
 * How uncertain a number is that was measured on some prompts of the many that there could be:
 * intervals of the bootstrap (Efron 1979, "Bootstrap methods: another look at the jackknife",
 * Annals of Statistics 7:1). The number is computed anew on as many prompts drawn from the same
 * ones with replacement, again and again.
 *
 * @param resamples how often prompts are drawn, at least 1; some thousand for the ends of a 95 %
 *     interval
 * @param level the share of numbers that lie in the interval, between 0 and 1
 * @param seed of the draws
 * @param method which of the numbers are its ends
 */
public record Bootstrap(int resamples, double level, long seed, Method method) {
  /** Which of the numbers of all draws are the ends of an interval. */
  public enum Method {
    /** The same share of them is left out on both sides. */
    PERCENTILE,
    /**
     * Bias-corrected and accelerated (Efron 1987, "Better bootstrap confidence intervals", Journal
     * of the American Statistical Association 82:397): the shares follow from how many draws lie
     * below the number itself, and from how much each prompt alone changes it (the jackknife).
     */
    BCA;

    /**
     * Its name in options and files.
     *
     * @return in lower case
     */
    public String key() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How results are shown where nobody says: {@value #DRAWS} draws, 95 %, BCa. */
  public static final Bootstrap USUAL = new Bootstrap(Bootstrap.DRAWS, 0.95, 0, Method.BCA);

  private static final int DRAWS = 1000;
  private static final NormalDistribution NORMAL = NormalDistribution.of(0, 1);

  /**
   * Checks the settings.
   *
   * @param resamples at least 1
   * @param level between 0 and 1
   * @param seed of the draws
   * @param method which of the numbers are the ends
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
   * Percentile intervals.
   *
   * @param resamples at least 1
   * @param level between 0 and 1
   * @param seed of the draws
   * @throws IllegalArgumentException if a number is out of range
   */
  public Bootstrap(int resamples, double level, long seed) {
    this(resamples, level, seed, Method.PERCENTILE);
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
  static double[] pick(double[] values, int[] indices) {
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
   *     again, others are missing. Of {@link Method#BCA} there may be one fewer. The array is used
   *     again
   * @return NaN at both ends if the number is NaN of some draw
   * @throws IllegalArgumentException if there are no prompts
   */
  public Interval of(int prompts, ToDoubleFunction<int[]> number) {
    return several(prompts, drawn -> new double[] {number.applyAsDouble(drawn)}).get(0);
  }

  /**
   * The intervals of several numbers of the same prompts, from the same draws.
   *
   * @param prompts how many there are
   * @param numbers of the prompts of those indices, as for one number; always as many
   * @return an interval for each; NaN at both ends if the number is NaN of some draw
   * @throws IllegalArgumentException if there are no prompts
   */
  public List<Interval> several(int prompts, Function<int[], double[]> numbers) {
    if (prompts < 1) {
      throw new IllegalArgumentException("prompts=0; there is nothing to draw from");
    }
    SplittableRandom random = new SplittableRandom(seed);
    double[][] draws = new double[resamples][];
    int[] drawn = new int[prompts];
    for (int r = 0; r < resamples; r++) {
      for (int i = 0; i < prompts; i++) {
        drawn[i] = random.nextInt(prompts);
      }
      draws[r] = numbers.apply(drawn);
    }
    double[] whole = new double[0];
    double[][] without = new double[0][];
    if (method == Method.BCA) {
      whole = numbers.apply(IntStream.range(0, prompts).toArray());
      without = prompts < 2 ? without : jackknife(prompts, numbers);
    }
    List<Interval> intervals = new ArrayList<>();
    for (int n = 0; n < draws[0].length; n++) {
      double[] sorted = column(draws, n);
      if (Arrays.stream(sorted).anyMatch(Double::isNaN)) {
        intervals.add(new Interval(Double.NaN, Double.NaN, level));
        continue;
      }
      Interval percentiles = percentiles(sorted);
      boolean point = sorted[0] == sorted[resamples - 1];
      intervals.add(
          method == Method.PERCENTILE || point
              ? percentiles
              : corrected(sorted, whole[n], column(without, n)));
    }
    return intervals;
  }

  private static double[] column(double[][] rows, int n) {
    return Arrays.stream(rows).mapToDouble(row -> row[n]).toArray();
  }

  /** The numbers of all prompts but one, for each. */
  private static double[][] jackknife(int prompts, Function<int[], double[]> numbers) {
    double[][] without = new double[prompts][];
    int[] rest = IntStream.range(1, prompts).toArray();
    for (int i = 0; i < prompts; i++) {
      without[i] = numbers.apply(rest);
      if (i < prompts - 1) {
        rest[i] = i; // in the place of the one that is left out next
      }
    }
    return without;
  }

  /**
   * The percentile interval of numbers that were drawn elsewhere.
   *
   * @param numbers of all draws, none of them NaN; they are sorted here
   * @return which leaves out the same share of them on both sides
   */
  public Interval percentiles(double[] numbers) {
    Arrays.sort(numbers);
    return new Interval(
        quantile(numbers, (1 - level) / 2), quantile(numbers, (1 + level) / 2), level);
  }

  private Interval corrected(double[] sorted, double number, double[] without) {
    double bias = bias(sorted, number);
    double acceleration = acceleration(without);
    double tail = (1 - level) / 2;
    return new Interval(
        quantile(sorted, share(tail, bias, acceleration)),
        quantile(sorted, share(1 - tail, bias, acceleration)),
        level);
  }

  /**
   * How far the number is from the middle of its draws, in normal quantiles; equal ones by half.
   */
  private static double bias(double[] sorted, double number) {
    double below = 0;
    for (double n : sorted) {
      below += n < number ? 1 : n == number ? 0.5 : 0;
    }
    // a number outside all draws is taken as half a draw inside, so that there is an interval
    double least = 0.5 / sorted.length;
    return NORMAL.inverseCumulativeProbability(
        Math.min(1 - least, Math.max(least, below / sorted.length)));
  }

  /** A sixth of the skewness of what single prompts contribute; 0 where they contribute nothing. */
  private static double acceleration(double[] without) {
    double mean = Arrays.stream(without).average().orElse(0);
    double squares = 0;
    double cubes = 0;
    for (double w : without) {
      squares += (mean - w) * (mean - w);
      cubes += (mean - w) * (mean - w) * (mean - w);
    }
    double a = cubes / (6 * Math.pow(squares, 1.5));
    return Double.isFinite(a) ? a : 0;
  }

  /** Which share of the draws lies below an end that would be at a share of a normal one. */
  private static double share(double normal, double bias, double acceleration) {
    double z = bias + NORMAL.inverseCumulativeProbability(normal);
    double scale = 1 - acceleration * z;
    return scale > 0 // else the end lies beyond all draws
        ? NORMAL.cumulativeProbability(bias + z / scale)
        : z > 0 ? 1 : 0;
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
