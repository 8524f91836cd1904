package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * How uncertain the numbers of a table are, as they were measured on some prompts: intervals by the
 * {@link Bootstrap}. Of several seeds the number is the mean; a prompt that several of them share
 * is drawn for all of them.
 */
public final class ResultIntervals {
  /** The values of a metric on single prompts. */
  @FunctionalInterface
  public interface Prompts {
    /**
     * Looks them up.
     *
     * @param run the hash of a cell
     * @param metric its key
     * @param edges the size of the circuit
     * @return by index in the prompt file; empty where they are not known
     */
    Map<Integer, Double> of(String run, String metric, int edges);
  }

  private final Prompts prompts;
  private final Metric metric;

  /** Whether the number is an area. */
  private final boolean area;

  /** Which areas, if it is one of faithfulness. */
  private final List<Faithfulness.Kind> kinds;

  /** The size at which the number was measured; that of the known circuit if empty. */
  private final OptionalInt edges;

  private final Bootstrap bootstrap;

  private ResultIntervals(
      Prompts prompts,
      Metric metric,
      boolean area,
      List<Faithfulness.Kind> kinds,
      OptionalInt edges,
      Bootstrap bootstrap) {
    this.prompts = prompts;
    this.metric = metric;
    this.area = area;
    this.kinds = List.copyOf(kinds);
    this.edges = edges;
    this.bootstrap = bootstrap;
  }

  /**
   * Intervals of the number that {@link ResultValue#of(ExperimentResults, String, Optional,
   * Optional)} makes of the same names.
   *
   * @param results where the number is taken from
   * @param prompts looks up values on single prompts, such as those of a store
   * @param name {@code auc}, or the key of a metric
   * @param metric the metric whose area is meant
   * @param edges the size at which the metric is looked at
   * @param bootstrap how prompts are drawn
   * @return the intervals
   * @throws IllegalArgumentException if the number is not one of prompts, or its metric is not in
   *     the catalogue
   */
  public static ResultIntervals of(
      ExperimentResults results,
      Prompts prompts,
      String name,
      Optional<String> metric,
      Optional<String> edges,
      Bootstrap bootstrap) {
    Optional<Faithfulness.Kind> kind =
        Arrays.stream(Faithfulness.Kind.values()).filter(k -> k.key().equals(name)).findFirst();
    if (kind.isPresent()) {
      String of = ResultValue.faithful(results, metric);
      return new ResultIntervals(
          prompts, Metric.of(of), true, kind.stream().toList(), OptionalInt.empty(), bootstrap);
    }
    boolean area = name.equals(ResultValue.AUC);
    List<String> metrics = ResultValue.metrics(results);
    if (!ofPrompts(results, name)) {
      throw new IllegalArgumentException(
          "metric="
              + name
              + " is no mean over prompts, which could be drawn; take auc, cpr, cmd or a metric at a"
              + " size");
    }
    String key = area ? metric.orElseGet(() -> metrics.isEmpty() ? "" : metrics.get(0)) : name;
    OptionalInt size =
        edges.isEmpty() || edges.get().equals(ResultValue.OFFICIAL)
            ? OptionalInt.empty()
            : OptionalInt.of(Integer.parseInt(edges.get()));
    return new ResultIntervals(prompts, Metric.of(key), area, List.of(), size, bootstrap);
  }

  /**
   * Whether a number is one of prompts, which can be drawn.
   *
   * @param results where the number is taken from
   * @param name of the number
   * @return false of the time that cells took, say
   */
  public static boolean ofPrompts(ExperimentResults results, String name) {
    return name.equals(ResultValue.AUC)
        || Arrays.stream(Faithfulness.Kind.values()).anyMatch(k -> k.key().equals(name))
        || ResultValue.metrics(results).contains(name);
  }

  /** Several areas of one metric at once. */
  static ResultIntervals faithfulness(
      Prompts prompts, String metric, List<Faithfulness.Kind> kinds, Bootstrap bootstrap) {
    return new ResultIntervals(
        prompts, Metric.of(metric), true, kinds, OptionalInt.empty(), bootstrap);
  }

  /** A cell's values on single prompts. */
  private final class Cell {
    final List<Integer> sizes = new ArrayList<>();
    final List<double[]> values = new ArrayList<>();
    final double[] full;
    final Map<Integer, Integer> place = new TreeMap<>();
    final Map<Integer, Integer> asked = new TreeMap<>();
    final int all;

    /** The prompts that {@link #where} gives the places of. */
    private int[] known;

    private int[] where;

    Cell(CellResult cell) {
      all = cell.edges();
      cell.selected().stream()
          .filter(s -> s.threshold().isEmpty())
          .forEach(s -> asked.put(s.chosen(), s.left()));
      Map<Integer, Double> whole = prompts.of(cell.run(), metric.key(), cell.edges());
      cell.series().stream()
          .filter(s -> s.metric().equals(metric.key()))
          .flatMap(s -> s.points().stream())
          .mapToInt(CellResult.Point::edges)
          .filter(n -> area || n == edges.orElse(cell.official().orElse(-1)))
          .filter(n -> needed(n))
          .forEach(
              n -> {
                Map<Integer, Double> some = prompts.of(cell.run(), metric.key(), n);
                if (place.isEmpty()) {
                  some.keySet().forEach(p -> place.put(p, place.size()));
                }
                sizes.add(n);
                values.add(numbers(some));
              });
      full = numbers(whole);
    }

