package io.autocircuit.cli;

import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.ExperimentResults.CompletenessResult;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.report.ResultExport;
import io.autocircuit.report.ResultIntervals;
import io.autocircuit.report.ResultRanks;
import io.autocircuit.report.ResultTable;
import io.autocircuit.report.ResultTests;
import io.autocircuit.report.ResultValue;
import io.autocircuit.report.TableFormat;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code results DIR}: what an experiment found, as tables and as files for other programs. */
@Command(
    name = "results",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Prints and exports what an experiment found.",
      "Without further options a summary: which cells are done, and areas under curves."
    })
final class ResultsCommand implements Runnable {
  private static final List<String> USUAL = List.of("algorithm", "task");
  private static final String COMPLETENESS = "completeness";
  private static final double LEVEL = 0.95;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "DIR", description = "The directory of the experiment.", arity = "1")
  private Path directory;

  @Option(
      names = "--table",
      split = ",",
      paramLabel = "AXIS",
      description = {
        "Rows and columns: algorithm, algorithm_key, task, ablation, patch_type, seed, or a setting"
            + " that has several values; the last one named is that of the columns."
            + " Default: algorithm,task. Cells that differ in nothing but the seed are one: mean and"
            + " standard deviation. There is a table for each value of what else they differ in."
      })
  private List<String> axes = List.of();

  @Option(
      names = "--metric",
      paramLabel = "VALUE",
      description = {
        "What is shown: auc (area under the curve of a metric, see --of), roc, cpr, cmd, exact_cpr"
            + " and exact_cmd (faithfulness of all sizes, of a metric, --of), auroc, auroc_mib,"
            + " seconds, judge_seconds, plain_passes, completeness, similarity (the share of their best edges"
            + " that an algorithm, --of, and others have in common), the p of a hypothesis test of"
            + " circuits (equivalence, independence, minimality, same_size, capacity), or a metric"
            + " at a size (--edges). Default: auc."
      })
  private String value;

  @Option(
      names = "--of",
      paramLabel = "METRIC",
      description =
          "The metric of --metric auc (default: the first one measured); the algorithm, by key or"
              + " label, that --metric similarity compares with.")
  private String of;

  @Option(
      names = "--edges",
      paramLabel = "N",
      description =
          "The size at which a metric is shown; official for as many edges as the known circuit"
              + " has.")
  private String edges;

  @Option(names = "--ablation", paramLabel = "KIND", description = "Only cells of that ablation.")
  private String ablation;

  @Option(
      names = "--patch-type",
      paramLabel = "TYPE",
      description = "Only cells of that patch type.")
  private String patchType;

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "AXIS=PLACE",
      description = "Only cells at that place of an axis, such as task=induction.")
  private Map<String, String> only = new LinkedHashMap<>();

  @Option(
      names = "--bootstrap",
      paramLabel = "N",
      description = {
        "Shows, for auc or a metric at a size, the interval in which 95 %% of the numbers lie that N"
            + " draws of as many prompts give, with replacement; some thousand are enough."
      })
  private Integer bootstrap;

  @Option(
      names = "--ranks",
      description = {
        "The ranks of the algorithms by that value instead, 1 the best, on each task and over all,"
            + " with intervals: 500 draws of prompts, or --bootstrap, and of tasks."
      })
  private boolean ranks;

  @Option(
      names = "--bca",
      description =
          "The ends of --bootstrap's intervals are corrected for bias and skewness (BCa), rather than"
              + " percentiles.")
  private boolean bca;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      description = "text, markdown, latex (with booktabs), csv or json. Default: text.")
  private TableFormat format;

  @Option(
      names = "--csv",
      paramLabel = "FILE",
      description = "Writes all measurements: a line for each circuit and metric.")
  private Path csv;

  @Option(names = "--json", paramLabel = "FILE", description = "Writes everything, as JSON.")
  private Path json;

  @Override
  public void run() {
    try (ExperimentStore store = ExperimentStore.open(directory)) {
      print(store, store.results());
    }
  }

  private void print(ExperimentStore store, ExperimentResults results) {
    PrintWriter out = spec.commandLine().getOut();
    if (csv != null) {
      write(csv, ResultExport.csv(results), out);
    }
    if (json != null) {
      write(json, ResultExport.json(results), out);
    }
    boolean shaped = ranks || !axes.isEmpty() || format != null || bootstrap != null;
    if (shaped || value != null || of != null || edges != null) {
      out.print(table(store, results, value == null ? ResultValue.AUC : value));
    } else if (csv == null && json == null) {
      summary(store, results, out);
    }
    out.flush();
  }

  private static void write(Path file, String text, PrintWriter out) {
    AtomicFile.write(file, text);
    out.println("wrote " + file);
  }

  /** The places of axes that are shown. */
  private Map<String, String> places() {
    Map<String, String> places = new LinkedHashMap<>(only);
    if (ablation != null) {
      places.put("ablation", ablation);
    }
    if (patchType != null) {
      places.put("patch_type", patchType);
    }
    return places;
  }

  /** The tables of a value; what cannot be shown is wrong usage. */
  private String table(ExperimentStore store, ExperimentResults results, String named) {
    String name = named.toLowerCase(Locale.ROOT);
    Optional<String> metric = Optional.ofNullable(of);
    Optional<String> size = Optional.ofNullable(edges);
    try {
      ResultValue shown = ResultValue.of(results, name, metric, size);
      Map<String, String> places = places();
      List<ResultTable> tables =
          ranks
              ? ranked(store, results, name, shown, places)
              : ResultTable.of(
                  results,
                  axes.isEmpty() ? USUAL : axes,
                  shown,
                  places,
                  bootstrap == null
                      ? cells -> Optional.empty()
                      : ResultIntervals.of(
                              results, store::prompts, name, metric, size, drawing(bca))
                          ::of);
      return (format == null ? TableFormat.TEXT : format).of(tables, spec.usageMessage().width());
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private Bootstrap drawing(boolean corrected) {
    return new Bootstrap(
        bootstrap, LEVEL, 0, corrected ? Bootstrap.Method.BCA : Bootstrap.Method.PERCENTILE);
  }

  private List<ResultTable> ranked(
      ExperimentStore store,
      ExperimentResults results,
      String name,
      ResultValue shown,
      Map<String, String> places) {
    if (!axes.isEmpty() || bca) {
      throw new IllegalArgumentException(
          (bca ? "--bca" : "--table")
              + " does not go with --ranks, which are of algorithms on tasks, by percentiles; leave"
              + " it out");
    }
    Bootstrap how = bootstrap == null ? ResultRanks.USUAL : drawing(false);
    Optional<ResultIntervals> intervals =
        ResultIntervals.ofPrompts(results, name)
            ? Optional.of(
                ResultIntervals.of(
                    results,
                    store::prompts,
                    name,
                    Optional.ofNullable(of),
                    Optional.ofNullable(edges),
                    how))
            : Optional.empty();
    return ResultRanks.of(results, shown, places, intervals, how);
  }

  private void summary(ExperimentStore store, ExperimentResults results, PrintWriter out) {
    int done = results.cells().size();
    int failed = results.failures().size();
    out.printf(
        Locale.ROOT,
        "%s: %,d %s done, %,d failed, %,d waiting%n",
        results.title(),
        done,
        done == 1 ? "cell" : "cells",
        failed,
        results.waiting());
    if (!ResultValue.metrics(results).isEmpty()) {
      out.println();
      out.print(table(store, results, ResultValue.AUC));
    }
    if (results.cells().stream().anyMatch(c -> !c.roc().isEmpty())) {
      out.println();
      out.print(table(store, results, ResultValue.ROC));
    }
    List<CompletenessResult> knockouts = results.completeness();
    boolean single =
        knockouts.stream().map(CompletenessResult::run).distinct().count() == knockouts.size();
    if (!knockouts.isEmpty() && single) {
      out.println();
      out.print(table(store, results, COMPLETENESS));
    }
    if (!results.tests().isEmpty()) {
      out.println();
      out.print(ResultTests.summary(results, places(), spec.usageMessage().width()));
    }
    if (failed > 0) {
      out.println();
      out.println("failed");
      results.failures().forEach(f -> out.println("  " + f.cell() + ": " + f.message()));
    }
  }
}
