package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Bootstrap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * The ranks of algorithms by a number, on each task and over tasks, with intervals.
 *
 * <p>On a task the algorithm with the best number (the mean over its seeds) has rank 1, and so on;
 * algorithms with equal numbers share the mean of their places. The known circuit itself is no
 * algorithm, and has none. The rank over tasks is the mean over those tasks on which every
 * algorithm has a number.
 *
 * <p>Intervals are percentiles of the bootstrap: as many prompts are drawn from a task's with
 * replacement, the same for all algorithms, and these are ranked anew by their numbers on them. For
 * the rank over tasks, tasks are drawn with replacement too, and of each that is drawn other
 * prompts. They say what other prompts, and other tasks, would have changed; that these would have
 * given other scores is not in them.
 */
public final class ResultRanks {
  /** How ranks are drawn where nobody says: 500 draws, 95 %. */
  public static final Bootstrap USUAL = new Bootstrap(500, 0.95, 0);

  /** The column of the ranks over tasks. */
  public static final String ALL = "all tasks";

  private static final String NAME = "rank(";
  private static final String KNOWN = "ground-truth";

  /** Numbers that differ by less, as a share, are equal but for the rounding of float32. */
  private static final double ROUNDING = 1e-6;

  private final List<ResultValue> values;
  private final Optional<ResultIntervals> intervals;
  private final Bootstrap bootstrap;

  private ResultRanks(
      List<ResultValue> values, Optional<ResultIntervals> intervals, Bootstrap bootstrap) {
    this.values = values;
    this.intervals = intervals;
    this.bootstrap = bootstrap;
  }

  /**
   * A rank.
   *
   * @param rank from 1; halves where two share places
   * @param interval where it lies on other prompts, or other prompts and tasks; empty where values
   *     on single prompts are not known
   */
  record Rank(double rank, Optional<Bootstrap.Interval> interval) {}

  /**
   * Ranks by one number.
   *
   * @param byTask by task and algorithm
   * @param overall by algorithm; empty where fewer than two tasks have numbers of all algorithms
   * @param tasks how many tasks the overall ranks are of
   */
  record Ranks(Map<String, Map<String, Rank>> byTask, Map<String, Rank> overall, int tasks) {}

  /**
   * Tables of ranks: a row for each algorithm, a column for each task and one over all.
   *
   * @param results the cells
   * @param value the number that is ranked by
   * @param only places by axis: other cells are left out
   * @param intervals of the same number; empty for ranks without intervals, of a number that is no
   *     mean over prompts. Then only tasks are drawn
   * @param bootstrap how prompts and tasks are drawn
   * @return at least one table: one for each of what cells differ in beside algorithm and task
   * @throws io.autocircuit.graph.UnknownNameException if an axis or place does not exist
   * @throws IllegalArgumentException if no cell has the value
   */
  public static List<ResultTable> of(
      ExperimentResults results,
      ResultValue value,
      Map<String, String> only,
      Optional<ResultIntervals> intervals,
      Bootstrap bootstrap) {
    List<ResultTable> tables = new ArrayList<>();
    List<String> axes = List.of(ResultAxes.ALGORITHM, ResultAxes.TASK);
    for (ResultGrid grid : ResultGrid.of(results, axes, value, only)) {
      Map<String, Map<String, List<CellResult>>> cells = new LinkedHashMap<>();
      for (String task : grid.columns()) {
        for (List<String> row : grid.rows()) {
          if (!grid.at(row, task).isEmpty()) {
            cells
                .computeIfAbsent(task, t -> new LinkedHashMap<>())
                .put(row.get(0), grid.at(row, task));
          }
        }
      }
      tables.add(table(grid, value, of(cells, List.of(value), intervals, bootstrap).get(0)));
    }
    return tables;
  }

  private static ResultTable table(ResultGrid grid, ResultValue value, Ranks ranks) {
    List<String> columns = new ArrayList<>(ranks.byTask().keySet());
    boolean over = !ranks.overall().isEmpty();
    if (over) {
      columns.add(ALL);
    }
    List<List<String>> rows =
        grid.rows().stream()
            .filter(
                row -> ranks.byTask().values().stream().anyMatch(r -> r.containsKey(row.get(0))))
            .toList();
    List<List<ResultTable.Cell>> cells = new ArrayList<>();
    for (List<String> row : rows) {
      List<ResultTable.Cell> line = new ArrayList<>();
      ranks.byTask().values().forEach(r -> line.add(cell(r.get(row.get(0)))));
      if (over) {
        line.add(cell(ranks.overall().get(row.get(0))));
      }
      cells.add(line);
    }
    String title =
        "Rank by "
            + value.title()
            + (value.lowerIsBetter() ? ", the lowest first" : ", the highest first")
            + "; equal ones share the mean of their places"
            + (over ? "; " + ALL + ": the mean over " + ranks.tasks() : "");
    return new ResultTable(
        new ResultValue(NAME + value.name() + ")", title, true, value.of()),
        grid.where(),
        grid.rowAxes(),
        grid.columnAxis(),
        rows,
        columns,
        cells,
        grid.without());
  }

