package io.autocircuit.kernels;

import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/**
 * {@link ReferenceKernels} once more, in Java: what the self-test compares with where there is no
 * native library. Plain loops over the formulas in float64. It knows no strides: elements are
 * copied out of tensors and back. Arguments are not checked.
 */
final class PlainKernels implements Kernels {
  @Override
  public String name() {
    return "java-reference";
  }

  /** The lengths of the axes of a call. */
  private record Sizes(int k, int b, int t, int s, int d) {
    static Sizes of(Tensor out, Tensor delta) {
      return new Sizes(
          (int) out.size(0),
          (int) out.size(1),
          (int) out.size(2),
          delta == null ? 0 : (int) delta.size(0),
          (int) out.size(3));
    }

    int rows() {
      return b * t;
    }
  }

  /** Where the masks of each row of a call begin, of its own or shared. */
  private record Masks(double[] values, int prompts, int positions, Sizes n) {
    static Masks of(Tensor mask, Sizes n) {
      return new Masks(Tensors.doubles(mask), (int) mask.size(0), (int) mask.size(1), n);
    }

    int at(int row, int k) {
      int prompt = prompts == 1 ? 0 : row / n.t();
      int position = positions == 1 ? 0 : row % n.t();
      return ((prompt * positions + position) * n.k() + k) * n.s();
    }
  }

  @Override
  public void patchForward(PatchForward a) {
    Sizes n = Sizes.of(a.out(), a.delta());
    double[] resid = Tensors.doubles(a.resid());
    double[] delta = n.s() == 0 ? new double[0] : Tensors.doubles(a.delta());
    Masks masks = n.s() == 0 ? null : Masks.of(a.mask(), n);
    double[] out = new double[n.k() * n.rows() * n.d()];
    double[] rstd = new double[n.k() * n.rows()];
    double[] x = new double[n.d()];
    for (int k = 0; k < n.k(); k++) {
      for (int row = 0; row < n.rows(); row++) {
        System.arraycopy(resid, row * n.d(), x, 0, n.d());
        for (int s = 0; s < n.s(); s++) {
          double m = masks.values()[masks.at(row, k) + s];
          for (int d = 0; m != 0 && d < n.d(); d++) {
            x[d] += m * delta[(s * n.rows() + row) * n.d() + d];
          }
        }
        double mean = a.norm().kind() == Normalization.Kind.LAYER_NORM ? sum(x) / n.d() : 0;
        double squares = 0;
        for (double value : x) {
          squares += (value - mean) * (value - mean);
        }
        boolean none = a.norm().kind() == Normalization.Kind.NONE;
        int at = k * n.rows() + row;
        rstd[at] = none ? 1 : 1 / Math.sqrt(squares / n.d() + a.norm().epsilon());
        for (int d = 0; d < n.d(); d++) {
          out[at * n.d() + d] = (x[d] - mean) * rstd[at];
        }
      }
    }
    write(a.out(), out);
    write(a.rstd(), rstd);
  }

  @Override
  public void patchBackward(PatchBackward a) {
    Sizes n = Sizes.of(a.gradOut(), a.delta() == null ? a.deltaGrad() : a.delta());
    double[] g = Tensors.doubles(a.gradOut());
    if (a.norm().kind() != Normalization.Kind.NONE) {
      denormalize(g, Tensors.doubles(a.normalized()), Tensors.doubles(a.rstd()), n, a.norm());
      write(a.gradOut(), g);
    }
    if (a.maskGrad() != null) {
      Masks sums = new Masks(null, (int) a.maskGrad().size(0), (int) a.maskGrad().size(1), n);
      double[] grad = new double[(int) a.maskGrad().numel()];
      double[] delta = Tensors.doubles(a.delta());
      for (int k = 0; k < n.k(); k++) {
        for (int row = 0; row < n.rows(); row++) {
          for (int s = 0; s < n.s(); s++) {
            double product = 0;
            for (int d = 0; d < n.d(); d++) {
              product +=
                  g[(k * n.rows() + row) * n.d() + d] * delta[(s * n.rows() + row) * n.d() + d];
            }
            grad[sums.at(row, k) + s] += product;
          }
        }
      }
      write(a.maskGrad(), grad);
    }
    if (a.residGrad() != null) {
      double[] grad = Tensors.doubles(a.residGrad());
      for (int i = 0; i < g.length; i++) {
        grad[i % (n.rows() * n.d())] += g[i];
      }
      write(a.residGrad(), grad);
    }
    if (a.deltaGrad() != null) {
      double[] grad = Tensors.doubles(a.deltaGrad());
      Masks masks = Masks.of(a.mask(), n);
      for (int s = 0; s < n.s(); s++) {
        for (int row = 0; row < n.rows(); row++) {
          for (int k = 0; k < n.k(); k++) {
            double m = masks.values()[masks.at(row, k) + s];
            for (int d = 0; d < n.d(); d++) {
              grad[(s * n.rows() + row) * n.d() + d] += m * g[(k * n.rows() + row) * n.d() + d];
            }
          }
        }
      }
      write(a.deltaGrad(), grad);
    }
  }

  /** {@code g} becomes the gradient before the normalisation, row by row. */
  private static void denormalize(
      double[] g, double[] y, double[] rstd, Sizes n, Normalization norm) {
    for (int row = 0; row < n.k() * n.rows(); row++) {
      double mean = 0;
      double along = 0;
      for (int i = row * n.d(); i < (row + 1) * n.d(); i++) {
        mean += norm.kind() == Normalization.Kind.LAYER_NORM ? g[i] / n.d() : 0;
        along += g[i] * y[i] / n.d();
      }
      for (int i = row * n.d(); i < (row + 1) * n.d(); i++) {
        g[i] = (g[i] - mean - y[i] * along) * rstd[row];
      }
    }
  }

  private static double sum(double[] x) {
    double sum = 0;
    for (double value : x) {
      sum += value;
    }
    return sum;
  }

  private static void write(Tensor to, double[] values) {
    if (to != null) {
      try (TensorScope scope = new TensorScope()) {
        to.copy_(Tensors.of(to.scalar_type().intern(), values, to.shape()));
      }
    }
  }
}
