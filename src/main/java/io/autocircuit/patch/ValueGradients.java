package io.autocircuit.patch;

import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Sums over prompts and positions of {@code ∂L/∂p_s}, the gradient of a loss with respect to what a
 * source is ablated to, dimension by dimension: {@code Σ_d m_sd ∂L/∂x_d} over the destinations that
 * read the source. Where p_s is one vector for all prompts and positions, that is its gradient.
 */
public final class ValueGradients {
  private final double[] sums;
  private final int width;

  /**
   * Begins with 0.
   *
   * @param model the model and its graph, without autoencoders
   */
  public ValueGradients(PatchableModel model) {
    width = model.model().config().dModel();
    sums = new double[Math.multiplyExact(model.graph().sources().size(), width)];
  }

  /**
   * Adds some sources.
   *
   * @param first index of the first
   * @param gradient {@code [sources,B,T,D]}
   */
  void add(int first, Tensor gradient) {
    try (TensorScope scope = new TensorScope()) {
      double[] some = Tensors.doubles(gradient.sum(new long[] {1, 2}, false, null));
      for (int i = 0; i < some.length; i++) {
        sums[first * width + i] += some[i];
      }
    }
  }

  /**
   * Adds some sources that all have one gradient.
   *
   * @param first index of the first
   * @param count how many
   * @param by what the gradient is multiplied by
   * @param gradient {@code [B,T,D]}
   */
  void addEqual(int first, int count, double by, Tensor gradient) {
    try (TensorScope scope = new TensorScope()) {
      double[] one =
          Tensors.doubles(gradient.sum(new long[] {0, 1}, false, null).mul(new Scalar(by)));
      for (int s = 0; s < count; s++) {
        for (int i = 0; i < width; i++) {
          sums[(first + s) * width + i] += one[i];
        }
      }
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
