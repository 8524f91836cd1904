package io.autocircuit.cli;

import io.autocircuit.report.CircuitComparison;
import io.autocircuit.report.CircuitComparison.Counts;
import io.autocircuit.report.ResultEdges;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code compare DIR1 DIR2}: what two circuits have in common. */
@Command(
    name = "compare",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Compares the best edges of two result directories of one graph, and writes a page with"
            + " both circuits in one drawing; no model is needed.")
final class CompareCommand implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      index = "0",
      paramLabel = "DIR1",
      description = "What discover --out wrote, or an edges.json of it.")
  private Path first;

  @Parameters(index = "1", paramLabel = "DIR2", description = "The same of another run.")
  private Path second;

  @Option(
      names = "--edges",
      paramLabel = "K",
      description = "How many edges each circuit has (default: 50, or all if there are fewer).")
  private Integer edges;

  @Option(
      names = "--out",
      defaultValue = "compare.html",
      paramLabel = "FILE",
      description = "Where the page is written (default: ${DEFAULT-VALUE}).")
  private Path out;

  @Override
  public void run() {
    ResultEdges ours = ResultEdges.read(first);
    ResultEdges theirs = ResultEdges.read(second);
    int size = edges == null ? Math.min(ExportCommand.USUAL, ours.edges().size()) : edges;
    CircuitComparison comparison =
        CircuitComparison.of(name(first, second), ours, name(second, first), theirs, size);
    comparison.write(out);
    PrintWriter print = spec.commandLine().getOut();
    print.println("first    " + first);
    print.println("second   " + second);
    print.printf(Locale.ROOT, "%d edges each, Jaccard index %.3f%n%n", size, comparison.jaccard());
    int width = comparison.kinds().keySet().stream().mapToInt(String::length).max().orElse(0);
    String format = "%-" + Math.max(width, "edges".length()) + "s  %7s  %10s  %11s%n";
    print.printf(Locale.ROOT, format, "edges", "in both", "only first", "only second");
    comparison.kinds().forEach((kind, counts) -> row(print, format, kind, counts));
    row(print, format, "all", comparison.counts());
    print.println();
    print.println(out);
  }

  /** The last part of a path, since pages are passed on; two where both paths end alike. */
  private static String name(Path path, Path other) {
    Path all = path.toAbsolutePath().normalize();
    Path last = all.getFileName();
    Path parent = all.getParent() == null ? null : all.getParent().getFileName();
    boolean alike = last != null && last.equals(other.toAbsolutePath().normalize().getFileName());
    return alike && parent != null ? parent + "/" + last : String.valueOf(last);
  }

  private static void row(PrintWriter print, String format, String name, Counts c) {
    print.printf(Locale.ROOT, format, name, c.both(), c.first(), c.second());
  }
}
