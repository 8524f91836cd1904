package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The checked arguments of {@code matrix_product}.
 *
 * @param weightType how {@code w} is stored
 * @param transposed whether {@code w} lies in memory as {@code [N,K]}
 */
record MatrixProductArguments(
    ElementType type,
    long m,
    long n,
    long k,
    TensorView x,
    TensorView w,
    ElementType weightType,
    boolean transposed,
    TensorView start,
    TensorView out) {

  /** For the CPU. */
  static MatrixProductArguments of(Tensor out, Tensor start, Tensor x, Tensor w) {
    ScalarType type = TensorView.type("x", x, false);
    TensorView rows = TensorView.of("x", x, type, 2, Device.CPU);
    TensorView weights = TensorView.weights("w", w, type);
    long m = rows.shape()[0];
    long k = rows.shape()[1];
    long n = weights.shape()[1];
    weights.shaped(k, n);
    boolean transposed = n > 1 && weights.stride(1) != 1;
    if (transposed && k > 1 && weights.stride(0) != 1) {
      throw TensorView.invalid(
          "w.strides=" + Arrays.toString(weights.strides()),
          "one of its axes must be contiguous; call contiguous()");
    }
    TensorView to = TensorView.of("out", out, type, 2, Device.CPU).written().shaped(m, n);
    TensorView from = TensorView.NONE;
    if (start != null) {
      boolean row = start.dim() == 1;
      from = TensorView.of("start", start, type, row ? 1 : 2, Device.CPU);
      from.shaped(row ? new long[] {n} : new long[] {m, n});
      if (row) {
        from = new TensorView("start", from.address(), to.shape(), new long[] {0, 1});
      }
    }
    return new MatrixProductArguments(
        ElementType.of(type), m, n, k, rows, weights, ElementType.of(w), transposed, from, to);
  }

  /** Whether there is nothing to write. */
  boolean empty() {
    return m == 0 || n == 0;
  }

  /** The call. */
  long[] call() {
    return CallLayout.MATRIX_PRODUCT
        .writer()
        .integers(type.code(), m, n, k)
        .tensor(x, 1)
        .address(w.address())
        .integers(weightType.code(), w.stride(transposed ? 1 : 0))
        .flag(transposed)
        .tensor(start, 1)
        .tensor(out, 1)
        .words();
  }
}
