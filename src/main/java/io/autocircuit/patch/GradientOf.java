package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.LossFunction;
import org.bytedeco.pytorch.Tensor;

/**
 * What is differentiated, and how the gradient goes back.
 *
 * @param loss the loss of each prompt
 * @param prompts passed to the loss
 * @param reference passed to the loss, {@code [B,P,V]} or null; stays the caller's
 * @param rules how it goes back through the model's functions
 * @param neurons receives what every source's dimensions are credited with; null if nobody asks
 * @param values receives the gradient of what sources are ablated to; null if nobody asks
 */
public record GradientOf(
    LossFunction loss,
    PromptBatch prompts,
    Tensor reference,
    BackwardRules rules,
    NeuronSums neurons,
    ValueGradients values) {

  /**
   * Without the gradient of what sources are ablated to.
   *
   * @param loss the loss of each prompt
   * @param prompts passed to the loss
   * @param reference passed to the loss, {@code [B,P,V]} or null; stays the caller's
   * @param rules how it goes back through the model's functions
   * @param neurons receives what every source's dimensions are credited with; null if nobody asks
   */
  public GradientOf(
      LossFunction loss,
      PromptBatch prompts,
      Tensor reference,
      BackwardRules rules,
      NeuronSums neurons) {
    this(loss, prompts, reference, rules, neurons, null);
  }

  /**
   * The true gradient.
   *
   * @param loss the loss of each prompt
   * @param prompts passed to the loss
   * @param reference passed to the loss, {@code [B,P,V]} or null; stays the caller's
   */
  public GradientOf(LossFunction loss, PromptBatch prompts, Tensor reference) {
    this(loss, prompts, reference, BackwardRules.TRUE_GRADIENT, null);
  }
}
