package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GradientRules;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

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
          "mse (outputs against the answers' numbers)",
          "kl_div (outputs against the full model's; its gradient is 0 where nothing is ablated)");
  static final Setting SUM =
      Setting.flag(
          "sum", "AutoCircuit's sums over batches and samples instead of means, for comparison");
  static final Setting RULES =
      Setting.optional(
              "rules",
              new SettingType.Several(
                  new SettingType.Choice(
                      List.of(
                          option("ln", "scales of normalisations are constants"),
                          option("identity", "slopes of activations are φ(x)/x"),
                          option("half", "factors of gated products get half"),
                          option("ah", "attention patterns are constants"),
                          option("tsg", "back through softmax at temperature 2"),
                          option("qkv", "queries and keys a quarter, values half")))),
              "changes of the backward pass; without, the true gradient")
          .addedLater();
  static final Setting LIBRARY_BATCH =
      Setting.optional(
              "library_batch",
              new SettingType.Whole(1, Integer.MAX_VALUE),
              "divides scores as EAP-IG's library does in batches of so many prompts, for"
                  + " comparison; without, they are means over prompts")
          .in("prompts")
          .addedLater();
  static final List<Setting> LOSS =
      List.of(GRAD_FUNCTION, ANSWER_FUNCTION, PruneAlgorithmProvider.scoreAblation());

  /** {@link #LOSS} and the rules of the backward pass. */
  static final List<Setting> GRADIENT = Stream.concat(LOSS.stream(), Stream.of(RULES)).toList();

  /** {@link #GRADIENT} and, of EAP-IG's methods, how its library divides. */
  static final List<Setting> EAP_IG = and(GRADIENT, LIBRARY_BATCH);

  private GradientSettings() {}

  private static SettingType.Choice.Option option(String key, String meaning) {
    return new SettingType.Choice.Option(key, meaning);
  }

  /** Settings, and more. */
  static List<Setting> and(List<Setting> some, Setting... more) {
    return Stream.concat(some.stream(), Stream.of(more)).toList();
  }

  /** The loss and the ablation of settings, with mask value and samples as given. */
  static MaskGradient gradient(Settings s, double maskValue, int samples) {
    MaskGradient gradient =
        new MaskGradient(
            s.choice("grad_function", LogitFunction.class),
            s.choice("answer_function", MaskGradient.AnswerFunction.class),
            maskValue,
            samples,
            Ablation.of(s.text(PruneAlgorithmProvider.SCORE_ABLATION)),
            MaskGradient.PatchSource.CORRUPT);
    return s.declared().contains(RULES) && s.value("rules").isPresent()
        ? gradient.with(GradientRules.of(s.texts("rules")))
        : gradient;
  }

  /** An algorithm with the settings {@link #EAP_IG}, divided as these say. */
  static <A extends PromptAlgorithm & NeuronAlgorithm> PromptAlgorithm divided(
      Settings s, A algorithm) {
    return s.value(LIBRARY_BATCH.name()).isEmpty()
        ? algorithm
        : new LibraryBatches<>(algorithm, s.whole(LIBRARY_BATCH.name()));
  }

  /** The values of {@link #GRADIENT}. */
  static Map<String, Object> ruledValues(MaskGradient g) {
    Map<String, Object> values = values(g);
    if (g.rules().temperature() != GradientRules.TEMPERATURE) {
      throw new IllegalArgumentException(
          "temperature="
              + g.rules().temperature()
              + " of the rule tsg is no setting of runs; take "
              + GradientRules.TEMPERATURE
              + ", or call score yourself");
    }
    if (!g.rules().rules().isEmpty()) {
      values.put("rules", g.rules().names());
    }
    return values;
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
