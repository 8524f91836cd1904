package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.objective.Divergence;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Automatic circuit discovery (Conmy et al. 2023, "Towards automated circuit discovery for
 * mechanistic interpretability", arXiv:2304.14997).
 *
 * <p>Edges are tested one after another in the canonical order, from the end of the model
 * backwards. With f the distance between the clean outputs and those with all removed edges
 * ablated, an edge is removed when ablating it too raises f by less than τ (signed). The score of
 * an edge is the smallest τ at which it was removed, +∞ if it never was. All prompts given are
 * used, as means.
 *
 * <p>Several τ share one pass: thresholds that have made the same decisions so far have the same
 * mask and share every run until a decision parts them.
 *
 * @param thresholds the τ, each positive
 * @param target the distance f
 * @param ablation what removed edges are replaced by; batch kinds take the corrupt prompts
 */
public record Acdc(List<Double> thresholds, Target target, Ablation ablation)
    implements PruneAlgorithm {

  /** The distance between clean and patched outputs. */
  public enum Target {
    /** KL(clean ‖ patched). */
    KL_DIV,
    /** Mean squared error of the logits. */
    MSE
  }

  /** Checks the thresholds. */
  public Acdc {
    thresholds = List.copyOf(thresholds);
    if (thresholds.isEmpty() || thresholds.stream().anyMatch(t -> !(t > 0) || t.isInfinite())) {
      throw new IllegalArgumentException(
          "thresholds=" + thresholds + ": give one or more positive numbers");
    }
  }

  /** ACDC with KL divergence and corrupt resampling. */
  public static Acdc kl(double... thresholds) {
    return new Acdc(Arrays.stream(thresholds).boxed().toList(), Target.KL_DIV, Ablation.RESAMPLE);
  }

  @Override
  public String key() {
    return "acdc";
  }

  @Override
  public String title() {
    return target == Target.KL_DIV ? "ACDC" : "ACDC (MSE)";
  }

  /** Thresholds that have made the same decisions so far. */
  private record Group(List<Double> thresholds, BitSet kept, double previous) {}

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    ComputationGraph graph = model.graph();
    int edges = graph.edgeCount();
    float[] scores = new float[edges];
    Arrays.fill(scores, Float.POSITIVE_INFINITY);
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    try (AblationValues values = AblationValues.prepare(model, ablation, batches);
        Evaluations running =
            Evaluations.kept(model, batches, values, Direction.CORRUPT_INTO_CLEAN, Work.CIRCUITS)) {
      BitSet all = new BitSet(edges);
      all.set(0, edges);
      List<Group> groups =
          List.of(new Group(thresholds.stream().distinct().sorted().toList(), all, 0));
      for (int e = 0; e < edges; e++) {
        List<Group> next = new ArrayList<>();
        for (Group g : groups) {
          g.kept().clear(e);
          double f = distance(Circuit.of(graph, g.kept()), running, prompts);
          double rise = f - g.previous();
          List<Double> removed = g.thresholds().stream().filter(t -> rise < t).toList();
          List<Double> kept = g.thresholds().stream().filter(t -> !(rise < t)).toList();
          if (!kept.isEmpty()) {
            BitSet with = removed.isEmpty() ? g.kept() : (BitSet) g.kept().clone();
            with.set(e);
            next.add(new Group(kept, with, g.previous()));
          }
          if (!removed.isEmpty()) {
            scores[e] = Math.min(scores[e], removed.get(0).floatValue());
            next.add(new Group(removed, g.kept(), f));
          }
        }
        groups = next;
        progress.update("edges", e + 1L, edges);
      }
    }
    return new PruneScores(graph, scores);
  }

  private double distance(Circuit circuit, Evaluations running, int prompts) {
    double[] sum = {0};
    running.compute(
        part -> {
          Tensor logits = part.run().logits(circuit, PatchType.TREE_PATCH);
          Tensor each =
              target == Target.KL_DIV
                  ? Divergence.kl(logits, part.clean())
                  : Divergence.mse(logits, part.clean());
          return Tensors.doubles(each);
        },
        (part, each) -> {
          for (double v : each) {
            sum[0] += v;
          }
        });
    return sum[0] / prompts;
  }
}
