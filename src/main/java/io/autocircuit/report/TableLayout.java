package io.autocircuit.report;

import io.autocircuit.metric.Bootstrap;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A table of results as texts: numbers with as many digits as they deserve, what its rows and
 * columns are called, and what is to be said of it.
 *
 * @param caption one line
 * @param heads the names of the columns, those of the rows' axes first
 * @param rowHeads how many of them are those of the rows' axes
 * @param rows the places of each row
 * @param cells of each row
 */
record TableLayout(
    String caption,
    List<String> heads,
    int rowHeads,
    List<List<String>> rows,
    List<List<Shown>> cells) {
  private static final int DIGITS = 4;
  private static final double PERCENT = 100;
  private static final int MOST_DECIMALS = 6;
  private static final int RANK_DECIMALS = 2;

  /**
   * A cell.
   *
   * @param mean a number; empty where there is none
   * @param deviation a number; empty where there is none
   * @param interval two numbers in brackets; empty where there is none
   * @param count the number of seeds; empty where the caption says it
   * @param best whether it is the best of its column
   */
  record Shown(String mean, String deviation, String interval, String count, boolean best) {
    /** As plain text. */
    String text() {
      return mean
          + (deviation.isEmpty() ? "" : " ± " + deviation)
          + (interval.isEmpty() ? "" : " " + interval)
          + (count.isEmpty() ? "" : " (" + count + ")");
    }
  }

  static TableLayout of(ResultTable table) {
    List<Integer> counts =
        table.cells().stream()
            .flatMap(List::stream)
            .map(ResultTable.Cell::count)
            .filter(n -> n > 0)
            .distinct()
            .sorted()
            .toList();
    boolean single = counts.equals(List.of(1));
    boolean alike = counts.size() == 1;
    List<String> heads = new ArrayList<>();
    table.rowAxes().forEach(a -> heads.add(a.replace('_', ' ')));
    table.columns().forEach(c -> heads.add(column(table.columnAxis(), c)));
    List<List<Shown>> cells = new ArrayList<>();
    table.rows().forEach(r -> cells.add(new ArrayList<>()));
    for (int c = 0; c < table.columns().size(); c++) {
      int column = c;
      List<ResultTable.Cell> values = table.cells().stream().map(r -> r.get(column)).toList();
      boolean ranks = ResultRanks.made(table);
      int decimals = ranks ? RANK_DECIMALS : decimals(values);
      int most = ranks ? RANK_DECIMALS : MOST_DECIMALS;
      for (int r = 0; r < values.size(); r++) {
        cells.get(r).add(shown(values.get(r), decimals, most, alike, table.best(r, c)));
      }
    }
    return new TableLayout(
        caption(table, single ? "" : seeds(table, counts)),
        heads,
        table.rowAxes().size(),
        table.rows(),
        cells);
  }

  private static String column(String axis, String place) {
    boolean plain =
        axis.isEmpty()
            || axis.startsWith(ResultAxes.ALGORITHM) && axis.indexOf('.') < 0
            || axis.equals(ResultAxes.TASK);
    return plain
        ? place
        : axis.substring(axis.lastIndexOf('.') + 1).replace('_', ' ') + "=" + place(place);
  }

  private static String seeds(ResultTable table, List<Integer> counts) {
    return (interval(table).isPresent() ? "mean " : "mean ± standard deviation ")
        + (counts.size() == 1 ? "of " + counts.get(0) + " seeds" : "(number of seeds)");
  }

  /** The first interval that there is. */
  private static Optional<Bootstrap.Interval> interval(ResultTable table) {
    return table.cells().stream()
        .flatMap(List::stream)
        .flatMap(c -> c.interval().stream())
        .findFirst();
  }

  private static String caption(ResultTable table, String seeds) {
    StringBuilder text = new StringBuilder(table.value().title());
    text.append(table.value().lowerIsBetter() ? "; lower is better" : "; higher is better");
    table
        .where()
        .forEach((axis, place) -> text.append("; " + axis.replace('_', ' ') + "=" + place(place)));
    if (!seeds.isEmpty()) {
      text.append("; ").append(seeds);
    }
    interval(table)
        .ifPresent(
            i ->
                text.append(
                    String.format(
                        Locale.ROOT,
                        "; in brackets the %s %% interval over %s",
                        BigDecimal.valueOf(PERCENT * i.level())
                            .round(new MathContext(DIGITS))
                            .stripTrailingZeros()
                            .toPlainString(),
                        ResultRanks.made(table) ? ResultRanks.over(table) : "prompts")));
    if (table.without() > 0) {
      text.append("; without ")
          .append(table.without())
          .append(table.without() == 1 ? " cell that has" : " cells that have")
          .append(" no such value");
    }
    return text.toString();
  }

  /** How many decimals the largest number of a column needs. */
  private static int decimals(List<ResultTable.Cell> column) {
    double largest =
        column.stream()
            .mapToDouble(c -> Math.abs(c.mean()))
            .filter(v -> Double.isFinite(v) && v > 0)
            .max()
            .orElse(1);
    return decimals(largest, DIGITS);
  }

  private static int decimals(double value, int digits) {
    int leading = (int) Math.floor(Math.log10(value));
    return Math.max(0, Math.min(MOST_DECIMALS, digits - 1 - leading));
  }

  private static Shown shown(
      ResultTable.Cell cell, int decimals, int most, boolean alike, boolean best) {
    if (cell.count() == 0) {
      return new Shown("", "", "", "", false);
    }
    double deviation = cell.deviation();
    String count = alike ? "" : String.valueOf(cell.count());
    if (cell.interval().isPresent()) {
      Bootstrap.Interval i = cell.interval().get();
      double width = i.high() - i.low();
      int own = Double.isFinite(width) && width > 0 ? Math.min(most, decimals(width, 2)) : decimals;
      String ends = "[" + fixed(i.low(), own) + ", " + fixed(i.high(), own) + "]";
      return new Shown(fixed(cell.mean(), own), "", ends, count, best);
    }
    if (!Double.isFinite(deviation)) {
      return new Shown(number(cell.mean(), decimals), "", "", count, best);
    }
    int own = deviation == 0 ? decimals : decimals(deviation, 2);
    return new Shown(fixed(cell.mean(), own), fixed(deviation, own), "", count, best);
  }

  /** With those decimals, or, where they would show next to nothing of it, by a power of ten. */
  static String number(double value, int decimals) {
    double least = decimals == 0 ? 0.5 : Math.pow(10, 1 - decimals);
    if (value == 0) {
      return "0";
    }
    return Math.abs(value) < least
        ? String.format(Locale.ROOT, "%.1e", value)
        : fixed(value, decimals);
  }

  private static String fixed(double value, int decimals) {
    if (!Double.isFinite(value)) {
      return Double.isNaN(value) ? "NaN" : value > 0 ? "∞" : "-∞";
    }
    String text = String.format(Locale.ROOT, "%." + decimals + "f", value);
    return text.matches("-0(\\.0*)?") ? text.substring(1) : text;
  }

  /** A place on an axis; of a setting that a cell has not, a dash. */
  static String place(String place) {
    return place.isEmpty() ? "–" : place;
  }

  /** The widths of the columns from {@code first} to before {@code end}, heads included. */
  int[] widths(int first, int end) {
    return IntStream.range(first, end)
        .map(
            c ->
                Math.max(
                    heads.get(c).length(),
                    IntStream.range(0, rows.size()).map(r -> text(r, c).length()).max().orElse(0)))
        .toArray();
  }

  /** What stands in a column, counted with those of the rows' axes. */
  String text(int row, int column) {
    return column < rowHeads
        ? place(rows.get(row).get(column))
        : cells.get(row).get(column - rowHeads).text();
  }
}
