package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
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
public record ExactPatching(MaskGradient measure) implements PromptAlgorithm {
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
    return scores(model, batches).shared(Work.MASKS, differences(model.graph()), progress);
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).each(Work.MASKS, differences(model.graph()), progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches) {
    return new GradientScores(
        model,
        batches,
        measure.ablation(),
        measure.source().direction(),
        "edge runs",
        model.graph().edgeCount(),
        1);
  }

  private GradientScores.Gradients differences(ComputationGraph graph) {
    LossFunction loss = measure.loss();
    return (part, instances, sums, pass) -> {
      double[] clean = losses(loss, part.clean(), part.prompts());
      float[] mask = new float[graph.edgeCount()];
      // the canonical order walks destinations from the end, so restarts stay valid
      for (int e = 0; e < mask.length; e++) {
        try (TensorScope scope = new TensorScope()) {
          mask[e] = 1;
          Tensor logits =
              part.run().logitsFrom(PatchMask.of(graph, mask), graph.edge(e).destination().block());
          mask[e] = 0;
          double[] patched = losses(loss, logits, part.prompts());
          for (int i = 0; i < patched.length; i++) {
            int row = instances == 0 ? 0 : i;
            sums[row * mask.length + e] += patched[i] - clean[i];
          }
        }
        pass.run();
      }
    };
  }

  private static double[] losses(LossFunction loss, Tensor logits, PromptBatch batch) {
    return Tensors.doubles(loss.perPrompt(logits, batch, null));
  }
}
