package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.Optional;

/** An algorithm that scores edges; an immutable record of its settings. */
public interface PruneAlgorithm {
  /**
   * Its name on the command line and in results.
   *
   * @return such as {@code eap}
   */
  String key();

  /**
   * Its name for people.
   *
   * @return one line, with the settings that matter most
   */
  String title();

  /**
   * Its settings, as a {@link PruneAlgorithmProvider} declares them; results show them.
   *
   * @return none unless overridden
   */
  default Settings settings() {
    return Settings.none();
  }

  /**
   * What ablated sources are replaced by while edges are scored.
   *
   * @return empty for an algorithm that runs no ablated model
   */
  default Optional<Ablation> scoringAblation() {
    return Optional.empty();
  }

  /**
   * A circuit that the algorithm itself arrived at.
   *
   * @param description for people, such as {@code kept at τ = 0.001}
   * @param size number of its edges, or groups; the circuit is that of as many with the largest
   *     scores
   */
  record Found(String description, int size) {}

  /**
   * The circuits that the algorithm itself arrived at; a discovery measures them whatever sizes it
   * is asked for.
   *
   * @param scores the values that the algorithm gave, of every edge or of every group of edges
   * @param what was scored, for people: {@code edges} or {@code nodes}
   * @return sizes are numbers of what was scored; none for an algorithm that only orders it
   */
  default List<Found> found(float[] scores, String what) {
    return List.of();
  }

  /**
   * Checks that it can be run, before any work: that the prompts have the answers that it looks at,
   * and that its settings fit the graph.
   *
   * @param graph the model's graph
   * @param prompts all prompts, those that score among them
   * @throws io.autocircuit.files.DataException if the prompts do not have them, naming the prompts
   * @throws IllegalArgumentException if a setting does not fit the graph
   */
  default void requireFit(ComputationGraph graph, TokenizedDataset prompts) {}

  /**
   * What its user should know of it on a graph that it can be run on.
   *
   * @param graph the model's graph
   * @return one sentence each; none unless overridden
   */
  default List<String> remarks(ComputationGraph graph) {
    return List.of();
  }

  /**
   * As {@link #requireFit(ComputationGraph, TokenizedDataset)}, where groups of edges are scored.
   *
   * @param groups of the model's graph
   * @param prompts all prompts, those that score among them
   * @throws io.autocircuit.files.DataException if the prompts do not have them, naming the prompts
   * @throws IllegalArgumentException if a setting does not fit
   */
  default void requireFit(EdgeGroups groups, TokenizedDataset prompts) {
    requireFit(groups.graph(), prompts);
  }

  /**
   * Scores every edge.
   *
   * @param model the model and its graph
   * @param batches the prompts
   * @param progress told about the work done
   * @return finite scores, or {@code +∞} for edges that are never removed
   */
  PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress);

  /**
   * Scores groups of edges that share one mask value: nodes, say. Unless overridden, every edge is
   * scored, and a group has the largest of its scores, by size.
   *
   * @param model the model and its graph
   * @param batches the prompts
   * @param groups of the graph
   * @param progress told about the work done
   * @return finite scores, or {@code +∞} for groups that are never removed
   */
  default GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return GroupScores.largest(groups, score(model, batches, progress));
  }

  /**
   * {@link #score(PatchableModel, List, Progress)} without progress.
   *
   * @param model the model and its graph
   * @param batches the prompts
   * @return finite scores, or {@code +∞} for edges that are never removed
   */
  default PruneScores score(PatchableModel model, List<PromptBatch> batches) {
    return score(model, batches, Progress.SILENT);
  }
}
