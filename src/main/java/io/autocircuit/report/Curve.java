package io.autocircuit.report;

import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * One metric measured on circuits of growing size. Curves with the same {@link #name} share a plot,
 * one line for each {@link #series}.
 *
 * @param name the metric, the plot's heading
 * @param series what the line stands for, usually the prune algorithm; shown in a legend when a
 *     plot has more than one line
 * @param xLabel title of the horizontal axis
 * @param yLabel title of the vertical axis
 * @param logX logarithmic horizontal axis; x = 0 is drawn at 0.5 with the label 0
 * @param logY logarithmic vertical axis; where a value is zero or negative the page uses a
 *     symmetric logarithmic axis instead and says so
 * @param lowerIsBetter adds the hint "lower is better"
 * @param points the measurements, at most one for each number of edges; kept in ascending order of
 *     edges
 */
public record Curve(
    String name,
    String series,
    String xLabel,
    String yLabel,
    boolean logX,
    boolean logY,
    boolean lowerIsBetter,
    List<Point> points) {

  /**
   * One measurement.
   *
   * @param edges size of the circuit, finite and not negative
   * @param value the metric; NaN and infinite values are not drawn but listed under the plot
   * @param low the lower end of its interval; NaN where there is none
   * @param high the upper end
   */
  public record Point(double edges, double value, double low, double high) {
    /**
     * Without an interval.
     *
     * @param edges size of the circuit, finite and not negative
     * @param value the metric
     * @throws IllegalArgumentException if {@code edges} is negative, infinite or NaN
     */
    public Point(double edges, double value) {
      this(edges, value, Double.NaN, Double.NaN);
    }

    /**
     * @param edges size of the circuit, finite and not negative
     * @param value the metric; NaN and infinite values are not drawn but listed under the plot
     * @param low the lower end of its interval; NaN where there is none
     * @param high the upper end
     * @throws IllegalArgumentException if {@code edges} is negative, infinite or NaN
     */
    public Point {
      if (!(edges >= 0) || Double.isInfinite(edges)) {
        throw new IllegalArgumentException(
            "edges=" + edges + ": the size of a circuit is a finite number from 0");
      }
    }
  }

  /**
   * Copies and sorts the points.
   *
   * @param name the metric, the plot's heading
   * @param series what the line stands for, usually the prune algorithm; shown in a legend when a
   *     plot has more than one line
   * @param xLabel title of the horizontal axis
   * @param yLabel title of the vertical axis
   * @param logX logarithmic horizontal axis; x = 0 is drawn at 0.5 with the label 0
   * @param logY logarithmic vertical axis; where a value is zero or negative the page uses a
   *     symmetric logarithmic axis instead and says so
   * @param lowerIsBetter adds the hint "lower is better"
   * @param points the measurements, at most one for each number of edges; kept in ascending order
   *     of edges
   * @throws NullPointerException if an argument or a point is null
   * @throws IllegalArgumentException if two points have the same number of edges
   */
  public Curve {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(series, "series");
    Objects.requireNonNull(xLabel, "xLabel");
    Objects.requireNonNull(yLabel, "yLabel");
    points = points.stream().sorted(Comparator.comparingDouble(Point::edges)).toList();
    Set<Double> seen = new HashSet<>();
    for (Point point : points) {
      if (!seen.add(point.edges())) {
        throw new IllegalArgumentException(
            "edges="
                + point.edges()
                + " occurs twice in curve="
                + name
                + " series="
                + series
                + ": give one value for each size, or another series name");
      }
    }
  }
}
