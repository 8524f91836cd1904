package io.autocircuit.kernels;

import org.bytedeco.pytorch.Tensor;

/**
 * The arguments of {@code activation} and {@code activation_backward}: tensors of one size, in one
 * piece.
 *
 * @param kind the number of {@code ActivationKind} in native/include/calls.h
 * @param count of elements
 * @param x address of the inputs
 * @param grad address of the outputs' gradient; 0 for the function itself
 * @param out address of what is written
 */
record ActivationArguments(ElementType type, int kind, long count, long x, long grad, long out) {

  /**
   * For the CPU.
   *
   * @param grad null for the function itself
   */
  static ActivationArguments of(int kind, Tensor x, Tensor grad, Tensor out) {
    return new ActivationArguments(
        ElementType.of(x),
        kind,
        x.numel(),
        TensorView.address(x),
        grad == null ? 0 : TensorView.address(grad),
        TensorView.address(out));
  }

  /** The call. */
  long[] call() {
    return CallLayout.ACTIVATION
        .writer()
        .integers(type.code(), kind, count)
        .address(x)
        .address(grad)
        .address(out)
        .words();
  }
}
