package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LossFunction;
import org.bytedeco.pytorch.Tensor;

/**
 * How far a run is from the full model: KL(full model ‖ run), or, where outputs are numbers, the
 * mean squared difference. Its reference is the full model's clean logits.
 */
final class FullModelLoss implements LossFunction {
  @Override
  public Tensor perPrompt(Tensor logits, PromptBatch batch, Tensor reference) {
    return batch.numbers() != null
        ? Divergence.mse(logits, reference)
        : Divergence.kl(logits, reference);
  }
}
