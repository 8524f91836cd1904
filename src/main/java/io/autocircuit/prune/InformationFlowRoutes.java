package io.autocircuit.prune;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Information flow routes (Ferrando and Voita 2024, arXiv:2403.00824), for the edges of the
 * residual stream: each source's share of what a destination reads on clean prompts. At a position,
 * with x what the destination reads before its normalisation and c_s what source s writes,
 *
 * <pre>
 * proximity_s = max(0, ‖x‖₁ − ‖x − c_s‖₁),   score_s = proximity_s / Σ_w proximity_w
 * </pre>
 *
 * <p>or 0 where all proximities are 0. Score = mean over prompts of the mean over their positions.
 * Nothing is ablated, and no answer looked at. Queries, keys and values of one block read the same
 * stream, so their edges have the same scores. Learned positions and biases are in x and belong to
 * no source.
 */
public record InformationFlowRoutes() implements PromptAlgorithm {
  private static final long[] LAST = {-1};

  @Override
  public String key() {
    return "information-flow-routes";
  }

  @Override
  public String title() {
    return "Information flow routes";
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    if (!graph.factorized() || graph.latents() != null || graph.positionCopies() > 1) {
      throw new IllegalArgumentException(
          "--algorithm information-flow-routes scores the edges of a factorized graph, without"
              + " autoencoders, at all positions together; choose such a graph, or another"
              + " algorithm");
    }
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scorePrompts(model, batches, progress).mean();
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    List<float[]> rows = new ArrayList<>();
    int all = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    for (List<MicroBatch> parts :
        MicroBatch.within(model, MemoryEstimate.Work.SOURCES, Ablation.ZERO, batches)) {
      for (MicroBatch part : parts) {
        try (TensorScope scope = new TensorScope()) {
          add(model, part.prompts().clean(), rows);
        }
        progress.update("prompts", rows.size(), all);
      }
    }
    return new PromptScores(model.graph(), rows);
  }

  private static void add(PatchableModel model, TokenBatch tokens, List<float[]> rows) {
    ComputationGraph graph = model.graph();
    int batch = tokens.batchSize();
    int first = rows.size();
    for (int i = 0; i < batch; i++) {
      rows.add(new float[graph.edgeCount()]);
    }
    Tensor outputs = SourceOutputs.of(model, tokens);
    Tensor present = present(tokens, model);
    Tensor stream = null;
    int written = 0;
    int biases = 0;
    for (Stage stage : graph.stages()) {
      if (stage.reads().isEmpty()) {
        continue;
      }
      for (; written < stage.sources(); written++) {
        Tensor one = outputs.select(0, written);
        if (stream != null) {
          stream.add_(one);
          continue;
        }
        stream = one.clone();
        Tensor positions = model.model().positions(tokens);
        if (positions != null) {
          one.sub_(positions);
        }
      }
      for (; biases < stage.index(); biases++) {
        Stage before = graph.stages().get(biases);
        if (before.firstWritten() >= stage.sources()) {
          break; // of the same layer
        }
        if (before.kind() == Stage.Kind.ATTENTION) {
          stream.add_(model.model().attentionOutputBias(before));
        }
      }
      double[] shares = shares(outputs, stream, present, stage.sources());
      for (DestModule module : stage.reads()) {
        for (int node = 0; node < module.nodes().size(); node++) {
          for (int s = 0; s < stage.sources(); s++) {
            int edge = graph.index(module, node, s, 0);
            for (int i = 0; i < batch; i++) {
              rows.get(first + i)[edge] = (float) shares[s * batch + i];
            }
          }
        }
      }
    }
  }

  /**
   * @param stream what is read, {@code [B,T,D]}
   * @param present 1 at tokens over their number, 0 at pads, {@code [B,T]}
   * @return means over positions, {@code [sources × B]}
   */
  private static double[] shares(Tensor outputs, Tensor stream, Tensor present, int sources) {
    try (TensorScope scope = new TensorScope()) {
      Tensor size = stream.abs().sum(LAST, false, null);
      Tensor near = Placement.of(stream).empty(sources, stream.size(0), stream.size(1));
      for (int s = 0; s < sources; s++) {
        try (TensorScope inner = new TensorScope()) {
          Tensor rest = stream.sub(outputs.select(0, s)).abs_().sum(LAST, false, null);
          near.select(0, s).copy_(size.sub(rest).clamp_min_(new Scalar(0.0)));
        }
      }
      Tensor total = near.sum(new long[] {0}, true, null);
      Tensor safe = total.add(total.eq(new Scalar(0.0)));
      return Tensors.doubles(near.div_(safe).mul_(present).sum(LAST, false, null));
    }
  }

  private static Tensor present(TokenBatch tokens, PatchableModel model) {
    int t = tokens.length();
    float[] p = new float[tokens.batchSize() * t];
    for (int b = 0; b < tokens.batchSize(); b++) {
      int pad = tokens.padding()[b];
      for (int i = pad; i < t; i++) {
        p[b * t + i] = 1f / (t - pad);
      }
    }
    return model.model().placement().tensor(p, tokens.batchSize(), t);
  }
}
