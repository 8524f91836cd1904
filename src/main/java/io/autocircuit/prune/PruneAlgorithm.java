package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import java.util.List;

/** An algorithm that scores edges; an immutable record of its settings. */
public interface PruneAlgorithm {
  /** Its name on the command line and in results, such as {@code eap}. */
  String key();

  /** Its name for people. */
  String title();

  /**
   * Scores every edge.
   *
   * @param model the model and its graph
   * @param batches the prompts
   * @param progress told about the work done
   * @return finite scores, or {@code +∞} for edges that are never removed
   */
  PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress);

  /** {@link #score(PatchableModel, List, Progress)} without progress. */
  default PruneScores score(PatchableModel model, List<PromptBatch> batches) {
    return score(model, batches, Progress.SILENT);
  }
}
