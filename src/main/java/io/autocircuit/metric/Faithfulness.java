package io.autocircuit.metric;

import io.autocircuit.graph.EdgeCounts;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * How faithful the circuits of one ranking are as a whole, in numbers: areas of the {@link
 * FaithfulnessCurve} of a metric, each with its interval.
 *
 * @param metric what was measured
 * @param empty the metric's value of the empty circuit, f = 0
 * @param full that of the full model, f = 1
 * @param areas those that are defined
 */
public record Faithfulness(Metric metric, double empty, double full, List<Area> areas) {
  /** Which area. */
  public enum Kind {
    /** The benchmark's area under f, on its ten shares; needs sizes {@code mib}. */
    CPR("CPR", false),
    /** The benchmark's area between f and 1, on its ten shares; needs sizes {@code mib}. */
    CMD("CMD", true),
    /** The area under f over the sizes that circuits have, from no edge to all. */
    EXACT_CPR("CPR, exact", false),
    /** The area between f and 1 over the sizes that circuits have, exactly. */
    EXACT_CMD("CMD, exact", true);

    private final String title;
    private final boolean lowerIsBetter;

    Kind(String title, boolean lowerIsBetter) {
      this.title = title;
      this.lowerIsBetter = lowerIsBetter;
    }

    /**
     * Its name in files.
     *
     * @return in lower case
     */
    public String key() {
      return name().toLowerCase(Locale.ROOT);
    }

    /**
     * What people call it.
     *
     * @return short
     */
    public String title() {
      return title;
    }

    /**
     * Whether smaller values are better.
     *
     * @return true of areas between f and 1
     */
    public boolean lowerIsBetter() {
      return lowerIsBetter;
    }
  }

  /**
   * An area.
   *
   * @param kind which
   * @param value its number
   * @param interval where it would lie on other prompts; empty where values of single prompts were
   *     not kept
   */
  public record Area(Kind kind, double value, Optional<Bootstrap.Interval> interval) {}

  /**
   * Keeps an unmodifiable copy.
   *
   * @param metric what was measured
   * @param empty the metric's value of the empty circuit
   * @param full that of the full model
   * @param areas those that are defined
   */
  public Faithfulness {
    areas = List.copyOf(areas);
  }

  /**
   * An area, if it is defined.
   *
   * @param kind which
   * @return its number
   */
  public OptionalDouble of(Kind kind) {
    return areas.stream().filter(a -> a.kind() == kind).mapToDouble(Area::value).findFirst();
  }

  /**
   * The areas of a metric's curve.
   *
   * @param measured by ascending size
   * @param asked the size of the circuit that each number of edges asked for gave: less where
   *     circuits were pruned
   * @param all the size of the full circuit
   * @param bootstrap how intervals are made
   * @return empty where the empty or the full circuit was not measured, or both have one value
   */
  public static Optional<Faithfulness> of(
      Measurement measured, Map<Integer, Integer> asked, int all, Bootstrap bootstrap) {
    List<Measurement.Point> points = measured.points();
    int n = points.size();
    if (n < 2 || points.get(0).edges() != 0 || points.get(n - 1).edges() != all) {
      return Optional.empty();
    }
    double empty = points.get(0).value();
    double full = points.get(n - 1).value();
    if (!Double.isFinite(empty) || !Double.isFinite(full) || empty == full) {
      return Optional.empty();
    }
    int[] places = places(points, asked, all);
    double[] values = points.stream().mapToDouble(Measurement.Point::value).toArray();
    List<Kind> kinds =
        Arrays.stream(Kind.values())
            .filter(k -> places.length > 0 || k == Kind.EXACT_CPR || k == Kind.EXACT_CMD)
            .toList();
    int[] sizes = points.stream().mapToInt(Measurement.Point::edges).toArray();
    int prompts = measured.prompts();
    double[][] each = measured.values();
    List<Bootstrap.Interval> intervals =
        prompts == 0
            ? List.of()
            : bootstrap.several(
                prompts, drawn -> areas(kinds, sizes, places, all, measured.on(each, drawn)));
    double[] numbers = areas(kinds, sizes, places, all, values);
    List<Area> areas = new ArrayList<>();
    for (int i = 0; i < numbers.length; i++) {
      if (Double.isFinite(numbers[i])) {
        Optional<Bootstrap.Interval> interval =
            intervals.isEmpty()
                ? Optional.empty()
                : Optional.of(intervals.get(i)).filter(found -> !Double.isNaN(found.low()));
        areas.add(new Area(kinds.get(i), numbers[i], interval));
      }
    }
    return Optional.of(new Faithfulness(measured.metric(), empty, full, areas));
  }

  /** The point of each of the benchmark's shares; none unless all were measured. */
  private static int[] places(
      List<Measurement.Point> points, Map<Integer, Integer> asked, int all) {
    int[] places = new int[EdgeCounts.SHARES.size()];
    int[] counts = EdgeCounts.ofShares(all);
    List<Integer> sizes = points.stream().map(Measurement.Point::edges).toList();
    for (int i = 0; i < places.length; i++) {
      Integer size = asked.get(counts[i]);
      places[i] = size == null ? -1 : sizes.indexOf(size);
    }
    return Arrays.stream(places).anyMatch(p -> p < 0) ? new int[0] : places;
  }

  /**
   * The areas of values.
   *
   * @param sizes of the circuits
   * @param places the point of each of the benchmark's shares; none unless all were measured
   * @param all the size of the full circuit
   * @param on the metric's value at each point
   */
  private static double[] areas(List<Kind> kinds, int[] sizes, int[] places, int all, double[] on) {
    List<Measurement.Point> points = new ArrayList<>();
    for (int i = 0; i < on.length; i++) {
      points.add(new Measurement.Point(sizes[i], on[i]));
    }
    FaithfulnessCurve exact = FaithfulnessCurve.exact(points, all);
    FaithfulnessCurve mib =
        places.length == 0
            ? exact
            : FaithfulnessCurve.mib(
                Arrays.stream(places).mapToDouble(i -> on[i]).toArray(), on[0], on[on.length - 1]);
    return kinds.stream()
        .mapToDouble(
            kind ->
                switch (kind) {
                  case CPR -> mib.areaUnder();
                  case CMD -> mib.areaFromOne();
                  case EXACT_CPR -> exact.areaUnder();
                  case EXACT_CMD -> exact.exactAreaFromOne();
                })
        .toArray();
  }
}
