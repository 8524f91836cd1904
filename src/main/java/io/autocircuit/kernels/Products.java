package io.autocircuit.kernels;

import io.autocircuit.kernels.internal.NativeKernels;
import java.lang.ref.Reference;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Rows times a matrix of weights: our own kernel for float32 and float64 in main memory, libtorch
 * elsewhere, and where {@link KernelsProvider#choose()} takes libtorch's operations. Our kernel
 * sums each element on its own and in ascending order: its bits depend neither on the number of
 * threads nor on how many rows are computed together, both of which change OpenBLAS's, and it needs
 * no second thread pool beside libtorch's.
 *
 * <p>Matrices may be of 16 bits (bfloat16, float16) where rows have more: the products are those of
 * the same numbers in the rows' type. Our kernel widens them while it packs them, libtorch gets a
 * widened copy.
 *
 * <p>The instruction set is the one that {@link KernelsProvider#choose()} takes; as many threads
 * are used as libtorch uses at the time of the call. Safe to call from several threads.
 */
public final class Products {
  private Products() {}

  /** The instruction sets of this machine, which do not change. */
  private static final class Machine {
    static final Set<InstructionSet> SETS = InstructionSet.available();

    private Machine() {}
  }

  /**
   * {@code start + x w}, a new tensor.
   *
   * @param start {@code [N]}, or {@code [M,N]}
   * @param x {@code [M,K]}
   * @param w {@code [K,N]}, or the transpose of such a matrix
   * @return {@code [M,N]}
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  public static Tensor addmm(Tensor start, Tensor x, Tensor w) {
    if (!ours(x)) {
      return torch.addmm(start, x, widened(w, x));
    }
    Tensor out = empty(x, w);
    run(out, start, x, w);
    return out;
  }

  /**
   * {@code out = start + x w}.
   *
   * @param out {@code [M,N]}; may be {@code start}, but must not overlap {@code x} or {@code w}
   * @param start {@code [N]}, or {@code [M,N]}
   * @param x {@code [M,K]}
   * @param w {@code [K,N]}, or the transpose of such a matrix
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  public static void addmmOut(Tensor out, Tensor start, Tensor x, Tensor w) {
    if (ours(x)) {
      run(out, start, x, w);
    } else {
      torch.addmm_out(out, start, x, widened(w, x));
    }
  }

  /**
   * {@code x w}, a new tensor; see {@link #addmm}.
   *
   * @param x {@code [M,K]}
   * @param w {@code [K,N]}, or the transpose of such a matrix
   * @return {@code [M,N]}
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  public static Tensor mm(Tensor x, Tensor w) {
    if (!ours(x)) {
      return torch.mm(x, widened(w, x));
    }
    Tensor out = empty(x, w);
    run(out, null, x, w);
    return out;
  }

  /**
   * {@code out = x w}; see {@link #addmmOut}.
   *
   * @param out {@code [M,N]}; must not overlap {@code x} or {@code w}
   * @param x {@code [M,K]}
   * @param w {@code [K,N]}, or the transpose of such a matrix
   * @throws IllegalArgumentException if shapes, dtypes or strides do not fit
   */
  public static void mmOut(Tensor out, Tensor x, Tensor w) {
    if (ours(x)) {
      run(out, null, x, w);
    } else {
      torch.mm_out(out, x, widened(w, x));
    }
  }

  /**
   * Weights as libtorch's operations need them.
   *
   * @param w of 16 bits, or of the type of {@code x}
   * @param x what they are multiplied with
   * @return {@code w} in the type of {@code x}: itself, or a copy in the current scope
   */
  public static Tensor widened(Tensor w, Tensor x) {
    ScalarType type = x.scalar_type().intern();
    return w.scalar_type().intern() == type ? w : w.to(type);
  }

  /** The number of the instruction set. */
  static int set() {
    return KernelsProvider.products(Machine.SETS).code();
  }

  /** Whether our kernels take such tensors. */
  static boolean ours(Tensor x) {
    if (!x.is_cpu()) {
      return false;
    }
    ScalarType type = x.scalar_type().intern();
    return (type == ScalarType.Float || type == ScalarType.Double) && KernelsProvider.ours();
  }

  private static Tensor empty(Tensor x, Tensor w) {
    TensorOptions options = x.options();
    return torch.empty(new long[] {x.size(0), w.size(1)}, options, null);
  }

  private static void run(Tensor out, Tensor start, Tensor x, Tensor w) {
    Tensor rows = x.size(1) > 1 && x.stride(1) != 1 ? x.contiguous() : x;
    MatrixProductArguments a = MatrixProductArguments.of(out, start, rows, w);
    if (a.empty()) {
      return;
    }
    try {
      NativeKernels.matrix_product(set(), torch.get_num_threads(), a.call());
    } finally {
      Reference.reachabilityFence(rows);
      Reference.reachabilityFence(w);
      Reference.reachabilityFence(start);
      Reference.reachabilityFence(out);
    }
  }
}