  /** Whether a table is one of ranks. */
  static boolean made(ResultTable table) {
    return table.value().name().startsWith(NAME);
  }

  /** What the intervals of a table are over. */
  static String over(ResultTable table) {
    int last = table.columns().indexOf(ALL);
    boolean prompts =
        table.cells().stream()
            .anyMatch(
                row ->
                    row.stream()
                        .limit(last < 0 ? row.size() : last)
                        .anyMatch(c -> c.interval().isPresent()));
    return !prompts ? "tasks" : last < 0 ? "prompts" : "prompts, of " + ALL + " over both";
  }

  private static ResultTable.Cell cell(Rank rank) {
    return rank == null
        ? new ResultTable.Cell(List.of(), Optional.empty())
        : new ResultTable.Cell(List.of(rank.rank()), rank.interval());
  }

  /**
   * Ranks by several numbers, on the same draws.
   *
   * @param cells by task and algorithm; those of one place differ in nothing but the seed
   * @param values the numbers; every cell has them
   * @param intervals of the same numbers, in the same order
   * @param bootstrap how prompts and tasks are drawn
   * @return ranks for each number
   */
  static List<Ranks> of(
      Map<String, Map<String, List<CellResult>>> cells,
      List<ResultValue> values,
      Optional<ResultIntervals> intervals,
      Bootstrap bootstrap) {
    ResultRanks ranks = new ResultRanks(values, intervals, bootstrap);
    SplittableRandom random = new SplittableRandom(bootstrap.seed());
    List<Task> tasks = new ArrayList<>();
    cells.forEach((task, some) -> ranks.task(task, some, random.split()).ifPresent(tasks::add));
    return IntStream.range(0, values.size())
        .mapToObj(v -> ranks.ranks(tasks, v, random.split()))
        .toList();
  }

  /**
   * A task.
   *
   * @param name the task
   * @param algorithms that are ranked
   * @param ranks by number and algorithm
   * @param drawn by number and draw, by algorithm; no draw where prompts are not known
   */
  private record Task(
      String name, List<String> algorithms, double[][] ranks, List<double[][]> drawn) {}

  private Optional<Task> task(
      String name, Map<String, List<CellResult>> cells, SplittableRandom random) {
    List<String> algorithms = new ArrayList<>();
    List<List<CellResult>> each = new ArrayList<>();
    cells.forEach(
        (algorithm, own) -> {
          boolean known = own.stream().anyMatch(c -> c.algorithm().equals(KNOWN));
          if (!known && Arrays.stream(means(own)).noneMatch(Double::isNaN)) {
            algorithms.add(algorithm);
            each.add(own);
          }
        });
    if (algorithms.size() < 2) {
      return Optional.empty();
    }
    double[][] ranks = ranked(each.stream().map(this::means).toArray(double[][]::new));
    return Optional.of(new Task(name, algorithms, ranks, draws(each, random)));
  }

  private double[] means(List<CellResult> cells) {
    return values.stream()
        .mapToDouble(
            v ->
                cells.stream()
                    .mapToDouble(c -> v.of().apply(c).orElse(Double.NaN))
                    .average()
                    .orElse(Double.NaN))
        .toArray();
  }

  /** Ranks by number and algorithm, of numbers by algorithm. */
  private double[][] ranked(double[][] numbers) {
    return IntStream.range(0, values.size())
        .mapToObj(
            v ->
                ranks(
                    Arrays.stream(numbers).mapToDouble(n -> n[v]).toArray(),
                    values.get(v).lowerIsBetter()))
        .toArray(double[][]::new);
  }

