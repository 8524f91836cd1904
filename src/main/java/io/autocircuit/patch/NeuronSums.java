package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/**
 * Sums over prompts and positions of {@code Δ_s ⊙ ∂L/∂c_s}, dimension by dimension: the total
 * gradient of what a source writes, times what ablation would change. Their sum over the dimensions
 * of a source is the sum of the scores of the edges that leave it. Where nothing is ablated (mask
 * 0).
 */
public final class NeuronSums {
  private final double[] sums;
  private final int width;

  /**
   * Begins with 0.
   *
   * @param model the model and its graph
   */
  public NeuronSums(PatchableModel model) {
    width = model.model().config().dModel();
    sums = new double[Math.multiplyExact(model.graph().sources().size(), width)];
  }

  /**
   * Adds the sources of a stage.
   *
   * @param delta {@code [sources,B,T,D]}
   * @param gradient of what each of them writes, {@code [B,T,D]}
   */
  void add(Stage stage, Tensor delta, Tensor gradient) {
    double[] some = Tensors.doubles(delta.mul(gradient).sum(new long[] {1, 2}, false, null));
    for (int i = 0; i < some.length; i++) {
      sums[stage.firstWritten() * width + i] += some[i];
    }
  }

  /**
   * Adds other sums.
   *
   * @param others of the same model
   * @param stage whose sources are added; null for all
   */
  public void add(NeuronSums others, Stage stage) {
    int first = stage == null ? 0 : stage.firstWritten() * width;
    int end = stage == null ? sums.length : first + stage.written() * width;
    for (int i = first; i < end; i++) {
      sums[i] += others.sums[i];
    }
  }

  /**
   * The sums so far.
   *
   * @return {@code [S × D]} by source index; not a copy
   */
  public double[] sums() {
    return sums;
  }
}
