package io.autocircuit.cli;

import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.report.ResultExport;
import io.autocircuit.report.ResultTable;
import io.autocircuit.report.ResultValue;
import io.autocircuit.report.TableFormat;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
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
        "What is shown: auc (area under the curve of a metric, see --of), roc, seconds,"
            + " judge_seconds, plain_passes, completeness, or a metric at a size (--edges)."
            + " Default: auc."
      })
  private String value;

  @Option(
      names = "--of",
      paramLabel = "METRIC",
      description = "The metric of --metric auc. Default: the first one measured.")
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
    ExperimentResults results;
    try (ExperimentStore store = ExperimentStore.open(directory)) {
      results = store.results();
    }
    PrintWriter out = spec.commandLine().getOut();
    if (csv != null) {
      write(csv, ResultExport.csv(results), out);
    }
    if (json != null) {
      write(json, ResultExport.json(results), out);
    }
    boolean asked = !axes.isEmpty() || value != null || format != null || of != null;
    if (asked || edges != null) {
      out.print(table(results, value == null ? ResultValue.AUC : value));
    } else if (csv == null && json == null) {
      summary(results, out);
    }
    out.flush();
  }

  private static void write(Path file, String text, PrintWriter out) {
    AtomicFile.write(file, to -> to.write(text.getBytes(StandardCharsets.UTF_8)));
    out.println("wrote " + file);
  }

  /** The tables of a value; what cannot be shown is wrong usage. */
  private String table(ExperimentResults results, String name) {
    try {
      ResultValue shown =
          ResultValue.of(
              results,
              name.toLowerCase(Locale.ROOT),
              Optional.ofNullable(of),
              Optional.ofNullable(edges));
      Map<String, String> places = new LinkedHashMap<>(only);
      if (ablation != null) {
        places.put("ablation", ablation);
      }
      if (patchType != null) {
        places.put("patch_type", patchType);
      }
      return (format == null ? TableFormat.TEXT : format)
          .of(
              ResultTable.of(results, axes.isEmpty() ? USUAL : axes, shown, places),
              spec.usageMessage().width());
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  private void summary(ExperimentResults results, PrintWriter out) {
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
      out.print(table(results, ResultValue.AUC));
    }
    if (results.cells().stream().anyMatch(c -> !c.roc().isEmpty())) {
      out.println();
      out.print(table(results, ResultValue.ROC));
    }
    if (failed > 0) {
      out.println();
      out.println("failed");
      results.failures().forEach(f -> out.println("  " + f.cell() + ": " + f.message()));
    }
  }
}
