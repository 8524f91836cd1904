package io.autocircuit.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.Metric;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Intervals over prompts beside the numbers of a table. */
class ResultIntervalsTest {
  private static final ExperimentResults GRID = SampleResults.grid();
  private static final Bootstrap BOOTSTRAP = new Bootstrap(2000, 0.95, 0);

  /** Divergences of 6 prompts; seed 2 judges the prompts from 3 on. */
  private static Map<Integer, Double> prompts(String run, String metric, int edges) {
    Map<Integer, Double> values = new TreeMap<>();
    if (!run.contains("zero")) {
      int first = run.endsWith("2") ? 3 : 0;
      for (int p = first; p < first + 6; p++) {
        values.put(p, (edges == 0 ? 2 : edges == 10 ? 0.5 : 0.02) * (1 + p % 3));
      }
    }
    return values;
  }

  private static ResultIntervals intervals(String name, String edges) {
    return ResultIntervals.of(
        GRID,
        ResultIntervalsTest::prompts,
        name,
        Optional.empty(),
        Optional.ofNullable(edges),
        BOOTSTRAP);
  }

  private static List<CellResult> cells(String... runs) {
    List<String> wanted = List.of(runs);
    return GRID.cells().stream().filter(c -> wanted.contains(c.run())).distinct().toList();
  }

  @Test
  void ofOneCellItIsThatOfItsMetric() {
    double[] values = {0.5, 1, 1.5, 0.5, 1, 1.5};
    Bootstrap.Interval byHand = BOOTSTRAP.of(Metric.KL_DIV, values, new double[6]);
    List<CellResult> one = cells("induction-eap-resample-1");
    assertEquals(byHand, intervals("kl_div", "10").of(one).orElseThrow());
    assertEquals(byHand, intervals("kl_div", "official").of(one).orElseThrow());
    assertTrue(byHand.low() < 1 && byHand.high() > 1, byHand::toString);
  }

  @Test
  void anAreaHasOneToo() {
    Bootstrap.Interval area =
        intervals("auc", null).of(cells("induction-eap-resample-1")).orElseThrow();
    // every prompt has the same curve but for its height, so that only the floor of 0.01 is felt
    double atMost = ((Math.log10(0.25) + Math.log10(0.01)) / 2);
    assertEquals(atMost, area.low(), 1e-9);
    assertEquals(atMost, area.high(), 1e-9);
  }

  @Test
  void sharedPromptsAreDrawnForAllSeeds() {
    List<CellResult> both = cells("induction-eap-resample-1", "induction-eap-resample-2");
    assertEquals(2, both.size());
    Bootstrap.Interval found = intervals("kl_div", "10").of(both).orElseThrow();
    double[] value = new double[9];
    for (int p = 0; p < 9; p++) {
      value[p] = 0.5 * (1 + p % 3);
    }
    Bootstrap.Interval byHand =
        BOOTSTRAP.of(
            9,
            drawn -> {
              double[] sum = new double[2];
              double[] count = new double[2];
              for (int p : drawn) {
                for (int seed = 0; seed < 2; seed++) {
                  boolean judged = p >= 3 * seed && p < 3 * seed + 6;
                  sum[seed] += judged ? value[p] : 0;
                  count[seed] += judged ? 1 : 0;
                }
              }
              return (sum[0] / count[0] + sum[1] / count[1]) / 2;
            });
    assertEquals(byHand.low(), found.low(), 1e-12);
    assertEquals(byHand.high(), found.high(), 1e-12);
  }

  @Test
  void inATable() {
    ResultValue value = ResultValue.of(GRID, "kl_div", Optional.empty(), Optional.of("10"));
    List<ResultTable> tables =
        ResultTable.of(
            GRID,
            List.of("algorithm", "ablation"),
            value,
            Map.of("seed", "1", "algorithm", "eap"),
            intervals("kl_div", "10")::of);
    Bootstrap.Interval i = tables.get(0).cells().get(0).get(0).interval().orElseThrow();
    assertEquals(
        String.format(
            java.util.Locale.ROOT,
            "KL divergence from the full model at 10 edges; lower is better; seed=1; in brackets the"
                + " 95 %% interval over prompts%n"
                + "algorithm  ablation=resample   ablation=zero%n"
                + "EAP        0.60 [%.2f, %.2f]          0.8000%n",
            i.low(),
            i.high()),
        TableFormat.TEXT.of(tables, 300));
    assertTrue(TableFormat.LATEX.of(tables, 80).contains("& 0.60 [0."));
    assertTrue(TableFormat.CSV.of(tables, 80).contains(",," + i.low() + "," + i.high() + ",1,"));
    assertTrue(TableFormat.JSON.of(tables, 80).contains("\"low\" : " + i.low()));
  }

  @Test
  void withoutValuesOnPromptsThereIsNone() {
    assertTrue(intervals("kl_div", "10").of(cells("induction-eap-zero-1")).isEmpty());
    assertTrue(
        intervals("kl_div", "10")
            .of(cells("induction-eap-zero-1", "induction-eap-resample-1"))
            .isEmpty());
  }

  @Test
  void otherNumbersAreRefused() {
    assertEquals(
        "metric=seconds is no mean over prompts, which could be drawn; take auc, cpr, cmd or a"
            + " metric at a size",
        assertThrows(IllegalArgumentException.class, () -> intervals("seconds", null))
            .getMessage());
  }
}
