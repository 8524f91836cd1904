package io.autocircuit.cli;

import io.autocircuit.benchmark.GrowthAxis;
import io.autocircuit.benchmark.GrowthCell;
import io.autocircuit.benchmark.GrowthExponent;
import io.autocircuit.benchmark.GrowthFigure;
import io.autocircuit.benchmark.GrowthGrid;
import io.autocircuit.benchmark.GrowthMeasurement;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.report.GrowthPlot;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/** Measures the cells of a grid one after another, and keeps what is there in a file. */
final class GridRun {
  /** Bytes beside the weights that a model's making and the process itself take. */
  private static final double MAKING = 1e9;

  private final PrintWriter out;
  private final Setup setup;
  private final Path file;
  private final Double most;
  private final List<String> names;
  private final long started = System.nanoTime();

  /** Seconds of a measurement for each operation of its run, by kind, in the last cell. */
  private final Map<String, Double> pace = new HashMap<>();

  private GrowthGrid grid;

  /**
   * What all cells have in common.
   *
   * @param model makes a model of a shape; it is closed here
   * @param weightBytes of one weight
   * @param settings what was measured and where; those of a file must agree
   */
  record Setup(
      Function<String, Transformer> model,
      int weightBytes,
      Kernels kernels,
      int repeats,
      long seed,
      Map<String, Object> settings) {}

  /**
   * @param file may be null, or there already
   * @param most seconds; null without a limit
   * @param names of the figures that are wanted
   */
  GridRun(PrintWriter out, Setup setup, Path file, Double most, List<String> names) {
    this.out = out;
    this.setup = setup;
    this.file = file;
    this.most = most;
    this.names = names;
    this.grid = new GrowthGrid(setup.settings(), List.of());
    if (file != null && Files.exists(file)) {
      GrowthGrid before = GrowthGrid.read(file);
      requireSame(before);
      grid = new GrowthGrid(setup.settings(), before.cells());
    }
  }

  private void requireSame(GrowthGrid before) {
    setup
        .settings()
        .forEach(
            (name, value) -> {
              Object other = before.settings().get(name);
              if (!Objects.equals(String.valueOf(value), String.valueOf(other))) {
                throw new DataException(
                    "file="
                        + file
                        + ": was measured with "
                        + name
                        + "="
                        + other
                        + ", this run has "
                        + name
                        + "="
                        + value
                        + "; give another file, or the same settings");
              }
            });
  }

  /** Measures what is not known yet; prints everything. */
  void run(List<GrowthCell> places) {
    GrowthAxis axis = null;
    Transformer model = null;
    try {
      for (GrowthCell place : places) {
        if (place.axis() != axis) {
          axis = place.axis();
          printHead(place);
        }
        GrowthCell cell = grid.known(place);
        if (!names.stream().allMatch(n -> measured(cell, n))) {
          if (model != null && !model.config().name().equals(place.shape())) {
            model.close();
            model = null;
          }
          String no = model == null ? noRoom(place) : null;
          model = no == null && model == null ? setup.model().apply(place.shape()) : model;
          measure(cell, model, no);
        }
        print(grid.known(place));
        int at = places.indexOf(place);
        if (at + 1 == places.size() || places.get(at + 1).axis() != axis) {
          printExponents(axis);
        }
      }
    } finally {
      if (model != null) {
        model.close();
      }
    }
  }

  private static boolean measured(GrowthCell cell, String name) {
    GrowthFigure f = cell.figures().get(name);
    return f != null && f.measured();
  }

  private String noRoom(GrowthCell place) {
    if (most != null && elapsed() > most) {
      return "not begun after " + Math.round(elapsed()) + " s";
    }
    return GrowthMeasurement.tooLarge((double) place.parameters() * setup.weightBytes() + MAKING);
  }

  private double elapsed() {
    return (System.nanoTime() - started) / 1e9;
  }