    /** Whether an area needs a size: the benchmark's need its ten, and both ends. */
    private boolean needed(int size) {
      return kinds.isEmpty()
          || kinds.contains(Faithfulness.Kind.EXACT_CPR)
          || kinds.contains(Faithfulness.Kind.EXACT_CMD)
          || size == 0
          || size == all
          || Arrays.stream(EdgeCounts.ofShares(all))
              .anyMatch(n -> asked.getOrDefault(n, -1) == size);
    }

    /** In the order of the prompts; NaN where there is none. */
    private double[] numbers(Map<Integer, Double> some) {
      double[] all = new double[place.size()];
      place.forEach((prompt, i) -> all[i] = some.getOrDefault(prompt, Double.NaN));
      return all;
    }

    /** Which of its own prompts were drawn. */
    private int[] mine(int[] prompts, int[] drawn) {
      if (known != prompts) {
        known = prompts;
        where = Arrays.stream(prompts).map(p -> place.getOrDefault(p, -1)).toArray();
      }
      int[] mine = new int[drawn.length];
      int n = 0;
      for (int d : drawn) {
        if (where[d] >= 0) {
          mine[n++] = where[d];
        }
      }
      return n == mine.length ? mine : Arrays.copyOf(mine, n);
    }

    /** The numbers, of prompts that come as often as drawn. */
    double[] numbers(int[] prompts, int[] drawn) {
      int[] mine = mine(prompts, drawn);
      double[] whole = pick(full, mine);
      double[] combined = new double[sizes.size()];
      for (int k = 0; k < combined.length; k++) {
        combined[k] = metric.combine(pick(values.get(k), mine), whole);
      }
      if (!area) {
        return new double[] {combined.length == 0 ? Double.NaN : combined[0]};
      }
      List<Measurement.Point> points =
          IntStream.range(0, combined.length)
              .mapToObj(k -> new Measurement.Point(sizes.get(k), combined[k]))
              .toList();
      if (kinds.isEmpty()) {
        return new double[] {AreaUnderCurve.of(metric).of(points)};
      }
      Optional<Faithfulness> f =
          Faithfulness.of(new Measurement(metric, points), asked, all, bootstrap);
      return kinds.stream()
          .mapToDouble(k -> f.map(x -> x.of(k).orElse(Double.NaN)).orElse(Double.NaN))
          .toArray();
    }

    private double[] pick(double[] from, int[] indices) {
      double[] some = new double[indices.length];
      for (int i = 0; i < some.length; i++) {
        some[i] = from[indices[i]];
      }
      return some;
    }
  }

  /** The means of cells that differ in nothing but the seed, on prompts that are drawn. */
  final class Sample {
    private final List<Cell> cells;

    private Sample(List<Cell> cells) {
      this.cells = cells;
    }

    /** The prompts that any of them has. */
    SortedSet<Integer> prompts() {
      TreeSet<Integer> union = new TreeSet<>();
      cells.forEach(c -> union.addAll(c.place.keySet()));
      return union;
    }

    /**
     * The means.
     *
     * @param prompts that there are
     * @param drawn places among them
     */
    double[] numbers(int[] prompts, int[] drawn) {
      double[] sum = new double[Math.max(1, kinds.size())];
      for (Cell c : cells) {
        double[] own = c.numbers(prompts, drawn);
        for (int i = 0; i < sum.length; i++) {
          sum[i] += own[i];
        }
      }
      return Arrays.stream(sum).map(n -> n / cells.size()).toArray();
    }
  }

  /** What is drawn from; empty where values on single prompts are not known. */
  Optional<Sample> sample(List<CellResult> cells) {
    List<Cell> known = cells.stream().map(Cell::new).toList();
    return known.stream().anyMatch(c -> c.place.isEmpty())
        ? Optional.empty()
        : Optional.of(new Sample(known));
  }

  /**
   * The interval of the mean of some cells, which differ in nothing but the seed.
   *
   * @param cells at least one
   * @return empty where values on single prompts are not known
   */
  public Optional<Bootstrap.Interval> of(List<CellResult> cells) {
    Optional<Sample> sample = sample(cells);
    if (sample.isEmpty()) {
      return Optional.empty();
    }
    int[] prompts = sample.get().prompts().stream().mapToInt(p -> p).toArray();
    int[] each = IntStream.range(0, prompts.length).toArray();
    if (Double.isNaN(sample.get().numbers(prompts, each)[0])) {
      return Optional.empty(); // a share of the full model, whose own values were not measured
    }
    return Optional.of(
        bootstrap.of(prompts.length, drawn -> sample.get().numbers(prompts, drawn)[0]));
  }
}
