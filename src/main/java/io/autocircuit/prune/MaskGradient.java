package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/**
 * Scores by the gradient of a loss with respect to the masks. At mask value 0 with logit
 * differences this is edge attribution patching (EAP; Syed et al. 2023, "Attribution patching
 * outperforms automated circuit discovery", arXiv:2310.10348); averaged over mask values 0, 1/N, …,
 * 1 it is integrated gradients over the edges (Sundararajan et al. 2017, arXiv:1703.01365; here all
 * edges move together).
 *
 * <p>Score = mean over prompts (and samples) of ∂loss/∂mask. Positive: ablating the edge lowers the
 * answer measure, so the edge supports the behaviour.
 *
 * @param logitFunction what is done to the logits
 * @param answerFunction what is measured
 * @param maskValue the value of all masks where the gradient is taken; ignored with samples
 * @param samples N > 0 for integrated gradients: N + 1 evaluations at k/N; 0 for one at {@code
 *     maskValue}
 * @param ablation what ablated sources are replaced by
 * @param source whose activations batch ablations take; the clean prompts are run
 */
public record MaskGradient(
    LogitFunction logitFunction,
    AnswerFunction answerFunction,
    double maskValue,
    int samples,
    Ablation ablation,
    PatchSource source)
    implements PruneAlgorithm {

  /** What is measured at the answers. */
  public enum AnswerFunction {
    /** {@link #MSE} where the answers are numbers, else {@link #AVG_DIFF}. */
    AUTO,
    /** Mean answer value minus mean wrong-answer value. */
    AVG_DIFF,
    /** Mean answer value. */
    AVG_VAL,
    /**
     * Mean squared error of the outputs against the answers' numbers, which are broadcast over the
     * outputs (for models whose outputs are numbers); here larger is worse. Answers that are token
     * ids count as numbers.
     */
    MSE
  }

  /** Which prompts' activations ablated sources are replaced by. */
  public enum PatchSource {
    /** The clean prompts (a resampled clean run then changes nothing; for batch means). */
    CLEAN,
    /** The corrupt prompts. */
    CORRUPT;

    Evaluations.Direction direction() {
      return this == CLEAN
          ? Evaluations.Direction.CLEAN_INTO_CLEAN
          : Evaluations.Direction.CORRUPT_INTO_CLEAN;
    }
  }

  /**
   * Checks the settings.
   *
   * @param logitFunction what is done to the logits
   * @param answerFunction what is measured
   * @param maskValue finite
   * @param samples 0 or more
   * @param ablation what ablated sources are replaced by
   * @param source whose activations batch ablations take
   * @throws IllegalArgumentException if a number is out of range
   */
  public MaskGradient {
    if (samples < 0 || !Double.isFinite(maskValue)) {
      throw new IllegalArgumentException(
          "samples=" + samples + ", maskValue=" + maskValue + ": samples must not be negative");
    }
  }

  /**
   * Edge attribution patching: gradient of the logit difference at mask 0, corrupt resampling.
   *
   * @return the algorithm
   */
  public static MaskGradient eap() {
    return new MaskGradient(
        LogitFunction.LOGIT, AnswerFunction.AVG_DIFF, 0, 0, Ablation.RESAMPLE, PatchSource.CORRUPT);
  }

  /**
   * Integrated gradients of the logit difference over N + 1 mask values.
   *
   * @param samples N, at least 1
   * @return the algorithm
   * @throws IllegalArgumentException if there are none
   */
  public static MaskGradient integrated(int samples) {
    if (samples < 1) {
      throw new IllegalArgumentException("samples=" + samples + " must be at least 1");
    }
    return new MaskGradient(
        LogitFunction.LOGIT,
        AnswerFunction.AVG_DIFF,
        0,
        samples,
        Ablation.RESAMPLE,
        PatchSource.CORRUPT);
  }

  @Override
  public String key() {
    return samples > 0 ? "ig" : "eap";
  }

  @Override
  public String title() {
    String what = samples > 0 ? "Integrated gradients" : "Edge attribution patching";
    return what + " (" + logitFunction.name().toLowerCase(java.util.Locale.ROOT) + ")";
  }

  /**
   * The loss whose gradient is taken.
   *
   * @return gives one number per prompt
   */
  public LossFunction loss() {
    LossFunction loss =
        (logits, batch, reference) -> {
          Tensor v = logitFunction.apply(logits);
          return switch (function(batch.numbers() != null)) {
            case AUTO -> throw new IllegalStateException("was chosen");
            case AVG_DIFF -> Answers.difference(v, batch.answers(), batch.wrongAnswers()).neg();
            case AVG_VAL -> Answers.value(v, batch.answers()).neg();
            case MSE -> Answers.squaredError(v, numbers(batch));
          };
        };
    // of other functions of the logits every answer's value depends on all outputs
    return logitFunction == LogitFunction.LOGIT && answerFunction != AnswerFunction.MSE
        ? LossFunction.ofAnswers(loss)
        : loss;
  }

  /** What is measured of answers that are numbers, or are not. */
  private AnswerFunction function(boolean numbers) {
    if (answerFunction != AnswerFunction.AUTO) {
      return answerFunction;
    }
    return numbers ? AnswerFunction.MSE : AnswerFunction.AVG_DIFF;
  }

  /** What outputs are compared with: the answers' numbers, or the answers' ids as numbers. */
  private static double[][][] numbers(PromptBatch batch) {
    return batch.numbers() != null
        ? batch.numbers()
        : Arrays.stream(batch.answers())
            .map(
                prompt ->
                    Arrays.stream(prompt)
                        .map(ids -> Arrays.stream(ids).asDoubleStream().toArray())
                        .toArray(double[][]::new))
            .toArray(double[][][]::new);
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    AnswerFunction function =
        function(prompts.prompts().stream().allMatch(p -> p.numbers() != null));
    if (function != AnswerFunction.MSE) {
      prompts.requireTokens(
          "--answer-function " + function.name().toLowerCase(java.util.Locale.ROOT),
          "--answer-function mse");
    }
    if (function == AnswerFunction.AVG_DIFF) {
      prompts.requireWrongAnswers(
          "--answer-function avg_diff compares answers with them", "--answer-function avg_val");
    }
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.values(this);
    if (samples > 0) {
      values.put("samples", samples);
      return Settings.of(IntegratedGradientsProvider.SETTINGS, values);
    }
    values.put("mask_value", maskValue);
    return Settings.of(EapProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(ablation);
  }

  /**
   * {@inheritDoc}
   *
   * <p>The gradient of a mask value that edges share is the sum of theirs.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return GroupScores.summed(groups, score(model, batches, progress));
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    double[] sum = new double[model.graph().edgeCount()];
    int steps = samples > 0 ? samples + 1 : 1;
    long[] done = {0};
    LossFunction loss = loss();
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations all =
            Evaluations.once(
                model,
                batches,
                values,
                source.direction(),
                steps == 1 ? Work.ONE_UNIFORM_GRADIENT : Work.UNIFORM_GRADIENT)) {
      long total = (long) steps * all.count();
      all.forEach(
          part -> {
            for (int k = 0; k < steps; k++) {
              double at = samples > 0 ? (double) k / samples : maskValue;
              PatchMask mask = PatchMask.uniform(model.graph(), at);
              float[] g = part.run().gradient(mask, loss, part.prompts(), null).maskGradient();
              for (int i = 0; i < sum.length; i++) {
                sum[i] += g[i];
              }
              progress.update("gradient passes", ++done[0], total);
            }
          });
    }
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    float[] scores = new float[sum.length];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) (sum[i] / ((double) prompts * steps));
    }
    return new PruneScores(model.graph(), scores);
  }
}
