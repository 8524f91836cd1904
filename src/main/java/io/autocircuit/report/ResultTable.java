package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Bootstrap;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * A number of the cells of an experiment, such as the area under a curve, over rows and columns.
 * Cells that differ in nothing but the seed share a place.
 *
 * @param value what is shown
 * @param where what all its cells have in common, and others have not: places by axis
 * @param rowAxes what the rows are, such as {@code algorithm}; at least one
 * @param columnAxis what the columns are, such as {@code task}; empty where there is one, of the
 *     value
 * @param rows the places of each row, one for each of its axes
 * @param columns the place of each column
 * @param cells for each row one for each column
 * @param without how many cells of the experiment have no such number, and are left out
 */
public record ResultTable(
    ResultValue value,
    Map<String, String> where,
    List<String> rowAxes,
    String columnAxis,
    List<List<String>> rows,
    List<String> columns,
    List<List<Cell>> cells,
    int without) {
  /** Numbers that differ by less, as a share, are the same but for the rounding of float32. */
  private static final double ROUNDING = 1e-6;

  /**
   * Keeps unmodifiable copies.
   *
   * @param value what is shown
   * @param where what all its cells have in common
   * @param rowAxes what the rows are
   * @param columnAxis what the columns are
   * @param rows the places of each row
   * @param columns the place of each column
   * @param cells for each row one for each column
   * @param without how many cells have no such number
   */
  public ResultTable {
    where = Collections.unmodifiableMap(new LinkedHashMap<>(where));
    rowAxes = List.copyOf(rowAxes);
    rows = rows.stream().map(List::copyOf).toList();
    columns = List.copyOf(columns);
    cells = cells.stream().map(List::copyOf).toList();
  }

  /**
   * The numbers of one place.
   *
   * @param values one for each seed; none where no cell is there
   * @param interval in which their mean would lie on other prompts; empty where it was not asked
   *     for or cannot be known
   */
  public record Cell(List<Double> values, Optional<Bootstrap.Interval> interval) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param values one for each seed
     * @param interval in which their mean would lie on other prompts
     */
    public Cell {
      values = List.copyOf(values);
    }

    /**
     * How many seeds there are.
     *
     * @return 0 where no cell is there
     */
    public int count() {
      return values.size();
    }

    /**
     * Their mean.
     *
     * @return NaN where there is none, or one of them is NaN
     */
    public double mean() {
      return values.stream().mapToDouble(v -> v).sum() / values.size();
    }

    /**
     * Their standard deviation as an estimate from a sample, with n − 1.
     *
     * @return NaN of fewer than two
     */
    public double deviation() {
      double mean = mean();
      double squares = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
      return values.size() < 2 ? Double.NaN : Math.sqrt(squares / (values.size() - 1));
    }
  }

  /**
   * Tables over some axes. Where cells of one place would differ in more than the seed there is a
   * table for each combination.
   *
   * @param results the cells, in the order of which rows and columns follow
   * @param axes the axes: {@code algorithm} (as its label says), {@code algorithm_key}, {@code
   *     task}, {@code ablation}, {@code patch_type}, {@code seed}, or a setting that has several
   *     values, with or without its scope. The last is that of the columns, all before it of the
   *     rows; a single one is that of the rows
   * @param value what to show
   * @param only places by axis: other cells are left out
   * @return at least one table, none of them empty
   * @throws io.autocircuit.graph.UnknownNameException if an axis or place does not exist
   * @throws IllegalArgumentException if an axis is named twice or none is, or no cell has the value
   */
  public static List<ResultTable> of(
      ExperimentResults results, List<String> axes, ResultValue value, Map<String, String> only) {
    return of(results, axes, value, only, cells -> Optional.empty());
  }

  /**
   * Tables over some axes, as {@link #of(ExperimentResults, List, ResultValue, Map)} makes them,
   * with intervals.
   *
   * @param results the cells
   * @param axes the axes
   * @param value what to show
   * @param only places by axis
   * @param interval of cells that differ in nothing but the seed, such as {@link
   *     ResultIntervals#of(List)}
   * @return at least one table
   */
  public static List<ResultTable> of(
      ExperimentResults results,
      List<String> axes,
      ResultValue value,
      Map<String, String> only,
      Function<List<CellResult>, Optional<Bootstrap.Interval>> interval) {
    return ResultGrid.of(results, axes, value, only).stream()
        .map(grid -> table(grid, value, interval))
        .toList();
  }

  private static ResultTable table(
      ResultGrid grid,
      ResultValue value,
      Function<List<CellResult>, Optional<Bootstrap.Interval>> interval) {
    List<List<Cell>> table = new ArrayList<>();
    for (List<String> row : grid.rows()) {
      List<Cell> line = new ArrayList<>();
      for (String column : grid.columns()) {
        List<CellResult> there = grid.at(row, column);
        line.add(
            new Cell(
                there.stream().map(c -> value.of().apply(c).getAsDouble()).toList(),
                there.isEmpty() ? Optional.empty() : interval.apply(there)));
      }
      table.add(line);
    }
    return new ResultTable(
        value,
        grid.where(),
        grid.rowAxes(),
        grid.columnAxis(),
        grid.rows(),
        grid.columns(),
        table,
        grid.without());
  }

  /**
   * Whether a cell is the best of its column.
   *
   * @param row index of its row
   * @param column index of its column
   * @return true if its mean is a number that no other of the column betters by more than rounding,
   *     and one is worse by more
   */
  public boolean best(int row, int column) {
    double sign = value.lowerIsBetter() ? -1 : 1;
    double mine = sign * cells.get(row).get(column).mean();
    double best = Double.NEGATIVE_INFINITY;
    double worst = Double.POSITIVE_INFINITY;
    for (List<Cell> others : cells) {
      double other = sign * others.get(column).mean();
      if (!Double.isNaN(other)) {
        best = Math.max(best, other);
        worst = Math.min(worst, other);
      }
    }
    // of infinite numbers the difference is none
    double same = Double.isFinite(best) ? ROUNDING * Math.abs(best) : 0;
    return (mine == best || best - mine <= same) && !(worst == best || best - worst <= same);
  }
}
