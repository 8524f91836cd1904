package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Whether the unpatched model shows the behaviour at all: how often it prefers the answers to the
 * wrong answers, by the mean of their logits.
 *
 * @param prompts number of prompts
 * @param wrongOnClean on how many clean prompts it prefers the wrong answers
 * @param rightOnCorrupt on how many corrupt prompts it prefers the answers
 * @param cleanDifference mean logit difference, answers minus wrong answers, on the clean prompts
 * @param corruptDifference the same on the corrupt prompts
 */
public record AnswerPreference(
    int prompts,
    int wrongOnClean,
    int rightOnCorrupt,
    double cleanDifference,
    double corruptDifference) {
  private static final double SAME = 0.75;

  /**
   * Runs the model, unpatched, once on the clean and once on the corrupt prompts.
   *
   * @param model the model; its memory budget is kept
   * @param ablation of the runs that follow, which bounds how many prompts are run together
   * @param batches the prompts
   * @return empty where there are no prompts, or some have no wrong answers
   * @throws IllegalArgumentException if one prompt alone exceeds the model's memory budget
   */
  public static Optional<AnswerPreference> of(
      PatchableModel model, Ablation ablation, List<PromptBatch> batches) {
    if (batches.isEmpty() || Metric.LOGIT_DIFF.inapplicable(batches).isPresent()) {
      return Optional.empty();
    }
    List<Double> clean = new ArrayList<>();
    List<Double> corrupt = new ArrayList<>();
    for (List<MicroBatch> parts :
        MicroBatch.within(model, MemoryEstimate.Work.CIRCUITS, ablation, batches)) {
      for (MicroBatch part : parts) {
        PromptBatch prompts = part.prompts();
        try (TensorScope scope = new TensorScope()) {
          Metric.Outputs outputs =
              new Metric.Outputs(
                  prompts, model.logits(prompts.clean()), model.logits(prompts.corrupt()));
          add(clean, Metric.LOGIT_DIFF.perPrompt(outputs.clean(), outputs));
          add(corrupt, Metric.LOGIT_DIFF.perPrompt(outputs.corrupt(), outputs));
        }
      }
    }
    return Optional.of(
        new AnswerPreference(
            clean.size(),
            (int) clean.stream().filter(d -> d < 0).count(),
            (int) corrupt.stream().filter(d -> d > 0).count(),
            mean(clean),
            mean(corrupt)));
  }

  private static void add(List<Double> all, double[] some) {
    Arrays.stream(some).forEach(all::add);
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElse(0);
  }

  /**
   * Whether the model prefers the answers on the whole, as a behaviour to explain needs.
   *
   * @return true if the mean difference on clean prompts is positive
   */
  public boolean shown() {
    return cleanDifference > 0;
  }

  /**
   * What the user should know of it.
   *
   * @return empty where the model prefers the answers on every clean prompt, and much less so on
   *     corrupt ones
   */
  public Optional<String> notice() {
    if (wrongOnClean == 0) {
      return cleanDifference > 0 && corruptDifference > SAME * cleanDifference
          ? Optional.of(
              String.format(
                  Locale.ROOT,
                  "on corrupt prompts the full model still has %.0f %% of the clean logit difference"
                      + " (%.4g of %.4g); corrupt prompts should take the behaviour away",
                  100 * corruptDifference / cleanDifference,
                  corruptDifference,
                  cleanDifference))
          : Optional.empty();
    }
    String counted =
        String.format(
            Locale.ROOT,
            "on %,d of %,d clean prompts the full model prefers the wrong answers"
                + " (mean logit difference %.4g)",
            wrongOnClean,
            prompts,
            cleanDifference);
    if (shown()) {
      return Optional.of(counted);
    }
    return Optional.of(
        counted
            + (corruptDifference > 0
                ? String.format(
                    Locale.ROOT,
                    ", and on %,d corrupt prompts it prefers the answers (%.4g): answers and"
                        + " wrong_answers, or clean and corrupt, seem to have changed places",
                    rightOnCorrupt,
                    corruptDifference)
                : ": it does not show this behaviour, or answers and wrong_answers have changed"
                    + " places")
            + "; percentages of its logit difference mean nothing");
  }
}
