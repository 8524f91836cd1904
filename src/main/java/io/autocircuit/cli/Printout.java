package io.autocircuit.cli;

import io.autocircuit.experiment.Discovery;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.PruneScores;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * A discovery's result for the terminal: the top edges and the curve.
 *
 * @param out where to
 * @param everyMetric whether the curve has all metrics measured, or the usual few
 */
record Printout(PrintWriter out, boolean everyMetric) {
  private static final int SHOWN_EDGES = 10;
  private static final int SHOWN_ROWS = 20;
  private static final int NARROWEST = 10;
  private static final double SPARSER = 1.4;

  /**
   * Prints it.
   *
   * @param thresholds ACDC's; empty for other algorithms
   */
  void print(Discovery.Result result, double[] thresholds) {
    PruneScores scores = result.scores();
    Discovery d = result.discovery();
    out.printf(
        Locale.ROOT,
        "%s on %d prompts%s: %,d edges%n%n",
        d.algorithm().title(),
        d.trainPrompts(),
        d.train().equals(d.test()) ? "" : ", judged on " + d.prompts() + " others",
        scores.graph().edgeCount());
    out.println("top edges");
    for (PruneScores.Scored s : scores.best(SHOWN_EDGES)) {
      out.printf(Locale.ROOT, "  %-28s %12.5g%n", s.edge(), s.score());
    }
    for (double t : Arrays.stream(thresholds).sorted().distinct().toArray()) {
      int kept = 0;
      for (float v : scores.values()) {
        kept += v > (float) t ? 1 : 0;
      }
      out.printf(Locale.ROOT, "  kept at τ = %s: %,d edges%n", t, kept);
    }
    curve(result.measurements().stream().filter(m -> everyMetric || usual(m)).toList());
    if (!result.roc().isEmpty()) {
      out.printf(Locale.ROOT, "%narea under the ROC curve: %.4f%n", Roc.area(result.roc()));
    }
    out.println();
  }

  private static boolean usual(Measurement m) {
    return switch (m.metric()) {
      case KL_DIV, LOGIT_DIFF, LOGIT_DIFF_PERCENT, ANSWER_PROB, CORRECT_ANSWER_PERCENT -> true;
      default -> false;
    };
  }

  private void curve(List<Measurement> shown) {
    if (shown.isEmpty()) {
      return;
    }
    out.printf("%n%8s", "edges");
    shown.forEach(m -> out.printf("  %" + width(m) + "s", m.metric().key()));
    out.println();
    List<Measurement.Point> points = shown.get(0).points();
    for (int i : rows(points.size())) {
      out.printf(Locale.ROOT, "%8d", points.get(i).edges());
      for (Measurement m : shown) {
        out.printf(Locale.ROOT, "  %" + width(m) + ".5g", m.points().get(i).value());
      }
      out.println();
    }
    if (points.size() > SHOWN_ROWS) {
      out.println("  (all " + points.size() + " sizes are in measurements.json)");
    }
  }

  /** All rows of a short curve, or the first ten and then ever sparser ones, with the last. */
  private static int[] rows(int count) {
    if (count <= SHOWN_ROWS) {
      return IntStream.range(0, count).toArray();
    }
    List<Integer> shown = new ArrayList<>();
    for (double i = 0; i < count - 1; i = i < SHOWN_ROWS / 2 ? i + 1 : Math.ceil(i * SPARSER)) {
      shown.add((int) i);
    }
    shown.add(count - 1);
    return shown.stream().mapToInt(Integer::intValue).toArray();
  }

  private static int width(Measurement m) {
    return Math.max(NARROWEST, m.metric().key().length());
  }
}
