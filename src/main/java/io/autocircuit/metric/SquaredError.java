package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Answers;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/** The squared difference of outputs and answers that are numbers, a mean over positions. */
final class SquaredError extends StandardMetric {
  SquaredError() {
    super(
        "answer_mse",
        "Answer squared error",
        "mean squared difference of the outputs and answers that are numbers; lower is better");
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
  public boolean ofNumbers() {
    return true;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    return Tensors.doubles(Answers.squaredError(logits, full.batch().numbers()));
  }

  @Override
  public Optional<String> inapplicable(List<PromptBatch> batches) {
    return batches.stream().allMatch(b -> b.numbers() != null)
        ? Optional.empty()
        : Optional.of("compares outputs with answers that are numbers, and these are tokens");
  }
}
