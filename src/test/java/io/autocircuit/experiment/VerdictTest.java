package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class VerdictTest {
  /** Pairs of size and percentage. */
  private static Optional<String> of(int edges, double... points) {
    List<Measurement.Point> list = new ArrayList<>();
    for (int i = 0; i < points.length; i += 2) {
      list.add(new Measurement.Point((int) points[i], points[i + 1]));
    }
    return Verdict.of(List.of(new Measurement(Metric.LOGIT_DIFF_PERCENT, list)), edges);
  }

  @Test
  void namesTheSmallestCircuitThatRecoversTheShare() {
    assertEquals(
        "100 of 2,461 edges (4.1 %) recover 92 % of the full model's logit difference; no smaller"
            + " circuit measured recovers 90 to 110 %.",
        of(2461, 0, 2, 10, 89.9, 100, 92, 1000, 99, 2461, 100).orElseThrow());
  }

  @Test
  void theFullGraphIsNoFinding() {
    assertEquals(
        "No circuit measured but the full graph recovers 90 to 110 % of the full model's logit"
            + " difference.",
        of(2461, 0, 2, 1000, 12, 2461, 100).orElseThrow());
    assertEquals(
        "No circuit measured recovers 90 to 110 % of the full model's logit difference.",
        of(2461, 0, 2, 1000, 12).orElseThrow());
    assertEquals(Optional.empty(), of(2461, 0, 2, 2461, 100));
    assertEquals(Optional.empty(), of(2461, 2461, 100));
  }

  @Test
  void anExaggeratedDifferenceIsNotRecovered() {
    assertEquals(
        "20 of 100 edges (20.0 %) recover 105 % of the full model's logit difference; no smaller"
            + " circuit measured recovers 90 to 110 %.",
        of(100, 10, 250, 20, 105, 100, 100).orElseThrow());
    assertEquals(
        "No circuit measured but the full graph recovers 90 to 110 % of the full model's logit"
            + " difference.",
        of(100, 10, Double.NaN, 20, Double.POSITIVE_INFINITY, 100, 100).orElseThrow());
  }

  @Test
  void anEmptyCircuitThatRecoversEverythingIsNoFinding() {
    assertEquals(
        "With every edge ablated the logit difference is still 105 % of the full model's: these"
            + " prompts and this ablation cannot tell circuits apart.",
        of(100, 0, 105, 20, 99, 100, 100).orElseThrow());
  }

  @Test
  void withoutThePercentageThereIsNothingToSay() {
    assertEquals(
        Optional.empty(),
        Verdict.of(
            List.of(new Measurement(Metric.KL_DIV, List.of(new Measurement.Point(5, 1)))), 10));
  }
}
