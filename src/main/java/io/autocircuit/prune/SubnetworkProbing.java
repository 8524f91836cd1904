package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Learns the masks by gradient descent: faithfulness to the full model plus a penalty on the size
 * of the circuit (Cao et al. 2021, "Low-complexity probing via finding subnetworks",
 * arXiv:2104.03514).
 *
 * <p>Loss of a batch: F + λR. F is the mean of {@code target} over prompts. R is the size of the
 * circuit over the number of edges; with a circuit size k, relu(size − k)/k. The size is taken from
 * a sample of its own. Optimised by Adam (β 0.9, 0.999; ε 1e-8). Score: for {@link
 * PatchType#TREE_PATCH} |max θ| − θ, for {@link PatchType#EDGE_PATCH} |min θ| + θ.
 *
 * @param learningRate Adam's step, positive
 * @param epochs passes over the batches, at least 1
 * @param lambda weight λ of the size penalty
 * @param maskFunction how masks follow from their parameters
 * @param patchType TREE_PATCH: the complement is ablated in clean runs (patched from corrupt);
 *     EDGE_PATCH: the circuit is patched into corrupt runs (from clean)
 * @param ablation what ablated sources are replaced by; null for the default, {@code
 *     TOKENWISE_MEAN_CORRUPT} for TREE_PATCH and clean resampling for EDGE_PATCH
 * @param target the faithfulness loss
 * @param circuitSize wanted number of edges; 0 for none
 * @param dropout probability with which a mask value is set to 0 in a run (survivors are divided by
 *     1 − p)
 * @param avoid edges to keep out of the circuit; may be null
 * @param avoidLambda weight of that penalty
 * @param seed of the mask samples
 */
public record SubnetworkProbing(
    double learningRate,
    int epochs,
    double lambda,
    MaskFunction maskFunction,
    PatchType patchType,
    Ablation ablation,
    Target target,
    int circuitSize,
    double dropout,
    Circuit avoid,
    double avoidLambda,
    long seed)
    implements PruneAlgorithm {

  /** The faithfulness loss. */
  public enum Target {
    /** {@link #MSE} where the answers are numbers, else {@link #KL_DIV}. */
    AUTO,
    /** KL(full model on clean ‖ circuit). */
    KL_DIV,
    /** Mean squared error of the outputs against the answers' numbers. */
    MSE,
    /** Minus the mean answer logit. */
    ANSWER,
    /** Minus the mean wrong-answer logit. */
    WRONG_ANSWER,
    /** |100 − 100 · logit difference / the full model's|. */
    LOGIT_DIFF_PERCENT
  }

  /**
   * Checks the settings.
   *
   * @param learningRate positive
   * @param epochs at least 1
   * @param lambda 0 or more
   * @param maskFunction how masks follow from their parameters
   * @param patchType what is ablated in which runs
   * @param ablation what by; null for the default
   * @param target the faithfulness loss
   * @param circuitSize 0 or more
   * @param dropout from 0 to below 1
   * @param avoid edges to keep out of the circuit; may be null
   * @param avoidLambda weight of that penalty
   * @param seed of the mask samples
   * @throws IllegalArgumentException if a number is out of range
   */
  public SubnetworkProbing {
    if (!(learningRate > 0)
        || epochs < 1
        || !(lambda >= 0)
        || circuitSize < 0
        || !(dropout >= 0 && dropout < 1)) {
      throw new IllegalArgumentException(
          "learningRate="
              + learningRate
              + ", epochs="
              + epochs
              + ", lambda="
              + lambda
              + ", circuitSize="
              + circuitSize
              + ", dropout="
              + dropout
              + " out of range");
    }
  }

  /**
   * AutoCircuit's defaults: learning rate 0.1, 20 epochs, λ 10, hard concrete.
   *
   * @param patchType what is ablated in which runs
   * @param seed of the mask samples
   * @return the algorithm
   */
  public static SubnetworkProbing defaults(PatchType patchType, long seed) {
    return new SubnetworkProbing(
        0.1,
        20,
        10,
        MaskFunction.HARD_CONCRETE,
        patchType,
        null,
        Target.KL_DIV,
        0,
        0,
        null,
        1,
        seed);
  }

  @Override
  public String key() {
    return "sp";
  }

  @Override
  public String title() {
    return patchType == PatchType.TREE_PATCH
        ? "Subnetwork tree probing"
        : "Subnetwork edge probing";
  }

  /**
   * The ablation in force.
   *
   * @return the one given, or the default for the patch type
   */
  public Ablation effectiveAblation() {
    if (ablation != null) {
      return ablation;
    }
    return patchType == PatchType.TREE_PATCH ? Ablation.TOKENWISE_MEAN_CORRUPT : Ablation.RESAMPLE;
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    if (circuitSize > graph.edgeCount()) {
      throw new IllegalArgumentException(
          "--circuit-size="
              + circuitSize
              + " exceeds the graph's edges="
              + graph.edgeCount()
              + "; choose a smaller one, or 0 for none");
    }
    String name = "--target " + target.name().toLowerCase(java.util.Locale.ROOT);
    if (target != Target.KL_DIV && target != Target.MSE && target != Target.AUTO) {
      prompts.requireTokens(name, "--target mse");
    }
    if (target == Target.WRONG_ANSWER || target == Target.LOGIT_DIFF_PERCENT) {
      prompts.requireWrongAnswers(name + " looks at them", "another --target");
    }
  }

  /**
   * The faithfulness loss of each prompt.
   *
   * @return its reference is the full model's clean logits
   */
  public LossFunction loss() {
    return switch (target) {
      case AUTO, KL_DIV, MSE -> this::losses;
      case ANSWER, WRONG_ANSWER, LOGIT_DIFF_PERCENT -> LossFunction.ofAnswers(this::losses);
    };
  }

  private Tensor losses(Tensor logits, PromptBatch batch, Tensor reference) {
    return switch (target == Target.AUTO
        ? batch.numbers() != null ? Target.MSE : Target.KL_DIV
        : target) {
      case AUTO -> throw new IllegalStateException("was chosen");
      case KL_DIV -> Divergence.kl(logits, reference);
      case MSE ->
          new MaskGradient(
                  io.autocircuit.objective.LogitFunction.LOGIT,
                  MaskGradient.AnswerFunction.MSE,
                  0,
                  0,
                  Ablation.RESAMPLE,
                  MaskGradient.PatchSource.CORRUPT)
              .loss()
              .perPrompt(logits, batch, null);
      case ANSWER -> Answers.value(logits, batch.answers()).neg();
      case WRONG_ANSWER -> Answers.value(logits, batch.wrongAnswers()).neg();
      case LOGIT_DIFF_PERCENT -> {
        Tensor full = Answers.difference(reference, batch.answers(), batch.wrongAnswers());
        Tensor mine = Answers.difference(logits, batch.answers(), batch.wrongAnswers());
        yield mine.div(full).mul(new Scalar(-100.0)).add(new Scalar(100.0)).abs();
      }
    };
  }

  /** Whether a run has a mask of its own for each prompt. */
  private boolean perPrompt() {
    return maskFunction.samples() || dropout > 0;
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("epochs", epochs);
    values.put("learning_rate", learningRate);
    values.put("lambda", lambda);
    values.put("mask_fn", maskFunction);
    values.put("target", target);
    values.put("circuit_size", circuitSize);
    values.put("dropout", dropout);
    values.put(PruneAlgorithmProvider.SCORE_ABLATION, ablation);
    return Settings.of(SubnetworkProbingProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(effectiveAblation());
  }

  @Override
  public List<Found> found(PruneScores scores) {
    return circuitSize == 0 ? List.of() : List.of(new Found("wanted", circuitSize));
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    ComputationGraph graph = model.graph();
    boolean tree = patchType == PatchType.TREE_PATCH;
    double[] theta = new double[graph.edgeCount()];
    Arrays.fill(theta, tree ? MaskFunction.INITIAL : -MaskFunction.INITIAL);
    Adam adam = new Adam(theta.length, learningRate);
    SplittableRandom random = new SplittableRandom(seed);
    LossFunction loss = loss();
    int step = 0;
    try (AblationValues values = AblationValues.prepare(model, effectiveAblation(), batches);
        Evaluations running =
            Evaluations.kept(
                model,
                batches,
                values,
                tree ? Direction.CORRUPT_INTO_CLEAN : Direction.CLEAN_INTO_CORRUPT,
                perPrompt() ? Work.PROMPT_GRADIENT : Work.GRADIENT)) {
      for (int epoch = 0; epoch < epochs; epoch++) {
        for (int b = 0; b < batches.size(); b++) {
          double[] gradient = new double[theta.length];
          int prompts = batches.get(b).clean().batchSize();
          faithfulness(graph, running, b, prompts, loss, theta, random, gradient);
          regularizer(theta, random, gradient);
          adam.step(theta, gradient);
          progress.update("training steps", ++step, (long) epochs * batches.size());
        }
      }
    }
    float[] scores = new float[theta.length];
    double most = Arrays.stream(theta).max().orElse(0);
    double least = Arrays.stream(theta).min().orElse(0);
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) (tree ? Math.abs(most) - theta[i] : Math.abs(least) + theta[i]);
    }
    return new PruneScores(graph, scores);
  }

  /** Adds ∂F/∂θ. */
  private void faithfulness(
      ComputationGraph graph,
      Evaluations running,
      int batch,
      int prompts,
      LossFunction loss,
      double[] theta,
      SplittableRandom random,
      double[] gradient) {
    int edges = theta.length;
    boolean perPrompt = perPrompt();
    // drawn for the whole batch in one order, whatever computes the masks from them
    int count = (perPrompt ? prompts : 1) * edges;
    double[] uniform = maskFunction.samples() ? new double[count] : null;
    double[] scale = dropout > 0 ? new double[count] : null;
    for (int i = 0; i < count && perPrompt; i++) {
      if (uniform != null) {
        uniform[i] = MaskFunction.uniform(random);
      }
      if (scale != null) {
        scale[i] = random.nextDouble() < dropout ? 0 : 1 / (1 - dropout);
      }
    }
    running.compute(
        batch,
        part -> {
          int from = perPrompt ? part.first() * edges : 0;
          int size = perPrompt ? part.size() * edges : edges;
          float[] mask = new float[size];
          double[] slope = new double[size];
          for (int i = 0; i < size; i++) {
            double m =
                maskFunction.value(theta[i % edges], uniform == null ? 0 : uniform[from + i]);
            double by = scale == null ? 1 : scale[from + i];
            mask[i] = (float) (m * by);
            slope[i] = maskFunction.derivativeAt(m) * by;
          }
          PatchMask own = new PatchMask(graph, mask, perPrompt ? part.size() : 0);
          float[] g = part.run().gradient(own, loss, part.prompts(), part.clean()).maskGradient();
          double[] sum = new double[edges];
          for (int i = 0; i < size; i++) {
            sum[i % edges] += g[i] * slope[i] / prompts;
          }
          return sum;
        },
        (part, sum) -> {
          for (int e = 0; e < edges; e++) {
            gradient[e] += sum[e];
          }
        });
  }

  /** Adds λ ∂R/∂θ. */
  private void regularizer(double[] theta, SplittableRandom random, double[] gradient) {
    boolean tree = patchType == PatchType.TREE_PATCH;
    int edges = theta.length;
    double masked = 0;
    double[] slope = new double[edges];
    for (int i = 0; i < edges; i++) {
      double u = maskFunction.samples() ? MaskFunction.uniform(random) : 0;
      double m = maskFunction.value(theta[i], u);
      masked += m;
      slope[i] = maskFunction.derivativeAt(m);
    }
    double size = tree ? edges - masked : masked;
    double scale = circuitSize == 0 ? 1.0 / edges : size > circuitSize ? 1.0 / circuitSize : 0;
    for (int i = 0; i < edges; i++) {
      gradient[i] += lambda * scale * (tree ? -slope[i] : slope[i]);
    }
    if (avoid != null && avoid.size() > 0) {
      double weight = (tree ? -1 : 1) * avoidLambda / avoid.size();
      double shift = maskFunction.samples() ? MaskFunction.REGULARIZE_CONST : 0;
      avoid.edgeSet().stream()
          .forEach(
              i -> {
                double s = MaskFunction.sigmoid(theta[i] - shift);
                double slopeOf = maskFunction == MaskFunction.NONE ? 1 : s * (1 - s);
                gradient[i] += lambda * weight * slopeOf;
              });
    }
  }
}
