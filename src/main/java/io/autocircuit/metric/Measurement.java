package io.autocircuit.metric;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A metric over circuit sizes.
 *
 * @param metric what was measured
 * @param points by ascending number of edges
 */
public record Measurement(Metric metric, List<Point> points) {
  /** Rounding of a mean. */
  private static final double TINY = 1e-5;

  /**
   * Keeps an unmodifiable copy.
   *
   * @param metric what was measured
   * @param points by ascending number of edges
   */
  public Measurement {
    points = List.copyOf(points);
  }

  /**
   * Where the value of each circuit would lie on other prompts.
   *
   * @param bootstrap how prompts are drawn, the same for all circuits
   * @return for each point; empty where the values of single prompts were not kept, the value is
   *     not finite, or those of the full model are needed and the full circuit was not measured
   */
  public List<Optional<Bootstrap.Interval>> intervals(Bootstrap bootstrap) {
    int prompts = prompts();
    if (prompts == 0) {
      return points.stream().map(p -> Optional.<Bootstrap.Interval>empty()).toList();
    }
    double[][] values = values();
    List<Bootstrap.Interval> all = bootstrap.several(prompts, drawn -> on(values, drawn));
    return IntStream.range(0, values.length)
        .mapToObj(i -> Optional.of(all.get(i)).filter(interval -> known(i, values, interval)))
        .toList();
  }

  /** How many prompts every point has values of; 0 where these were not kept. */
  int prompts() {
    int prompts = points.isEmpty() ? 0 : points.get(0).prompts().size();
    return points.stream().allMatch(p -> p.prompts().size() == prompts) ? prompts : 0;
  }

  /** The values of single prompts, by point. */
  double[][] values() {
    return points.stream()
        .map(p -> p.prompts().stream().mapToDouble(v -> v).toArray())
        .toArray(double[][]::new);
  }

  /**
   * The metric's value at each point on some prompts. Of percentages the full model's values are
   * those of the largest circuit, if it is the model.
   *
   * @param values of single prompts, by point
   * @param drawn which prompts
   */
  double[] on(double[][] values, int[] drawn) {
    double[] full = Bootstrap.pick(values[values.length - 1], drawn);
    double[] numbers = new double[values.length];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = metric.combine(Bootstrap.pick(values[i], drawn), full);
    }
    return numbers;
  }

  private boolean known(int i, double[][] values, Bootstrap.Interval interval) {
    double value = points.get(i).value();
    double again = metric.combine(values[i], values[values.length - 1]);
    return !Double.isNaN(interval.low())
        && Double.isFinite(value)
        && Math.abs(again - value) <= TINY * Math.abs(value);
  }

  /**
   * One circuit.
   *
   * @param edges the number of edges it really has
   * @param value the metric's value
   * @param prompts the value on each prompt, before {@link Metric#combine}, in the order of the
   *     batches; empty where they were not kept
   */
  public record Point(int edges, double value, List<Double> prompts) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param edges the number of edges it really has
     * @param value the metric's value
     * @param prompts the value on each prompt
     */
    public Point {
      prompts = List.copyOf(prompts);
    }

    /**
     * A point without the values of single prompts.
     *
     * @param edges the number of edges it really has
     * @param value the metric's value
     */
    public Point(int edges, double value) {
      this(edges, value, List.of());
    }
  }
}
