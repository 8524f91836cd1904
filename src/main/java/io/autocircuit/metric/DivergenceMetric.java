package io.autocircuit.metric;

import io.autocircuit.objective.Divergence;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/** KL divergence from the full model's clean or corrupt run, in nats. */
final class DivergenceMetric extends StandardMetric {
  private final boolean corrupt;

  DivergenceMetric(boolean corrupt) {
    super(
        corrupt ? "corrupt_kl_div" : "kl_div",
        corrupt ? "KL divergence from the corrupt run" : "KL divergence from the full model",
        corrupt
            ? "KL(full model on corrupt ‖ circuit), in nats"
            : "KL(full model on clean ‖ circuit), in nats; lower is better");
    this.corrupt = corrupt;
  }

  @Override
  public boolean logY() {
    return true;
  }

  @Override
  public boolean lowerIsBetter() {
    return !corrupt;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    return Tensors.doubles(Divergence.kl(logits, corrupt ? full.corrupt() : full.clean()));
  }

  @Override
  public double combine(double[] circuit, double[] fullModel) {
    return Math.max(0, mean(circuit));
  }
}
