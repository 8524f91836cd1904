package io.autocircuit.report;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.ExperimentResults.TestResult;
import io.autocircuit.experiment.TestedCircuit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The p-values of the hypothesis tests of circuits, as numbers of cells. */
public final class ResultTests {
  /** A smaller p is shown as less than it. */
  private static final double LEAST = 0.001;

  private ResultTests() {}

  /**
   * The p-value of a test.
   *
   * @param results where the tests are
   * @param test one of {@link TestedCircuit#TESTS}
   * @param edges as of {@link ResultValue#of}
   */
  static ResultValue of(ExperimentResults results, String test, Optional<String> edges) {
    Map<String, TreeMap<Integer, TestedCircuit>> byRun = new LinkedHashMap<>();
    TreeSet<Integer> sizes = new TreeSet<>();
    for (TestResult t : results.tests()) {
      byRun.computeIfAbsent(t.run(), r -> new TreeMap<>()).put(t.tests().edges(), t.tests());
      sizes.add(t.tests().edges());
    }
    if (edges.isEmpty() && byRun.values().stream().anyMatch(m -> m.size() > 1)) {
      throw new IllegalArgumentException(
          "metric="
              + test
              + " was tested at several sizes; choose one with --edges ("
              + ResultValue.shown(sizes)
              + ", or "
              + ResultValue.OFFICIAL
              + ")");
    }
    boolean official = edges.equals(Optional.of(ResultValue.OFFICIAL));
    int size = edges.isEmpty() || official ? -1 : ResultValue.size(edges.get());
    if (size >= 0 && !sizes.contains(size)) {
      throw new IllegalArgumentException(
          "edges=" + size + " was tested in no cell; tested: " + ResultValue.shown(sizes));
    }
    return new ResultValue(
        test + edges.map(e -> "@" + e).orElse(""),
        "p of " + title(test) + edges.map(ResultValue::at).orElse(""),
        TestedCircuit.TESTS.indexOf(test) > 2, // random circuits should be unlike it
        c -> {
          TreeMap<Integer, TestedCircuit> own = byRun.getOrDefault(c.run(), new TreeMap<>());
          TestedCircuit tested =
              edges.isEmpty()
                  ? own.values().stream().findFirst().orElse(null)
                  : own.get(official ? c.official().orElse(-1) : Integer.valueOf(size));
          return tested == null ? OptionalDouble.empty() : tested.pValue(test);
        });
  }

  /** What people call a test. */
  static String title(String test) {
    return switch (test) {
      case "same_size" -> "random circuits of the same size";
      case "capacity" -> "random circuits of matched capacity";
      default -> test;
    };
  }

  /**
   * All tests as text: a line for each circuit.
   *
   * @param results of an experiment with tests
   * @param only places of axes, as tables take them; none for all cells
   * @param width of a terminal, in characters
   * @return lines, each ended; none without tests
   */
  public static String summary(ExperimentResults results, Map<String, String> only, int width) {
    ResultAxes axes = new ResultAxes(results);
    List<CellResult> chosen = results.cells();
    for (Map.Entry<String, String> e : only.entrySet()) {
      chosen = axes.at(chosen, axes.name(e.getKey()), e.getValue());
    }
    Map<String, CellResult> cells = new LinkedHashMap<>();
    chosen.forEach(c -> cells.put(c.run(), c));
    Set<String> tested = results.tests().stream().map(TestResult::run).collect(Collectors.toSet());
    List<String> places = new ArrayList<>(List.of(ResultAxes.ALGORITHM, ResultAxes.TASK));
    List<CellResult> rowed = chosen.stream().filter(c -> tested.contains(c.run())).toList();
    places.addAll(axes.missing(places, rowed));
    if (rowed.stream().map(c -> axes.of(places, c)).distinct().count() < rowed.size()) {
      places.add(ResultAxes.SEED);
    }
    List<List<String>> rows = new ArrayList<>();
    List<List<TableLayout.Shown>> shown = new ArrayList<>();
    for (TestResult t : results.tests()) {
      CellResult c = cells.get(t.run());
      if (c != null) {
        List<String> row = new ArrayList<>(axes.of(places, c));
        row.add(String.valueOf(t.tests().edges()));
        rows.add(row);
        shown.add(TestedCircuit.TESTS.stream().map(test -> shown(t.tests(), test)).toList());
      }
    }
    return rows.isEmpty()
        ? ""
        : TableFormat.text(
            new TableLayout(
                "Tests of circuits: p of each hypothesis; × where it is rejected (good of the last"
                    + " two)",
                heads(places),
                places.size() + 1,
                rows,
                shown),
            width);
  }

  private static List<String> heads(List<String> places) {
    return Stream.concat(
            places.stream(), Stream.of("edges", "equiv.", "indep.", "minimal", "size", "cap."))
        .toList();
  }

  private static TableLayout.Shown shown(TestedCircuit t, String test) {
    OptionalDouble p = t.pValue(test);
    String text =
        p.isEmpty()
            ? ""
            : (p.getAsDouble() < t.level() ? "×" : "")
                + (p.getAsDouble() < LEAST
                    ? "<" + LEAST
                    : String.format(Locale.ROOT, "%.3f", p.getAsDouble()));
    return new TableLayout.Shown(text, "", "", "", false);
  }
}
