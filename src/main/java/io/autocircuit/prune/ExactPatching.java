package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
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
    return scores(model, batches, model.graph().edgeCount())
        .shared(Work.MASKS, differences(EdgeGroups.each(model.graph())), progress);
  }

  /**
   * {@inheritDoc}
   *
   * <p>All edges of a group are ablated together; one run for each group.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    // the first edge of a group stands for all of them
    PruneScores first =
        scores(model, batches, groups.size()).shared(Work.MASKS, differences(groups), progress);
    float[] values = new float[groups.size()];
    for (int g = 0; g < values.length; g++) {
      values[g] = first.values()[groups.first(g)];
    }
    return new GroupScores(groups, values);
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches, model.graph().edgeCount())
        .each(Work.MASKS, differences(EdgeGroups.each(model.graph())), progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches, int runs) {
    return new GradientScores(
        model, batches, measure.ablation(), measure.source().direction(), "edge runs", runs, 1);
  }

  private GradientScores.Gradients differences(EdgeGroups groups) {
    ComputationGraph graph = groups.graph();
    LossFunction loss = measure.loss();
    return (part, instances, sums, pass) -> {
      double[] clean = losses(loss, part.clean(), part.prompts());
      float[] mask = new float[graph.edgeCount()];
      // the canonical order walks destinations from the end, so restarts stay valid
      for (int g = 0; g < groups.size(); g++) {
        try (TensorScope scope = new TensorScope()) {
          groups.edges(g).forEach(e -> mask[e] = 1);
          int block =
              groups.edges(g).map(e -> graph.edge(e).destination().block()).min().getAsInt();
          Tensor logits = part.run().logitsFrom(PatchMask.of(graph, mask), block);
          groups.edges(g).forEach(e -> mask[e] = 0);
          double[] patched = losses(loss, logits, part.prompts());
          for (int i = 0; i < patched.length; i++) {
            int row = instances == 0 ? 0 : i;
            sums[row * mask.length + groups.first(g)] += patched[i] - clean[i];
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
