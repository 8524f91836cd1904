package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.GradientRules;
import io.autocircuit.patch.MemoryEstimate.More;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.patch.NeuronSums;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.List;

/**
 * Scores that are weighted sums of gradients: of all prompts together, or of each from the same
 * passes.
 *
 * @param model the model and its graph
 * @param batches the prompts
 * @param ablation what ablated sources are replaced by
 * @param direction which prompts are run and patched from
 * @param name what progress calls the passes
 * @param passes how many gradients are taken of a micro-batch
 * @param weight what sums are divided by, besides the number of prompts
 * @param rules how gradients go back through the model
 */
record GradientScores(
    PatchableModel model,
    List<PromptBatch> batches,
    Ablation ablation,
    Evaluations.Direction direction,
    String name,
    int passes,
    double weight,
    GradientRules rules) {

  /** Of true gradients, or of none. */
  GradientScores(
      PatchableModel model,
      List<PromptBatch> batches,
      Ablation ablation,
      Evaluations.Direction direction,
      String name,
      int passes,
      double weight) {
    this(model, batches, ablation, direction, name, passes, weight, GradientRules.NONE);
  }

  /** What is summed for the prompts of a micro-batch. */
  interface Gradients {
    /**
     * Adds gradients up.
     *
     * @param part the prompts
     * @param instances 0 for all of them together, else their number
     * @param sums {@code [max(1, instances) × edges]}
     * @param pass called after each gradient
     */
    void add(OpenMicroBatch part, int instances, double[] sums, Runnable pass);

    /** How many gradients more than one go back together. */
    default int ways() {
      return 0;
    }

    /** Of more than one gradient at once. */
    static Gradients together(int ways, Gradients of) {
      return new Gradients() {
        @Override
        public void add(OpenMicroBatch part, int instances, double[] sums, Runnable pass) {
          of.add(part, instances, sums, pass);
        }

        @Override
        public int ways() {
          return ways;
        }
      };
    }
  }

  /**
   * Of all prompts together.
   *
   * @param work what the gradients are
   */
  PruneScores shared(Work work, Gradients gradients, Progress progress) {
    double[] sum = new double[model.graph().edgeCount()];
    visit(
        more(false, gradients.ways()),
        work,
        progress,
        (part, pass) -> gradients.add(part, 0, sum, pass));
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    return new PruneScores(model.graph(), divided(sum, 0, sum.length, prompts * weight));
  }

  /**
   * Of each prompt.
   *
   * @param work what the gradients are
   */
  PromptScores each(Work work, Gradients gradients, Progress progress) {
    int edges = model.graph().edgeCount();
    List<float[]> rows = new ArrayList<>();
    visit(
        more(false, gradients.ways()),
        work,
        progress,
        (part, pass) -> {
          double[] sums = new double[Math.multiplyExact(part.size(), edges)];
          gradients.add(part, part.size(), sums, pass);
          for (int i = 0; i < part.size(); i++) {
            rows.add(divided(sums, i * edges, edges, weight));
          }
        });
    return new PromptScores(model.graph(), rows);
  }

  /** What is summed for the neurons of a micro-batch. */
  interface Neurons {
    /**
     * Adds up.
     *
     * @param part the prompts
     * @param sums of all sources
     * @param pass called after each gradient
     */
    void add(OpenMicroBatch part, NeuronSums sums, Runnable pass);
  }

  /**
   * Of the dimensions of every source.
   *
   * @param work what the gradients are
   */
  NeuronScores neurons(Work work, Neurons gradients, Progress progress) {
    if (!model.graph().factorized() || model.graph().latents() != null) {
      throw new IllegalArgumentException(
          "neurons are scored in factorized graphs without autoencoders; choose such a graph");
    }
    NeuronSums sums = new NeuronSums(model);
    visit(more(true, 0), work, progress, (part, pass) -> gradients.add(part, sums, pass));
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    float[] scores = divided(sums.sums(), 0, sums.sums().length, prompts * weight);
    return new NeuronScores(model.graph(), model.model().config().dModel(), scores);
  }

  private interface Visit {
    void part(OpenMicroBatch part, Runnable pass);
  }

  private More more(boolean neurons, int ways) {
    return new More(rules.rules().contains(GradientRules.Rule.TSG), neurons, ways);
  }

  private void visit(More more, Work work, Progress progress, Visit visit) {
    long[] done = {0};
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations all = Evaluations.once(model, batches, values, direction, work, more)) {
      long total = (long) passes * all.count();
      Runnable pass = () -> progress.update(name, ++done[0], total);
      all.forEach(part -> visit.part(part, pass));
    }
  }

  private static float[] divided(double[] sums, int from, int count, double by) {
    float[] scores = new float[count];
    for (int i = 0; i < count; i++) {
      scores[i] = (float) (sums[from + i] / by);
    }
    return scores;
  }
}
