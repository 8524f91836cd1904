package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.GroupScores;
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

/**
 * Uniform gradient sampling (Li and Janson 2024, "Optimal ablation for interpretability",
 * arXiv:2409.09951): learns with which probability θ = σ(l) each edge is kept. Masks are drawn for
 * each prompt as {@link UniformMask} says: most edges are in or out, and a few, those that are not
 * decided, in between, where the gradient is taken.
 *
 * <p>Loss of a batch: F + λ Σ θ. F is the mean over prompts of KL(full model on clean ‖ circuit),
 * or of the mean squared difference where outputs are numbers. Optimised by Adam (β 0.9, 0.999; ε
 * 1e-8). Score: θ; the circuit that was found has the edges with θ &gt; ½.
 *
 * @param learningRate Adam's step, positive
 * @param epochs passes over the batches, at least 1
 * @param lambda λ, what one edge costs, in nats; 0 or more
 * @param init l of every edge at first, finite
 * @param patchType TREE_PATCH: the complement is ablated in clean runs (patched from corrupt);
 *     EDGE_PATCH: the circuit is patched into corrupt runs (from clean)
 * @param ablation what ablated sources are replaced by
 * @param seed of the mask samples
 */
public record UniformGradientSampling(
    double learningRate,
    int epochs,
    double lambda,
    double init,
    PatchType patchType,
    Ablation ablation,
    long seed)
    implements PruneAlgorithm {

  /**
   * Checks the settings.
   *
   * @param learningRate positive
   * @param epochs at least 1
   * @param lambda 0 or more
   * @param init finite
   * @param patchType what is ablated in which runs
   * @param ablation what ablated sources are replaced by
   * @param seed of the mask samples
   * @throws IllegalArgumentException if a number is out of range
   */
  public UniformGradientSampling {
    if (!(learningRate > 0) || epochs < 1 || !(lambda >= 0) || !Double.isFinite(init)) {
      throw new IllegalArgumentException(
          "learningRate="
              + learningRate
              + ", epochs="
              + epochs
              + ", lambda="
              + lambda
              + ", init="
              + init
              + " out of range; the first two are positive, lambda is 0 or more, init is finite");
    }
  }

  @Override
  public String key() {
    return UniformGradientSamplingProvider.KEY;
  }

  @Override
  public String title() {
    return "Uniform gradient sampling";
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("epochs", epochs);
    values.put("learning_rate", learningRate);
    values.put("lambda", lambda);
    values.put("init", init);
    values.put(PruneAlgorithmProvider.SCORE_ABLATION, ablation);
    return Settings.of(UniformGradientSamplingProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(ablation);
  }

  @Override
  public List<Found> found(float[] scores, String what) {
    int kept = 0;
    for (float s : scores) {
      kept += s > 0.5f ? 1 : 0;
    }
    return List.of(new Found("kept with probability above 1/2", kept));
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return score(model, batches, EdgeGroups.each(model.graph()), progress).ofEdges();
  }

  /**
   * {@inheritDoc}
   *
   * <p>One probability is learned for each group, and λ is what one group costs.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    double[] logits = new double[groups.size()];
    Arrays.fill(logits, init);
    Adam adam = new Adam(logits.length, learningRate);
    SplittableRandom random = new SplittableRandom(seed);
    int step = 0;
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations running =
            Evaluations.kept(model, batches, values, direction(), Work.PROMPT_GRADIENT)) {
      for (int epoch = 0; epoch < epochs; epoch++) {
        for (int b = 0; b < batches.size(); b++) {
          double[] gradient = new double[logits.length];
          int prompts = batches.get(b).clean().batchSize();
          faithfulness(groups, running, b, prompts, logits, random, gradient);
          double weight = MaskTraining.weight(batches, b);
          for (int g = 0; g < gradient.length; g++) {
            double keep = HardConcrete.sigmoid(logits[g]);
            gradient[g] = weight * gradient[g] + lambda * keep * (1 - keep);
          }
          adam.step(logits, gradient);
          progress.update("training steps", ++step, (long) epochs * batches.size());
        }
      }
    }
    float[] scores = new float[logits.length];
    float[] order = new float[logits.length];
    for (int g = 0; g < scores.length; g++) {
      scores[g] = (float) HardConcrete.sigmoid(logits[g]);
      order[g] = (float) logits[g];
    }
    return new GroupScores(groups, scores, order);
  }

  private Direction direction() {
    return patchType == PatchType.TREE_PATCH
        ? Direction.CORRUPT_INTO_CLEAN
        : Direction.CLEAN_INTO_CORRUPT;
  }

  /** Adds ∂F/∂l. */
  private void faithfulness(
      EdgeGroups groups,
      Evaluations running,
      int batch,
      int prompts,
      double[] logits,
      SplittableRandom random,
      double[] gradient) {
    int n = logits.length;
    // drawn for the whole batch in one order, however it is cut
    double[] uniform = random.doubles((long) prompts * n).toArray();
    double[] keep = Arrays.stream(logits).map(HardConcrete::sigmoid).toArray();
    boolean tree = patchType == PatchType.TREE_PATCH;
    running.compute(
        batch,
        part -> {
          int from = part.first() * n;
          float[] masks = new float[part.size() * n];
          for (int i = 0; i < masks.length; i++) {
            double kept = UniformMask.value(keep[i % n], uniform[from + i]);
            masks[i] = (float) (tree ? 1 - kept : kept);
          }
          PatchMask mask = new PatchMask(groups.graph(), groups.spread(masks), part.size());
          double[] g =
              groups.sum(
                  part.run()
                      .gradient(mask, new FullModelLoss(), part.prompts(), part.clean())
                      .maskGradient());
          double[] sum = new double[n];
          for (int i = 0; i < masks.length; i++) {
            double slope = UniformMask.slope(keep[i % n], uniform[from + i]) / prompts;
            sum[i % n] += g[i] * (tree ? -slope : slope);
          }
          return sum;
        },
        (part, sum) -> {
          for (int i = 0; i < n; i++) {
            gradient[i] += sum[i];
          }
        });
  }
}
