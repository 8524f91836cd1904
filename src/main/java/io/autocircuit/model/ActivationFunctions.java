package io.autocircuit.model;

import io.autocircuit.kernels.Activations;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.TransformerConfig.Activation;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The activation functions of MLPs, and their gradients. */
final class ActivationFunctions {
  private static final long[] LAST = {-1};

  private ActivationFunctions() {}

  /** The function of the neurons, {@code […, dMlp]}: a new tensor. */
  static Tensor apply(TransformerConfig config, Tensor x) {
    return switch (config.activation()) {
      case GELU -> torch.gelu(x, "none");
      case GELU_TANH -> Activations.GELU_TANH.apply(x);
      case RELU -> x.clamp_min(new Scalar(0.0));
      case SILU -> Activations.SILU.apply(x);
      case SOLU -> solu(x);
      case SOLU_NORM -> Transformer.normalize(norm(config), solu(x));
    };
  }

  /**
   * What becomes of a gradient on its way back through the function at {@code x}.
   *
   * @param frozen whether the scale of a norm behind the function is held fixed
   */
  static Tensor backward(TransformerConfig config, Tensor gradient, Tensor x, boolean frozen) {
    return switch (config.activation()) {
      case GELU -> torch.gelu_backward(gradient, x, "none");
      case GELU_TANH -> Activations.GELU_TANH.backward(gradient, x);
      case RELU -> gradient.mul(x.gt(new Scalar(0.0)));
      case SILU -> Activations.SILU.backward(gradient, x);
      case SOLU -> soluBackward(gradient, x);
      case SOLU_NORM -> soluBackward(behindNorm(config, gradient, x, frozen), x);
    };
  }

  private static Tensor solu(Tensor x) {
    return x.softmax(-1).mul_(x);
  }

  /** With s the softmax: s_j (g_j + g_j x_j − Σ_i g_i x_i s_i). */
  private static Tensor soluBackward(Tensor gradient, Tensor x) {
    Tensor s = x.softmax(-1);
    Tensor along = gradient.mul(x);
    Tensor mean = along.mul(s).sum(LAST, true, null);
    return along.add_(gradient).sub_(mean).mul_(s);
  }

  /** The gradient of SoLU's product, of that of what its norm makes of it. */
  private static Tensor behindNorm(
      TransformerConfig config, Tensor gradient, Tensor x, boolean frozen) {
    Normalization norm = norm(config);
    return frozen
        ? Normalizations.frozen(norm, solu(x), gradient)
        : Normalizations.backward(norm, solu(x), gradient);
  }

  private static Normalization norm(TransformerConfig config) {
    return new Normalization(Normalization.Kind.LAYER_NORM, config.normalization().epsilon());
  }

  /**
   * A gradient times {@code φ(x) / x}, where x is kept away from 0 by 10⁻⁶: what relevance
   * propagation has in the place of the slope (Jafari et al. 2024, MambaLRP, arXiv:2406.07592). Of
   * SoLU that is the softmax; the norm behind it has a gradient of its own.
   *
   * @param frozen whether the scale of that norm is held fixed
   */
  static Tensor ratio(TransformerConfig config, Tensor gradient, Tensor x, boolean frozen) {
    if (config.activation() == Activation.RELU) {
      return backward(config, gradient, x, frozen);
    }
    if (config.activation() == Activation.SOLU_NORM) {
      return behindNorm(config, gradient, x, frozen).mul_(x.softmax(-1));
    }
    Tensor away = x.sign().add_(x.eq(new Scalar(0.0))).mul_(new Scalar(1e-6)).add_(x);
    return apply(config, x).div_(away).mul_(gradient);
  }
}
