package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.GradientOf;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.List;

/**
 * Means of gradients at inputs between the prompts' own and their ablation, times Δ of the
 * unpatched run.
 *
 * @param measure the loss, the ablation and the rules
 * @param shares where gradients are taken: 0 at the prompts' own input, 1 at the ablated one
 */
record InputGradients(MaskGradient measure, double... shares) {

  /** Refuses graphs in which there are none. */
  static void requireFit(String key, ComputationGraph graph) {
    if (graph.latents() != null) {
      throw new IllegalArgumentException(
          "--algorithm " + key + " does not fit a graph with autoencoders; choose ig");
    }
  }

  PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).shared(Work.UNIFORM_GRADIENT, this::add, progress);
  }

  PromptScores scorePrompts(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).each(Work.UNIFORM_PROMPT_GRADIENT, this::add, progress);
  }

  NeuronScores scoreNeurons(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches)
        .neurons(
            Work.UNIFORM_GRADIENT,
            (part, sums, pass) -> {
              for (double share : shares) {
                part.run().inputGradient(share, false, measure.of(part, sums));
                pass.run();
              }
            },
            progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches) {
    return new GradientScores(
        model,
        batches,
        measure.ablation(),
        measure.source().direction(),
        "gradient passes",
        shares.length,
        shares.length,
        measure.rules());
  }

  private void add(OpenMicroBatch part, int instances, double[] sums, Runnable pass) {
    GradientOf of = measure.of(part, null);
    for (double share : shares) {
      float[] g = part.run().inputGradient(share, instances > 0, of).maskGradient();
      for (int i = 0; i < sums.length; i++) {
        sums[i] += g[i];
      }
      pass.run();
    }
  }
}
