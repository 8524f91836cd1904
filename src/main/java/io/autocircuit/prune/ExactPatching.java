package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.GroupScores;
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
    return new PruneScores(
        model.graph(), score(model, batches, EdgeGroups.each(model.graph()), progress).values());
  }

  /**
   * {@inheritDoc}
   *
   * <p>All edges of a group are ablated together; one run for each group.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    ComputationGraph graph = model.graph();
    double[] sum = new double[groups.size()];
    long[] done = {0};
    LossFunction loss = measure.loss();
    try (AblationValues values = AblationValues.prepare(model, measure.ablation(), batches);
        Evaluations all =
            Evaluations.once(model, batches, values, measure.source().direction(), Work.MASKS)) {
      long total = (long) groups.size() * all.count();
      all.forEach(
          part -> {
            double[] clean = losses(loss, part.clean(), part.prompts());
            float[] mask = new float[graph.edgeCount()];
            // the canonical order walks destinations from the end, so restarts stay valid
            for (int g = 0; g < groups.size(); g++) {
              try (TensorScope scope = new TensorScope()) {
                groups.edges(g).forEach(e -> mask[e] = 1);
                int first =
                    groups.edges(g).map(e -> graph.edge(e).destination().block()).min().getAsInt();
                Tensor logits = part.run().logitsFrom(PatchMask.of(graph, mask), first);
                groups.edges(g).forEach(e -> mask[e] = 0);
                double[] patched = losses(loss, logits, part.prompts());
                for (int i = 0; i < patched.length; i++) {
                  sum[g] += patched[i] - clean[i];
                }
              }
              progress.update("edge runs", ++done[0], total);
            }
          });
    }
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    float[] scores = new float[sum.length];
    for (int g = 0; g < scores.length; g++) {
      scores[g] = (float) (sum[g] / prompts);
    }
    return new GroupScores(groups, scores);
  }

  private static double[] losses(LossFunction loss, Tensor logits, PromptBatch batch) {
    return Tensors.doubles(loss.perPrompt(logits, batch, null));
  }
}
