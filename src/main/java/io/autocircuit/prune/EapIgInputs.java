package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
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
public record EapIgInputs(MaskGradient measure, int steps) implements PromptAlgorithm {
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
    return "EAP-IG over inputs (" + steps + (steps == 1 ? " step)" : " steps)");
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    if (graph.latents() != null) {
      throw new IllegalArgumentException(
          "--algorithm eap-ig-inputs does not fit a graph with autoencoders; choose ig");
    }
    measure.requireFit(graph, prompts);
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.values(measure);
    values.put("steps", steps);
    return Settings.of(EapIgInputsProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).shared(Work.UNIFORM_GRADIENT, this::add, progress);
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).each(Work.UNIFORM_PROMPT_GRADIENT, this::add, progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches) {
    return new GradientScores(
        model,
        batches,
        measure.ablation(),
        measure.source().direction(),
        "gradient passes",
        steps,
        steps);
  }

  private void add(OpenMicroBatch part, int instances, double[] sums, Runnable pass) {
    LossFunction loss = measure.loss();
    for (int j = 0; j < steps; j++) {
      double share = 1 - (double) j / steps;
      float[] g =
          part.run().inputGradient(share, instances > 0, loss, part.prompts(), null).maskGradient();
      for (int i = 0; i < sums.length; i++) {
        sums[i] += g[i];
      }
      pass.run();
    }
  }
}
