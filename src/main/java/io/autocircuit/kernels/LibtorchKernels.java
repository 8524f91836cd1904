package io.autocircuit.kernels;

import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The kernels in libtorch's operations, for any device and dtype. They need memory for what the
 * fused kernels never write, and read Δ as often as it takes: for float64 on a CUDA device, where a
 * difference is to be judged and not computed fast; and for tests, as they share nothing with the
 * fused ones. Safe to share between threads.
 */
public final class LibtorchKernels implements Kernels {
  @Override
  public String name() {
    return "libtorch";
  }

  @Override
  public void patchForward(PatchForward a) {
    try (TensorScope scope = new TensorScope()) {
      Tensor x = a.resid().unsqueeze(0);
      if (a.delta() != null && a.delta().size(0) > 0) {
        // [B,T,K,S] × [B,T,S,D]
        Tensor mixed = torch.matmul(a.mask(), a.delta().permute(1, 2, 0, 3));
        x = x.add(mixed.permute(2, 0, 1, 3));
      }
      x = x.expand(a.out().size(0), x.size(1), x.size(2), x.size(3));
      Tensor root = null;
      if (a.norm().kind() != Normalization.Kind.NONE) {
        if (a.norm().kind() == Normalization.Kind.LAYER_NORM) {
          x = x.sub(mean(x));
        }
        root = mean(x.mul(x)).add(new Scalar(a.norm().epsilon())).rsqrt();
        x = x.mul(root);
      }
      a.out().copy_(x);
      if (a.rstd() != null) {
        if (root == null) {
          a.rstd().fill_(new Scalar(1.0));
        } else {
          a.rstd().copy_(root.squeeze(3));
        }
      }
    }
  }

  @Override
  public void patchBackward(PatchBackward a) {
    try (TensorScope scope = new TensorScope()) {
      Tensor g = a.gradOut();
      if (a.norm().kind() != Normalization.Kind.NONE) {
        Tensor y = a.normalized();
        Tensor centered = a.norm().kind() == Normalization.Kind.LAYER_NORM ? g.sub(mean(g)) : g;
        g.copy_(centered.sub(y.mul(mean(g.mul(y)))).mul(a.rstd().unsqueeze(3)));
      }
      if (a.maskGrad() != null && a.maskGrad().numel() > 0) {
        // [B,T,K,D] × [B,T,D,S]
        Tensor m = torch.matmul(g.permute(1, 2, 0, 3), a.delta().permute(1, 2, 3, 0));
        if (a.maskGrad().size(0) == 1) {
          m = m.sum(new long[] {0}, true, new ScalarTypeOptional());
        }
        if (a.maskGrad().size(1) == 1) {
          m = m.sum(new long[] {1}, true, new ScalarTypeOptional());
        }
        a.maskGrad().copy_(m);
      }
      if (a.residGrad() != null) {
        a.residGrad().add_(g.sum(new long[] {0}, false, new ScalarTypeOptional()));
      }
      if (a.deltaGrad() != null && a.deltaGrad().numel() > 0) {
        // [B,T,S,K] × [B,T,K,D]
        Tensor m = torch.matmul(a.mask().transpose(2, 3), g.permute(1, 2, 0, 3));
        a.deltaGrad().add_(m.permute(2, 0, 1, 3));
      }
    }
  }

  @Override
  public void patchProject(PatchProject args) {
    BatchedProducts.patchProject(this, args);
  }

  @Override
  public void patchProjectBackward(PatchProjectBackward args) {
    BatchedProducts.patchProjectBackward(this, args);
  }

  @Override
  public void headOutputs(HeadOutputs args) {
    BatchedProducts.headOutputs(args);
  }

  private static Tensor mean(Tensor x) {
    return x.mean(new long[] {-1}, true, new ScalarTypeOptional());
  }
}
