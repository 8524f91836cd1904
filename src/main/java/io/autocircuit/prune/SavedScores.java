package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.TorchArchive;
import java.nio.file.Path;
import java.util.List;

/**
 * Scores that were computed before, to be judged again: with other metrics, ablations or sizes.
 *
 * @param scores the scores
 * @param origin where they come from, for people: {@code eap, circuit/scores.safetensors}, say
 */
public record SavedScores(PruneScores scores, String origin) implements PruneAlgorithm {
  /**
   * Reads scores from a file.
   *
   * @param file {@code scores.safetensors}, or in another of the formats of {@link ScoreFiles}
   * @param graph the graph that they belong to
   * @return the scores; their origin is the algorithm that the file names, and the file's name
   * @throws DataException if it cannot be read or is of another graph
   */
  public static SavedScores read(Path file, ComputationGraph graph) {
    PruneScores scores = ScoreFiles.read(file, graph, null).scores();
    boolean ours = !file.toString().endsWith(".json") && !TorchArchive.isOne(file);
    String by = ours ? PruneScores.metadata(file).getOrDefault("algorithm", "unknown") : "unknown";
    return new SavedScores(
        scores, DataException.quote(by).replace("\"", "") + ", " + file.getFileName());
  }

  @Override
  public String key() {
    return "saved";
  }

  @Override
  public String title() {
    return "Saved scores (" + origin + ")";
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalArgumentException if the scores are of another graph than the model's
   */
  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    require(model.graph());
    return scores;
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    require(graph);
  }

  private void require(ComputationGraph graph) {
    if (!scores.graph().equals(graph)) {
      throw new IllegalArgumentException(
          "the saved scores are for another " + scores.graph() + "; the model's is the " + graph);
    }
  }
}
