package io.autocircuit.report;

import io.autocircuit.benchmark.GrowthAxis;
import io.autocircuit.benchmark.GrowthCell;
import io.autocircuit.benchmark.GrowthExponent;
import io.autocircuit.benchmark.GrowthFigure;
import io.autocircuit.benchmark.GrowthGrid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The picture of a grid: time and memory over what grows, on logarithmic axes. Beside each measured
 * line lies, dashed, that of the arithmetic, put through the last measured point: where the line is
 * steeper than its dashes, it grows faster than it must. An SVG picture that stands for itself, in
 * light or dark as its reader prefers.
 */
public final class GrowthPlot {
  private static final double PANEL_X = 352;
  private static final double PANEL_Y = 250;
  private static final double PLOT_X = 190;

  /** Below which two numbers of an axis would touch. */
  private static final double NUMBER_WIDTH = 32;

  private static final double PLOT_Y = 180;
  private static final double LEFT = 62;
  private static final double TOP = 76;
  private static final double LABEL = 13;
  private static final double LOG10 = Math.log(10);

  private static final Map<String, String> TITLES =
      Map.of(
          GrowthFigure.PLAIN, "plain forward",
          GrowthFigure.CIRCUIT, "circuit, 1 %",
          GrowthFigure.DENSE, "dense mask",
          GrowthFigure.EAP, "EAP",
          GrowthFigure.ACDC, "ACDC step");

  private static final Map<String, String> SHORT =
      Map.of(
          GrowthFigure.PLAIN, "plain",
          GrowthFigure.CIRCUIT, "circuit",
          GrowthFigure.DENSE, "dense",
          GrowthFigure.EAP, "EAP",
          GrowthFigure.ACDC, "ACDC");

  private static final String STYLE =
      """
      <style>
        svg { --paper: #ffffff; --text: #1d2126; --muted: #5d6670; --line: #dcdfe3;
          --s0: #5f6770; --s1: #2a8a4a; --s2: #2456c7; --s3: #d1631b; --s4: #b03a8c; }
        @media (prefers-color-scheme: dark) {
          svg { --paper: #14171b; --text: #e6e9ec; --muted: #9aa4af; --line: #333a43;
            --s0: #a9b1ba; --s1: #74c990; --s2: #84a9ff; --s3: #f2a265; --s4: #e58bc8; }
        }
        .paper { fill: var(--paper); }
        text { fill: var(--text); }
        .muted { fill: var(--muted); }
        .grid { stroke: var(--line); }
        .s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); }
        .s3 { --c: var(--s3); } .s4 { --c: var(--s4); }
        .s0, .s1, .s2, .s3, .s4 { stroke: var(--c); fill: none; }
        circle { fill: var(--c) !important; stroke: none !important; }
        text.s0, text.s1, text.s2, text.s3, text.s4 { fill: var(--c); stroke: none; }
        .arithmetic { stroke-dasharray: 3 4; opacity: 0.75; }
      </style>
      """;

  private final GrowthGrid grid;
  private final StringBuilder out = new StringBuilder();

  /** A measured quantity, in its unit, and the arithmetic beside it. */
  private enum Kind {
    TIME("ms"),
    MEMORY("MB");

    private final String unit;

    Kind(String unit) {
      this.unit = unit;
    }

    double measured(GrowthFigure f) {
      return this == TIME ? f.seconds() * 1e3 : f.peakBytes() / 1e6;
    }

    double arithmetic(GrowthFigure f) {
      return this == TIME ? f.operations() : f.neededBytes();
    }

    GrowthExponent exponent(List<GrowthCell> cells, String name) {
      return this == TIME
          ? GrowthExponent.ofTime(cells, name)
          : GrowthExponent.ofMemory(cells, name);
    }
  }

  /** A cell on a line: x, the measured y, and that of the arithmetic in its own unit. */
  private record Point(double x, double y, double arithmetic) {}

  /** A line and the exponents that are written at its end. */
  private record Line(int series, List<Point> points, GrowthExponent exponent) {
    Point last() {
      return points.get(points.size() - 1);
    }

    /** The arithmetic at a point, through the last measured one. */
    double scaled(Point p) {
      return p.arithmetic() * last().y() / last().arithmetic();
    }
  }

