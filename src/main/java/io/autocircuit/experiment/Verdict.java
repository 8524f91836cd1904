package io.autocircuit.experiment;

import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The sentence that sums a discovery up. */
final class Verdict {
  /** The share of the full model's logit difference that a circuit must recover, in percent. */
  static final double SHARE = 90;

  /** More than this is not recovered but exaggerated, in percent. */
  private static final double MOST = 110;

  private Verdict() {}

  /**
   * Names the smallest measured circuit that recovers {@value #SHARE} % of the full model's logit
   * difference. The full graph recovers all of it, so that is no finding.
   *
   * @param measurements what was measured
   * @param edges number of edges of the full graph
   * @return empty where no circuit but the full graph was measured, or the share was not
   */
  static Optional<String> of(List<Measurement> measurements, int edges) {
    return of(measurements, edges, Level.EDGE);
  }

  /**
   * As {@link #of(List, int)}, of circuits whose size is a number of edges, or of nodes.
   *
   * @param edges size of the full graph
   */
  static Optional<String> of(List<Measurement> measurements, int edges, Level level) {
    for (Measurement m : measurements) {
      if (m.metric() == Metric.LOGIT_DIFF_PERCENT) {
        List<Measurement.Point> circuits =
            m.points().stream().filter(p -> p.edges() < edges).toList();
        Optional<Measurement.Point> empty =
            circuits.stream().filter(p -> p.edges() == 0).findFirst();
        if (empty.isPresent() && recovers(empty.get())) {
          return Optional.of(
              String.format(
                  Locale.ROOT,
                  "With every %s ablated the logit difference is still %.0f %% of the full"
                      + " model's: these prompts and this ablation cannot tell circuits apart.",
                  level.key(),
                  empty.get().value()));
        }
        if (circuits.stream().allMatch(p -> p.edges() == 0)) {
          return Optional.empty();
        }
        return Optional.of(
            circuits.stream()
                .filter(Verdict::recovers)
                .findFirst()
                .map(p -> found(p, edges, level))
                .orElse(
                    String.format(
                        Locale.ROOT,
                        "No circuit measured%s recovers %.0f to %.0f %% of the full model's logit"
                            + " difference.",
                        circuits.size() < m.points().size() ? " but the full graph" : "",
                        SHARE,
                        MOST)));
      }
    }
    return Optional.empty();
  }

  private static boolean recovers(Measurement.Point p) {
    return p.value() >= SHARE && p.value() <= MOST;
  }

  private static String found(Measurement.Point p, int edges, Level level) {
    return String.format(
        Locale.ROOT,
        "%,d of %,d %ss (%.1f %%) recover %.0f %% of the full model's logit difference; no"
            + " smaller circuit measured recovers %.0f to %.0f %%.",
        p.edges(),
        edges,
        level.key(),
        100.0 * p.edges() / edges,
        p.value(),
        SHARE,
        MOST);
  }
}
