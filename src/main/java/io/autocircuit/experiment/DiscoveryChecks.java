package io.autocircuit.experiment;

import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.prune.PromptAlgorithm;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.VerifyingAlgorithm;
import java.util.stream.Collectors;

/** What is asked of the parts of a {@link Discovery}. */
final class DiscoveryChecks {
  private DiscoveryChecks() {}

  /**
   * Refuses what does not go together.
   *
   * @throws IllegalArgumentException if nodes are scored, and chosen from edge to edge or scored
   *     prompt by prompt, or the algorithm cannot do so
   */
  static void require(
      Level level, CircuitSelection selection, int perPrompt, PruneAlgorithm algorithm) {
    if (level == Level.NODE && selection.rule() == CircuitSelection.Rule.GREEDY) {
      throw new IllegalArgumentException(
          "--select=greedy goes from edge to edge, but --level=node is given; choose top or"
              + " threshold");
    }
    if (perPrompt > 0 && level == Level.NODE) {
      throw new IllegalArgumentException(
          "--per-prompt="
              + perPrompt
              + " scores edges, but --level=node is given; leave one of them away");
    }
    if (perPrompt > 0 && algorithm instanceof VerifyingAlgorithm v && v.verifies()) {
      throw new IllegalArgumentException(
          "--verify is of the scores of all prompts together, but --per-prompt="
              + perPrompt
              + " is given; leave one of them away");
    }
    if (perPrompt > 0 && !(algorithm instanceof PromptAlgorithm)) {
      throw new IllegalArgumentException(
          "algorithm="
              + algorithm.key()
              + " has no scores for each prompt (--per-prompt="
              + perPrompt
              + "); choose one of "
              + PruneAlgorithmProvider.catalogue().entries().stream()
                  .filter(PruneAlgorithmProvider::scoresPrompts)
                  .map(PruneAlgorithmProvider::key)
                  .collect(Collectors.joining(", ")));
    }
  }

  /** Whether edges are scored, or circuits judged, under {@link Ablation#OPTIMAL}. */
  static boolean optimal(CircuitRuns runs, PruneAlgorithm algorithm) {
    return runs.ablation() == Ablation.OPTIMAL
        || algorithm.scoringAblation().filter(a -> a == Ablation.OPTIMAL).isPresent();
  }
}