  private GrowthPlot(GrowthGrid grid) {
    this.grid = grid;
  }

  /**
   * Draws a grid.
   *
   * @param grid with at least two measured cells of an axis
   * @return an SVG document
   * @throws IllegalArgumentException if there is nothing to draw
   */
  public static String svg(GrowthGrid grid) {
    return new GrowthPlot(grid).draw();
  }

  private String draw() {
    List<GrowthAxis> axes =
        List.of(GrowthAxis.values()).stream().filter(a -> !lines(a, Kind.TIME).isEmpty()).toList();
    if (axes.isEmpty()) {
      throw new IllegalArgumentException(
          "no axis of the grid has two measured cells; measure more before it is drawn");
    }
    double width = LEFT + PANEL_X * axes.size();
    double height = TOP + PANEL_Y * Kind.values().length;
    put(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%.0f\" height=\"%.0f\""
            + " viewBox=\"0 0 %.0f %.0f\" font-family=\"system-ui, sans-serif\""
            + " font-size=\"11\">%n",
        width, height, width, height);
    out.append("<title>How time and memory grow</title>\n").append(STYLE);
    put("<rect class=\"paper\" width=\"100%%\" height=\"100%%\"/>%n");
    legend();
    for (int i = 0; i < axes.size(); i++) {
      panel(axes.get(i), Kind.TIME, LEFT + PANEL_X * i, TOP);
      panel(axes.get(i), Kind.MEMORY, LEFT + PANEL_X * i, TOP + PANEL_Y);
    }
    return out.append("</svg>\n").toString();
  }

  private void put(String format, Object... values) {
    out.append(String.format(Locale.ROOT, format, values));
  }

  private void legend() {
    double x = LEFT;
    for (int i = 0; i < GrowthFigure.NAMES.size(); i++) {
      String title = TITLES.get(GrowthFigure.NAMES.get(i));
      put("<path class=\"s%d\" stroke-width=\"2\" d=\"M%.1f 20h18\"/>", i, x);
      put("<text x=\"%.1f\" y=\"24\" font-size=\"12\">%s</text>%n", x + 23, title);
      x += 40 + 7 * title.length();
    }
    put(
        "<text class=\"muted\" x=\"%.1f\" y=\"44\">dashed: by arithmetic, through the last point;"
            + " at a line's end its exponent (by arithmetic)</text>%n",
        LEFT);
  }

  private List<Line> lines(GrowthAxis axis, Kind kind) {
    List<Line> lines = new ArrayList<>();
    List<GrowthCell> cells = grid.cells(axis);
    for (int i = 0; i < GrowthFigure.NAMES.size(); i++) {
      String name = GrowthFigure.NAMES.get(i);
      List<Point> points = new ArrayList<>();
      for (GrowthCell cell : cells) {
        GrowthFigure f = cell.figures().get(name);
        if (f != null && f.measured() && kind.measured(f) > 0 && kind.arithmetic(f) > 0) {
          points.add(new Point(cell.at(), kind.measured(f), kind.arithmetic(f)));
        }
      }
      points.sort(Comparator.comparingDouble(Point::x));
      if (points.size() > 1) {
        lines.add(new Line(i, points, kind.exponent(cells, name)));
      }
    }
    return lines;
  }

