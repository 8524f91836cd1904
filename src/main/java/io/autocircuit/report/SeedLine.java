package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * One algorithm's line in a plot: a metric over circuit sizes, over all seeds.
 *
 * @param single whether every seed has one point only; then {@code points} has each of them
 * @param points the means over seeds, by ascending size: sizes that every seed has
 * @param apart points of sizes that not every seed has
 * @param refused values that are not finite; in no mean
 */
record SeedLine(boolean single, List<Mean> points, List<Value> apart, List<Value> refused) {
  /**
   * A mean over seeds.
   *
   * @param edges the circuit's size
   * @param mean of the seeds' values
   * @param least the least of them; of one seed the lower end of its 95 % interval
   * @param greatest the greatest of them; of one seed the upper end
   * @param seeds how many there are
   */
  record Mean(int edges, double mean, double least, double greatest, int seeds) {}

  /**
   * One seed's value.
   *
   * @param seed the seed
   * @param edges the circuit's size
   * @param value the metric
   * @param low the lower end of its interval; NaN where there is none
   * @param high the upper end
   */
  record Value(long seed, int edges, double value, double low, double high) {}

  /**
   * The line of a metric.
   *
   * @param cells one algorithm's, of one group: its seeds
   * @param measured the points of a cell; none where it was not measured
   * @return the line; without a point where nothing was measured
   */
  static SeedLine of(
      List<CellResult> cells, Function<CellResult, List<CellResult.Point>> measured) {
    TreeMap<Integer, List<Value>> sizes = new TreeMap<>();
    int seeds = 0;
    boolean single = true;
    for (CellResult cell : cells) {
      List<CellResult.Point> points = measured.apply(cell);
      seeds += points.isEmpty() ? 0 : 1;
      single &= points.size() <= 1;
      for (CellResult.Point p : points) {
        sizes
            .computeIfAbsent(p.edges(), k -> new ArrayList<>())
            .add(new Value(cell.seed(), p.edges(), p.value(), p.low(), p.high()));
      }
    }
    return of(sizes, seeds, single && seeds > 0);
  }

  private static SeedLine of(TreeMap<Integer, List<Value>> sizes, int seeds, boolean single) {
    List<Mean> points = new ArrayList<>();
    List<Value> apart = new ArrayList<>();
    List<Value> refused = new ArrayList<>();
    for (Map.Entry<Integer, List<Value>> at : sizes.entrySet()) {
      List<Value> finite = at.getValue().stream().filter(v -> Double.isFinite(v.value())).toList();
      at.getValue().stream().filter(v -> !Double.isFinite(v.value())).forEach(refused::add);
      if (single) {
        finite.forEach(v -> points.add(new Mean(v.edges(), v.value(), v.value(), v.value(), 1)));
      } else if (at.getValue().size() < seeds) {
        apart.addAll(finite);
      } else if (!finite.isEmpty()) {
        points.add(mean(at.getKey(), finite));
      }
    }
    return new SeedLine(single, points, apart, refused);
  }

  private static Mean mean(int edges, List<Value> values) {
    double sum = 0;
    double least = Double.POSITIVE_INFINITY;
    double greatest = Double.NEGATIVE_INFINITY;
    for (Value v : values) {
      sum += v.value();
      least = Math.min(least, v.value());
      greatest = Math.max(greatest, v.value());
    }
    double mean = least == greatest ? least : sum / values.size();
    if (values.size() == 1 && !Double.isNaN(values.get(0).low())) { // of its prompts, then
      least = values.get(0).low();
      greatest = values.get(0).high();
    }
    return new Mean(edges, mean, least, greatest, values.size());
  }
}
