package io.autocircuit.experiment;

import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.PatchType;
import java.util.List;

/**
 * How the circuits of a {@link RunSpec} are judged.
 *
 * @param runs patch type, ablation and direction
 * @param sizes the sizes of the circuits
 * @param ties whether a circuit includes all edges that tie with its last
 * @param selection how circuits are chosen by scores
 * @param metrics what is measured; those that do not apply to the prompts are left out
 * @param slice positions whose logits are looked at
 * @param perPrompt of how many edges the circuit of each prompt is; 0 where prompts are not scored
 *     one by one
 */
public record RunJudging(
    CircuitRuns runs,
    EdgeCounts sizes,
    boolean ties,
    CircuitSelection selection,
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
   * @param selection how circuits are chosen by scores
   * @param metrics what is measured; those that do not apply to the prompts are left out
   * @param slice positions whose logits are looked at
   * @param perPrompt of how many edges the circuit of each prompt is; 0 where prompts are not
   *     scored one by one
   * @throws IllegalStateException if the sizes are none that {@link EdgeCounts#parse} makes
   * @throws IllegalArgumentException if {@code perPrompt} is negative, or ties are included though
   *     circuits are not simply the best edges
   */
  public RunJudging {
    metrics = List.copyOf(metrics);
    sizes.texts();
    requireFit(ties, selection);
    if (perPrompt < 0) {
      throw new IllegalArgumentException(
          "--per-prompt=" + perPrompt + " is out of range; give a whole number from 1");
    }
  }

  /** Ties are included by |score| alone. */
  static void requireFit(boolean ties, CircuitSelection selection) {
    if (ties && !selection.equals(CircuitSelection.TOP)) {
      throw new IllegalArgumentException(
          "--ties includes edges of equal |score|, but circuits are chosen otherwise ("
              + selection.title()
              + "); leave --ties out, or --select, --signed and --prune");
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
    this(runs, sizes, ties, CircuitSelection.TOP, metrics, slice, 0);
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
    return new RunJudging(other, sizes, ties, selection, metrics, slice, perPrompt);
  }

  /**
   * With scores for each prompt, or without.
   *
   * @param edges of the circuit of each prompt; 0 for no scores
   * @return with it
   * @throws IllegalArgumentException if it is negative
   */
  public RunJudging withPerPrompt(int edges) {
    return new RunJudging(runs, sizes, ties, selection, metrics, slice, edges);
  }

  /**
   * With circuits that are chosen otherwise.
   *
   * @param how by which scores and rule
   * @return with it
   */
  public RunJudging withSelection(CircuitSelection how) {
    return new RunJudging(runs, sizes, ties, how, metrics, slice, perPrompt);
  }
}
