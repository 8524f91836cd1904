package io.autocircuit.cli;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Experiment;
import io.autocircuit.experiment.ExperimentResults.Failure;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.experiment.Run;
import io.autocircuit.report.ExperimentPages;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Runs the cells of an experiment from the command line.
 *
 * @param title the experiment's name
 * @param cells what is run
 * @param directory of the store
 * @param means how runs are computed
 * @param checks what is asked of circuits beside metrics
 * @param pages whether each cell gets a page
 * @param workers how many processes work on it, this one included
 * @param again what to type to go on
 */
record Sweep(
    String title,
    List<Cell> cells,
    Path directory,
    Run.Means means,
    ExperimentSpec.Checks checks,
    boolean pages,
    SweepWorkers workers,
    String again) {

  /**
   * Runs it.
   *
   * @return 0, or 1 if a cell failed
   */
  int run(PrintWriter out, PrintWriter err) {
    Thread stopped = new Thread(() -> stopped(err));
    try (Experiment experiment =
        Experiment.open(
            title,
            cells,
            directory,
            means,
            checks,
            pages ? Optional.of(ExperimentPages.circuits()) : Optional.empty())) {
      List<Cell> left =
          experiment.cells().entrySet().stream()
              .filter(e -> !experiment.there(e.getKey()))
              .map(Map.Entry::getValue)
              .toList();
      int total = experiment.cells().size();
      if (!workers.isHelper()) {
        out.println(
            title
                + ": "
                + total
                + (total == 1 ? " cell" : " cells")
                + (left.size() < total
                    ? ", " + (total - left.size()) + " in " + directory + " already"
                    : ""));
      }
      Runtime.getRuntime().addShutdownHook(stopped);
      Experiment.Summary summary;
      try (SweepWorkers.Running helpers = workers.start(left.size());
          SweepConsole console =
              new SweepConsole(
                  out, !workers.isHelper() && helpers.isEmpty() && Bars.terminal(), left, total)) {
        summary = experiment.run(console);
      } finally {
        forget(stopped);
      }
      if (workers.isHelper()) {
        return summary.failed() == 0 ? 0 : 1;
      }
      Path report =
          ExperimentPages.report(experiment.store(), Map.of("Store", ExperimentStore.FILE));
      return ended(experiment.store(), summary, report, out);
    }
  }

  private int ended(
      ExperimentStore store, Experiment.Summary summary, Path report, PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "cells: %d done, %d of them now, %d failed%n",
        summary.cells() - summary.failed(),
        summary.cells() - summary.failed() - summary.there(),
        summary.failed());
    out.println("store: " + store.directory().resolve(ExperimentStore.FILE));
    out.println("report: " + report);
    if (summary.failed() == 0) {
      return 0;
    }
    out.println("failed:");
    for (Failure f : store.results().failures()) {
      out.println("  " + f.cell() + ": " + f.message());
    }
    out.println("to run them again: " + again);
    return 1;
  }

  /** Not stopped, but at its end, or ended by an error that is told elsewhere. */
  private static void forget(Thread stopped) {
    try {
      Runtime.getRuntime().removeShutdownHook(stopped);
    } catch (IllegalStateException stopping) {
      // the process is being stopped, and says so
    }
  }

  private void stopped(PrintWriter err) {
    if (!workers.isHelper()) {
      err.println();
      err.println(
          "stopped; finished cells are in "
              + directory
              + ", and none is half there. To go on: "
              + again);
      err.flush();
    }
  }
}
