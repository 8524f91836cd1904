package io.autocircuit.cli;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunEstimate;
import io.autocircuit.files.DataException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** The cells of an experiment that is not run, and what they would take. */
final class DryRun {
  private DryRun() {}

  /**
   * Prints a line for each cell, and the sum.
   *
   * @param cells the cells
   * @param means how they would be computed
   * @param out where to
   */
  static void print(List<Cell> cells, Run.Means means, PrintWriter out) {
    List<String[]> rows = new ArrayList<>();
    boolean graphs = cells.stream().anyMatch(c -> !c.graph().isEmpty());
    rows.add(row(graphs, "task", "graph", "algorithm", "ablation", "patch", "seed", "estimate"));
    double seconds = 0;
    int unknown = 0;
    try (RunEstimate estimate = new RunEstimate(means)) {
      for (Cell c : cells) {
        String text;
        try {
          RunEstimate.Cost cost = estimate.of(c);
          seconds += cost.seconds();
          unknown += cost.complete() ? 0 : 1;
          text =
              (cost.complete() ? "" : "more than ")
                  + String.format(Locale.ROOT, "%.1f s", cost.seconds());
        } catch (IllegalArgumentException | DataException e) {
          text = "cannot be run: " + e.getMessage();
        }
        rows.add(
            row(
                graphs,
                c.task(),
                c.graph(),
                c.label(),
                c.coordinates().get("ablation"),
                c.coordinates().get("patch_type"),
                c.coordinates().get("seed"),
                text));
      }
    }
    print(rows, out);
    out.println();
    out.println(
        cells.size()
            + (cells.size() == 1 ? " cell" : " cells")
            + ", about "
            + SweepConsole.duration(seconds)
            + (unknown > 0
                ? " and the scoring of " + unknown + ", of whose algorithms no cost is known"
                : "")
            + " in one process (estimated from a plain pass over each task's prompts)");
  }

  /** A row; the graph, its second column, only where it tells cells apart. */
  private static String[] row(boolean graphs, String... columns) {
    return IntStream.range(0, columns.length)
        .filter(i -> graphs || i != 1)
        .mapToObj(i -> columns[i])
        .toArray(String[]::new);
  }

  private static void print(List<String[]> rows, PrintWriter out) {
    int[] widths = new int[rows.get(0).length];
    for (String[] row : rows) {
      for (int i = 0; i < row.length; i++) {
        widths[i] = Math.max(widths[i], row[i].length());
      }
    }
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < row.length; i++) {
        line.append(row[i]);
        if (i < row.length - 1) {
          line.append(" ".repeat(widths[i] - row[i].length() + 2));
        }
      }
      out.println(line);
    }
  }
}
