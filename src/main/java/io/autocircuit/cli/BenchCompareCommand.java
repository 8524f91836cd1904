package io.autocircuit.cli;

import io.autocircuit.benchmark.BenchmarkComparison;
import io.autocircuit.benchmark.BenchmarkComparison.Row;
import io.autocircuit.benchmark.BenchmarkComparison.Verdict;
import io.autocircuit.benchmark.BenchmarkFigures;
import io.autocircuit.benchmark.BenchmarkFigures.Quantity;
import io.autocircuit.files.DataException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bench-compare OLD NEW}: two benchmark result files side by side. */
@Command(
    name = "bench-compare",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Compares two result files of bench --json, or of JMH with -rf json.",
      "Ends with 1 if a figure grew by more than the threshold and the errors of both files,"
          + " with 2 if a file cannot be used."
    })
final class BenchCompareCommand implements Callable<Integer> {
  private static final int REGRESSED = 1;
  private static final double PERCENT = 100;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(index = "0", paramLabel = "OLD", description = "The file to compare with.")
  private Path before;

  @Parameters(index = "1", paramLabel = "NEW", description = "The file that is judged.")
  private Path after;

  @Option(
      names = "--threshold",
      defaultValue = "0.10",
      paramLabel = "X",
      description = "Relative growth that is accepted (default: ${DEFAULT-VALUE}).")
  private double threshold;

  @Override
  public Integer call() {
    BenchmarkComparison comparison;
    try {
      comparison =
          BenchmarkComparison.of(
              BenchmarkFigures.read(before), BenchmarkFigures.read(after), threshold);
    } catch (DataException | IllegalArgumentException e) {
      // 1 is the answer "slower", so a question that cannot be answered is wrong usage
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
    print(comparison, spec.commandLine().getOut());
    return comparison.names(Verdict.REGRESSION).isEmpty() ? 0 : REGRESSED;
  }

  private static void print(BenchmarkComparison comparison, PrintWriter out) {
    comparison.notes().forEach(note -> out.println("note: " + note));
    int width = comparison.rows().stream().mapToInt(r -> r.name().length()).max().orElse(0);
    String format = "%-" + Math.max(width, "figure".length()) + "s  %20s  %20s  %9s  %s";
    line(out, format, "figure", "old", "new", "change", "");
    for (Row r : comparison.rows()) {
      line(
          out,
          format,
          r.name(),
          text(r.before(), r.seconds()),
          text(r.after(), r.seconds()),
          change(r.change()),
          word(r));
    }
    out.println();
    summary(comparison, Verdict.MISSING, "only in the old file", out);
    summary(comparison, Verdict.NEW, "only in the new file", out);
    String beyond =
        String.format(
            Locale.ROOT,
            "by more than %s %% and the errors of both files",
            trimmed(comparison.threshold() * PERCENT));
    summary(comparison, Verdict.BETTER, "better " + beyond, out);
    if (comparison.names(Verdict.REGRESSION).isEmpty()) {
      out.println("no figure is worse " + beyond);
    } else {
      summary(comparison, Verdict.REGRESSION, "REGRESSION: worse " + beyond, out);
    }
  }

  private static void line(PrintWriter out, String format, String... cells) {
    out.println(String.format(Locale.ROOT, format, (Object[]) cells).stripTrailing());
  }

  private static void summary(
      BenchmarkComparison comparison, Verdict verdict, String words, PrintWriter out) {
    List<String> names = comparison.names(verdict);
    if (!names.isEmpty()) {
      out.println(words + ": " + String.join(", ", names));
    }
  }

  private static String word(Row r) {
    return switch (r.verdict()) {
      case SAME -> r.seconds() ? "raw time" : "";
      case WITHIN_ERROR -> r.seconds() ? "within error (raw time)" : "within error";
      case BETTER -> r.seconds() ? "better (raw time)" : "better";
      case REGRESSION -> r.seconds() ? "REGRESSION (raw time)" : "REGRESSION";
      case YARDSTICK -> "yardstick, not judged";
      case MISSING -> "missing in the new file";
      case NEW -> "new";
    };
  }

  private static String change(double change) {
    if (Double.isNaN(change)) {
      return "";
    }
    return Double.isInfinite(change)
        ? "+inf"
        : String.format(Locale.ROOT, "%+.1f %%", change * PERCENT);
  }

  private static String text(Quantity q, boolean seconds) {
    if (q == null) {
      return "-";
    }
    String error = Double.isNaN(q.error()) ? "?" : null;
    if (!seconds) {
      return String.format(Locale.ROOT, "%.4f ±", q.value())
          + (error == null ? String.format(Locale.ROOT, "%.4f", q.error()) : error);
    }
    String unit = q.value() < 1e-3 ? "us" : q.value() < 1 ? "ms" : "s";
    double scale = unit.equals("us") ? 1e6 : unit.equals("ms") ? 1e3 : 1;
    return String.format(Locale.ROOT, "%.2f ±", q.value() * scale)
        + (error == null ? String.format(Locale.ROOT, "%.2f", q.error() * scale) : error)
        + " "
        + unit;
  }

  /** Without zeros that say nothing. */
  private static String trimmed(double v) {
    return java.math.BigDecimal.valueOf(Math.round(v * 1e3), 3)
        .stripTrailingZeros()
        .toPlainString();
  }
}
