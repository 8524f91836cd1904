package io.autocircuit.metric;

import java.util.List;

/**
 * A metric over circuit sizes.
 *
 * @param metric what was measured
 * @param points by ascending number of edges
 */
public record Measurement(Metric metric, List<Point> points) {
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
