package io.autocircuit.objective;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** What is done to logits before answers are looked up ("grad function" in AutoCircuit). */
public enum LogitFunction {
  /** The logits themselves. */
  LOGIT,
  /** softmax. */
  PROB,
  /** log softmax. */
  LOGPROB,
  /** {@code exp(l) / stopgrad(Σ exp(l))}: the value of a probability, the gradient of exp. */
  LOGIT_EXP;

  /**
   * Applies it over the last axis; differentiable.
   *
   * @param logits {@code [B,P,V]}
   * @return {@code [B,P,V]}, in the current scope
   */
  public Tensor apply(Tensor logits) {
    return switch (this) {
      case LOGIT -> logits;
      case PROB -> torch.softmax(logits, -1);
      case LOGPROB -> torch.log_softmax(logits, -1);
      case LOGIT_EXP -> {
        Tensor peak = logits.detach().amax(new long[] {-1}, true);
        Tensor e = torch.exp(logits.sub(peak));
        yield e.div(e.detach().sum(new long[] {-1}, true, null));
      }
    };
  }
}
