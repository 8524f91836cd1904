package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
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
 * Conductance-based edge attribution patching (Wu et al. 2026, "Demystifying variance in circuit
 * discovery of LLMs", arXiv:2606.16920): the runs of {@link EapIgInputs}, but each step's gradient
 * is multiplied with what the source changes in that step, not with the whole difference of the two
 * ends. With c_s(j) what source s writes where the input is j/m of the way from ablated to its own,
 * an edge gets {@code Σ_{j=0}^{m−1} ⟨∂loss/∂x_d(j), c_s(j) − c_s(j + 1)⟩}: the integral of
 * conductance (Dhamdhere et al. 2018, arXiv:1805.12233), by its left ends.
 *
 * <p>As m grows the scores of the edges into the end of the stream add up to the loss at the
 * ablated input less that at the prompts' own.
 *
 * @param measure the loss (its mask value and samples are not used), the ablation and the rules
 * @param steps m
 */
public record Ceap(MaskGradient measure, int steps) implements PromptAlgorithm {
  /**
   * Checks the number of steps.
   *
   * @param measure the loss (its mask value and samples are not used), the ablation and the rules
   * @param steps m, at least 1
   * @throws IllegalArgumentException if there are none
   */
  public Ceap {
    if (steps < 1) {
      throw new IllegalArgumentException("steps=" + steps + " must be at least 1");
    }
  }

  @Override
  public String key() {
    return "ceap";
  }

  @Override
  public String title() {
    return "CEAP (" + steps + (steps == 1 ? " step" : " steps") + measure.ruled() + ")";
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    InputGradients.requireFit(key(), graph);
    if (!graph.factorized()) {
      throw new IllegalArgumentException(
          "--algorithm ceap does not fit an unfactorized graph; choose ig, or a factorized graph");
    }
    measure.requireFit(graph, prompts);
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.ruledValues(measure);
    values.put("steps", steps);
    return Settings.of(CeapProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).shared(Work.GRADIENT, this::add, progress);
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
    return scores(model, batches).each(Work.PROMPT_GRADIENT, this::add, progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches) {
    return new GradientScores(
        model,
        batches,
        measure.ablation(),
        measure.source().direction(),
        "gradient passes",
        steps,
        1,
        measure.rules());
  }

  private void add(OpenMicroBatch part, int instances, double[] sums, Runnable pass) {
    double[] all = part.run().conductance(steps, instances > 0, measure.of(part, null), pass);
    for (int i = 0; i < sums.length; i++) {
      sums[i] += all[i];
    }
  }
}
