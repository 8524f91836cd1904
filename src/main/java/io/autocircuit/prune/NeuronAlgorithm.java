package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import java.util.List;

/** An algorithm that can score the dimensions of what every source writes. */
public interface NeuronAlgorithm extends PruneAlgorithm {
  /**
   * Scores every dimension of every source.
   *
   * @param model the model and its graph: a factorized one, without autoencoders
   * @param batches the prompts
   * @param progress told about the work done
   * @return their sum over a source is the score of that source as a node, but for rounding
   * @throws IllegalArgumentException if the graph is another, or the algorithm's settings leave no
   *     such scores
   */
  NeuronScores scoreNeurons(PatchableModel model, List<PromptBatch> batches, Progress progress);
}
