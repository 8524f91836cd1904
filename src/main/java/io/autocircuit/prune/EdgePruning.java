package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Edge pruning: learns hard concrete masks of edges and of the nodes that write them, by gradient
 * descent on the faithfulness to the full model, and holds the sparsity of the circuit at a target
 * by Lagrange multipliers, which are learned by gradient ascent (Bhaskar et al. 2024, "Finding
 * transformer circuits with edge pruning", arXiv:2406.16778).
 *
 * <p>Loss of a batch: F + λ₁(s − t) + λ₂(s − t)². F is the mean of {@code target} over the prompts,
 * with one sample of the masks for all of them, in which an edge is kept by its own mask times that
 * of its source. s = 1 − Σ P(own mask > 0) P(source's mask > 0) / edges is the sparsity to be
 * expected, t the target, which comes up from the first s on a straight line. Nodes may have a
 * target and multipliers of their own. Optimised by Adam (β 0.9, 0.999; ε 1e-8).
 *
 * <p>Score of an edge: the product of the two probabilities. The learned circuit has as many edges
 * as the scores sum up to, those of the largest. Where groups of edges are scored, each has one
 * mask, and none else is learned.
 *
 * @param edgeSparsity the wanted share of edges outside the circuit; above 1 for as few edges as
 *     faithfulness allows
 * @param nodeSparsity the wanted share of nodes outside; empty for none
 * @param schedule of the optimisation
 * @param masks the masks' distribution
 * @param init θ at first, larger than {@link HardConcrete#even}; with {@code warmStart} that of the
 *     best edge
 * @param patchType TREE_PATCH: the complement is ablated in clean runs (patched from corrupt);
 *     EDGE_PATCH: the circuit is patched into corrupt runs (from clean)
 * @param ablation what ablated sources are replaced by
 * @param target the faithfulness loss
 * @param warmStart scores of edges whose ranking masks begin with: a file that {@link ScoreFiles}
 *     reads, or the directory of a run; empty for masks that are all open
 * @param seed of the mask samples
 */
public record EdgePruning(
    double edgeSparsity,
    OptionalDouble nodeSparsity,
    Schedule schedule,
    HardConcrete masks,
    double init,
    PatchType patchType,
    Ablation ablation,
    SubnetworkProbing.Target target,
    Optional<Path> warmStart,
    long seed)
    implements PruneAlgorithm {
  /**
   * How long is optimised, and how fast.
   *
   * @param steps how many, of one batch each, at least 1
   * @param sparsityWarmUp after how many of them the target sparsity is reached, 0 to all
   * @param learningRateWarmUp for how many of them learning rates rise from 0; from there they fall
   *     to 0 at the last
   * @param learningRate Adam's step of the masks' parameters, positive
   * @param multiplierLearningRate that of the multipliers, positive
   * @param weightDecay the share of itself, times the learning rate, that a mask's parameter loses
   *     in each step (Loshchilov and Hutter 2019, arXiv:1711.05101), 0 or more
   */
  public record Schedule(
      int steps,
      int sparsityWarmUp,
      int learningRateWarmUp,
      double learningRate,
      double multiplierLearningRate,
      double weightDecay) {
    /**
     * Checks the numbers.
     *
     * @param steps at least 1
     * @param sparsityWarmUp 0 to all steps
     * @param learningRateWarmUp 0 to all steps
     * @param learningRate positive
     * @param multiplierLearningRate positive
     * @param weightDecay 0 or more
     * @throws IllegalArgumentException if one is out of range
     */
    public Schedule {
      if (steps < 1
          || !(learningRate > 0)
          || !(multiplierLearningRate > 0)
          || !(weightDecay >= 0)) {
        throw new IllegalArgumentException(
            "steps="
                + steps
                + ", learningRate="
                + learningRate
                + ", multiplierLearningRate="
                + multiplierLearningRate
                + ", weightDecay="
                + weightDecay
                + " out of range; the first is 1 or more, the next two are positive, the last is 0"
                + " or more");
      }
      requireWithin("--sparsity-warm-up", sparsityWarmUp, steps);
      requireWithin("--learning-rate-warm-up", learningRateWarmUp, steps);
    }

    private static void requireWithin(String name, int some, int steps) {
      if (some < 0 || some > steps) {
        throw new IllegalArgumentException(
            name + "=" + some + " outside 0.." + steps + ", the number of --steps; give fewer");
      }
    }

    /** The share of the learning rates that a step has: up to 1 on a straight line, down to 0. */
    double share(int step) {
      return step < learningRateWarmUp
          ? (double) step / learningRateWarmUp
          : (double) (steps - step) / Math.max(1, steps - learningRateWarmUp);
    }
  }

  /**
   * Checks the settings.
   *
   * @param edgeSparsity 0 or more
   * @param nodeSparsity 0 or more
   * @param schedule of the optimisation
   * @param masks the masks' distribution
   * @param init θ at first
   * @param patchType what is ablated in which runs
   * @param ablation what by
   * @param target the faithfulness loss
   * @param warmStart where masks begin
   * @param seed of the mask samples
   * @throws IllegalArgumentException if a number is out of range
   */
  public EdgePruning {
    if (!(edgeSparsity >= 0 && edgeSparsity < Double.POSITIVE_INFINITY)
        || !(nodeSparsity.orElse(0) >= 0 && nodeSparsity.orElse(0) < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "edgeSparsity="
              + edgeSparsity
              + ", nodeSparsity="
              + nodeSparsity
              + " out of range; give shares of edges and of nodes");
    }
    if (!(init > masks.even() && init < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "init=%s leaves edges outside the circuit at first; give more than %.4f",
              init,
              masks.even()));
    }
  }

  @Override
  public String key() {
    return "edge-pruning";
  }

  @Override
  public String title() {
    return "Edge pruning (sparsity "
        + edgeSparsity
        + (nodeSparsity.isPresent() ? ", of nodes " + nodeSparsity.getAsDouble() : "")
        + (warmStart.isPresent() ? ", warm start" : "")
        + ")";
  }

  @Override
  public Settings settings() {
    return EdgePruningProvider.settings(this);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(ablation);
  }

  /** The wanted sparsity of edges, or of nodes where they are all that is scored. */
  double target(boolean nodes) {
    return nodes ? nodeSparsity.orElse(edgeSparsity) : edgeSparsity;
  }

  /**
   * {@inheritDoc}
   *
   * <p>The learned circuit: of as many as the scores sum up to.
   */
  @Override
  public List<Found> found(float[] scores, String what) {
    double sum = 0;
    for (float score : scores) {
      sum += score;
    }
    int size = (int) Math.round(sum);
    double sparsity = 1 - (double) size / Math.max(1, scores.length);
    return List.of(new Found(String.format(Locale.ROOT, "learned, sparsity %.4f", sparsity), size));
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    SubnetworkProbing.requireAnswers(target, prompts);
    warmScores(graph);
  }

  private Optional<PruneScores> warmScores(ComputationGraph graph) {
    return warmStart.map(file -> ScoreFiles.read(ScoreFiles.file(file), graph, null).scores());
  }

  /** What a warm start ranks. */
  Optional<GroupScores> ranking(EdgeGroups groups) {
    return warmScores(groups.graph()).map(scores -> GroupScores.largest(groups, scores));
  }

  /**
   * Where masks begin: θ = init, or with a ranking from {@code init} down to as much below {@link
   * HardConcrete#even} as that is above, so that the best of it, as many as wanted, are above.
   */
  double[] start(EdgePruningMasks of, Optional<GroupScores> warm, double sparsity) {
    double[] theta = new double[of.size()];
    Arrays.fill(theta, init);
    if (warm.isPresent()) {
      int[] order = warm.get().ranking();
      int n = order.length;
      int inside = (int) Math.max(0, Math.min(n, Math.round((1 - sparsity) * n)));
      for (int r = 0; r < n; r++) {
        double above =
            r < inside ? (inside - r - 0.5) / inside : -(r - inside + 0.5) / (n - inside);
        theta[order[r]] = masks.even() + (init - masks.even()) * above;
      }
    }
    return theta;
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    EdgeGroups edges = EdgeGroups.each(model.graph());
    return score(model, batches, edges, model.graph().nodes().groups(), progress).ofEdges();
  }

  /**
   * {@inheritDoc}
   *
   * <p>One mask is learned for each group; the target is that of nodes, or that of edges where
   * there is none.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return score(model, batches, groups, null, progress);
  }

  private GroupScores score(
      PatchableModel model,
      List<PromptBatch> batches,
      EdgeGroups own,
      EdgeGroups nodes,
      Progress progress) {
    Optional<GroupScores> warm = ranking(own);
    try (EdgePruningTraining training = new EdgePruningTraining(this, own, nodes, model, batches)) {
      return training.train(start(training.masks(), warm, target(nodes == null)), progress);
    }
  }
}
