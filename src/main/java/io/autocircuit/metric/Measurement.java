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
   */
  public record Point(int edges, double value) {}
}
