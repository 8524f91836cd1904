package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.Optional;

/**
 * EAP-IG's "clean-corrupted" (Hanna et al. 2024, arXiv:2403.17806): the mean of two gradients, one
 * at the clean input and one at the corrupt input, times what ablation changes. An edge gets {@code
 * ½ ⟨∂loss/∂x_d(clean) + ∂loss/∂x_d(corrupt), p_s − c_s⟩}; the integral by its two ends.
 *
 * <p>The corrupt input is the start of the stream that ablation gives, as in {@link EapIgInputs}.
 *
 * @param measure the loss (its mask value and samples are not used), the ablation and the rules
 */
public record CleanCorrupted(MaskGradient measure) implements PromptAlgorithm, NeuronAlgorithm {
  @Override
  public String key() {
    return "clean-corrupted";
  }

  @Override
  public String title() {
    return "Clean and corrupt gradients" + measure.ruled();
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    InputGradients.requireFit(key(), graph);
    measure.requireFit(graph, prompts);
  }

  @Override
  public Settings settings() {
    return Settings.of(CleanCorruptedProvider.SETTINGS, GradientSettings.ruledValues(measure));
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  private InputGradients gradients() {
    return new InputGradients(measure, 0, 1);
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return gradients().score(model, batches, progress);
  }

  /**
   * {@inheritDoc}
   *
   * <p>The sum of their edges' scores.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return GroupScores.summed(groups, score(model, batches, progress));
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return gradients().scorePrompts(model, batches, progress);
  }

  @Override
  public NeuronScores scoreNeurons(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return gradients().scoreNeurons(model, batches, progress);
  }
}
