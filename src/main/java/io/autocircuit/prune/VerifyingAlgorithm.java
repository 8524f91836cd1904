package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import java.util.List;

/** An algorithm whose scores are estimates, some of which it verifies by exact patching. */
public interface VerifyingAlgorithm extends PruneAlgorithm {
  /**
   * Scores, and what was verified of them.
   *
   * @param scores those that were verified are exact
   * @param verification what was found
   */
  record Verified(GroupScores scores, Verification verification) {}

  /**
   * Whether it verifies anything.
   *
   * @return false if its settings ask for no verification; then {@link #scoreVerified} is refused
   */
  boolean verifies();

  /**
   * Scores groups of edges, and verifies some.
   *
   * @param model the model and its graph
   * @param batches the prompts
   * @param groups of the graph; {@link EdgeGroups#each} for edges
   * @param progress told about the work done
   * @return what {@link #score} gives, and what was verified
   * @throws IllegalStateException if nothing is to be verified
   */
  Verified scoreVerified(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress);
}