  /**
   * @param no why there is no model; null if there is one
   */
  private void measure(GrowthCell cell, Transformer transformer, String no) {
    Map<String, GrowthFigure> figures = new LinkedHashMap<>(cell.figures());
    for (String name : names) {
      if (!measured(cell, name)) {
        figures.put(name, GrowthFigure.leftOut(no == null ? "not begun" : no));
      }
    }
    if (no == null) {
      PatchableModel model =
          PatchableModel.of(transformer, true, 0, OutputSlice.LAST_SEQ, setup.kernels());
      GrowthMeasurement measurement =
          new GrowthMeasurement(
              model,
              BenchPrompts.of(transformer.config(), cell.batch(), cell.length(), setup.seed()),
              setup.repeats(),
              setup.seed());
      for (String name : names) {
        if (!measured(cell, name)) {
          String late = late(name, measurement);
          double before = elapsed();
          figures.put(name, late == null ? measurement.measure(name) : GrowthFigure.leftOut(late));
          if (measured(cell.with(figures), name)) {
            pace.put(name, (elapsed() - before) / measurement.operations(name));
          }
          keep(cell.with(figures));
        }
      }
    }
    keep(cell.with(figures));
  }

  /** Why a measurement is not begun; null if there is time. */
  private String late(String name, GrowthMeasurement measurement) {
    if (most == null) {
      return null;
    }
    double ahead = pace.getOrDefault(name, 0.0) * measurement.operations(name);
    return elapsed() + ahead <= most
        ? null
        : String.format(
            Locale.ROOT,
            "not begun after %.0f s: would take some %.0f s more than --max-seconds leaves",
            elapsed(),
            elapsed() + ahead - most);
  }

  private void keep(GrowthCell cell) {
    grid = grid.with(cell);
    if (file != null) {
      grid.write(file);
    }
  }

  /** Draws what is known. */
  void plot(Path to) {
    AtomicFile.write(to, GrowthPlot.svg(grid));
  }

  private void printHead(GrowthCell place) {
    String fixed =
        switch (place.axis()) {
          case MODEL -> place.batch() + " prompts of " + place.length() + " tokens";
          case LENGTH -> place.shape() + ", " + place.batch() + " prompts";
          case BATCH -> place.shape() + ", prompts of " + place.length() + " tokens";
        };
    out.printf("%n%s grows: %s%n", place.axis().key(), fixed);
    out.printf(
        "%-16s %-13s %10s %7s %9s %9s %9s %9s%n",
        place.axis().unit(), "", "ms", "spread", "GFLOP", "GFLOP/s", "peak MB", "needed MB");
    out.flush();
  }

  private void print(GrowthCell cell) {
    String at = cell.axis() == GrowthAxis.MODEL ? cell.shape() : String.valueOf((int) cell.at());
    for (String name : names) {
      GrowthFigure f = cell.figures().get(name);
      if (f.measured()) {
        out.printf(
            Locale.ROOT,
            "%-16s %-13s %10.2f %7.2f %9.2f %9.1f %9.0f %9.0f%n",
            at,
            name,
            f.seconds() * 1e3,
            f.spread(),
            f.operations() / 1e9,
            f.operations() / f.seconds() / 1e9,
            f.peakBytes() / 1e6,
            f.neededBytes() / 1e6);
      } else {
        out.printf("%-16s %-13s %s%n", at, name, f.leftOut());
      }
      at = "";
    }
    out.flush();
  }

  private void printExponents(GrowthAxis axis) {
    out.printf(
        "%nexponents of %s  %24s  %24s%n", axis.unit(), "time (arithmetic)", "memory (arithmetic)");
    out.printf("%-16s %12s %14s %12s %14s%n", "", "all cells", "last two", "all cells", "last two");
    for (String name : names) {
      GrowthExponent time = GrowthExponent.ofTime(grid.cells(axis), name);
      GrowthExponent memory = GrowthExponent.ofMemory(grid.cells(axis), name);
      out.printf(
          "%-16s %12s %14s %12s %14s%n",
          name,
          pair(time.measured(), time.arithmetic()),
          pair(time.lastMeasured(), time.lastArithmetic()),
          pair(memory.measured(), memory.arithmetic()),
          pair(memory.lastMeasured(), memory.lastArithmetic()));
    }
    out.flush();
  }

  private static String pair(double measured, double arithmetic) {
    return Double.isNaN(measured)
        ? "-"
        : String.format(Locale.ROOT, "%.2f (%.2f)", measured, arithmetic);
  }
}
