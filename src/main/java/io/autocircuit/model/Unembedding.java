package io.autocircuit.model;

import io.autocircuit.kernels.Products;
import io.autocircuit.tensor.Placement;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * What makes logits of the end of the stream: all of a model's outputs, or some.
 *
 * @param weight W_U, {@code [D, outputs]}
 * @param bias b_U, {@code [outputs]}
 * @param cap logits x become {@code cap · tanh(x / cap)}; 0: they stay
 */
public record Unembedding(Tensor weight, Tensor bias, double cap) {

  /**
   * Some of the outputs.
   *
   * @param which indices of outputs, in the order wanted
   * @return the same function for them alone; tensors in the current scope
   */
  public Unembedding of(int[] which) {
    return new Unembedding(
        Placement.slices(weight, 1, which), Placement.slices(bias, 0, which).contiguous(), cap);
  }

  /**
   * The logits.
   *
   * @param x the normalised end of the stream, {@code […,D]}
   * @return {@code x W_U + b_U}, capped, {@code […,outputs]}, in the current scope
   */
  public Tensor logits(Tensor x) {
    long[] shape = x.shape();
    shape[shape.length - 1] = weight.size(1);
    Tensor logits = Products.addmm(bias, x.reshape(-1, weight.size(0)), weight).view(shape);
    return cap == 0 ? logits : logits.div_(new Scalar(cap)).tanh_().mul_(new Scalar(cap));
  }

  /**
   * The gradient of {@link #logits}.
   *
   * @param gradient ∂L/∂logits, {@code […,outputs]}
   * @param logits what {@link #logits} returned
   * @return {@code […,D]}, in the current scope
   */
  public Tensor backward(Tensor gradient, Tensor logits) {
    long[] shape = gradient.shape();
    shape[shape.length - 1] = weight.size(0);
    Tensor g = gradient;
    if (cap > 0) {
      Tensor bent = logits.div(new Scalar(cap));
      g = bent.mul_(bent).neg_().add_(new Scalar(1.0)).mul_(gradient);
    }
    return Products.mm(g.reshape(-1, weight.size(1)), weight.t()).view(shape);
  }
}
