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
 * @param perPrompt of how many edges the circuit of each prompt is; 0 where prompts are not scored
 *     one by one
 */
public record RunJudging(
    CircuitRuns runs,
    EdgeCounts sizes,
    boolean ties,
    List<Metric> metrics,
    OutputSlice slice,
    int perPrompt) {
  /** How many edges the circuit of each prompt has where nobody says. */
  public static final int EDGES_OF_PROMPT = 20;

  /**
   * Keeps an unmodifiable copy.
   *
   * @param runs patch type, ablation and direction
   * @param sizes the sizes of the circuits
   * @param ties whether a circuit includes all edges that tie with its last
   * @param metrics what is measured; those that do not apply to the prompts are left out
   * @param slice positions whose logits are looked at
   * @param perPrompt of how many edges the circuit of each prompt is; 0 where prompts are not
   *     scored one by one
   * @throws IllegalStateException if the sizes are none that {@link EdgeCounts#parse} makes
   * @throws IllegalArgumentException if {@code perPrompt} is negative
   */
  public RunJudging {
    metrics = List.copyOf(metrics);
    sizes.texts();
    if (perPrompt < 0) {
      throw new IllegalArgumentException(
          "--per-prompt=" + perPrompt + " is out of range; give a whole number from 1");
    }
  }

  /**
   * Without scores for each prompt.
   *
   * @param runs patch type, ablation and direction
   * @param sizes the sizes of the circuits
   * @param ties whether a circuit includes all edges that tie with its last
   * @param metrics what is measured; those that do not apply to the prompts are left out
   * @param slice positions whose logits are looked at
   * @throws IllegalStateException if the sizes are none that {@link EdgeCounts#parse} makes
   */
  public RunJudging(
      CircuitRuns runs, EdgeCounts sizes, boolean ties, List<Metric> metrics, OutputSlice slice) {
    this(runs, sizes, ties, metrics, slice, 0);
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
    return new RunJudging(other, sizes, ties, metrics, slice, perPrompt);
  }

  /**
   * With scores for each prompt, or without.
   *
   * @param edges of the circuit of each prompt; 0 for no scores
   * @return with it
   * @throws IllegalArgumentException if it is negative
   */
  public RunJudging withPerPrompt(int edges) {
    return new RunJudging(runs, sizes, ties, metrics, slice, edges);
  }
}
