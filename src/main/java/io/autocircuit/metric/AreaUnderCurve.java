package io.autocircuit.metric;

import java.util.Comparator;
import java.util.List;

/**
 * The signed area between a curve and its value at 0 edges, by trapezoids.
 *
 * @param logX logarithmic axis of edges (base 10): the segment that touches 0 edges has no width
 *     there and is left out
 * @param logY logarithmic axis of values (base 10), {@code log10(max(y, floor)) − log10(floor)};
 *     the baseline is taken on the same axis
 * @param floor smallest value on a logarithmic axis
 */
public record AreaUnderCurve(boolean logX, boolean logY, double floor) {
  /**
   * Checks the floor.
   *
   * @param logX whether the axis of edges is logarithmic
   * @param logY whether the axis of values is
   * @param floor positive where the axis of values is logarithmic
   * @throws IllegalArgumentException if it is not
   */
  public AreaUnderCurve {
    if (logY && !(floor > 0)) {
      throw new IllegalArgumentException("floor=" + floor + " must be positive on a log axis");
    }
  }

  /** Where logarithmic axes of divergences begin, in nats: what is less is as good as none. */
  private static final double LEAST = 0.01;

  /**
   * On the axes of a metric: logarithmic where its curves are.
   *
   * @param metric whose curves are measured
   * @return areas between curves of that metric and the height of their start, in the metric's
   *     units (or factors of ten) times factors of ten of the number of edges
   */
  public static AreaUnderCurve of(Metric metric) {
    return new AreaUnderCurve(metric.logX(), metric.logY(), LEAST);
  }

  /** Linear axes. */
  public static final AreaUnderCurve LINEAR = new AreaUnderCurve(false, false, 1);

  /**
   * The area; negative when the curve runs below its start.
   *
   * @param points in any order; one of them at 0 edges
   * @return the area between the curve and the height of its start
   * @throws IllegalArgumentException if no point is at 0 edges
   */
  public double of(List<Measurement.Point> points) {
    List<Measurement.Point> sorted =
        points.stream().sorted(Comparator.comparingInt(Measurement.Point::edges)).toList();
    if (sorted.isEmpty() || sorted.get(0).edges() != 0) {
      throw new IllegalArgumentException(
          "the area needs the point at 0 edges as its baseline; evaluate the empty circuit too");
    }
    double baseline = y(sorted.get(0).value());
    double area = 0;
    for (int i = 1; i < sorted.size(); i++) {
      double x0 = sorted.get(i - 1).edges();
      double x1 = sorted.get(i).edges();
      if (logX && x0 == 0) {
        continue;
      }
      double width = logX ? Math.log10(x1) - Math.log10(x0) : x1 - x0;
      double y0 = y(sorted.get(i - 1).value()) - baseline;
      double y1 = y(sorted.get(i).value()) - baseline;
      area += width * (y0 + y1) / 2;
    }
    return area;
  }

  private double y(double value) {
    return logY ? Math.log10(Math.max(value, floor)) - Math.log10(floor) : value;
  }
}
