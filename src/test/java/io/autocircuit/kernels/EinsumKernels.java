package io.autocircuit.kernels;

import io.autocircuit.model.Transformer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The patch operation in libtorch operations: an oracle that shares nothing with our kernels. */
public final class EinsumKernels implements Kernels {
  @Override
  public String name() {
    return "einsum";
  }

  @Override
  public void patchForward(PatchForward a) {
    long k = a.out().size(0);
    Tensor x = a.resid().unsqueeze(0);
    if (a.delta() != null) {
      // [B,T,K,S] × [B,T,S,D]
      Tensor mixed = torch.matmul(a.mask(), a.delta().permute(1, 2, 0, 3));
      x = x.add(mixed.permute(2, 0, 1, 3));
    }
    x = x.expand(k, x.size(1), x.size(2), x.size(3));
    a.out().copy_(Transformer.normalize(a.norm(), x));
    if (a.rstd() != null) {
      a.rstd().copy_(rstd(a.norm(), x));
    }
  }

  private static Tensor rstd(Normalization norm, Tensor x) {
    if (norm.kind() == Normalization.Kind.NONE) {
      return torch.ones_like(x.select(3, 0));
    }
    Tensor c =
        norm.kind() == Normalization.Kind.RMS_NORM ? x : x.sub(x.mean(new long[] {-1}, true, null));
    return c.mul(c).mean(-1).add(new Scalar(norm.epsilon())).rsqrt();
  }

  @Override
  public void patchBackward(PatchBackward a) {
    Tensor g = a.gradOut();
    if (a.norm().kind() != Normalization.Kind.NONE) {
      Tensor y = a.normalized();
      Tensor centered =
          a.norm().kind() == Normalization.Kind.LAYER_NORM
              ? g.sub(g.mean(new long[] {-1}, true, null))
              : g;
      Tensor projected = y.mul(g.mul(y).mean(new long[] {-1}, true, null));
      g.copy_(centered.sub(projected).mul(a.rstd().unsqueeze(3)));
    }
    if (a.maskGrad() != null && a.delta() != null) {
      // [B,T,K,D] × [B,T,D,S]
      Tensor m = torch.matmul(g.permute(1, 2, 0, 3), a.delta().permute(1, 2, 3, 0));
      if (a.maskGrad().size(0) == 1) {
        m = m.sum(new long[] {0}, true, null);
      }
      if (a.maskGrad().size(1) == 1) {
        m = m.sum(new long[] {1}, true, null);
      }
      a.maskGrad().copy_(m);
    }
    if (a.residGrad() != null) {
      a.residGrad().add_(g.sum(new long[] {0}, false, null));
    }
    if (a.deltaGrad() != null) {
      // [B,T,S,K] × [B,T,K,D]
      Tensor m = torch.matmul(a.mask().transpose(2, 3), g.permute(1, 2, 0, 3));
      a.deltaGrad().add_(m.permute(2, 0, 1, 3));
    }
  }
}
