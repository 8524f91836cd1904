package io.autocircuit.cli;

import io.autocircuit.metric.Measurement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Curves as a table of at most {@value #WIDTH} columns of text: a row for each circuit, or where
 * there are more than {@value #MOST_ROWS}, for those that the curves need most. Metrics that do not
 * fit beside each other stand in further tables below.
 *
 * @param measurements the curves, of the same circuits
 * @param liveEdges the live edges of each circuit by its size
 * @param always sizes of circuits that have a row in any case
 * @param what circuits are made of: {@code edges}, say
 */
record CurveTable(
    List<Measurement> measurements,
    Map<Integer, Integer> liveEdges,
    Collection<Integer> always,
    String what) {
  static final int WIDTH = 80;
  static final int MOST_ROWS = 20;

  private static final int SIZE_WIDTH = 8;
  private static final int COLUMN = 10;
  private static final int GAP = 2;
  private static final double INVISIBLE = 0.002;

  /** Of circuits made of edges. */
  CurveTable(
      List<Measurement> measurements, Map<Integer, Integer> liveEdges, Collection<Integer> always) {
    this(measurements, liveEdges, always, "edges");
  }

  /** The lines of the table, without a line break at the end of any; none without curves. */
  List<String> lines() {
    if (measurements.isEmpty()) {
      return List.of();
    }
    int[] rows = rows();
    int perTable = (WIDTH - 2 * SIZE_WIDTH) / (COLUMN + GAP);
    List<String> lines = new ArrayList<>();
    for (int first = 0; first < measurements.size(); first += perTable) {
      if (first > 0) {
        lines.add("");
      }
      table(
          measurements.subList(first, Math.min(measurements.size(), first + perTable)),
          rows,
          lines);
    }
    int all = points(0).size();
    if (rows.length < all) {
      lines.add("  (" + rows.length + " of " + all + " sizes; all are in measurements.json)");
    }
    return lines;
  }

  private void table(List<Measurement> shown, int[] rows, List<String> lines) {
    List<List<String>> heads = new ArrayList<>();
    heads.add(List.of(what));
    heads.add(what.equals("edges") ? List.of("live") : List.of("live", "edges"));
    shown.forEach(m -> heads.add(wrapped(m.metric().key())));
    int height = heads.stream().mapToInt(List::size).max().orElse(1);
    for (int line = 0; line < height; line++) {
      StringBuilder text = new StringBuilder();
      for (int c = 0; c < heads.size(); c++) {
        int at = line - (height - heads.get(c).size());
        text.append(cell(at < 0 ? "" : heads.get(c).get(at), c < 2));
      }
      lines.add(text.toString().stripTrailing());
    }
    for (int i : rows) {
      int size = shown.get(0).points().get(i).edges();
      StringBuilder text = new StringBuilder(cell(String.valueOf(size), true));
      Integer live = liveEdges.get(size);
      text.append(cell(live == null ? "" : String.valueOf(live), true));
      shown.forEach(
          m ->
              text.append(
                  cell(String.format(Locale.ROOT, "%.5g", m.points().get(i).value()), false)));
      lines.add(text.toString());
    }
  }

  private static String cell(String text, boolean narrow) {
    return narrow
        ? " ".repeat(Math.max(0, SIZE_WIDTH - text.length())) + text
        : " ".repeat(Math.max(1, GAP + COLUMN - text.length())) + text;
  }

  /** A key cut at its underscores into lines of a column's width. */
  static List<String> wrapped(String key) {
    List<String> lines = new ArrayList<>();
    String line = "";
    for (int from = 0; from < key.length(); ) {
      int underscore = key.indexOf('_', from);
      int to = underscore < 0 ? key.length() : underscore + 1;
      if (!line.isEmpty() && line.length() + to - from > COLUMN) {
        lines.add(line);
        line = "";
      }
      line += key.substring(from, to);
      from = to;
    }
    lines.add(line);
    return lines;
  }

  private List<Measurement.Point> points(int measurement) {
    return measurements.get(measurement).points();
  }

  /**
   * The rows shown: all of a short table. Of a long one the first and the last, those of {@link
   * #always}, and then one after another that where a straight line between its shown neighbours
   * (over the logarithm of the size) is farthest from a curve, until nothing visible is missing.
   */
  int[] rows() {
    int count = points(0).size();
    if (count <= MOST_ROWS) {
      return IntStream.range(0, count).toArray();
    }
    double[] x = points(0).stream().mapToDouble(p -> Math.log(Math.max(0.5, p.edges()))).toArray();
    List<double[]> curves = measurements.stream().map(CurveTable::scaled).toList();
    BitSet shown = new BitSet(count);
    shown.set(0);
    shown.set(count - 1);
    IntStream.range(0, count)
        .filter(i -> always.contains(points(0).get(i).edges()))
        .forEach(shown::set);
    while (shown.cardinality() < MOST_ROWS) {
      int worst = -1;
      double most = INVISIBLE;
      for (int from = 0; from < count - 1; from = shown.nextSetBit(from + 1)) {
        int to = shown.nextSetBit(from + 1);
        for (int i = from + 1; i < to; i++) {
          double share = (x[i] - x[from]) / (x[to] - x[from]);
          for (double[] y : curves) {
            double off = Math.abs(y[i] - (y[from] + share * (y[to] - y[from])));
            if (off > most) {
              most = off;
              worst = i;
            }
          }
        }
      }
      if (worst < 0) {
        break;
      }
      shown.set(worst);
    }
    return shown.stream().toArray();
  }

  /** A curve's values brought to 0..1; values that are not finite become 0. */
  private static double[] scaled(Measurement m) {
    double[] y =
        m.points().stream()
            .mapToDouble(Measurement.Point::value)
            .map(v -> Double.isFinite(v) ? v : 0)
            .toArray();
    double least = Arrays.stream(y).min().orElse(0);
    double range = Arrays.stream(y).max().orElse(0) - least;
    return Arrays.stream(y).map(v -> range > 0 ? (v - least) / range : 0).toArray();
  }
}
