package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeKernels;
import java.lang.ref.Reference;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Smooth activation functions: our own kernel for float32 and float64 in main memory, libtorch
 * elsewhere, as for {@link Products}. In our kernel every element is computed alike; libtorch
 * computes what is left over of a thread's share in another way, so that its last bits depend on
 * the number of threads. Safe to call from several threads.
 */
public enum Activations {
  /** x · σ(x). */
  SILU(0),
  /** x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))). */
  GELU_TANH(1);

  private final int code;

  Activations(int code) {
    this.code = code;
  }

  /**
   * The function of every element.
   *
   * @param x any shape
   * @return a new tensor of that shape
   */
  public Tensor apply(Tensor x) {
    if (!Products.ours(x)) {
      return this == SILU ? torch.silu(x) : torch.gelu(x, "tanh");
    }
    Tensor from = x.contiguous();
    Tensor out = torch.empty_like(from);
    try {
      NativeKernels.activation(
          Products.set(),
          torch.get_num_threads(),
          ActivationArguments.of(code, from, null, out).call());
    } finally {
      Reference.reachabilityFence(from);
      Reference.reachabilityFence(out);
    }
    return out;
  }

  /**
   * The gradient of {@link #apply}.
   *
   * @param gradient ∂L/∂apply(x)
   * @param x of the same shape and dtype
   * @return ∂L/∂x, a new tensor
   * @throws IllegalArgumentException if the two do not fit
   */
  public Tensor backward(Tensor gradient, Tensor x) {
    if (!Products.ours(x)) {
      return this == SILU
          ? torch.silu_backward(gradient, x)
          : torch.gelu_backward(gradient, x, "tanh");
    }
    if (gradient.numel() != x.numel()
        || gradient.scalar_type().intern() != x.scalar_type().intern()
        || !gradient.is_cpu()) {
      throw new IllegalArgumentException(
          "gradient.numel="
              + gradient.numel()
              + " x.numel="
              + x.numel()
              + "; both need one shape, dtype and device");
    }
    Tensor from = x.contiguous();
    Tensor grad = gradient.contiguous();
    Tensor out = torch.empty_like(from);
    try {
      NativeKernels.activation_backward(
          Products.set(),
          torch.get_num_threads(),
          ActivationArguments.of(code, from, grad, out).call());
    } finally {
      Reference.reachabilityFence(from);
      Reference.reachabilityFence(grad);
      Reference.reachabilityFence(out);
    }
    return out;
  }
}
