package io.autocircuit.objective;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Tensor;

/** A differentiable function of the sliced logits of a batch: one loss per prompt. */
@FunctionalInterface
public interface LossFunction {
  /**
   * The losses.
   *
   * @param logits {@code [B,P,V]}
   * @param batch the prompts and answers behind them
   * @param reference logits to compare with (usually the clean run's), {@code [B,P,V]}; null if the
   *     function needs none
   * @return {@code [B]}
   */
  Tensor perPrompt(Tensor logits, PromptBatch batch, Tensor reference);

  /**
   * Whether it reads no logits but those of the batch's answers and wrong answers, so that no
   * others need be computed. It may then be given these logits alone, and those of the reference,
   * as {@code V}, with a batch whose answers are places among them. False unless a function says
   * otherwise; answers that are numbers are never made places.
   *
   * @return true if all other logits are of no effect
   */
  default boolean readsAnswersOnly() {
    return false;
  }

  /**
   * A function that says of itself that it {@linkplain #readsAnswersOnly reads the answers' logits
   * only}.
   *
   * @param loss one that does so
   * @return the same function
   */
  static LossFunction ofAnswers(LossFunction loss) {
    return new LossFunction() {
      @Override
      public Tensor perPrompt(Tensor logits, PromptBatch batch, Tensor reference) {
        return loss.perPrompt(logits, batch, reference);
      }

      @Override
      public WithGradient withGradient(Tensor logits, PromptBatch batch, Tensor reference) {
        return loss.withGradient(logits, batch, reference);
      }

      @Override
      public boolean readsAnswersOnly() {
        return true;
      }
    };
  }

  /**
   * Losses with their gradient.
   *
   * @param losses {@code [B]}
   * @param gradient of their sum with respect to the logits, {@code [B,P,V]}
   */
  record WithGradient(Tensor losses, Tensor gradient) {}

  /**
   * Evaluates the function and its gradient; both belong to the current scope.
   *
   * @param logits {@code [B,P,V]}
   * @param batch the prompts and their answers
   * @param reference logits to compare with, {@code [B,P,V]}; null where the function compares with
   *     none
   * @return {@code [B]} losses, and the gradient of their sum with respect to the logits, {@code
   *     [B,P,V]}
   */
  default WithGradient withGradient(Tensor logits, PromptBatch batch, Tensor reference) {
    try (TensorScope scope = new TensorScope()) {
      Tensor leaf = logits.detach().clone().set_requires_grad(true);
      Tensor losses = perPrompt(leaf, batch, reference);
      losses.sum().backward();
      Tensor gradient = leaf.grad().detach().contiguous();
      return new WithGradient(scope.keep(losses.detach()), scope.keep(gradient));
    }
  }
}
