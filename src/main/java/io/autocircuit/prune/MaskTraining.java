package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
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
import java.util.SplittableRandom;

/**
 * Trains masks by gradient descent. What trainings on the same prompts have in common, ablation
 * values and open evaluations, is made once, however many circuit sizes are trained for.
 */
final class MaskTraining implements AutoCloseable {
  private final SubnetworkProbing probing;
  private final ComputationGraph graph;
  private final EdgeGroups tied;

  /** The groups that edges to avoid are in. */
  private final int[] avoided;

  private final List<PromptBatch> batches;
  private final AblationValues values;
  private final Evaluations running;

  /**
   * Prepares trainings.
   *
   * @param probing how masks are learned; its circuit size is not read
   * @param tied edges that share one learned number; others are never ablated
   * @param model the model and its graph
   * @param batches the prompts to train on
   */
  MaskTraining(
      SubnetworkProbing probing, EdgeGroups tied, PatchableModel model, List<PromptBatch> batches) {
    this.probing = probing;
    this.graph = model.graph();
    this.tied = tied;
    this.avoided = probing.avoided(tied);
    this.batches = batches;
    this.values = AblationValues.prepare(model, probing.effectiveAblation(), batches);
    boolean opened = false;
    try {
      this.running =
          Evaluations.kept(
              model,
              batches,
              values,
              tree() ? Direction.CORRUPT_INTO_CLEAN : Direction.CLEAN_INTO_CORRUPT,
              probing.perPrompt() ? Work.PROMPT_GRADIENT : Work.GRADIENT);
      opened = true;
    } finally {
      if (!opened) {
        values.close();
      }
    }
  }

  /**
   * What the gradient of a batch counts for where each step is one batch, so that every prompt
   * counts alike: its prompts over those of a batch on average.
   */
  static double weight(List<PromptBatch> batches, int batch) {
    int all = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    return (double) batches.get(batch).clean().batchSize() * batches.size() / all;
  }

  private boolean tree() {
    return probing.patchType() == PatchType.TREE_PATCH;
  }

  /** How many steps a training takes. */
  long steps() {
    return (long) probing.epochs() * batches.size();
  }

  /**
   * Trains masks.
   *
   * @param wanted number of groups in the circuit; 0 for none
   * @param progress told about the work done
   * @param before how many steps were done before
   * @param all how many steps there are in all
   * @return for tree patching |max θ| − θ, for edge patching |min θ| + θ
   */
  GroupScores train(int wanted, Progress progress, long before, long all) {
    boolean tree = tree();
    double[] theta = new double[tied.size()];
    Arrays.fill(theta, tree ? probing.init() : -probing.init());
    Adam adam = new Adam(theta.length, probing.learningRate());
    SplittableRandom random = new SplittableRandom(probing.seed());
    LossFunction loss = probing.loss();
    long step = before;
    for (int epoch = 0; epoch < probing.epochs(); epoch++) {
      for (int b = 0; b < batches.size(); b++) {
        double[] gradient = new double[theta.length];
        faithfulness(b, loss, theta, random, gradient);
        penalty(wanted, theta, random, gradient);
        adam.step(theta, gradient);
        progress.update("training steps", ++step, all);
      }
    }
    float[] scores = new float[theta.length];
    double most = Arrays.stream(theta).max().orElse(0);
    double least = Arrays.stream(theta).min().orElse(0);
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) (tree ? Math.abs(most) - theta[i] : Math.abs(least) + theta[i]);
    }
    return new GroupScores(tied, scores);
  }

  /** Adds ∂F/∂θ. */
  private void faithfulness(
      int batch, LossFunction loss, double[] theta, SplittableRandom random, double[] gradient) {
    MaskFunction function = probing.maskFunction();
    double dropout = probing.dropout();
    int prompts = batches.get(batch).clean().batchSize();
    int edges = theta.length;
    boolean perPrompt = probing.perPrompt();
    // drawn for the whole batch in one order, whatever computes the masks from them
    int count = (perPrompt ? prompts : 1) * edges;
    double[] uniform = function.samples() ? new double[count] : null;
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
          float[] values = new float[size];
          double[] slope = new double[size];
          for (int i = 0; i < size; i++) {
            double m = function.value(theta[i % edges], uniform == null ? 0 : uniform[from + i]);
            double by = scale == null ? 1 : scale[from + i];
            values[i] = (float) (m * by);
            slope[i] = function.derivativeAt(m) * by;
          }
          float[] mask = tied.spread(values);
          PatchMask own = new PatchMask(graph, mask, perPrompt ? part.size() : 0);
          float[] g = part.run().gradient(own, loss, part.prompts(), part.clean()).maskGradient();
          double[] sum = new double[edges];
          int all = graph.edgeCount();
          for (int i = 0; i < mask.length; i++) {
            int group = tied.group(i % all);
            if (group >= 0) {
              sum[group] += g[i] * slope[i / all * edges + group] / prompts;
            }
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
  private void penalty(int wanted, double[] theta, SplittableRandom random, double[] gradient) {
    boolean tree = tree();
    MaskFunction function = probing.maskFunction();
    double lambda = probing.lambda();
    int edges = theta.length;
    double masked = 0;
    double[] slope = new double[edges];
    for (int i = 0; i < edges; i++) {
      double u = function.samples() ? MaskFunction.uniform(random) : 0;
      double m = function.value(theta[i], u);
      masked += m;
      slope[i] = function.derivativeAt(m);
    }
    double size = tree ? edges - masked : masked;
    double scale = wanted == 0 ? 1.0 / edges : size > wanted ? 1.0 / wanted : 0;
    for (int i = 0; i < edges; i++) {
      gradient[i] += lambda * scale * (tree ? -slope[i] : slope[i]);
    }
    if (avoided.length > 0) {
      double weight = (tree ? -1 : 1) * probing.avoidLambda() / avoided.length;
      double shift = function.samples() ? MaskFunction.REGULARIZE_CONST : 0;
      for (int i : avoided) {
        double s = HardConcrete.sigmoid(theta[i] - shift);
        double slopeOf = function == MaskFunction.NONE ? 1 : s * (1 - s);
        gradient[i] += lambda * weight * slopeOf;
      }
    }
  }

  @Override
  public void close() {
    running.close();
    values.close();
  }
}
