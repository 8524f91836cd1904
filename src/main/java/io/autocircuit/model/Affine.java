package io.autocircuit.model;

import org.bytedeco.pytorch.Tensor;

/**
 * The scale and shift after a normalisation.
 *
 * @param weight {@code [D]}; null where it is folded or absent
 * @param bias {@code [D]}; null where it is folded or absent
 */
public record Affine(Tensor weight, Tensor bias) {
  /**
   * Applies scale and shift over the last axis.
   *
   * @param x {@code […,D]}
   * @return {@code […,D]}; {@code x} itself where there is neither
   */
  public Tensor apply(Tensor x) {
    Tensor y = weight == null ? x : x.mul(weight);
    return bias == null ? y : y.add(bias);
  }

  /**
   * The gradient with respect to the input of {@link #apply}.
   *
   * @param gradient ∂L/∂output, {@code […,D]}
   * @return {@code […,D]}
   */
  public Tensor backward(Tensor gradient) {
    return weight == null ? gradient : gradient.mul(weight);
  }

  /**
   * Copies of its input that {@link #apply} makes.
   *
   * @return 0, 1 or 2
   */
  public int copies() {
    return (weight == null ? 0 : 1) + (bias == null ? 0 : 1);
  }
}
