package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Answers;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/** Share of prompts with the right answer: above all tokens, or above all wrong answers. */
final class CorrectAnswers extends StandardMetric {
  private final boolean overWrong;

  CorrectAnswers(boolean overWrong) {
    super(
        overWrong ? "correct_answer_greater_than_incorrect_percent" : "correct_answer_percent",
        overWrong ? "Answer above all wrong answers, %" : "Correct answers, %",
        overWrong
            ? "share of prompts whose answer has a larger logit than every wrong answer, in percent"
            : "share of prompts whose largest logit is the answer, in percent");
    this.overWrong = overWrong;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    PromptBatch batch = full.batch();
    return overWrong
        ? Answers.correctOverWrong(logits, batch.answers(), batch.wrongAnswers())
        : Answers.correct(logits, batch.answers());
  }

  @Override
  public double combine(double[] circuit, double[] fullModel) {
    return 100 * mean(circuit);
  }

  @Override
  public Optional<String> inapplicable(List<PromptBatch> batches) {
    boolean one =
        batches.stream()
            .flatMap(b -> Arrays.stream(b.answers()).flatMap(Arrays::stream))
            .allMatch(a -> a.length == 1);
    return answersAreNumbers(batches)
        .or(() -> overWrong ? wrongAnswersMissing(batches) : Optional.empty())
        .or(() -> one ? Optional.empty() : Optional.of("needs exactly one answer per prompt"));
  }
}