  private void panel(GrowthAxis axis, Kind kind, double left, double top) {
    List<Line> lines = lines(axis, kind);
    if (lines.isEmpty()) {
      return;
    }
    double[] xs =
        lines.stream().flatMap(l -> l.points().stream()).mapToDouble(Point::x).sorted().toArray();
    double[] ys =
        lines.stream()
            .flatMap(l -> l.points().stream().map(p -> new double[] {p.y(), l.scaled(p)}))
            .flatMapToDouble(Arrays::stream)
            .sorted()
            .toArray();
    Scale x = new Scale(xs[0], xs[xs.length - 1], left, left + PLOT_X);
    Scale y =
        new Scale(
            Math.pow(10, Math.floor(Math.log10(ys[0]))),
            Math.pow(10, Math.ceil(Math.log10(ys[ys.length - 1]))),
            top + PLOT_Y,
            top);
    for (double v = y.from; v <= y.to * 1.001; v *= 10) {
      put("<path class=\"grid\" d=\"M%.1f %.1fh%.1f\"/>", left, y.at(v), PLOT_X);
      put(
          "<text class=\"muted\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>%n",
          left - 6, y.at(v) + 4, number(v));
    }
    double last = Double.POSITIVE_INFINITY;
    for (double v : Arrays.stream(xs).distinct().map(v -> -v).sorted().map(v -> -v).toArray()) {
      put("<path class=\"grid\" d=\"M%.1f %.1fv4\"/>", x.at(v), top + PLOT_Y);
      if (last - x.at(v) < NUMBER_WIDTH) {
        continue;
      }
      last = x.at(v);
      put(
          "<text class=\"muted\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>%n",
          x.at(v), top + PLOT_Y + 16, number(v));
    }
    put(
        "<text class=\"muted\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>%n",
        left + PLOT_X / 2, top + PLOT_Y + 32, axis.unit());
    put("<text x=\"%.1f\" y=\"%.1f\" font-weight=\"600\">%s</text>%n", left, top - 8, kind.unit);
    for (Line line : lines) {
      draw(line, x, y);
    }
    labels(lines, x, y);
  }

  private void draw(Line line, Scale x, Scale y) {
    StringBuilder solid = new StringBuilder();
    StringBuilder dashed = new StringBuilder();
    for (Point p : line.points()) {
      String step = solid.length() == 0 ? "M" : "L";
      solid.append(String.format(Locale.ROOT, "%s%.1f %.1f", step, x.at(p.x()), y.at(p.y())));
      dashed.append(
          String.format(Locale.ROOT, "%s%.1f %.1f", step, x.at(p.x()), y.at(line.scaled(p))));
    }
    put("<path class=\"s%d arithmetic\" d=\"%s\"/>", line.series(), dashed);
    put("<path class=\"s%d\" stroke-width=\"2\" d=\"%s\"/>%n", line.series(), solid);
    for (Point p : line.points()) {
      put(
          "<circle class=\"s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>",
          line.series(), x.at(p.x()), y.at(p.y()));
    }
  }

  /** Exponents at the ends of the lines, moved apart where they would lie on each other. */
  private void labels(List<Line> lines, Scale x, Scale y) {
    List<Line> sorted = new ArrayList<>(lines);
    sorted.sort(Comparator.comparingDouble(l -> y.at(l.last().y())));
    double[] at = sorted.stream().mapToDouble(l -> y.at(l.last().y())).toArray();
    for (int i = 1; i < at.length; i++) {
      at[i] = Math.max(at[i], at[i - 1] + LABEL);
    }
    double over = at[at.length - 1] - y.pixelFrom;
    for (int i = at.length - 1; i >= 0 && over > 0; i--) {
      at[i] = Math.min(at[i], y.pixelFrom - LABEL * (at.length - 1 - i));
    }
    for (int i = 0; i < at.length; i++) {
      Line line = sorted.get(i);
      put(
          "<text class=\"s%d\" x=\"%.1f\" y=\"%.1f\">%s%s</text>%n",
          line.series(),
          x.pixelTo + 8,
          at[i] + 4,
          SHORT.get(GrowthFigure.NAMES.get(line.series())),
          Double.isNaN(line.exponent().measured())
              ? ""
              : String.format(
                  Locale.ROOT,
                  " %.2f (%.2f)",
                  line.exponent().measured(),
                  line.exponent().arithmetic()));
    }
  }

  private static String number(double v) {
    if (v >= 1e9) {
      return String.format(Locale.ROOT, "%.1fB", v / 1e9);
    }
    if (v >= 1e6) {
      return String.format(Locale.ROOT, "%.0fM", v / 1e6);
    }
    return v >= 1
        ? String.format(Locale.ROOT, "%,.0f", v)
        : String.format(Locale.ROOT, "%.3f", v).replaceFirst("0+$", "");
  }

  /** A logarithmic axis. */
  private record Scale(double from, double to, double pixelFrom, double pixelTo) {
    double at(double v) {
      double range = Math.log(to / from) / LOG10;
      double share = range == 0 ? 0.5 : Math.log(v / from) / LOG10 / range;
      return pixelFrom + share * (pixelTo - pixelFrom);
    }
  }
}
