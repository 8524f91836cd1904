package io.autocircuit.prune;

import io.autocircuit.catalogue.Source;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.BackwardRules;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.GradientOf;
import io.autocircuit.patch.LearnedConstants;
import io.autocircuit.patch.MeanCollector;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.SourceConstants;
import io.autocircuit.patch.ValueGradients;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;

/**
 * Learns the constants of {@link Ablation#OPTIMAL}: one vector a_s for each source, the same for
 * all prompts and positions, that together minimise the expected distance between the ablated and
 * the full model (after Li and Janson 2024, "Optimal ablation for interpretability",
 * arXiv:2409.09951, who learn them for one set of ablated edges).
 *
 * <pre>
 * min over a: E_x E_q E_m  distance(full(x), ablated(x; m, a))
 * </pre>
 *
 * <p>x are clean prompts, q is uniform in (0,1), and each edge is ablated with probability q (m is
 * 0 or 1: between, a constant would also learn what its source's own output lacks). The distance is
 * KL(full ‖ ablated), or the mean squared difference where outputs are numbers. Adam begins with
 * the mean of what each source writes, and steps in units of its root mean square; the constants
 * are the mean over the last half of the steps.
 *
 * @param steps how many batches are learned from, at least 1
 * @param learningRate Adam's step, as a share of a source's root mean square; positive
 * @param seed of the masks
 */
public record OptimalAblation(int steps, double learningRate, long seed) {
  /** About how many plain passes over a batch the usual training takes: four for each step. */
  public static final int PASSES = 800;

  private static final int STEPS = 200;
  private static final double LEARNING_RATE = 0.1;

  /**
   * Checks the settings.
   *
   * @param steps at least 1
   * @param learningRate positive
   * @param seed of the masks
   * @throws IllegalArgumentException if a number is out of range
   */
  public OptimalAblation {
    if (steps < 1 || !(learningRate > 0)) {
      throw new IllegalArgumentException(
          "steps="
              + steps
              + ", learningRate="
              + learningRate
              + " out of range; give positive ones");
    }
  }

  /**
   * The usual training: 200 steps of 0.1.
   *
   * @param seed of the masks
   * @return the training
   */
  public static OptimalAblation usual(long seed) {
    return new OptimalAblation(STEPS, LEARNING_RATE, seed);
  }

  /**
   * Constants that are learned when something is first ablated to them.
   *
   * @param model the model and its graph
   * @param batches the prompts to learn from
   * @return for {@link PatchableModel#withConstants}
   */
  public LearnedConstants whenNeeded(PatchableModel model, List<PromptBatch> batches) {
    return LearnedConstants.whenNeeded(progress -> learn(model, batches, progress));
  }

  /**
   * Learns the constants for whatever edges are ablated.
   *
   * @param model the model and its graph, without autoencoders
   * @param batches the prompts to learn from, at least one
   * @param progress told about the work done
   * @return one for each source
   * @throws IllegalArgumentException if there are no prompts, the graph has latents, or one prompt
   *     alone exceeds the model's memory budget
   */
  public SourceConstants learn(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return learn(model, batches, null, progress);
  }

  /**
   * Learns the constants of one circuit, as the paper does: all other edges are ablated in every
   * step.
   *
   * @param model the model and its graph, without autoencoders
   * @param batches the prompts to learn from, at least one
   * @param circuit of the model's graph; null for edges that are drawn
   * @param progress told about the work done
   * @return one for each source; the mean of those of which no edge is ablated
   * @throws IllegalArgumentException as {@link #learn(PatchableModel, List, Progress)}, or if the
   *     circuit is of another graph
   */
  public SourceConstants learn(
      PatchableModel model, List<PromptBatch> batches, Circuit circuit, Progress progress) {
    requireFit(model.graph());
    if (batches.isEmpty()) {
      throw new IllegalArgumentException(
          "prompts=0 to learn the constants of ablation=optimal from; give at least one");
    }
    double[] start = moments(model, batches, false);
    double[] squares = moments(model, batches, true);
    double[] scale = new double[start.length];
    int width = model.model().config().dModel();
    for (int first = 0; first < scale.length; first += width) {
      double sum = 0;
      for (int i = first; i < first + width; i++) {
        sum += squares[i];
      }
      Arrays.fill(scale, first, first + width, Math.sqrt(sum / width));
    }
    double[] offset = new double[start.length];
    double[] sum = new double[start.length];
    Adam adam = new Adam(offset.length, learningRate);
    SplittableRandom random = new SplittableRandom(seed);
    int averaged = 0;
    for (int step = 0; step < steps; step++) {
      PromptBatch batch = batches.get(step % batches.size());
      PatchMask mask =
          circuit == null
              ? drawn(model.graph(), batch.clean().batchSize(), random)
              : circuit.mask(PatchType.TREE_PATCH);
      double[] gradient = gradient(model, at(model, start, scale, offset, 1), batch, mask);
      double weight = MaskTraining.weight(batches, step % batches.size());
      for (int i = 0; i < gradient.length; i++) {
        gradient[i] *= scale[i] * weight;
      }
      adam.step(offset, gradient);
      if (step >= steps / 2) {
        averaged++;
        for (int i = 0; i < sum.length; i++) {
          sum[i] += offset[i];
        }
      }
      progress.update("learning constants", step + 1, steps);
    }
    return at(model, start, scale, sum, averaged);
  }

