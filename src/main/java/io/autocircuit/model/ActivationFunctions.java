package io.autocircuit.model;

import io.autocircuit.kernels.Activations;
import io.autocircuit.model.TransformerConfig.Activation;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The activation functions of MLPs, and their gradients. */
final class ActivationFunctions {
  private ActivationFunctions() {}

  /** The function of each number, a new tensor. */
  static Tensor apply(Activation activation, Tensor x) {
    return switch (activation) {
      case GELU -> torch.gelu(x, "none");
      case GELU_TANH -> Activations.GELU_TANH.apply(x);
      case RELU -> x.clamp_min(new Scalar(0.0));
      case SILU -> Activations.SILU.apply(x);
    };
  }

  /** What becomes of a gradient on its way back through the function at {@code x}. */
  static Tensor backward(Activation activation, Tensor gradient, Tensor x) {
    return switch (activation) {
      case GELU -> torch.gelu_backward(gradient, x, "none");
      case GELU_TANH -> Activations.GELU_TANH.backward(gradient, x);
      case RELU -> gradient.mul(x.gt(new Scalar(0.0)));
      case SILU -> Activations.SILU.backward(gradient, x);
    };
  }

  /**
   * A gradient times {@code φ(x) / x}, where x is kept away from 0 by 10⁻⁶: what relevance
   * propagation has in the place of the slope (Jafari et al. 2024, MambaLRP, arXiv:2406.07592).
   */
  static Tensor ratio(Activation activation, Tensor gradient, Tensor x) {
    if (activation == Activation.RELU) {
      return backward(activation, gradient, x);
    }
    Tensor away = x.sign().add_(x.eq(new Scalar(0.0))).mul_(new Scalar(1e-6)).add_(x);
    return apply(activation, x).div_(away).mul_(gradient);
  }
}
