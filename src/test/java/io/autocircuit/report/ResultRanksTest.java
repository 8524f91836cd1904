package io.autocircuit.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Bootstrap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Ranks of algorithms, and how sure they are. */
class ResultRanksTest {
  private static final Bootstrap BOOTSTRAP = new Bootstrap(400, 0.95, 3);
  private static final Map<String, Double> OFFSET = Map.of("a", 1.0, "b", 1.1, "c", 4.0, "d", 4.0);

  /** Four algorithms, of which c and d are equal, on three tasks; the known circuit beside. */
  private static ExperimentResults results(int tasks) {
    List<io.autocircuit.experiment.CellResult> cells = new ArrayList<>();
    for (int t = 0; t < tasks; t++) {
      for (String a : List.of("a", "b", "c", "d")) {
        double mean =
            prompts("t" + t + "-" + a, "kl_div", 10).values().stream()
                .mapToDouble(v -> v)
                .average()
                .orElseThrow();
        cells.add(
            SampleResults.cell(
                "t" + t, a, a.toUpperCase(), "resample", 1, Map.of(), 9, mean, 0.01));
      }
      cells.add(
          SampleResults.cell(
              "t" + t, "ground-truth", "Known", "resample", 1, Map.of(), 9, 0.001, 0.01));
    }
    return SampleResults.of(cells);
  }

  /**
   * Divergences of 20 prompts, which differ more from each other than algorithms do; b is behind a
   * on each, but for task 2, where it is ahead on a half of them.
   */
  private static Map<Integer, Double> prompts(String run, String metric, int edges) {
    Map<Integer, Double> values = new TreeMap<>();
    String algorithm = run.substring(3, 4);
    for (int p = 0; p < 20; p++) {
      double turn = run.startsWith("t2-b") && p % 2 == 0 ? -0.25 : 0;
      values.put(p, edges == 0 ? 9 : OFFSET.get(algorithm) + p + turn);
    }
    return values;
  }

  private static ResultTable table(int tasks, boolean drawn) {
    ExperimentResults results = results(tasks);
    Optional<String> at = Optional.of("10");
    ResultValue value = ResultValue.of(results, "kl_div", Optional.empty(), at);
    List<ResultTable> tables =
        ResultRanks.of(
            results,
            value,
            Map.of(),
            drawn
                ? Optional.of(
                    ResultIntervals.of(
                        results,
                        ResultRanksTest::prompts,
                        "kl_div",
                        Optional.empty(),
                        at,
                        BOOTSTRAP))
                : Optional.empty(),
            BOOTSTRAP);
    assertEquals(1, tables.size());
    return tables.get(0);
  }

  @Test
  void equalNumbersShareTheMeanOfTheirPlaces() {
    assertArrayEquals(
        new double[] {1.5, 4, 1.5, 3, Double.NaN},
        ResultRanks.ranks(new double[] {1, 5, 1 + 1e-9, 2, Double.NaN}, true));
    assertArrayEquals(
        new double[] {4, 1.5, 3, 1.5},
        ResultRanks.ranks(new double[] {-1, Double.POSITIVE_INFINITY, 0, 1 / 0.0}, false));
    double[] many = new double[9];
    Arrays.fill(many, 5);
    assertArrayEquals(many, ResultRanks.ranks(new double[9], true));
  }

  /** Prompts are drawn for all algorithms together: what is the same on each stays as it is. */
  @Test
  void promptsAreDrawnForAllAlgorithmsTogether() {
    ResultTable ranks = table(3, true);
    assertEquals(List.of("t0", "t1", "t2", "all tasks"), ranks.columns());
    assertEquals(
        List.of(List.of("A"), List.of("B"), List.of("C"), List.of("D")), ranks.rows(), "no truth");
    double[][] expected = {{1, 1, 2, 4 / 3.0}, {2, 2, 1, 5 / 3.0}, {3.5, 3.5, 3.5, 3.5}};
    for (int a = 0; a < 3; a++) {
      for (int c = 0; c < 3; c++) {
        ResultTable.Cell cell = ranks.cells().get(a).get(c);
        assertEquals(expected[a][c], cell.mean(), 1e-12, a + ", " + c);
        Bootstrap.Interval i = cell.interval().orElseThrow();
        boolean sure = c < 2 || a == 2;
        assertEquals(sure ? expected[a][c] : 1, i.low(), 1e-12, a + ", " + c);
        assertEquals(sure ? expected[a][c] : 2, i.high(), 1e-12, a + ", " + c);
      }
    }
    for (int a = 0; a < 3; a++) { // over tasks, which are drawn too
      ResultTable.Cell cell = ranks.cells().get(a).get(3);
      Bootstrap.Interval i = cell.interval().orElseThrow();
      assertEquals(expected[a][3], cell.mean(), 1e-12);
      assertTrue(
          a == 2 ? i.low() == 3.5 && i.high() == 3.5 : i.low() < cell.mean() && i.high() > i.low(),
          i::toString);
    }
    assertEquals(ranks.cells(), table(3, true).cells(), "the same seed");
    assertTrue(ranks.best(0, 0) && ranks.best(1, 2) && ranks.best(0, 3));
  }

  @Test
  void withoutPromptsTasksAloneAreDrawn() {
    ResultTable ranks = table(3, false);
    assertTrue(ranks.cells().get(0).get(0).interval().isEmpty());
    assertEquals("tasks", ResultRanks.over(ranks));
    assertEquals("prompts", ResultRanks.over(table(1, true)));
    Bootstrap.Interval over = ranks.cells().get(0).get(3).interval().orElseThrow();
    // of three draws of three tasks, two of which have rank 1 and one has rank 2
    assertEquals(1, over.low(), 1e-12);
    assertEquals(5 / 3.0, over.high(), 1e-12);
    assertEquals(List.of("t0"), table(1, true).columns());
    String text = TableFormat.TEXT.of(List.of(table(2, true)), 80);
    assertTrue(
        text.startsWith(
            "Rank by KL divergence from the full model at 10 edges, the lowest first; equal\n"
                + "  ones share the mean of their places; all tasks: the mean over 2; lower is\n"
                + "  better; in brackets the 95 % interval over prompts, of all tasks over both\n"),
        text);
  }
}
