package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.StarvedNodes;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/**
 * Ablates every edge on its own and measures the loss: what attribution patching approximates. One
 * run for each edge.
 *
 * <p>Score = mean over prompts of loss(edge ablated) − loss(clean); positive: the edge supports the
 * behaviour.
 *
 * @param measure the loss (its mask value and samples are not used), and the ablation
 * @param starved whether what leaves nodes that are left without any input is ablated too, as
 *     EAP-IG's evaluation does ({@link StarvedNodes})
 */
public record ExactPatching(MaskGradient measure, boolean starved) implements PromptAlgorithm {
  /**
   * Each edge alone.
   *
   * @param measure the loss (its mask value and samples are not used), and the ablation
   */
  public ExactPatching(MaskGradient measure) {
    this(measure, false);
  }

  /**
   * Logit difference under corrupt resampling.
   *
   * @return the algorithm
   */
  public static ExactPatching logitDifference() {
    return new ExactPatching(MaskGradient.eap());
  }

  @Override
  public String key() {
    return "exact";
  }

  @Override
  public String title() {
    return "Exact patching of every edge";
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    if (starved && !graph.factorized()) {
      throw new IllegalArgumentException(
          "--starved does not fit an unfactorized graph, in which every node is fed by the stream;"
              + " leave it out");
    }
    measure.requireFit(graph, prompts);
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.values(measure);
    if (starved) {
      values.put(ExactPatchingProvider.STARVED, true);
    }
    return Settings.of(ExactPatchingProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches, model.graph().edgeCount())
        .shared(Work.MASKS, differences(EdgeGroups.each(model.graph())), progress);
  }

  /**
   * {@inheritDoc}
   *
   * <p>All edges of a group are ablated together; one run for each group.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    // the first edge of a group stands for all of them
    PruneScores first =
        scores(model, batches, groups.size()).shared(Work.MASKS, differences(groups), progress);
    float[] values = new float[groups.size()];
    for (int g = 0; g < values.length; g++) {
      values[g] = first.values()[groups.first(g)];
    }
    return new GroupScores(groups, values);
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches, model.graph().edgeCount())
        .each(Work.MASKS, differences(EdgeGroups.each(model.graph())), progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches, int runs) {
    return new GradientScores(
        model, batches, measure.ablation(), measure.source().direction(), "edge runs", runs, 1);
  }

  private GradientScores.Gradients differences(EdgeGroups groups) {
    ComputationGraph graph = groups.graph();
    StarvedNodes nodes = starved ? new StarvedNodes(graph) : null;
    return (part, instances, sums, pass) -> {
      double[] clean = losses(part, part.clean());
      // the canonical order walks destinations from the end, so restarts stay valid
      for (int g = 0; g < groups.size(); g++) {
        BitSet own = new BitSet(graph.edgeCount());
        groups.edges(g).forEach(own::set);
        BitSet ablated = nodes != null ? nodes.with(own) : own;
        double[] patched = ablated(part, graph, ablated, firstBlock(graph, own));
        for (int i = 0; i < patched.length; i++) {
          int row = instances == 0 ? 0 : i;
          sums[row * graph.edgeCount() + groups.first(g)] += patched[i] - clean[i];
        }
        pass.run();
      }
    };
  }

  /** The first block that some edges lead into; the number of blocks where there are none. */
  static int firstBlock(ComputationGraph graph, BitSet edges) {
    return edges.stream()
        .map(e -> graph.edge(e).destination().block())
        .min()
        .orElse(graph.blocks());
  }

  /**
   * The losses with some edges ablated.
   *
   * @param firstBlock the first block that they lead into
   * @return one for each prompt
   */
  double[] ablated(OpenMicroBatch part, ComputationGraph graph, BitSet edges, int firstBlock) {
    float[] mask = new float[graph.edgeCount()];
    edges.stream().forEach(e -> mask[e] = 1);
    try (TensorScope scope = new TensorScope()) {
      return losses(part, part.run().logitsFrom(PatchMask.of(graph, mask), firstBlock));
    }
  }

  /** One for each prompt. */
  double[] losses(OpenMicroBatch part, Tensor logits) {
    return Tensors.doubles(
        measure.loss().perPrompt(logits, part.prompts(), measure.reference(part)));
  }
}
