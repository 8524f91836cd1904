package io.autocircuit.experiment;

import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchType;
import java.util.List;

/**
 * How the circuits of a {@link RunSpec} are judged.
 *
 * @param runs patch type, ablation and direction
 * @param sizes the sizes of the circuits
 * @param ties whether a circuit includes all edges that tie with its last
 * @param metrics what is measured; those that do not apply to the prompts are left out
 * @param slice positions whose logits are looked at
 */
public record RunJudging(
    CircuitRuns runs, EdgeCounts sizes, boolean ties, List<Metric> metrics, OutputSlice slice) {
  /**
   * Keeps an unmodifiable copy.
   *
   * @param runs patch type, ablation and direction
   * @param sizes the sizes of the circuits
   * @param ties whether a circuit includes all edges that tie with its last
   * @param metrics what is measured; those that do not apply to the prompts are left out
   * @param slice positions whose logits are looked at
   * @throws IllegalStateException if the sizes are none that {@link EdgeCounts#parse} makes
   */
  public RunJudging {
    metrics = List.copyOf(metrics);
    sizes.texts();
  }

  /**
   * Tree patching with resampling, a choice of sizes, every metric, the last position.
   *
   * @return the usual way
   */
  public static RunJudging usual() {
    return new RunJudging(
        CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE),
        EdgeCounts.parse(List.of("auto")),
        false,
        Metric.all(),
        OutputSlice.LAST_SEQ);
  }

  /**
   * With other circuit runs.
   *
   * @param other patch type, ablation and direction
   * @return with them
   */
  public RunJudging withRuns(CircuitRuns other) {
    return new RunJudging(other, sizes, ties, metrics, slice);
  }
}
