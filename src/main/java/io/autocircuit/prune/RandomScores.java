package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Uniform random scores in [0, 1): the baseline that every algorithm must beat.
 *
 * @param seed of the generator; the same seed gives the same scores on every machine
 */
public record RandomScores(long seed) implements PruneAlgorithm {
  @Override
  public String key() {
    return "random";
  }

  @Override
  public String title() {
    return "Random";
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return new PruneScores(model.graph(), values(model.graph().edgeCount()));
  }

  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return new GroupScores(groups, values(groups.size()));
  }

  private float[] values(int count) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble();
    }
    return values;
  }
}