  /**
   * Checks that constants of a graph's sources can be learned.
   *
   * @param graph any
   * @throws IllegalArgumentException if it has latents
   */
  public static void requireFit(ComputationGraph graph) {
    if (graph.latents() != null) {
      throw new IllegalArgumentException(
          "ablation=optimal learns a vector for each source, but latents of autoencoders are"
              + " numbers; choose another ablation, such as token_mean, or a graph without");
    }
  }

  private static SourceConstants at(
      PatchableModel model, double[] start, double[] scale, double[] offset, int count) {
    double[] values = new double[start.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = start[i] + scale[i] * offset[i] / count;
    }
    return SourceConstants.of(model, values);
  }

  /** What every source writes on clean prompts, or its square, in the mean: {@code [S × D]}. */
  private static double[] moments(
      PatchableModel model, List<PromptBatch> batches, boolean squared) {
    try (AblationValues values = AblationValues.prepare(model, new Moment(squared), batches);
        TensorScope scope = new TensorScope()) {
      return Tensors.doubles(values.everywhere());
    }
  }

  /**
   * Which edges are ablated, for each prompt: 0 or 1. Drawn for the whole batch in one order,
   * however it is cut.
   */
  private static PatchMask drawn(ComputationGraph graph, int prompts, SplittableRandom random) {
    int edges = graph.edgeCount();
    float[] masks = new float[Math.multiplyExact(prompts, edges)];
    for (int p = 0; p < prompts; p++) {
      double share = random.nextDouble();
      for (int e = 0; e < edges; e++) {
        masks[p * edges + e] = random.nextDouble() < share ? 1 : 0;
      }
    }
    return new PatchMask(graph, masks, prompts);
  }

  /** The gradient of the mean distance of a batch, with these masks. */
  private static double[] gradient(
      PatchableModel model, SourceConstants constants, PromptBatch batch, PatchMask masks) {
    int prompts = batch.clean().batchSize();
    double[] gradient = new double[constants.values().length];
    PatchableModel ablated = model.withConstants(LearnedConstants.of(constants));
    List<PromptBatch> one = List.of(batch);
    try (AblationValues values = AblationValues.prepare(ablated, Ablation.OPTIMAL, one);
        Evaluations running =
            Evaluations.kept(
                ablated, one, values, Direction.CORRUPT_INTO_CLEAN, Work.PROMPT_GRADIENT)) {
      running.compute(
          part -> {
            PatchMask mask = masks.slice(part.first(), part.first() + part.size());
            ValueGradients sums = new ValueGradients(model);
            part.run()
                .gradient(
                    mask,
                    new GradientOf(
                        new FullModelLoss(),
                        part.prompts(),
                        part.clean(),
                        BackwardRules.TRUE_GRADIENT,
                        null,
                        sums));
            return sums.sums();
          },
          (part, sums) -> {
            for (int i = 0; i < gradient.length; i++) {
              gradient[i] += sums[i] / prompts;
            }
          });
    }
    return gradient;
  }

  /** Means over clean prompts and positions: of outputs, or of their squares. */
  private record Moment(boolean squared) implements Ablation.Collected {
    @Override
    public String key() {
      return squared ? "mean_square" : "mean";
    }

    @Override
    public String title() {
      return key();
    }

    @Override
    public String description() {
      return key();
    }

    @Override
    public Source source() {
      return Source.OURS;
    }

    @Override
    public From from() {
      return From.CLEAN;
    }

    @Override
    public Ablation.Collector collector(PatchableModel model, int longest) {
      MeanCollector mean = new MeanCollector(model, longest, false);
      return new Ablation.Collector() {
        @Override
        public void add(Tensor outputs, TokenBatch prompts) {
          mean.add(squared ? outputs.mul_(outputs) : outputs, prompts); // a copy would be as large
        }

        @Override
        public Tensor values() {
          return mean.values();
        }
      };
    }
  }
}
