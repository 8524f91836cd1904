package io.autocircuit.benchmark;

import io.autocircuit.benchmark.BenchmarkFigures.Figure;
import io.autocircuit.benchmark.BenchmarkFigures.Quantity;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * Two benchmark result files side by side.
 *
 * <p>A figure has regressed when it grew by more than the threshold <em>and</em> by more than the
 * errors of both: the interval of the new one lies above that of the old one. Figures with a ratio
 * to a yardstick in both files are compared by it, others by their times.
 *
 * @param threshold relative growth that is accepted: 0.1 for a tenth
 * @param rows in the old file's order, then what only the new one has
 * @param notes what a reader should know before believing it; one line each
 */
public record BenchmarkComparison(double threshold, List<Row> rows, List<String> notes) {

  /** What became of a figure. */
  public enum Verdict {
    /** Changed by no more than the threshold. */
    SAME,
    /** Changed by more than the threshold, but the errors of both allow for it. */
    WITHIN_ERROR,
    /** Smaller, by more than threshold and errors. */
    BETTER,
    /** Larger, by more than threshold and errors. */
    REGRESSION,
    /** A yardstick: its time says how fast the machine was, and is not judged. */
    YARDSTICK,
    /** Only in the old file. */
    MISSING,
    /** Only in the new file. */
    NEW
  }

  /**
   * One figure.
   *
   * @param name as in {@link BenchmarkFigures}
   * @param seconds whether the values are seconds; else they are ratios
   * @param before null if new
   * @param after null if missing
   * @param change after / before − 1; NaN where one is lacking, infinite if it was 0
   * @param verdict what became of it
   */
  public record Row(
      String name,
      boolean seconds,
      Quantity before,
      Quantity after,
      double change,
      Verdict verdict) {}

  /**
   * Copies the lists.
   *
   * @param threshold relative growth that is accepted: 0.1 for a tenth
   * @param rows in the old file's order, then what only the new one has
   * @param notes what a reader should know before believing it; one line each
   */
  public BenchmarkComparison {
    rows = List.copyOf(rows);
    notes = List.copyOf(notes);
  }

  /**
   * Compares.
   *
   * @param before the older figures
   * @param after the newer ones
   * @param threshold relative growth that is accepted, not negative
   * @return the comparison
   * @throws IllegalArgumentException if the threshold is negative or not finite
   * @throws DataException if the files are of different kinds, measured different things, or have
   *     no figure in common
   */
  public static BenchmarkComparison of(
      BenchmarkFigures before, BenchmarkFigures after, double threshold) {
    if (!(threshold >= 0) || Double.isInfinite(threshold)) {
      throw new IllegalArgumentException(
          "threshold=" + threshold + " must be a number of at least 0, such as 0.1 for a tenth");
    }
    if (before.kind() != after.kind()) {
      throw new DataException(
          "file="
              + before.source()
              + " is "
              + before.kind().title()
              + ", file="
              + after.source()
              + " is "
              + after.kind().title()
              + "; compare two of one kind");
    }
    List<String> notes = circumstances(before, after);
    Set<String> names = new LinkedHashSet<>(before.figures().keySet());
    names.addAll(after.figures().keySet());
    List<Row> rows = new ArrayList<>();
    for (String name : names) {
      rows.add(row(name, before.figures().get(name), after.figures().get(name), threshold));
    }
    if (rows.stream().allMatch(r -> r.before() == null || r.after() == null)) {
      throw new DataException(
          "file="
              + before.source()
              + " and file="
              + after.source()
              + " have no figure in common; run the same benchmarks for both");
    }
    long raw = rows.stream().filter(BenchmarkComparison::judgedByTime).count();
    if (raw > 0) {
      notes.add(
          "raw times compared for figures="
              + raw
              + " that have no yardstick in both files: they mean something only if both files are"
              + " of one idle machine");
    }
    long unknown =
        rows.stream()
            .filter(r -> r.before() != null && r.after() != null)
            .filter(r -> r.verdict() != Verdict.YARDSTICK)
            .filter(r -> Double.isNaN(r.before().error()) || Double.isNaN(r.after().error()))
            .count();
    if (unknown > 0) {
      notes.add(
          "no error known for figures=" + unknown + " (one iteration): only the threshold decides");
    }
    return new BenchmarkComparison(threshold, rows, notes);
  }

  private static boolean judgedByTime(Row r) {
    return r.seconds()
        && r.before() != null
        && r.after() != null
        && r.verdict() != Verdict.YARDSTICK;
  }

  private static List<String> circumstances(BenchmarkFigures before, BenchmarkFigures after) {
    List<String> notes = new ArrayList<>();
    Set<String> names = new LinkedHashSet<>(before.settings().keySet());
    names.addAll(after.settings().keySet());
    for (String name : names) {
      String old = before.settings().get(name);
      String now = after.settings().get(name);
      if (Objects.equals(old, now)) {
        continue;
      }
      if (BenchmarkFigures.SUBJECT.contains(name)) {
        throw new DataException(
            "file="
                + before.source()
                + " has "
                + name
                + "="
                + old
                + ", file="
                + after.source()
                + " has "
                + name
                + "="
                + now
                + "; compare runs of one shape and size");
      }
      notes.add(
          name
              + " differs: "
              + (old == null ? "not stated" : old)
              + ", then "
              + (now == null ? "not stated" : now));
    }
    return notes;
  }

  private static Row row(String name, Figure before, Figure after, double threshold) {
    boolean ratio =
        (before == null || before.ratio() != null) && (after == null || after.ratio() != null);
    Quantity old = before == null ? null : ratio ? before.ratio() : before.seconds();
    Quantity now = after == null ? null : ratio ? after.ratio() : after.seconds();
    if (old == null || now == null) {
      return new Row(
          name, !ratio, old, now, Double.NaN, old == null ? Verdict.NEW : Verdict.MISSING);
    }
    double change = now.value() == old.value() ? 0 : now.value() / old.value() - 1;
    Verdict verdict;
    if (before.yardstick()) {
      verdict = Verdict.YARDSTICK;
    } else if (Math.abs(change) <= threshold) {
      verdict = Verdict.SAME;
    } else if (now.low() > old.high()) {
      verdict = Verdict.REGRESSION;
    } else if (now.high() < old.low()) {
      verdict = Verdict.BETTER;
    } else {
      verdict = Verdict.WITHIN_ERROR;
    }
    return new Row(name, !ratio, old, now, change, verdict);
  }

  /**
   * The names of the figures with that verdict.
   *
   * @param verdict the verdict
   * @return in order
   */
  public List<String> names(Verdict verdict) {
    return rows.stream().filter(r -> r.verdict() == verdict).map(Row::name).toList();
  }
}
