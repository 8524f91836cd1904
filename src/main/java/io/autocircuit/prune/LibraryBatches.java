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
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Scores of the size that EAP-IG's library gives them (Hanna et al. 2024), only for comparison with
 * its numbers. It cuts the prompts, in order, into batches of B, the last may be shorter, adds up
 * the gradients of each batch's <em>mean</em> and divides by the number of all prompts N: {@code
 * (1/N) Σ_batches (1/|batch|) Σ_prompts s}. Where all batches are full that is 1/B of the mean over
 * prompts; a prompt of a shorter one counts more.
 *
 * <p>How the prompts are really run does not matter.
 *
 * @param <A> what scores the edges, nodes or neurons of every prompt
 * @param algorithm whose scores are divided
 * @param size B
 */
public record LibraryBatches<A extends PromptAlgorithm & NeuronAlgorithm>(A algorithm, int size)
    implements PromptAlgorithm, NeuronAlgorithm {
  /**
   * Checks the size.
   *
   * @param algorithm whose scores are divided
   * @param size B, at least 1
   * @throws IllegalArgumentException if it is less
   */
  public LibraryBatches {
    if (size < 1) {
      throw new IllegalArgumentException("library_batch=" + size + " must be at least 1");
    }
  }

  @Override
  public String key() {
    return algorithm.key();
  }

  @Override
  public String title() {
    return algorithm.title() + ", divided as of batches of " + size;
  }

  @Override
  public Settings settings() {
    return algorithm.settings().with(GradientSettings.LIBRARY_BATCH.name(), size);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return algorithm.scoringAblation();
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    algorithm.requireFit(graph, prompts);
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    if (!equal(batches)) {
      return scorePrompts(model, batches, progress).mean();
    }
    PruneScores scores = algorithm.score(model, batches, progress);
    return new PruneScores(scores.graph(), divided(scores.values(), batches), scores.tieBreaks());
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalArgumentException if the last batch is shorter than the others
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    requireEqual(batches);
    GroupScores scores = algorithm.score(model, batches, groups, progress);
    return new GroupScores(groups, divided(scores.values(), batches), scores.tieBreaks());
  }

  /**
   * {@inheritDoc}
   *
   * <p>Of each prompt its share of the sum, times N.
   */
  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    PromptScores scores = algorithm.scorePrompts(model, batches, progress);
    int[] rows = batches.stream().flatMapToInt(b -> IntStream.of(b.rows())).toArray();
    int[] inOrder =
        IntStream.range(0, rows.length)
            .boxed()
            .sorted(Comparator.comparingInt(i -> rows[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    List<float[]> all = new ArrayList<>(scores.values());
    for (int place = 0; place < inOrder.length; place++) {
      int together = Math.min(size, inOrder.length - place / size * size);
      all.set(inOrder[place], SummedGradient.times(all.get(inOrder[place]), 1.0 / together));
    }
    return new PromptScores(scores.graph(), all);
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalArgumentException if the last batch is shorter than the others, besides
   */
  @Override
  public NeuronScores scoreNeurons(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    requireEqual(batches);
    NeuronScores scores = algorithm.scoreNeurons(model, batches, progress);
    return new NeuronScores(scores.graph(), scores.width(), divided(scores.values(), batches));
  }

  private static int prompts(List<PromptBatch> batches) {
    return batches.stream().mapToInt(b -> b.rows().length).sum();
  }

  /** Whether all batches of the library have the same number of prompts. */
  private boolean equal(List<PromptBatch> batches) {
    int prompts = prompts(batches);
    return prompts < size || prompts % size == 0;
  }

  private void requireEqual(List<PromptBatch> batches) {
    if (!equal(batches)) {
      throw new IllegalArgumentException(
          "library_batch="
              + size
              + " leaves a shorter batch of prompts="
              + prompts(batches)
              + ", of which nodes and neurons have no such scores; give a size that divides their"
              + " number, or score edges");
    }
  }

  private float[] divided(float[] values, List<PromptBatch> batches) {
    return SummedGradient.times(values, 1.0 / Math.min(size, prompts(batches)));
  }
}
