package io.autocircuit.benchmark;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * How something grows along an axis: the exponent e of {@code y ∝ x^e}, fitted by least squares to
 * the logarithms of all cells; and from the last cell but one to the last alone, where constant
 * costs weigh least. Beside each the exponent of the arithmetic at the very same cells.
 *
 * @param measured over all cells
 * @param arithmetic the same of operations, or of numbers held
 * @param lastMeasured over the last two cells
 * @param lastArithmetic the same of operations, or of numbers held
 */
public record GrowthExponent(
    double measured, double arithmetic, double lastMeasured, double lastArithmetic) {
  /** Bytes of resident memory below which other things than tensors decide. */
  private static final double LEAST_BYTES = 32e6;

  /**
   * Of the time of a kind of run.
   *
   * @param cells of one axis, in any order; those without the figure are left out
   * @param name of the figure
   * @return the exponents; NaN where fewer than two cells have it
   */
  public static GrowthExponent ofTime(List<GrowthCell> cells, String name) {
    return of(cells, name, 0, GrowthFigure::seconds, GrowthFigure::operations);
  }

  /**
   * Of the memory of a kind of run. What Java and libraries take and give back meanwhile is some
   * ten megabytes, so only cells with more than 32 MB count.
   *
   * @param cells of one axis, in any order; those without the figure are left out
   * @param name of the figure
   * @return the exponents; NaN where fewer than two cells have it
   */
  public static GrowthExponent ofMemory(List<GrowthCell> cells, String name) {
    return of(cells, name, LEAST_BYTES, GrowthFigure::peakBytes, GrowthFigure::neededBytes);
  }

  private static GrowthExponent of(
      List<GrowthCell> cells,
      String name,
      double least,
      ToDoubleFunction<GrowthFigure> measured,
      ToDoubleFunction<GrowthFigure> arithmetic) {
    List<double[]> points = new ArrayList<>();
    for (GrowthCell cell : cells) {
      GrowthFigure f = cell.figures().get(name);
      if (f != null
          && f.measured()
          && measured.applyAsDouble(f) > least
          && arithmetic.applyAsDouble(f) > 0) {
        points.add(
            new double[] {cell.at(), measured.applyAsDouble(f), arithmetic.applyAsDouble(f)});
      }
    }
    points.sort(Comparator.comparingDouble(p -> p[0]));
    List<double[]> last = points.subList(Math.max(0, points.size() - 2), points.size());
    return new GrowthExponent(fit(points, 1), fit(points, 2), fit(last, 1), fit(last, 2));
  }

  /** The slope of log y over log x. */
  private static double fit(List<double[]> points, int y) {
    double mx = points.stream().mapToDouble(p -> Math.log(p[0])).average().orElse(Double.NaN);
    double my = points.stream().mapToDouble(p -> Math.log(p[y])).average().orElse(Double.NaN);
    double over = 0;
    double under = 0;
    for (double[] p : points) {
      double dx = Math.log(p[0]) - mx;
      over += dx * (Math.log(p[y]) - my);
      under += dx * dx;
    }
    return under > 0 ? over / under : Double.NaN;
  }
}
