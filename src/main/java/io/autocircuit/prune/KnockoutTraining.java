package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;

/**
 * Searches, by gradient descent, for the edges of a circuit whose knockout tells the circuit from
 * the model most: the counterexample to its completeness (the search of Wang et al. 2022,
 * arXiv:2211.00593, over sets of nodes, by learned masks of edges as in AutoCircuit, Miller 2024).
 *
 * <p>Each edge of the circuit has a mask m = f(θ), 1 for knocked out. A batch is run twice on its
 * clean prompts, with the same masks: as the circuit (all edges outside of it ablated), and as the
 * model (none of them). Loss: F + λR, where F is the mean of {@code target} over prompts and R is
 * relu(Σm − n)/n with n a fifth of the circuit's edges, at least 1, and Σm from a sample of its
 * own. Optimised by Adam (β 0.9, 0.999; ε 1e-8). Both runs of a prompt draw one sample, so that
 * they differ in nothing but the edges outside the circuit; AutoCircuit draws two, and trains on
 * the prompts that judge.
 *
 * @param learningRate Adam's step, positive
 * @param epochs passes over the batches, at least 1
 * @param lambda weight λ of the size penalty, 0 or more
 * @param maskFunction how masks follow from their parameters
 * @param ablation what ablated edges are replaced by
 * @param target in what circuit and model are to differ
 * @param seed of the mask samples
 */