  private List<double[][]> draws(List<List<CellResult>> each, SplittableRandom random) {
    List<ResultIntervals.Sample> samples =
        each.stream().flatMap(c -> intervals.flatMap(i -> i.sample(c)).stream()).toList();
    if (samples.size() < each.size()) {
      return List.of();
    }
    TreeSet<Integer> union = new TreeSet<>();
    samples.forEach(s -> union.addAll(s.prompts()));
    int[] prompts = union.stream().mapToInt(p -> p).toArray();
    List<double[][]> draws = new ArrayList<>();
    for (int d = 0; d < bootstrap.resamples(); d++) {
      int[] drawn = random.ints(prompts.length, 0, prompts.length).toArray();
      draws.add(
          ranked(samples.stream().map(s -> s.numbers(prompts, drawn)).toArray(double[][]::new)));
    }
    return draws;
  }

  /**
   * The place of each number among all, from 1.
   *
   * @param numbers of which one that is NaN has the rank NaN
   * @param lowerIsBetter whether the least has rank 1
   * @return the mean of their places for those that are equal
   */
  static double[] ranks(double[] numbers, boolean lowerIsBetter) {
    double sign = lowerIsBetter ? 1 : -1;
    int[] order =
        IntStream.range(0, numbers.length)
            .filter(i -> !Double.isNaN(numbers[i]))
            .boxed()
            .sorted((a, b) -> Double.compare(sign * numbers[a], sign * numbers[b]))
            .mapToInt(i -> i)
            .toArray();
    double[] ranks = new double[numbers.length];
    Arrays.fill(ranks, Double.NaN);
    for (int first = 0; first < order.length; ) {
      int end = first + 1;
      while (end < order.length && same(numbers[order[end - 1]], numbers[order[end]])) {
        end++;
      }
      for (int i = first; i < end; i++) {
        ranks[order[i]] = (first + 1 + end) / 2.0;
      }
      first = end;
    }
    return ranks;
  }

  private static boolean same(double a, double b) {
    double apart = Math.abs(a - b); // of infinite numbers none, or infinite
    return a == b
        || Double.isFinite(apart) && apart <= ROUNDING * Math.max(Math.abs(a), Math.abs(b));
  }

  private Ranks ranks(List<Task> tasks, int value, SplittableRandom random) {
    Map<String, Map<String, Rank>> byTask = new LinkedHashMap<>();
    TreeSet<String> all = new TreeSet<>();
    tasks.forEach(t -> all.addAll(t.algorithms()));
    for (Task t : tasks) {
      Map<String, Rank> ranks = new LinkedHashMap<>();
      for (int a = 0; a < t.algorithms().size(); a++) {
        int place = a;
        double[] drawn = t.drawn().stream().mapToDouble(d -> d[value][place]).toArray();
        ranks.put(t.algorithms().get(a), new Rank(t.ranks()[value][a], interval(drawn)));
      }
      byTask.put(t.name(), ranks);
    }
    List<Task> whole = tasks.stream().filter(t -> t.algorithms().size() == all.size()).toList();
    return new Ranks(
        byTask, whole.size() < 2 ? Map.of() : overall(whole, value, random), whole.size());
  }

  private Map<String, Rank> overall(List<Task> tasks, int value, SplittableRandom random) {
    List<String> algorithms = tasks.get(0).algorithms();
    double[][] drawn = new double[algorithms.size()][bootstrap.resamples()];
    for (int d = 0; d < bootstrap.resamples(); d++) {
      for (int i = 0; i < tasks.size(); i++) {
        Task t = tasks.get(random.nextInt(tasks.size()));
        double[][] one =
            t.drawn().isEmpty() ? t.ranks() : t.drawn().get(random.nextInt(t.drawn().size()));
        for (int a = 0; a < algorithms.size(); a++) {
          drawn[a][d] += one[value][t.algorithms().indexOf(algorithms.get(a))] / tasks.size();
        }
      }
    }
    Map<String, Rank> overall = new LinkedHashMap<>();
    for (int a = 0; a < algorithms.size(); a++) {
      String algorithm = algorithms.get(a);
      double mean =
          tasks.stream()
              .mapToDouble(t -> t.ranks()[value][t.algorithms().indexOf(algorithm)])
              .average()
              .orElse(Double.NaN);
      overall.put(algorithm, new Rank(mean, interval(drawn[a])));
    }
    return overall;
  }

  private Optional<Bootstrap.Interval> interval(double[] drawn) {
    return drawn.length == 0 || Arrays.stream(drawn).anyMatch(Double::isNaN)
        ? Optional.empty()
        : Optional.of(bootstrap.percentiles(drawn));
  }
}
