package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Score 1 on the edges of a known circuit, or on the nodes that they join; 0 elsewhere.
 *
 * @param official the known ("official") circuit
 */
public record GroundTruth(Circuit official) implements PruneAlgorithm {
  @Override
  public String key() {
    return "ground-truth";
  }

  @Override
  public String title() {
    return "Official circuit";
  }

  @Override
  public List<Found> found(float[] scores, String what) {
    int size = 0;
    for (float v : scores) {
      size += v > 0 ? 1 : 0;
    }
    return List.of(new Found("official", size));
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    require(model.graph());
    float[] values = new float[model.graph().edgeCount()];
    official.edgeSet().stream().forEach(i -> values[i] = 1f);
    return new PruneScores(model.graph(), values);
  }

  /**
   * {@inheritDoc}
   *
   * <p>Where the groups are the graph's nodes: 1 for those that the circuit's edges join.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    require(model.graph());
    GraphNodes nodes = model.graph().nodes();
    boolean same =
        groups.size() == nodes.size()
            && IntStream.range(0, model.graph().edgeCount())
                .allMatch(e -> groups.group(e) == nodes.groups().group(e));
    if (!same) {
      return GroupScores.largest(groups, score(model, batches, progress));
    }
    float[] values = new float[nodes.size()];
    nodes.joined(official.edgeSet()).stream().forEach(n -> values[n] = 1f);
    return new GroupScores(groups, values);
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    require(graph);
  }

  private void require(ComputationGraph graph) {
    if (!official.graph().equals(graph)) {
      throw new IllegalArgumentException(
          "the official circuit is for another graph: " + official.graph());
    }
  }
}
