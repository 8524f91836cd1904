package io.autocircuit.model;

import io.autocircuit.kernels.Products;
import io.autocircuit.tensor.Placement;
import org.bytedeco.pytorch.Tensor;

/**
 * What makes logits of the end of the stream: all of a model's outputs, or some.
 *
 * @param weight W_U, {@code [D, outputs]}
 * @param bias b_U, {@code [outputs]}
 */
public record Unembedding(Tensor weight, Tensor bias) {

  /**
   * Some of the outputs.
   *
   * @param which indices of outputs, in the order wanted
   * @return the same function for them alone; tensors in the current scope
   */
  public Unembedding of(int[] which) {
    return new Unembedding(
        Placement.slices(weight, 1, which), Placement.slices(bias, 0, which).contiguous());
  }

  /**
   * The logits.
   *
   * @param x the normalised end of the stream, {@code […,D]}
   * @return {@code x W_U + b_U}, {@code […,outputs]}, in the current scope
   */
  public Tensor logits(Tensor x) {
    long[] shape = x.shape();
    shape[shape.length - 1] = weight.size(1);
    return Products.addmm(bias, x.reshape(-1, weight.size(0)), weight).view(shape);
  }

  /**
   * The gradient of {@link #logits}.
   *
   * @param gradient ∂L/∂logits, {@code […,outputs]}
   * @return {@code […,D]}, in the current scope
   */
  public Tensor backward(Tensor gradient) {
    long[] shape = gradient.shape();
    shape[shape.length - 1] = weight.size(0);
    return Products.mm(gradient.reshape(-1, weight.size(1)), weight.t()).view(shape);
  }
}
