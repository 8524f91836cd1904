package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/**
 * Ablates every edge on its own and measures the loss: what attribution patching approximates. One
 * run for each edge.
 *
 * <p>Score = mean over prompts of loss(edge ablated) − loss(clean); positive: the edge supports the
 * behaviour.
 *
 * @param measure the loss (its mask value and samples are not used), and the ablation
 */
public record ExactPatching(MaskGradient measure) implements PruneAlgorithm {
  /**
   * Logit difference under corrupt resampling.
   *
   * @return the algorithm
   */
  public static ExactPatching logitDifference() {
    return new ExactPatching(MaskGradient.eap());
  }

  @Override
  public String key() {
    return "exact";
  }

  @Override
  public String title() {
    return "Exact patching of every edge";
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    measure.requireFit(graph, prompts);
  }

  @Override
  public Settings settings() {
    return Settings.of(ExactPatchingProvider.SETTINGS, GradientSettings.values(measure));
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    int edges = model.graph().edgeCount();
    double[] sum = new double[edges];
    long[] done = {0};
    LossFunction loss = measure.loss();
    try (AblationValues values = AblationValues.prepare(model, measure.ablation(), batches);
        Evaluations all =
            Evaluations.once(model, batches, values, measure.source().direction(), Work.MASKS)) {
      long total = (long) edges * all.count();
      all.forEach(
          part -> {
            double[] clean = losses(loss, part.clean(), part.prompts());
            float[] mask = new float[edges];
            // the canonical order walks destinations from the end, so restarts stay valid
            for (int e = 0; e < edges; e++) {
              try (TensorScope scope = new TensorScope()) {
                Edge edge = model.graph().edge(e);
                mask[e] = 1;
                Tensor logits =
                    part.run()
                        .logitsFrom(PatchMask.of(model.graph(), mask), edge.destination().block());
                mask[e] = 0;
                double[] patched = losses(loss, logits, part.prompts());
                for (int i = 0; i < patched.length; i++) {
                  sum[e] += patched[i] - clean[i];
                }
              }
              progress.update("edge runs", ++done[0], total);
            }
          });
    }
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    float[] scores = new float[edges];
    for (int e = 0; e < edges; e++) {
      scores[e] = (float) (sum[e] / prompts);
    }
    return new PruneScores(model.graph(), scores);
  }

  private static double[] losses(LossFunction loss, Tensor logits, PromptBatch batch) {
    return Tensors.doubles(loss.perPrompt(logits, batch, null));
  }
}
