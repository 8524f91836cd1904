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
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * EAP-IG over the inputs (Hanna et al. 2024, "Have faith in faithfulness: going beyond circuit
 * overlap when finding model mechanisms", arXiv:2403.17806): edge attribution patching whose
 * gradient is averaged over inputs between the corrupt and the clean ones. For j = 0 … m − 1 the
 * clean prompts are run with the start of the stream replaced by {@code p_0 + j/m · (c_0 − p_0)},
 * and an edge gets {@code ⟨∂loss/∂x_d, p_s − c_s⟩}, p and c the outputs of the unpatched runs.
 *
 * <p>Score = mean over prompts and steps. EAP-IG's own library divides by the batch size besides.
 * Under other ablations than resampling p is their value, from which no reference numbers exist.
 *
 * @param measure the loss (its mask value and samples are not used), and the ablation
 * @param steps m
 */
public record EapIgInputs(MaskGradient measure, int steps)
    implements PromptAlgorithm, NeuronAlgorithm {
  /**
   * Checks the number of steps.
   *
   * @param measure the loss (its mask value and samples are not used), and the ablation
   * @param steps m, at least 1
   * @throws IllegalArgumentException if there are none
   */
  public EapIgInputs {
    if (steps < 1) {
      throw new IllegalArgumentException("steps=" + steps + " must be at least 1");
    }
  }

  @Override
  public String key() {
    return "eap-ig-inputs";
  }

  @Override
  public String title() {
    return "EAP-IG over inputs ("
        + steps
        + (steps == 1 ? " step" : " steps")
        + measure.ruled()
        + ")";
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    InputGradients.requireFit(key(), graph);
    measure.requireFit(graph, prompts);
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.ruledValues(measure);
    values.put("steps", steps);
    return Settings.of(EapIgInputsProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return gradients(0).score(model, batches, progress);
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return gradients(0).scorePrompts(model, batches, progress);
  }

  /**
   * {@inheritDoc}
   *
   * <p>As EAP-IG scores nodes: the sums of their edges' scores, averaged over j = 1 … m, so that
   * the clean prompts' own input counts and the corrupt one does not.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return GroupScores.summed(groups, gradients(1).score(model, batches, progress));
  }

  /** At j/m of the way from corrupt to clean, from {@code first} on. */
  private InputGradients gradients(int first) {
    double[] shares = new double[steps];
    Arrays.setAll(shares, j -> 1 - (double) (j + first) / steps);
    return new InputGradients(measure, shares);
  }

  @Override
  public NeuronScores scoreNeurons(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return gradients(1).scoreNeurons(model, batches, progress);
  }
}
