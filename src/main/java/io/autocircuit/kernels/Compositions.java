package io.autocircuit.kernels;

import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** The fused operations as compositions: their definition. */
final class Compositions {
  private Compositions() {}

  static void patchProject(Kernels kernels, Kernels.PatchProject a) {
    try (TensorScope scope = new TensorScope()) {
      long[] shape = a.resid().shape();
      long b = shape[0];
      long t = shape[1];
      long d = shape[2];
      boolean patched = a.delta() != null;
      TensorOptions options = a.resid().options();
      Tensor y = torch.empty(new long[] {a.count(), b, t, d}, options, null);
      Tensor mask = patched ? a.mask().narrow(2, 0, a.count()) : null;
      kernels.patchForward(new Kernels.PatchForward(a.resid(), a.delta(), mask, a.norm(), y, null));
      if (a.carry() != null) {
        if (patched) {
          kernels.patchForward(
              new Kernels.PatchForward(
                  torch.zeros_like(a.resid()),
                  a.delta(),
                  a.mask().narrow(2, a.count(), 1),
                  Normalization.NONE,
                  a.carry().unsqueeze(0),
                  null));
        } else {
          a.carry().zero_();
        }
      }
      if (a.scale() != null) {
        y.mul_(a.scale());
      }
      if (a.shift() != null) {
        y.add_(a.shift());
      }
      Tensor rows = y.view(a.count(), b * t, d);
      for (int p = 0; p < a.inputs().length; ) {
        // neighbouring parts of one input are projected together
        int from = p++;
        while (p < a.inputs().length
            && a.inputs()[p] == a.inputs()[from]
            && a.columns()[p] == a.columns()[p - 1] + 1) {
          p++;
        }
        long column = (long) a.columns()[from] * a.width();
        long n = (long) (p - from) * a.width();
        Tensor product =
            Products.addmm(
                a.bias().narrow(0, column, n),
                rows.select(0, a.inputs()[from]),
                a.weight().narrow(1, column, n));
        a.out().narrow(2, column, n).copy_(product.view(b, t, n));
      }
    }
  }

  static void patchProjectBackward(Kernels kernels, Kernels.PatchProjectBackward a) {
    try (TensorScope scope = new TensorScope()) {
      long[] shape = a.gradOut().shape();
      long rows = shape[0] * shape[1];
      long d = a.weight().size(0);
      Tensor gradOut = a.gradOut().view(rows, shape[2]);
      Tensor g = torch.empty(new long[] {a.count(), rows, d}, a.gradOut().options(), null);
      boolean[] begun = new boolean[a.count()];
      for (int p = 0; p < a.inputs().length; p++) {
        int input = a.inputs()[p];
        Tensor to = g.select(0, input);
        Tensor part = gradOut.narrow(1, (long) p * a.width(), a.width());
        Tensor weight = a.weight().narrow(1, (long) p * a.width(), a.width()).t();
        if (begun[input]) {
          Products.addmmOut(to, to, part, weight);
        } else {
          Products.mmOut(to, part, weight);
        }
        begun[input] = true;
      }
      if (a.scale() != null) {
        g.mul_(a.scale());
      }
      patchBackward(kernels, a, g.view(a.count(), shape[0], shape[1], d));
    }
  }

  /**
   * The gradients of mask, stream and Δ from those of the inputs.
   *
   * @param g {@code [K,B,T,D]}, before the normalisation's gradient; overwritten
   */
  static void patchBackward(Kernels kernels, Kernels.PatchProjectBackward a, Tensor g) {
    int k = a.count();
    if (a.carry() == null) {
      kernels.patchBackward(
          new Kernels.PatchBackward(
              g,
              a.normalized(),
              a.rstd(),
              a.delta(),
              a.mask(),
              a.norm(),
              a.maskGrad(),
              a.residGrad(),
              a.deltaGrad()));
      return;
    }
    Tensor own = rows(a.maskGrad(), k);
    Tensor carried = rows(a.maskGrad(), 1);
    kernels.patchBackward(
        new Kernels.PatchBackward(
            g,
            a.normalized(),
            a.rstd(),
            a.delta(),
            a.deltaGrad() == null ? null : a.mask().narrow(2, 0, k),
            a.norm(),
            own,
            a.residGrad(),
            a.deltaGrad()));
    kernels.patchBackward(
        new Kernels.PatchBackward(
            a.carry().contiguous().unsqueeze(0),
            null,
            null,
            a.delta(),
            a.deltaGrad() == null ? null : a.mask().narrow(2, k, 1),
            Normalization.NONE,
            carried,
            null,
            a.deltaGrad()));
    if (a.maskGrad() != null) {
      a.maskGrad().narrow(2, 0, k).copy_(own);
      a.maskGrad().narrow(2, k, 1).copy_(carried);
    }
  }

  /** Room for some rows of a mask's gradient. */
  private static Tensor rows(Tensor maskGrad, long count) {
    if (maskGrad == null) {
      return null;
    }
    long[] shape = maskGrad.shape();
    shape[2] = count;
    return torch.empty(shape, maskGrad.options(), null);
  }

  static void headOutputs(Kernels.HeadOutputs a) {
    try (TensorScope scope = new TensorScope()) {
      long w = a.width();
      Tensor weight = Products.widened(a.weight(), a.z());
      for (int i = 0; i < a.heads().length; i++) {
        int h = a.heads()[i];
        Tensor c = torch.matmul(a.z().narrow(2, i * w, w), weight.narrow(0, h * w, w));
        if (a.ablation() == null) {
          a.delta().select(0, h).copy_(c);
        } else {
          torch.sub_out(a.delta().select(0, h), a.ablation().select(0, h), c);
        }
        if (a.stream() != null) {
          a.stream().add_(c);
        }
      }
    }
  }

  /** Whether each value is at least 0 and below {@code end}. */
  static boolean below(int[] values, long end) {
    return Arrays.stream(values).allMatch(v -> v >= 0 && v < end);
  }
}
