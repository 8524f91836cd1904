package io.autocircuit.kernels;

import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The kernels in libtorch's operations, for any device and dtype: for machines that our native
 * library is not compiled for, for devices that it does not know, and for tests, as they share
 * nothing with the fused ones. Safe to share between threads.
 *
 * <p>They are few large operations. What a fused kernel keeps in registers has to be written here;
 * rows are computed in parts, so that this takes some {@value #PART} elements and not more for
 * longer inputs. Memory for every source of every destination is never taken.
 *
 * <p>The products are libtorch's BLAS's, so the last bits may depend on the number of threads and
 * on how many rows are computed together.
 */
public final class LibtorchKernels implements Kernels {
  /** Elements of the inputs of all destinations that are computed at once. */
  private static final long PART = 1L << 22;

  /** Elements of a pass of several operations, which should stay in a cache. */
  private static final long CACHED = 1L << 17;

  private final long part;

  /** Kernels of this kind; they hold nothing. */
  public LibtorchKernels() {
    this(PART);
  }

  /**
   * @param part elements of a part; tests choose few
   */
  LibtorchKernels(long part) {
    this.part = part;
  }

  @Override
  public String name() {
    return "libtorch";
  }

  @Override
  public void patchForward(PatchForward a) {
    if (a.resid() == null || a.resid().is_cpu()) {
      PatchForwardArguments.of(a);
    }
    try (TensorScope scope = new TensorScope()) {
      LibtorchSums.mix(a.out(), a.resid(), a.delta(), a.mask());
      if (a.norm().kind() != Normalization.Kind.NONE) {
        Tensor rows = a.out().flatten(0, 2);
        Tensor rstd = a.rstd() == null ? null : a.rstd().view(-1);
        Rows.parts(
            rows.size(0),
            CACHED / rows.size(1),
            p ->
                normalize(
                    rows.narrow(0, p[0], p[1]),
                    a.norm(),
                    rstd == null ? null : rstd.narrow(0, p[0], p[1])));
      } else if (a.rstd() != null) {
        a.rstd().fill_(new Scalar(1.0));
      }
    }
  }

  /** Normalises rows in place. */
  private static void normalize(Tensor rows, Normalization norm, Tensor rstd) {
    try (TensorScope scope = new TensorScope()) {
      if (norm.kind() == Normalization.Kind.LAYER_NORM) {
        rows.sub_(mean(rows));
      }
      Tensor root = mean(rows.mul(rows)).add_(new Scalar(norm.epsilon())).rsqrt_();
      rows.mul_(root);
      if (rstd != null) {
        rstd.copy_(root.squeeze(1));
      }
    }
  }

  @Override
  public void patchBackward(PatchBackward a) {
    if (a.gradOut() == null || a.gradOut().is_cpu()) {
      PatchBackwardArguments.of(a);
    }
    try (TensorScope scope = new TensorScope()) {
      backward(a);
    }
  }

  private static void backward(PatchBackward a) {
    Tensor g = a.gradOut();
    if (a.norm().kind() != Normalization.Kind.NONE) {
      // by prompts and positions too, as the other tensors may have any strides
      long row = g.size(3);
      Rows.parts(
          g.size(0),
          CACHED / (row * g.size(1) * g.size(2)),
          k ->
              Rows.parts(
                  g.size(1),
                  CACHED / (row * g.size(2)),
                  b ->
                      denormalize(
                          g.narrow(0, k[0], k[1]).narrow(1, b[0], b[1]),
                          a.normalized().narrow(0, k[0], k[1]).narrow(1, b[0], b[1]),
                          a.rstd().narrow(0, k[0], k[1]).narrow(1, b[0], b[1]),
                          a.norm())));
    }
    if (a.maskGrad() != null && a.maskGrad().numel() > 0) {
      LibtorchSums.maskGradient(a.maskGrad(), false, g, a.delta());
    }
    if (a.residGrad() != null) {
      a.residGrad().add_(g.sum(new long[] {0}, false, new ScalarTypeOptional()));
    }
    if (a.deltaGrad() != null && a.deltaGrad().numel() > 0) {
      LibtorchSums.deltaGradient(a.deltaGrad(), a.mask(), g);
    }
  }

  /** {@code g} becomes the gradient before the normalisation. */
  private static void denormalize(Tensor g, Tensor y, Tensor rstd, Normalization norm) {
    try (TensorScope scope = new TensorScope()) {
      Tensor along = mean(g.mul(y));
      if (norm.kind() == Normalization.Kind.LAYER_NORM) {
        g.sub_(mean(g));
      }
      g.addcmul_(y, along, new Scalar(-1.0)).mul_(rstd.unsqueeze(3));
    }
  }

  @Override
  public void patchProject(PatchProject a) {
    if (a.resid() == null || a.resid().is_cpu()) {
      PatchProjectArguments.of(a);
    }
    try (TensorScope whole = new TensorScope()) {
      Tensor weight = Products.widened(a.weight(), a.resid()); // once, not for each part
      Rows.each(
          a.resid().size(0),
          a.resid().size(1),
          Math.max(1, part / (a.count() * a.resid().size(2))),
          rows -> {
            try (TensorScope scope = new TensorScope()) {
              BatchedProducts.patchProject(
                  this,
                  new PatchProject(
                      rows.of(a.resid(), 0),
                      rows.of(a.delta(), 1),
                      rows.where(a.mask(), 0),
                      a.count(),
                      a.norm(),
                      a.scale(),
                      a.shift(),
                      weight,
                      a.bias(),
                      a.width(),
                      a.inputs(),
                      a.columns(),
                      rows.of(a.out(), 0),
                      rows.of(a.carry(), 0)));
            }
          });
    }
  }

  @Override
  public void patchProjectBackward(PatchProjectBackward a) {
    if (a.gradOut() == null || a.gradOut().is_cpu()) {
      PatchProjectBackwardArguments.of(a);
    }
    try (TensorScope whole = new TensorScope()) {
      Tensor weight = Products.widened(a.weight(), a.gradOut());
      Rows.each(
          a.gradOut().size(0),
          a.gradOut().size(1),
          Math.max(1, part / (a.count() * a.weight().size(0))),
          rows -> {
            try (TensorScope scope = new TensorScope()) {
              Tensor sums = rows.where(a.maskGrad(), 0);
              boolean add = sums != null && rows.follow(a.maskGrad());
              Tensor maskGrad = add ? torch.empty_like(sums) : sums;
              BatchedProducts.patchProjectBackward(
                  this,
                  new PatchProjectBackward(
                      rows.of(a.gradOut(), 0),
                      a.count(),
                      weight,
                      a.scale(),
                      a.width(),
                      a.inputs(),
                      rows.of(a.normalized(), 1),
                      rows.of(a.rstd(), 1),
                      rows.of(a.delta(), 1),
                      rows.where(a.mask(), 0),
                      a.norm(),
                      rows.of(a.carry(), 0),
                      maskGrad,
                      rows.of(a.residGrad(), 0),
                      rows.of(a.deltaGrad(), 1)));
              if (add) {
                sums.add_(maskGrad);
              }
            }
          });
    }
  }

  @Override
  public void headOutputs(HeadOutputs args) {
    if (args.z() == null || args.z().is_cpu()) {
      HeadOutputsArguments.of(args);
    }
    BatchedProducts.headOutputs(args);
  }

  @Override
  public void attention(Attention args) {
    if (args.qkv() == null || args.qkv().is_cpu()) {
      AttentionArguments.of(args);
    }
    LibtorchAttention.forward(args);
  }

  @Override
  public void attentionBackward(AttentionBackward a) {
    if (a.qkv() == null || a.qkv().is_cpu()) {
      AttentionArguments.of(a);
    }
    AttentionPattern p = a.pattern();
    long t = a.qkv().size(0) / Math.max(1, a.prompts());
    // the scores of all heads are written
    Rows.parts(
        a.prompts(),
        part / Math.max(1, p.heads() * t * t),
        prompts -> {
          try (TensorScope scope = new TensorScope()) {
            Rows rows = new Rows(prompts[0], prompts[1], 0, 1);
            Rotation r = p.rotation();
            LibtorchAttention.backward(
                new AttentionBackward(
                    a.qkv().narrow(0, prompts[0] * t, prompts[1] * t),
                    (int) prompts[1],
                    new AttentionPattern(
                        p.heads(),
                        p.width(),
                        p.scale(),
                        // the axis behind prompts is heads, not positions
                        p.mask() == null || p.mask().size(0) == 1
                            ? p.mask()
                            : p.mask().narrow(0, prompts[0], prompts[1]),
                        r == null
                            ? null
                            : new Rotation(
                                rows.where(r.cosines(), 0),
                                rows.where(r.sines(), 0),
                                r.adjacentPairs()),
                        p.cap()),
                    a.gradZ().narrow(0, prompts[0] * t, prompts[1] * t),
                    a.gradQkv().narrow(0, prompts[0] * t, prompts[1] * t)));
          }
        });
  }

  private static Tensor mean(Tensor x) {
    return x.mean(new long[] {-1}, true, new ScalarTypeOptional());
  }
}
