package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.Optional;

/**
 * A mask gradient with AutoCircuit's sums: over batches of means over prompts, and over samples.
 * Only for comparison, as the scores depend on the number of batches.
 *
 * @param gradient whose scores are multiplied
 */
public record SummedGradient(MaskGradient gradient) implements PromptAlgorithm {
  @Override
  public String key() {
    return gradient.key();
  }

  @Override
  public String title() {
    return gradient.title();
  }

  @Override
  public Settings settings() {
    return gradient.settings().with("sum", true);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return gradient.scoringAblation();
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    gradient.requireFit(graph, prompts);
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    PruneScores scores = gradient.score(model, batches, progress);
    return new PruneScores(scores.graph(), times(scores.values(), factor(batches)));
  }

  /**
   * {@inheritDoc}
   *
   * <p>The gradient of a mask value that edges share is the sum of theirs.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return GroupScores.summed(groups, score(model, batches, progress));
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    PromptScores scores = gradient.scorePrompts(model, batches, progress);
    float factor = factor(batches);
    return new PromptScores(
        scores.graph(), scores.values().stream().map(row -> times(row, factor)).toList());
  }

  /** Numbers times a factor, in a new array. */
  static float[] times(float[] values, double factor) {
    float[] scaled = new float[values.length];
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] = (float) (values[i] * factor);
    }
    return scaled;
  }

  private float factor(List<PromptBatch> batches) {
    return batches.size() * (gradient.samples() > 0 ? gradient.samples() + 1f : 1f);
  }
}
