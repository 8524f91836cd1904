package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import java.util.List;

/** An algorithm that can score every edge for each prompt, at the cost of scoring for all. */
public interface PromptAlgorithm extends PruneAlgorithm {
  /**
   * Scores every edge for each prompt.
   *
   * @param model the model and its graph
   * @param batches the prompts; means of the ablation are taken as {@link #score} takes them
   * @param progress told about the work done
   * @return in the order of the batches; their mean is what {@link #score} gives, but for rounding
   */
  PromptScores scorePrompts(PatchableModel model, List<PromptBatch> batches, Progress progress);
}
