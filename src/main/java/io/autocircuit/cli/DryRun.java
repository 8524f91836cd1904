package io.autocircuit.cli;

import io.autocircuit.benchmark.RunPlan;
import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunEstimate;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.DataException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
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
    Map<List<?>, DiscoverPlan> plans = new HashMap<>();
    OptionalDouble rate = OptionalDouble.empty();
    try (RunEstimate estimate = new RunEstimate(means)) {
      for (Cell c : cells) {
        String text;
        try {
          Optional<DiscoverPlan> plan = plan(c, plans);
          if (plan.isPresent() && rate.isEmpty()) {
            rate = OptionalDouble.of(RunPlan.measuredRate());
          }
          RunEstimate.Cost cost =
              plan.isPresent() ? cost(c, plan.get(), rate.getAsDouble()) : estimate.of(c);
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
            + " in one process (estimated from "
            + (plans.isEmpty()
                ? "a plain pass over each task's prompts)"
                : "settings, names of tensors and prompts; models that are not in files from a"
                    + " plain pass)"));
  }

  /** The plan of a cell whose model and prompts are in files; those of one graph share it. */
  private static Optional<DiscoverPlan> plan(Cell cell, Map<List<?>, DiscoverPlan> plans) {
    RunSpec spec = cell.spec().orElse(null);
    if (spec == null || DiscoverPlan.refusal(spec).isPresent()) {
      return Optional.empty();
    }
    List<?> key =
        List.of(spec.model(), spec.prompts(), spec.graph(), spec.numbers(), spec.judging().sizes());
    DiscoverPlan plan = plans.get(key);
    if (plan == null) {
      plan = DiscoverPlan.of(spec);
      plans.put(key, plan);
    }
    return Optional.of(plan);
  }

  private static RunEstimate.Cost cost(Cell cell, DiscoverPlan plan, double rate) {
    RunSpec spec = cell.spec().orElseThrow();
    plan.requireFit(spec);
    return new RunEstimate.Cost(plan.seconds(spec, rate), plan.passes(spec).isPresent());
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
