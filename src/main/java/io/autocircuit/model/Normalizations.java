package io.autocircuit.model;

import io.autocircuit.kernels.Normalization;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** The gradient of normalisations that no kernel computes. */
final class Normalizations {
  private static final long[] LAST = {-1};

  private Normalizations() {}

  /**
   * The gradient of {@link Transformer#normalize}: with x̂ the normalised input, σ the root and g
   * the gradient, {@code (g − mean g − x̂ · mean(g x̂)) / σ}, without the first mean under RMS.
   *
   * @param x its input, {@code […,D]}
   * @param gradient ∂L/∂x̂, {@code […,D]}
   * @return ∂L/∂x, {@code […,D]}
   */
  static Tensor backward(Normalization norm, Tensor x, Tensor gradient) {
    if (norm.kind() == Normalization.Kind.NONE) {
      return gradient;
    }
    boolean centers = norm.kind() == Normalization.Kind.LAYER_NORM;
    Tensor centered = centers ? x.sub(mean(x)) : x;
    Tensor rstd = mean(centered.mul(centered)).add_(new Scalar(norm.epsilon())).rsqrt_();
    Tensor normalized = centered.mul(rstd);
    Tensor along = normalized.mul(mean(gradient.mul(normalized)));
    Tensor rest = gradient.sub(along);
    return (centers ? rest.sub_(mean(gradient)) : rest).mul_(rstd);
  }

  /**
   * As {@link #backward}, with the scale σ held fixed: {@code (g − mean g) / σ}, without the mean
   * under RMS.
   */
  static Tensor frozen(Normalization norm, Tensor x, Tensor gradient) {
    if (norm.kind() == Normalization.Kind.NONE) {
      return gradient;
    }
    boolean centers = norm.kind() == Normalization.Kind.LAYER_NORM;
    Tensor centered = centers ? x.sub(mean(x)) : x;
    Tensor rstd = mean(centered.mul(centered)).add_(new Scalar(norm.epsilon())).rsqrt_();
    return (centers ? gradient.sub(mean(gradient)) : gradient).mul(rstd);
  }

  private static Tensor mean(Tensor x) {
    return x.mean(LAST, true, null);
  }
}
