package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
 * @param init what training begins with for every edge: its parameter is {@code init} for
 *     TREE_PATCH and {@code −init} for EDGE_PATCH, so that edges are outside of the circuit at
 *     first where it is positive, and in it where it is negative
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
    double init,
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
   * @param avoidLambda weight of that penalty, 0 or more
   * @param init what training begins with, finite
   * @param seed of the mask samples
   * @throws IllegalArgumentException if a number is out of range
   */
  public SubnetworkProbing {
    if (!(learningRate > 0)
        || epochs < 1
        || !(lambda >= 0)
        || !(avoidLambda >= 0)
        || !Double.isFinite(init)
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
              + ", avoidLambda="
              + avoidLambda
              + ", init="
              + init
              + " out of range");
    }
  }

  /**
   * Beginning with the empty circuit: {@code init} is {@link MaskFunction#INITIAL}.
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
   * @param avoidLambda weight of that penalty, 0 or more
   * @param seed of the mask samples
   * @throws IllegalArgumentException if a number is out of range
   */
  public SubnetworkProbing(
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
      long seed) {
    this(
        learningRate,
        epochs,
        lambda,
        maskFunction,
        patchType,
        ablation,
        target,
        circuitSize,
        dropout,
        avoid,
        avoidLambda,
        MaskFunction.INITIAL,
        seed);
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
    return "Subnetwork " + patchType.key() + " probing" + avoided();
  }

  /** The groups that edges to avoid are in; none without such edges. */
  int[] avoided(EdgeGroups groups) {
    return avoid == null
        ? new int[0]
        : avoid.edgeSet().stream().map(groups::group).filter(g -> g >= 0).distinct().toArray();
  }

  /** For titles: how many edges are kept out. */
  String avoided() {
    return avoid == null || avoid.size() == 0 ? "" : " (avoiding " + avoid.size() + " edges)";
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
    requireSize(graph.edgeCount(), "edges");
    requireRest(graph, prompts);
  }

  @Override
  public void requireFit(EdgeGroups groups, TokenizedDataset prompts) {
    requireSize(groups.size(), "nodes");
    requireRest(groups, prompts);
  }

  /** All but the size. */
  void requireRest(EdgeGroups groups, TokenizedDataset prompts) {
    requireRest(groups.graph(), prompts);
    if (avoid != null && avoid.size() > 0) {
      int nodes = avoided(groups).length;
      if (nodes == 0 || nodes == groups.size()) {
        throw new IllegalArgumentException(
            "avoided edges="
                + avoid.size()
                + " leave "
                + (nodes == 0 ? "none" : "every one")
                + " of the graph's nodes="
                + groups.size()
                + (nodes == 0
                    ? ", so nothing is avoided; give edges that leave heads or MLPs"
                    : ", so none is left for a circuit; give fewer edges"));
      }
    }
  }

  private void requireSize(int most, String what) {
    if (circuitSize > most) {
      throw new IllegalArgumentException(
          "--circuit-size="
              + circuitSize
              + " exceeds the graph's "
              + what
              + "="
              + most
              + "; choose a smaller one, or 0 for none");
    }
  }

  /** All but the size. */
  void requireRest(ComputationGraph graph, TokenizedDataset prompts) {
    requireAvoidable(graph);
    requireAnswers(target, prompts);
  }

  /** That prompts have the answers that a loss looks at. */
  static void requireAnswers(Target target, TokenizedDataset prompts) {
    String name = "--target " + target.name().toLowerCase(java.util.Locale.ROOT);
    if (target != Target.KL_DIV && target != Target.MSE && target != Target.AUTO) {
      prompts.requireTokens(name, "--target mse");
    }
    if (target == Target.WRONG_ANSWER || target == Target.LOGIT_DIFF_PERCENT) {
      prompts.requireWrongAnswers(name + " looks at them", "another --target");
    }
  }

  /** That the circuit to avoid is of this graph, and leaves some of it. */
  void requireAvoidable(ComputationGraph graph) {
    if (avoid == null) {
      return;
    }
    if (!avoid.graph().equals(graph)) {
      throw new IllegalArgumentException(
          "the circuit to avoid is for another " + avoid.graph() + "; the model's is the " + graph);
    }
    if (avoid.size() == graph.edgeCount()) {
      throw new IllegalArgumentException(
          "avoided edges="
              + avoid.size()
              + " are all edges of the graph, so none is left for a circuit; give fewer, such as"
              + " --avoid-edges 10 for the first ten of a file");
    }
  }

  /**
   * The faithfulness loss of each prompt.
   *
   * @return its reference is the full model's clean logits
   */
  public LossFunction loss() {
    return loss(target);
  }

  /** The loss of each prompt; its reference is the full model's clean logits. */
  static LossFunction loss(Target target) {
    LossFunction losses = (logits, batch, full) -> losses(target, logits, batch, full);
    return switch (target) {
      case AUTO, KL_DIV, MSE -> losses;
      case ANSWER, WRONG_ANSWER, LOGIT_DIFF_PERCENT -> LossFunction.ofAnswers(losses);
    };
  }

  private static Tensor losses(Target target, Tensor logits, PromptBatch batch, Tensor reference) {
    return switch (target == Target.AUTO
        ? batch.numbers() != null ? Target.MSE : Target.KL_DIV
        : target) {
      case AUTO -> throw new IllegalStateException("was chosen");
      case KL_DIV -> Divergence.kl(logits, reference);
      case MSE -> Answers.squaredError(logits, MaskGradient.numbers(batch));
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
  boolean perPrompt() {
    return maskFunction.samples() || dropout > 0;
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = ProbingSettings.values(this);
    values.put(ProbingSettings.CIRCUIT_SIZE, circuitSize);
    return Settings.of(SubnetworkProbingProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(effectiveAblation());
  }

  @Override
  public List<Found> found(float[] scores, String what) {
    return circuitSize == 0 ? List.of() : List.of(new Found("wanted", circuitSize));
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return score(model, batches, EdgeGroups.each(model.graph()), progress).ofEdges();
  }

  /**
   * {@inheritDoc}
   *
   * <p>One number is learned for each group; sizes are numbers of groups.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    try (MaskTraining training = new MaskTraining(this, groups, model, batches)) {
      return training.train(circuitSize, progress, 0, training.steps());
    }
  }
}
