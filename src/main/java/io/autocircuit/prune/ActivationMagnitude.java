package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.patch.SourceRows;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;

/**
 * Scores an edge by how large its source's output is on clean prompts: the mean of the absolute
 * activation over prompts, positions and dimensions, a baseline that looks at no destination
 * (AutoCircuit's "activation magnitude", Miller 2024). Each prompt has the same weight, pads have
 * none.
 *
 * <p>AutoCircuit computes something else: the absolute value of the <em>signed</em> mean, which is
 * 0 up to rounding where writing weights are centred, averaged over batches; and in unfactorized
 * graphs it takes the first sources for those of the destination.
 *
 * @param signedMean whether the absolute value is taken of the mean of a batch and not of each
 *     activation, as AutoCircuit does it; for comparison
 */
public record ActivationMagnitude(boolean signedMean) implements PruneAlgorithm {
  private static final long[] LAST = {-1};

  @Override
  public String key() {
    return "activation-magnitude";
  }

  @Override
  public String title() {
    return signedMean ? "Activation magnitude (signed mean)" : "Activation magnitude";
  }

  @Override
  public Settings settings() {
    return Settings.of(
        ActivationMagnitudeProvider.SETTINGS,
        Map.of(ActivationMagnitudeProvider.SIGNED_MEAN, signedMean));
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    double[] means = sourceMeans(model, batches, progress);
    float[] scores = new float[model.graph().edgeCount()];
    for (int e = 0; e < scores.length; e++) {
      Edge edge = model.graph().edge(e);
      int passed = signedMean ? edge.destination().firstSource() : 0; // what AutoCircuit forgets
      scores[e] = (float) means[edge.source().index() - passed];
    }
    return new PruneScores(model.graph(), scores);
  }

  /**
   * What the scores of each source's edges are.
   *
   * @param model the model and its graph
   * @param batches the prompts
   * @param progress told about the work done
   * @return by source index, 0 or more; NaN without prompts
   */
  public double[] sourceMeans(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    double[] sums = new double[model.graph().sources().size()];
    int all = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    int done = 0;
    for (List<MicroBatch> parts :
        MicroBatch.within(model, MemoryEstimate.Work.SOURCES, Ablation.ZERO, batches)) {
      double[] batch = new double[sums.length];
      int prompts = 0;
      for (MicroBatch part : parts) {
        add(model, part.prompts().clean(), batch);
        prompts += part.size();
        done += part.size();
        progress.update("prompts", done, all);
      }
      for (int s = 0; s < sums.length; s++) {
        sums[s] += signedMean ? Math.abs(batch[s] / prompts) / batches.size() : batch[s] / all;
      }
    }
    if (all == 0) {
      Arrays.fill(sums, Double.NaN);
    }
    return sums;
  }

  /** Adds, for each source, the sum over prompts of the mean over a prompt's tokens. */
  private void add(PatchableModel model, TokenBatch tokens, double[] to) {
    try (TensorScope scope = new TensorScope()) {
      Tensor outputs = SourceOutputs.of(model, tokens);
      SourceRows rows = model.sourceRows();
      Set<Integer> withLatents = new TreeSet<>();
      for (SrcNode source : model.graph().sources()) {
        if (rows.row(source.index()) < 0) {
          withLatents.add(source.block());
          continue;
        }
        try (TensorScope inner = new TensorScope()) {
          Tensor own = outputs.select(0, rows.row(source.index())); // [B,T,D]
          to[source.index()] += sums(size(own).mean(LAST, false, null).unsqueeze(-1), tokens)[0];
        }
      }
      for (int block : withLatents) {
        addLatents(model, outputs, rows, block, tokens, to);
      }
    }
  }

  /** A latent's output is its activation times its column of the decoder. */
  private void addLatents(
      PatchableModel model,
      Tensor outputs,
      SourceRows rows,
      int block,
      TokenBatch tokens,
      double[] to) {
    try (TensorScope scope = new TensorScope()) {
      Tensor column = size(model.model().autoencoders().block(block).decode());
      Tensor each = column.mean(LAST, false, null); // [K]
      Tensor activations = size(rows.activations(outputs, block)).mul(each); // [B,T,K]
      double[] sums = sums(activations, tokens);
      int k = 0;
      for (SrcNode source : model.graph().sources()) {
        if (source.block() == block && rows.row(source.index()) < 0) {
          to[source.index()] += sums[k++];
        }
      }
    }
  }

  private Tensor size(Tensor values) {
    return signedMean ? values : values.abs();
  }

  /** Of {@code [B,T,K]}, for each of K the sum over prompts of the mean over their tokens. */
  private static double[] sums(Tensor values, TokenBatch tokens) {
    double[] sums = new double[(int) values.size(2)];
    int length = tokens.length();
    for (int b = 0; b < tokens.batchSize(); b++) {
      int pad = tokens.padding()[b];
      Tensor own = values.select(0, b).narrow(0, pad, (long) length - pad);
      double[] means = Tensors.doubles(own.mean(new long[] {0}, false, null));
      for (int k = 0; k < sums.length; k++) {
        sums[k] += means[k];
      }
    }
    return sums;
  }
}
