package io.autocircuit.metric;

import io.autocircuit.graph.EdgeCounts;
import java.util.ArrayList;
import java.util.List;

/**
 * How much of what the model does circuits keep, by their size: {@code f = (m(circuit) − m(empty
 * circuit)) / (m(full model) − m(empty circuit))}, of a metric's mean m over prompts (a ratio of
 * means). 0 is the empty circuit, 1 the model; more than 1 and less than 0 occur.
 *
 * <p>The areas are those of the Mechanistic Interpretability Benchmark (Mueller et al. 2025,
 * arXiv:2504.13151): CPR, the area under f, and CMD, that between f and 1. There the axis is the
 * share of edges <em>asked for</em>, at ten shares from 0.001 to 1 ({@link #mib}), and |1 − f| is
 * joined by straight lines. {@link #exact} takes the edges that circuits have, from 0 to all, joins
 * f by straight lines and integrates |1 − f| exactly, where it is 0 too.
 *
 * @param points by ascending share
 */
public record FaithfulnessCurve(List<Point> points) {
  /**
   * One circuit.
   *
   * @param share its size over that of the full circuit
   * @param value f
   */
  public record Point(double share, double value) {}

  /**
   * Keeps an unmodifiable copy.
   *
   * @param points by ascending share
   * @throws IllegalArgumentException if there are fewer than two, or they are in another order
   */
  public FaithfulnessCurve {
    points = List.copyOf(points);
    if (points.size() < 2) {
      throw new IllegalArgumentException("points=" + points.size() + "; a curve has two or more");
    }
    for (int i = 1; i < points.size(); i++) {
      if (!(points.get(i - 1).share() < points.get(i).share())) {
        throw new IllegalArgumentException(
            "share=" + points.get(i).share() + " follows a greater one; sort the points");
      }
    }
  }

  /**
   * The benchmark's curve.
   *
   * @param values the metric's mean of the circuit of each of {@link EdgeCounts#ofShares}
   * @param empty that of the empty circuit
   * @param full that of the full model
   * @return f at {@link EdgeCounts#SHARES}; NaN where both ends are equal
   * @throws IllegalArgumentException if there are not ten values
   */
  public static FaithfulnessCurve mib(double[] values, double empty, double full) {
    if (values.length != EdgeCounts.SHARES.size()) {
      throw new IllegalArgumentException(
          "values=" + values.length + "; the benchmark has shares=" + EdgeCounts.SHARES.size());
    }
    List<Point> points = new ArrayList<>();
    for (int i = 0; i < values.length; i++) {
      points.add(new Point(EdgeCounts.SHARES.get(i), share(values[i], empty, full)));
    }
    return new FaithfulnessCurve(points);
  }

  /**
   * The curve over the sizes that circuits have.
   *
   * @param measured of a metric, with the empty and the full circuit
   * @param all the size of the full circuit
   * @return f at size / all, from 0 to 1
   * @throws IllegalArgumentException if the first is not of size 0 or the last not of size {@code
   *     all}
   */
  public static FaithfulnessCurve exact(List<Measurement.Point> measured, int all) {
    int n = measured.size();
    if (n < 2 || measured.get(0).edges() != 0 || measured.get(n - 1).edges() != all) {
      throw new IllegalArgumentException(
          "the curve needs the empty and the full circuit of size=" + all + "; measure both");
    }
    double empty = measured.get(0).value();
    double full = measured.get(n - 1).value();
    return new FaithfulnessCurve(
        measured.stream()
            .map(p -> new Point((double) p.edges() / all, share(p.value(), empty, full)))
            .toList());
  }

  private static double share(double value, double empty, double full) {
    double f = (value - empty) / (full - empty);
    return full == empty ? Double.NaN : f;
  }

  /**
   * The area under f, by trapezoids: CPR where the points are the benchmark's.
   *
   * @return more is better; of a circuit that does all with few edges about 1
   */
  public double areaUnder() {
    double area = 0;
    for (int i = 1; i < points.size(); i++) {
      area += width(i) * (points.get(i - 1).value() + points.get(i).value()) / 2;
    }
    return area;
  }

  /**
   * The trapezoids of |1 − f|: CMD where the points are the benchmark's.
   *
   * @return less is better; never negative
   */
  public double areaFromOne() {
    double area = 0;
    for (int i = 1; i < points.size(); i++) {
      area += width(i) * (miss(i - 1) + miss(i)) / 2;
    }
    return area;
  }

  /**
   * The area between 1 and the straight lines that join f, exactly: where they cross 1 there is a
   * triangle on both sides.
   *
   * @return less is better; at most {@link #areaFromOne}
   */
  public double exactAreaFromOne() {
    double area = 0;
    for (int i = 1; i < points.size(); i++) {
      double a = 1 - points.get(i - 1).value();
      double b = 1 - points.get(i).value();
      area +=
          width(i)
              * (a * b >= 0
                  ? (Math.abs(a) + Math.abs(b)) / 2
                  : (a * a + b * b) / (2 * (Math.abs(a) + Math.abs(b))));
    }
    return area;
  }

  /**
   * The same curve over the natural logarithm of the shares, which the benchmark's program knows
   * too.
   *
   * @return without points at share 0
   * @throws IllegalArgumentException if fewer than two are left
   */
  public FaithfulnessCurve logarithmic() {
    return new FaithfulnessCurve(
        points.stream()
            .filter(p -> p.share() > 0)
            .map(p -> new Point(Math.log(p.share()), p.value()))
            .toList());
  }

  /**
   * The plain mean of f over the points.
   *
   * @return the benchmark's {@code average}
   */
  public double average() {
    return points.stream().mapToDouble(Point::value).average().orElseThrow();
  }

  private double width(int i) {
    return points.get(i).share() - points.get(i - 1).share();
  }

  private double miss(int i) {
    return Math.abs(1 - points.get(i).value());
  }
}
