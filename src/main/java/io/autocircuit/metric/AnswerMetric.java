package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/** A mean of a function of the logits at the answers, the wrong answers, or both. */
final class AnswerMetric extends StandardMetric {
  /** What is averaged. */
  enum Kind {
    /** The value at the answers. */
    VALUE,
    /** The value at the wrong answers. */
    WRONG,
    /** The first less the second. */
    DIFFERENCE,
    /** The mean difference over the full model's. */
    PERCENT,
    /** The difference over the full model's, prompt by prompt. */
    RATIOS
  }

  private final LogitFunction function;
  private final Kind kind;

  AnswerMetric(String key, String title, String description, LogitFunction function, Kind kind) {
    super(key, title, description);
    this.function = function;
    this.kind = kind;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    Tensor v = function.apply(logits);
    int[][][] right = full.batch().answers();
    int[][][] wrong = full.batch().wrongAnswers();
    return Tensors.doubles(
        switch (kind) {
          case VALUE -> Answers.value(v, right);
          case WRONG -> Answers.value(v, wrong);
          case DIFFERENCE, PERCENT, RATIOS -> Answers.difference(v, right, wrong);
        });
  }

  @Override
  public double combine(double[] circuit, double[] fullModel) {
    return switch (kind) {
      case VALUE, WRONG, DIFFERENCE -> mean(circuit);
      case PERCENT -> 100 * mean(circuit) / mean(fullModel);
      case RATIOS -> {
        double sum = 0;
        for (int i = 0; i < circuit.length; i++) {
          sum += 100 * circuit[i] / fullModel[i];
        }
        yield sum / circuit.length;
      }
    };
  }

  @Override
  public Optional<String> inapplicable(List<PromptBatch> batches) {
    return answersAreNumbers(batches)
        .or(() -> kind == Kind.VALUE ? Optional.empty() : wrongAnswersMissing(batches));
  }
}
