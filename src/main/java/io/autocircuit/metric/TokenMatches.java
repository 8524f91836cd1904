package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Answers;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Share of prompts whose answer is among the best tokens, or whose best token is the model's. */
final class TokenMatches extends StandardMetric {
  /** So many tokens an answer may be among. */
  private static final int BEST = 5;

  private final boolean ofModel;

  TokenMatches(boolean ofModel) {
    super(
        ofModel ? "exact_match_percent" : "answer_top5_percent",
        ofModel ? "Same token as the full model, %" : "Answer among the best 5, %",
        ofModel
            ? "share of prompts whose largest logit is the full model's, in percent"
            : "share of prompts whose answer is among the 5 largest logits, in percent");
    this.ofModel = ofModel;
  }

  @Override
  public double[] perPrompt(Tensor logits, Outputs full) {
    if (!ofModel) {
      return Answers.among(logits, full.batch().answers(), BEST);
    }
    LongOptional vocabulary = new LongOptional(-1);
    Tensor same =
        torch
            .argmax(logits, vocabulary, false)
            .eq(torch.argmax(full.clean(), vocabulary, false)); // [B,P]
    return Tensors.doubles(same.to(ScalarType.Double).mean(-1));
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
        .or(
            () ->
                one || ofModel
                    ? Optional.empty()
                    : Optional.of("needs exactly one answer per prompt"));
  }
}
