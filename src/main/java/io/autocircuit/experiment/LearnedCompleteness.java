package io.autocircuit.experiment;

import io.autocircuit.metric.Completeness;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.KnockoutTraining;

/**
 * How complete a circuit is under the knockouts that tell it from the model most.
 *
 * @param measured what was measured on the prompts that judge
 * @param knockouts the circuit's edges that were taken out, learned on the prompts that score
 */
public record LearnedCompleteness(Completeness measured, Circuit knockouts) {
  /**
   * Learns knockouts of a circuit, and measures it under them.
   *
   * @param discovery whose prompts score and judge, and whose ablation judges
   * @param circuit at least one edge
   * @param training how knockouts are learned
   * @param progress told about the work done
   * @return what came out
   * @throws IllegalArgumentException if the circuit is empty or of another graph, the target needs
   *     wrong answers and there are none, or one prompt alone exceeds the model's memory budget
   */
  public static LearnedCompleteness of(
      Discovery discovery, Circuit circuit, KnockoutTraining training, Progress progress) {
    PruneScores learned = training.train(discovery.model(), discovery.train(), circuit, progress);
    Circuit out = Completeness.knockedOut(circuit, learned, 0);
    return new LearnedCompleteness(
        Completeness.of(
            discovery.model(),
            discovery.test(),
            discovery.runs().ablation(),
            circuit,
            out,
            progress),
        out);
  }
}
