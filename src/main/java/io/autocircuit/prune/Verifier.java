package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/**
 * Verifies estimates by exact patching.
 *
 * @param measure the loss, and the ablation
 * @param signed whether the effect of a group is the mean over prompts, else the mean of sizes
 * @param estimates what is verified
 */
record Verifier(
    MaskGradient measure,
    boolean signed,
    PatchableModel model,
    List<PromptBatch> batches,
    GroupScores estimates,
    Progress progress) {

  /**
   * The best half of the budget alone, the other half in random subsets of the rest; all alone if
   * the budget suffices.
   *
   * @param budget how many runs may be made
   */
  VerifyingAlgorithm.Verified verified(int budget, double confidence, long seed) {
    EdgeGroups groups = estimates.groups();
    int all = groups.size();
    int alone = budget >= all ? all : (budget + 1) / 2;
    int[] order = estimates.ranking();
    int subsets = alone == all ? 0 : budget - alone;
    List<BitSet> sets = Verification.draw(all - alone, subsets, seed);
    List<BitSet> runs = new ArrayList<>();
    for (int i = 0; i < alone; i++) {
      runs.add(edges(order, i, one()));
    }
    sets.forEach(s -> runs.add(edges(order, alone, s)));
    double[][] effects = effects(runs);
    float[] scores = estimates.values().clone();
    List<Verification.Item> items = new ArrayList<>();
    for (int i = 0; i < alone; i++) {
      double exact = mean(effects[i]);
      items.add(new Verification.Item(order[i], scores[order[i]], exact));
      scores[order[i]] = (float) exact;
    }
    OptionalDouble bound =
        subsets == 0
            ? OptionalDouble.empty()
            : OptionalDouble.of(
                Verification.bound(sets, all - alone, columns(effects, alone), confidence));
    return new VerifyingAlgorithm.Verified(
        new GroupScores(groups, scores),
        new Verification(
            all,
            items,
            subsets,
            subsets == 0 ? 0 : (double) Verification.inclusions(subsets) / subsets,
            confidence,
            bound));
  }

  private static BitSet one() {
    BitSet one = new BitSet();
    one.set(0);
    return one;
  }

  /**
   * The edges of some groups.
   *
   * @param from where counting begins in the order
   * @param some which of those that follow
   */
  private BitSet edges(int[] order, int from, BitSet some) {
    BitSet edges = new BitSet();
    some.stream().forEach(i -> estimates.groups().edges(order[from + i]).forEach(edges::set));
    return edges;
  }

  /** What the ablation of each set of edges adds to the loss of each prompt. */
  private double[][] effects(List<BitSet> runs) {
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    double[][] effects = new double[runs.size()][prompts];
    ExactPatching exact = new ExactPatching(measure);
    // from the end backwards, so that restarts stay valid
    int[] sorted =
        IntStream.range(0, runs.size())
            .boxed()
            .sorted(Comparator.comparingInt(r -> -block(runs.get(r))))
            .mapToInt(Integer::intValue)
            .toArray();
    int[] next = {0};
    long[] done = {0};
    try (AblationValues values = AblationValues.prepare(model, measure.ablation(), batches);
        Evaluations all =
            Evaluations.once(model, batches, values, measure.source().direction(), Work.MASKS)) {
      long total = (long) runs.size() * all.count();
      all.forEach(
          part -> {
            double[] clean = exact.losses(part, part.clean());
            for (int r : sorted) {
              double[] ablated =
                  exact.ablated(part, model.graph(), runs.get(r), block(runs.get(r)));
              for (int i = 0; i < ablated.length; i++) {
                effects[r][next[0] + i] = ablated[i] - clean[i];
              }
              progress.update("exact runs", ++done[0], total);
            }
            next[0] += part.size();
          });
    }
    return effects;
  }

  private int block(BitSet edges) {
    return ExactPatching.firstBlock(model.graph(), edges);
  }

  private double mean(double[] effects) {
    return Arrays.stream(effects).map(e -> signed ? e : Math.abs(e)).average().orElse(0);
  }

  /** Those of subsets: of each prompt, or their mean where signs stay. */
  private double[][] columns(double[][] effects, int from) {
    double[][] columns = Arrays.copyOfRange(effects, from, effects.length);
    if (signed) {
      for (int i = 0; i < columns.length; i++) {
        columns[i] = new double[] {mean(columns[i])};
      }
    }
    return columns;
  }
}
