package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/** Trains the masks of {@link EdgePruning}. */
final class EdgePruningTraining implements AutoCloseable {
  /** How far from its target a sparsity may be without a word. */
  private static final double NEAR = 0.02;

  private final EdgePruning how;
  private final EdgeGroups own;
  private final EdgePruningMasks masks;
  private final List<PromptBatch> batches;
  private final LossFunction loss;
  private final AblationValues values;
  private final Evaluations running;

  /**
   * Prepares a training.
   *
   * @param how the settings
   * @param own edges that share a mask; others are never ablated
   * @param nodes the edges that leave each node; null where the groups are all that is learned
   * @param model the model and its graph
   * @param batches the prompts to train on
   */
  EdgePruningTraining(
      EdgePruning how,
      EdgeGroups own,
      EdgeGroups nodes,
      PatchableModel model,
      List<PromptBatch> batches) {
    this.how = how;
    this.own = own;
    this.masks = new EdgePruningMasks(how.masks(), own, nodes);
    this.batches = batches;
    this.loss = SubnetworkProbing.loss(how.target());
    this.values = AblationValues.prepare(model, how.ablation(), batches);
    boolean opened = false;
    try {
      this.running =
          Evaluations.kept(
              model,
              batches,
              values,
              tree() ? Direction.CORRUPT_INTO_CLEAN : Direction.CLEAN_INTO_CORRUPT,
              Work.GRADIENT);
      opened = true;
    } finally {
      if (!opened) {
        values.close();
      }
    }
  }

  private boolean tree() {
    return how.patchType() == PatchType.TREE_PATCH;
  }

  /** The masks that are trained. */
  EdgePruningMasks masks() {
    return masks;
  }

  /** A loss and its gradient. */
  record Loss(double value, double[] gradient) {}

  /**
   * The faithfulness of a batch under given masks, and its gradient with respect to θ.
   *
   * @param batch its index
   * @param theta of every mask
   * @param uniform the sample of every mask
   * @return the mean over the prompts
   */
  Loss faithfulness(int batch, double[] theta, double[] uniform) {
    double[] m = masks.values(theta, uniform);
    float[] ablated = masks.kept(m);
    if (tree()) {
      for (int e = 0; e < ablated.length; e++) {
        ablated[e] = own.group(e) < 0 ? 0 : 1 - ablated[e];
      }
    }
    PatchMask mask = PatchMask.of(own.graph(), ablated);
    int prompts = batches.get(batch).clean().batchSize();
    double[] sum = new double[1];
    double[] ofMask = new double[ablated.length];
    running.compute(
        batch,
        part -> part.run().gradient(mask, loss, part.prompts(), part.clean()),
        (part, g) -> {
          sum[0] += Arrays.stream(g.losses()).sum();
          for (int e = 0; e < ofMask.length; e++) {
            ofMask[e] += g.maskGradient()[e];
          }
        });
    float[] ofKept = new float[ofMask.length];
    for (int e = 0; e < ofKept.length; e++) {
      ofKept[e] = (float) ((tree() ? -ofMask[e] : ofMask[e]) / prompts);
    }
    return new Loss(sum[0] / prompts, masks.gradient(ofKept, m));
  }

  /**
   * Trains.
   *
   * @param theta where the masks begin; where they end, afterwards
   * @param progress told about the work done
   * @return the scores of the groups
   */
  GroupScores train(double[] theta, Progress progress) {
    EdgePruning.Schedule schedule = how.schedule();
    boolean ofNodes = masks.nodes() > 0 && how.nodeSparsity().isPresent();
    Lagrangian edges = lagrangian(masks.sparsity(theta), target());
    Lagrangian nodes =
        lagrangian(masks.nodeSparsity(theta), ofNodes ? how.nodeSparsity().getAsDouble() : 0);
    Adam adam = new Adam(theta.length, schedule.learningRate());
    SplittableRandom random = new SplittableRandom(how.seed());
    for (int step = 0; step < schedule.steps(); step++) {
      int batch = step % batches.size();
      double[] gradient = faithfulness(batch, theta, masks.uniform(random)).gradient();
      double weight = MaskTraining.weight(batches, batch);
      for (int i = 0; i < gradient.length; i++) {
        gradient[i] *= weight;
      }
      double sparsity = masks.sparsity(theta);
      masks.addSparsity(theta, edges.slope(sparsity, step), gradient);
      double ofNode = masks.nodeSparsity(theta);
      double share = schedule.share(step);
      if (ofNodes) {
        masks.addNodeSparsity(theta, nodes.slope(ofNode, step), gradient);
        nodes.ascend(ofNode, step, share);
      }
      edges.ascend(sparsity, step, share);
      for (int i = 0; i < theta.length; i++) {
        theta[i] -= share * schedule.learningRate() * schedule.weightDecay() * theta[i];
      }
      adam.step(theta, gradient, share);
      progress.update("training steps", step + 1L, schedule.steps());
    }
    tell(masks.nodes() > 0 ? "edge" : "node", masks.sparsity(theta), target(), edges, progress);
    if (ofNodes) {
      double reached = masks.nodeSparsity(theta);
      tell("node", reached, how.nodeSparsity().getAsDouble(), nodes, progress);
    }
    return new GroupScores(own, masks.scores(theta), masks.order(theta));
  }

  /** The wanted sparsity of the groups. */
  private double target() {
    return how.target(masks.nodes() == 0);
  }

  private Lagrangian lagrangian(double start, double target) {
    EdgePruning.Schedule schedule = how.schedule();
    return new Lagrangian(
        start, target, schedule.sparsityWarmUp(), schedule.multiplierLearningRate());
  }

  /** Says so where a target was missed. */
  private void tell(
      String what, double reached, double target, Lagrangian multipliers, Progress progress) {
    if (target > 1 || Math.abs(reached - target) <= NEAR) { // above 1: as few as F allows
      return;
    }
    progress.note(
        String.format(
            Locale.ROOT,
            "edge-pruning reached %s_sparsity=%.4f, not the target %s, with multipliers %.4g and"
                + " %.4g after %d steps; give more --steps, a larger"
                + " --multiplier-learning-rate, or a target that costs less",
            what,
            reached,
            target,
            multipliers.linear(),
            multipliers.quadratic(),
            how.schedule().steps()));
  }

  @Override
  public void close() {
    running.close();
    values.close();
  }
}
