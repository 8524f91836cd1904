package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The settings that algorithms which look at a loss of the answers share. */
final class GradientSettings {
  static final Setting GRAD_FUNCTION =
      Setting.choice(
          "grad_function",
          "logit",
          "what is done to the logits",
          "logit (nothing)",
          "prob",
          "logprob",
          "logit_exp");
  static final Setting ANSWER_FUNCTION =
      Setting.choice(
          "answer_function",
          "auto",
          "what is then measured",
          "auto (avg_diff; mse where the answers are numbers)",
          "avg_diff (answers minus wrong answers)",
          "avg_val (answers)",
          "mse (outputs against the answers' numbers)");
  static final Setting SUM =
      Setting.flag(
          "sum", "AutoCircuit's sums over batches and samples instead of means, for comparison");
  static final List<Setting> LOSS =
      List.of(GRAD_FUNCTION, ANSWER_FUNCTION, PruneAlgorithmProvider.scoreAblation());

  private GradientSettings() {}

  /** The loss and the ablation of settings, with mask value and samples as given. */
  static MaskGradient gradient(Settings s, double maskValue, int samples) {
    return new MaskGradient(
        s.choice("grad_function", LogitFunction.class),
        s.choice("answer_function", MaskGradient.AnswerFunction.class),
        maskValue,
        samples,
        Ablation.of(s.text(PruneAlgorithmProvider.SCORE_ABLATION)),
        MaskGradient.PatchSource.CORRUPT);
  }

  /** The values of {@link #LOSS}. */
  static Map<String, Object> values(MaskGradient g) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("grad_function", g.logitFunction());
    values.put("answer_function", g.answerFunction());
    values.put(PruneAlgorithmProvider.SCORE_ABLATION, g.ablation());
    return values;
  }
}
