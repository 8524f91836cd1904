package io.autocircuit.metric;

import io.autocircuit.objective.Divergence;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/** Jensen–Shannon divergence from the full model's clean run, in nats. */
final class JensenShannon extends StandardMetric {
  JensenShannon() {
    super(
        "js_div",
        "Jensen–Shannon divergence",
        "Jensen–Shannon divergence of circuit and full model on clean, in nats, at most ln 2; lower"
            + " is better");
  }

  @Override
  public boolean logY() {
    return true;
  }

  @Override
  public boolean lowerIsBetter() {
    return true;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    return Tensors.doubles(Divergence.js(logits, full.clean()));
  }

  @Override
  public double combine(double[] circuit, double[] fullModel) {
    return Math.max(0, mean(circuit));
  }
}
