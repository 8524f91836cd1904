package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.GradientOf;
import io.autocircuit.patch.GradientRules;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.patch.NeuronSums;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * Scores by the gradient of a loss with respect to the masks. At mask value 0 with logit
 * differences this is edge attribution patching (EAP; Syed et al. 2023, "Attribution patching
 * outperforms automated circuit discovery", arXiv:2310.10348); averaged over mask values 0, 1/N, …,
 * 1 it is integrated gradients over the edges (Sundararajan et al. 2017, arXiv:1703.01365), along
 * one of several {@link Path}s.
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
 * @param path which masks move together, with samples; else {@link Path#TOGETHER}
 * @param rules how gradients go back through the model
 */
public record MaskGradient(
    LogitFunction logitFunction,
    AnswerFunction answerFunction,
    double maskValue,
    int samples,
    Ablation ablation,
    PatchSource source,
    Path path,
    GradientRules rules)
    implements PromptAlgorithm, NeuronAlgorithm {

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
    MSE,
    /**
     * KL divergence of the outputs from the full model's on the clean prompts; larger is worse. Its
     * gradient is 0 where nothing is ablated.
     */
    KL_DIV
  }

  /** Which masks of integrated gradients move from 0 to 1 together, while all others are 0. */
  public enum Path {
    /**
     * All. What one edge's mask does to the stream then counts in the gradients of later edges. The
     * sum of all scores tends to loss(everything ablated) − loss(clean) as N grows.
     */
    TOGETHER,
    /**
     * Those of the edges into one block; then those into the next. The sum over the edges into a
     * block tends to loss(these ablated) − loss(clean). One gradient at 0, and N for each of L + 1
     * groups, each from its block on.
     */
    BLOCK,
    /**
     * Those of the edges into one layer, so that no edge of a group leads to another of it:
     * attention and MLP of a sequential block by themselves. Sums as for {@link #BLOCK}, by layer.
     */
    LAYER;

    /** The destinations whose masks move together, from the end backwards, which restarts need. */
    List<List<DestModule>> groups(ComputationGraph graph) {
      Map<Integer, List<DestModule>> groups = new LinkedHashMap<>();
      for (DestModule m : graph.modules()) {
        int key =
            switch (this) {
              case TOGETHER -> 0;
              case BLOCK -> m.block();
              case LAYER -> m.nodes().get(0).layer();
            };
        groups.computeIfAbsent(key, k -> new ArrayList<>()).add(m);
      }
      return List.copyOf(groups.values());
    }
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
   * @param path which masks move together, with samples; else {@link Path#TOGETHER}
   * @param rules how gradients go back through the model
   * @throws IllegalArgumentException if a number is out of range, or there is a path without
   *     samples
   */
  public MaskGradient {
    if (samples < 0 || !Double.isFinite(maskValue)) {
      throw new IllegalArgumentException(
          "samples=" + samples + ", maskValue=" + maskValue + ": samples must not be negative");
    }
    if (samples == 0 && path != Path.TOGETHER) {
      throw new IllegalArgumentException(
          "samples=0, path=" + path + ": a path needs samples; give 1 or more");
    }
  }

  /**
   * With all masks moving together.
   *
   * @param logitFunction what is done to the logits
   * @param answerFunction what is measured
   * @param maskValue finite
   * @param samples 0 or more
   * @param ablation what ablated sources are replaced by
   * @param source whose activations batch ablations take
   * @throws IllegalArgumentException if a number is out of range
   */
  public MaskGradient(
      LogitFunction logitFunction,
      AnswerFunction answerFunction,
      double maskValue,
      int samples,
      Ablation ablation,
      PatchSource source) {
    this(
        logitFunction,
        answerFunction,
        maskValue,
        samples,
        ablation,
        source,
        Path.TOGETHER,
        GradientRules.NONE);
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

  /**
   * The same along another path.
   *
   * @param which masks move together
   * @return integrated gradients
   * @throws IllegalArgumentException if there are no samples, and a path is given
   */
  public MaskGradient along(Path which) {
    return new MaskGradient(
        logitFunction, answerFunction, maskValue, samples, ablation, source, which, rules);
  }

  /**
   * The same with another backward pass.
   *
   * @param changed how gradients go back through the model
   * @return scores of what comes out in the place of gradients
   */
  public MaskGradient with(GradientRules changed) {
    return new MaskGradient(
        logitFunction, answerFunction, maskValue, samples, ablation, source, path, changed);
  }

  @Override
  public String key() {
    return samples > 0 ? "ig" : "eap";
  }

  @Override
  public String title() {
    String what = samples > 0 ? "Integrated gradients" : "Edge attribution patching";
    String way = path == Path.TOGETHER ? "" : ", " + lower(path) + " by " + lower(path);
    return what + " (" + lower(logitFunction) + way + ruled() + ")";
  }

  /** The rules, for titles. */
  String ruled() {
    return rules.rules().isEmpty() ? "" : ", rules " + String.join(" ", rules.names());
  }

  private static String lower(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
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
            case KL_DIV -> Divergence.kl(logits, reference);
          };
        };
    // of other functions of the logits every answer's value depends on all outputs
    return logitFunction == LogitFunction.LOGIT
            && answerFunction != AnswerFunction.MSE
            && answerFunction != AnswerFunction.KL_DIV
        ? LossFunction.ofAnswers(loss)
        : loss;
  }

  /** What is differentiated of some prompts, and how. */
  GradientOf of(OpenMicroBatch part, NeuronSums neurons) {
    return new GradientOf(loss(), part.prompts(), reference(part), rules, neurons);
  }

  /** What the loss compares with; null if it does not. */
  Tensor reference(OpenMicroBatch part) {
    return answerFunction == AnswerFunction.KL_DIV ? part.clean() : null;
  }

  /** What is measured of answers that are numbers, or are not. */
  private AnswerFunction function(boolean numbers) {
    if (answerFunction != AnswerFunction.AUTO) {
      return answerFunction;
    }
    return numbers ? AnswerFunction.MSE : AnswerFunction.AVG_DIFF;
  }

  /** What outputs are compared with: the answers' numbers, or the answers' ids as numbers. */
  static double[][][] numbers(PromptBatch batch) {
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
    if (function == AnswerFunction.KL_DIV && logitFunction != LogitFunction.LOGIT) {
      throw new IllegalArgumentException(
          "--grad-function "
              + lower(logitFunction)
              + " does not go with --answer-function kl_div, which compares probabilities already;"
              + " leave it out");
    }
    if (function != AnswerFunction.MSE && function != AnswerFunction.KL_DIV) {
      prompts.requireTokens("--answer-function " + lower(function), "--answer-function mse");
    }
    if (function == AnswerFunction.AVG_DIFF) {
      prompts.requireWrongAnswers(
          "--answer-function avg_diff compares answers with them", "--answer-function avg_val");
    }
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.ruledValues(this);
    if (samples > 0) {
      values.put("samples", samples);
      values.put("path", path);
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
    Work work =
        path != Path.TOGETHER
            ? Work.BLOCK_GRADIENT
            : samples == 0 ? Work.ONE_UNIFORM_GRADIENT : Work.UNIFORM_GRADIENT;
    return scores(model, batches).shared(work, gradients(model), progress);
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    Work work = path == Path.TOGETHER ? Work.UNIFORM_PROMPT_GRADIENT : Work.BLOCK_PROMPT_GRADIENT;
    return scores(model, batches).each(work, gradients(model), progress);
  }

  @Override
  public NeuronScores scoreNeurons(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    if (samples > 0 || maskValue != 0) {
      throw new IllegalArgumentException(
          "neurons are scored where nothing is ablated, but samples="
              + samples
              + ", mask_value="
              + maskValue
              + "; choose eap with mask_value=0, or eap-ig-inputs");
    }
    PatchMask none = PatchMask.uniform(model.graph(), 0);
    return scores(model, batches)
        .neurons(
            Work.UNIFORM_GRADIENT,
            (part, sums, pass) -> {
              part.run().gradient(none, of(part, sums));
              pass.run();
            },
            progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches) {
    int groups = path == Path.TOGETHER ? 1 : path.groups(model.graph()).size();
    return new GradientScores(
        model,
        batches,
        ablation,
        source.direction(),
        "gradient passes",
        1 + groups * samples,
        samples + 1,
        rules);
  }

  private GradientScores.Gradients gradients(PatchableModel model) {
    return path == Path.TOGETHER
        ? (part, instances, sums, pass) -> together(model.graph(), part, instances, sums, pass)
        : (part, instances, sums, pass) -> groupwise(model.graph(), part, instances, sums, pass);
  }

  private void together(
      ComputationGraph graph, OpenMicroBatch part, int instances, double[] sums, Runnable pass) {
    int steps = samples > 0 ? samples + 1 : 1;
    for (int k = 0; k < steps; k++) {
      double at = samples > 0 ? (double) k / samples : maskValue;
      float[] values = new float[sums.length];
      Arrays.fill(values, (float) at);
      PatchMask mask = new PatchMask(graph, values, instances);
      float[] g = part.run().gradient(mask, of(part, null)).maskGradient();
      for (int i = 0; i < sums.length; i++) {
        sums[i] += g[i];
      }
      pass.run();
    }
  }

  /** At mask 0 the gradient is the same for all groups. */
  private void groupwise(
      ComputationGraph graph, OpenMicroBatch part, int instances, double[] sums, Runnable pass) {
    float[] values = new float[sums.length];
    PatchMask mask = new PatchMask(graph, values, instances);
    float[] none = part.run().gradient(mask, of(part, null)).maskGradient();
    for (int i = 0; i < sums.length; i++) {
      sums[i] += none[i];
    }
    pass.run();
    for (List<DestModule> group : path.groups(graph)) {
      for (int k = 1; k <= samples; k++) {
        fill(values, graph, group, (float) k / samples);
        PatchMask at = new PatchMask(graph, values.clone(), instances);
        float[] g =
            part.run().gradientFrom(at, group.get(0).block(), of(part, null)).maskGradient();
        forEachEdge(graph, sums.length, group, i -> sums[i] += g[i]);
        pass.run();
      }
      fill(values, graph, group, 0);
    }
  }

  private static void fill(
      float[] values, ComputationGraph graph, List<DestModule> group, float value) {
    forEachEdge(graph, values.length, group, i -> values[i] = value);
  }

  /** The places of a group's edges in the values of one or several prompts. */
  private static void forEachEdge(
      ComputationGraph graph, int length, List<DestModule> group, IntConsumer action) {
    for (int base = 0; base < length; base += graph.edgeCount()) {
      for (DestModule m : group) {
        int first = base + m.offset();
        int count = m.nodes().size() * m.sources() * graph.positionCopies();
        IntStream.range(first, first + count).forEach(action);
      }
    }
  }
}
