package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.List;

/**
 * Scores that were computed before, to be judged again: with other metrics, ablations or sizes.
 *
 * @param scores the scores
 * @param origin where they come from, for people: {@code eap, circuit/scores.safetensors}, say
 */
public record SavedScores(PruneScores scores, String origin) implements PruneAlgorithm {
  @Override
  public String key() {
    return "saved";
  }

  @Override
  public String title() {
    return "Saved scores (" + origin + ")";
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalArgumentException if the scores are of another graph than the model's
   */
  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    if (!scores.graph().equals(model.graph())) {
      throw new IllegalArgumentException(
          "the saved scores are for another graph: "
              + scores.graph()
              + "; the model's is "
              + model.graph());
    }
    return scores;
  }
}