public record KnockoutTraining(
    double learningRate,
    int epochs,
    double lambda,
    MaskFunction maskFunction,
    Ablation ablation,
    Target target,
    long seed) {

  /** What θ is outside the circuit: such edges are not knocked out. */
  public static final float OFF_CIRCUIT = -99;

  private static final int SHARE = 5;

  /** In what circuit and model are to differ. */
  public enum Target {
    /** −KL(model ‖ circuit), both with the knockouts. */
    KL_DIV,
    /** The circuit's answer logit difference less the model's, both with the knockouts. */
    LOGIT_DIFF
  }

  /**
   * Checks the settings.
   *
   * @param learningRate positive
   * @param epochs at least 1
   * @param lambda 0 or more
   * @param maskFunction how masks follow from their parameters
   * @param ablation what ablated edges are replaced by
   * @param target in what circuit and model are to differ
   * @param seed of the mask samples
   * @throws IllegalArgumentException if a number is out of range
   */
  public KnockoutTraining {
    if (!(learningRate > 0) || epochs < 1 || !(lambda >= 0)) {
      throw new IllegalArgumentException(
          "learningRate="
              + learningRate
              + ", epochs="
              + epochs
              + ", lambda="
              + lambda
              + " out of range; the first two are positive, the last is 0 or more");
    }
  }

  /**
   * Learning rate 0.1, 20 epochs, λ 1, hard concrete masks, resampled ablations, KL divergence.
   *
   * @param seed of the mask samples
   * @return the training
   */
  public static KnockoutTraining defaults(long seed) {
    return new KnockoutTraining(
        0.1, 20, 1, MaskFunction.HARD_CONCRETE, Ablation.RESAMPLE, Target.KL_DIV, seed);
  }

  /**
   * Learns which edges to take out.
   *
   * @param model the model that the circuit is of
   * @param batches the prompts to train on: not those on which completeness is measured
   * @param circuit at least one edge
   * @param progress told about the work done
   * @return θ of each edge, from {@code −MaskFunction.INITIAL} on: an edge is knocked out if it is
   *     greater than 0; {@link #OFF_CIRCUIT} outside the circuit
   * @throws IllegalArgumentException if the circuit is empty or of another graph, there are no
   *     prompts, the target needs wrong answers and there are none, or one prompt alone exceeds the
   *     model's memory budget
   */
  public PruneScores train(
      PatchableModel model, List<PromptBatch> batches, Circuit circuit, Progress progress) {
    if (!circuit.graph().equals(model.graph())) {
      throw new IllegalArgumentException("the circuit is for another graph: " + circuit.graph());
    }
    if (circuit.size() == 0 || batches.isEmpty()) {
      throw new IllegalArgumentException(
          "circuit edges="
              + circuit.size()
              + ", batches="
              + batches.size()
              + "; training knockouts needs at least one of each");
    }
    int[] edges = circuit.edgeSet().stream().toArray();
    double[] theta = new double[edges.length];
    Arrays.fill(theta, -MaskFunction.INITIAL);
    Adam adam = new Adam(edges.length, learningRate);
    SplittableRandom random = new SplittableRandom(seed);
    boolean samples = maskFunction.samples();
    int step = 0;
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations running =
            Evaluations.kept(
                model,
                batches,
                values,
                Direction.CORRUPT_INTO_CLEAN,
                samples ? Work.PROMPT_GRADIENT : Work.GRADIENT)) {
      for (int epoch = 0; epoch < epochs; epoch++) {
        for (int b = 0; b < batches.size(); b++) {
          double[] gradient = new double[edges.length];
          int prompts = batches.get(b).clean().batchSize();
          difference(circuit, running, b, prompts, edges, theta, random, gradient);
          penalty(theta, random, gradient);
          adam.step(theta, gradient);
          progress.update("training knockouts", ++step, (long) epochs * batches.size());
        }
      }
    }
    float[] scores = new float[circuit.graph().edgeCount()];
    Arrays.fill(scores, OFF_CIRCUIT);
    for (int i = 0; i < edges.length; i++) {
      scores[edges[i]] = (float) theta[i];
    }
    return new PruneScores(circuit.graph(), scores);
  }

  /** Adds ∂F/∂θ. */
  private void difference(
      Circuit circuit,
      Evaluations running,
      int batch,
      int prompts,
      int[] edges,
      double[] theta,
      SplittableRandom random,
      double[] gradient) {
    int rows = maskFunction.samples() ? prompts : 1;
    // drawn for the whole batch in one order, however it is cut
    double[] masks = new double[rows * edges.length];
    for (int i = 0; i < masks.length; i++) {
      double u = maskFunction.samples() ? MaskFunction.uniform(random) : 0;
      masks[i] = maskFunction.value(theta[i % edges.length], u);
    }
    running.compute(
        batch,
        part -> {
          boolean own = maskFunction.samples();
          double[] mine =
              own
                  ? Arrays.copyOfRange(
                      masks,
                      part.first() * edges.length,
                      (part.first() + part.size()) * edges.length)
                  : masks;
          float[] both = bothGradients(circuit, part, edges, mine);
          double[] sum = new double[edges.length];
          for (int i = 0; i < mine.length; i++) {
            sum[i % edges.length] += both[i] * maskFunction.derivativeAt(mine[i]) / prompts;
          }
          return sum;
        },
        (part, sum) -> {
          for (int e = 0; e < sum.length; e++) {
            gradient[e] += sum[e];
          }
        });
  }

  /** ∂(sum of the losses)/∂m of the circuit's edges, from both runs; rows as the masks have. */
  private float[] bothGradients(Circuit circuit, OpenMicroBatch part, int[] edges, double[] masks) {
    int rows = masks.length / edges.length;
    int all = circuit.graph().edgeCount();
    float[] inCircuit = new float[rows * all];
    float[] inModel = new float[rows * all];
    Arrays.fill(inCircuit, 1);
    for (int i = 0; i < masks.length; i++) {
      int at = i / edges.length * all + edges[i % edges.length];
      inCircuit[at] = (float) masks[i];
      inModel[at] = (float) masks[i];
    }
    int instances = maskFunction.samples() ? rows : 0;
    PatchMask asCircuit = new PatchMask(circuit.graph(), inCircuit, instances);
    PatchMask asModel = new PatchMask(circuit.graph(), inModel, instances);
    Evaluation run = part.run();
    boolean compared = target == Target.KL_DIV;
    Tensor circuitLogits = compared ? run.logits(asCircuit) : null;
    Tensor modelLogits = compared ? run.logits(asModel) : null;
    float[] ofCircuit =
        run.gradient(asCircuit, circuitLoss(), part.prompts(), modelLogits).maskGradient();
    float[] ofModel =
        run.gradient(asModel, modelLoss(), part.prompts(), circuitLogits).maskGradient();
    float[] sum = new float[masks.length];
    for (int i = 0; i < sum.length; i++) {
      int edge = edges[i % edges.length];
      int at = i / edges.length * all + edge;
      // of edges that change nothing the gradient is rounding, which Adam takes for a direction
      sum[i] = run.changesNothing(edge) ? 0 : ofCircuit[at] + ofModel[at];
    }
    return sum;
  }

  /** The loss as a function of the circuit's logits; its reference are the model's. */
  private LossFunction circuitLoss() {
    return switch (target) {
      case KL_DIV -> (logits, batch, reference) -> Divergence.kl(logits, reference).neg();
      case LOGIT_DIFF ->
          LossFunction.ofAnswers(
              (logits, batch, reference) ->
                  Answers.difference(logits, batch.answers(), batch.wrongAnswers()));
    };
  }

  /** The loss as a function of the model's logits; its reference are the circuit's. */
  private LossFunction modelLoss() {
    return switch (target) {
      case KL_DIV -> (logits, batch, reference) -> Divergence.kl(reference, logits).neg();
      case LOGIT_DIFF ->
          LossFunction.ofAnswers(
              (logits, batch, reference) ->
                  Answers.difference(logits, batch.answers(), batch.wrongAnswers()).neg());
    };
  }

  /** Adds λ ∂R/∂θ. */
  private void penalty(double[] theta, SplittableRandom random, double[] gradient) {
    double wanted = Math.max(1, theta.length / SHARE);
    double size = 0;
    double[] slope = new double[theta.length];
    for (int i = 0; i < theta.length; i++) {
      double u = maskFunction.samples() ? MaskFunction.uniform(random) : 0;
      double m = maskFunction.value(theta[i], u);
      size += m;
      slope[i] = maskFunction.derivativeAt(m);
    }
    for (int i = 0; i < theta.length && size > wanted; i++) {
      gradient[i] += lambda * slope[i] / wanted;
    }
  }
}
