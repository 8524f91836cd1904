package io.autocircuit.kernels;

import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** Attention in libtorch's operations, for any device and dtype. */
public final class LibtorchAttention {
  private LibtorchAttention() {}

  /**
   * Softmax of scaled and masked scores times values.
   *
   * @param q rotated queries, {@code [B,H,P,W]}
   * @param k rotated keys, {@code [B,H,T,W]}
   * @param v values, {@code [B,H,T,W]}
   * @param mask added to the scores, broadcastable to {@code [B,H,P,T]}; or null
   * @param scale multiplies the scores
   * @return {@code [B,H,P,W]}
   */
  public static Tensor attend(Tensor q, Tensor k, Tensor v, Tensor mask, double scale) {
    return attend(q, k, v, mask, scale, 0);
  }

  /**
   * Softmax of scaled, capped and masked scores times values.
   *
   * @param q rotated queries, {@code [B,H,P,W]}
   * @param k rotated keys, {@code [B,H,T,W]}
   * @param v values, {@code [B,H,T,W]}
   * @param mask added to the scores, broadcastable to {@code [B,H,P,T]}; or null
   * @param scale multiplies the scores
   * @param cap scores s become {@code cap · tanh(s / cap)} before the mask is added; 0: they stay
   * @return {@code [B,H,P,W]}
   */
  public static Tensor attend(Tensor q, Tensor k, Tensor v, Tensor mask, double scale, double cap) {
    if (cap > 0) {
      return torch.matmul(torch.softmax(scores(q, k, mask, scale, cap), -1), v);
    }
    if (q.is_meta()) { // libtorch has no rule for the shape of the joint operation
      Tensor scores = torch.matmul(q, k.transpose(2, 3));
      return torch.matmul(mask == null ? scores : scores.add(mask), v);
    }
    return torch.scaled_dot_product_attention(
        q,
        k,
        v,
        mask == null ? new TensorOptional() : new TensorOptional(mask),
        0,
        false,
        new DoubleOptional(scale),
        false);
  }

  /**
   * Scaled, capped and masked scores, whose softmax is the pattern.
   *
   * @param q rotated queries, {@code [B,H,P,W]}
   * @param k rotated keys, {@code [B,H,T,W]}
   * @param mask added to the scores, broadcastable to {@code [B,H,P,T]}; or null
   * @param scale multiplies the scores
   * @param cap scores s become {@code cap · tanh(s / cap)} before the mask is added; 0: they stay
   * @return {@code [B,H,P,T]}
   */
  public static Tensor scores(Tensor q, Tensor k, Tensor mask, double scale, double cap) {
    Tensor scores = torch.matmul(q, k.transpose(2, 3));
    if (cap > 0) {
      scores.mul_(new Scalar(scale / cap)).tanh_().mul_(new Scalar(cap));
    } else {
      scores.mul_(new Scalar(scale));
    }
    return mask == null ? scores : scores.add_(mask);
  }

  /**
   * Rotates the leading coordinates of queries or keys.
   *
   * @param x {@code [B,H,T,W]}
   * @param r the rotation; null for none
   * @param inverse whether to rotate back
   * @return the rotated tensor; {@code x} itself without rotation
   */
  public static Tensor rotate(Tensor x, Kernels.Rotation r, boolean inverse) {
    if (r == null) {
      return x;
    }
    long d = r.cosines().size(3);
    long width = x.size(3);
    Tensor lead = x.narrow(3, 0, d);
    Tensor turned;
    if (r.adjacentPairs()) {
      Tensor pairs = lead.reshape(x.size(0), x.size(1), x.size(2), d / 2, 2);
      turned =
          torch
              .stack(new TensorVector(pairs.select(4, 1).neg(), pairs.select(4, 0)), 4)
              .reshape(x.size(0), x.size(1), x.size(2), d);
    } else {
      turned =
          torch.cat(
              new TensorVector(lead.narrow(3, d / 2, d / 2).neg(), lead.narrow(3, 0, d / 2)), 3);
    }
    Tensor s = turned.mul(r.sines());
    Tensor c = lead.mul(r.cosines());
    Tensor rotated = inverse ? c.sub(s) : c.add(s);
    return d == width
        ? rotated
        : torch.cat(new TensorVector(rotated, x.narrow(3, d, width - d)), 3);
  }

  /** Queries, keys and values {@code [B,H,T,W]}; the first two rotated. */
  private record Parts(Tensor q, Tensor k, Tensor v) {
    static Parts of(Tensor qkv, int prompts, Kernels.AttentionPattern p) {
      long t = qkv.size(0) / prompts;
      Tensor split = qkv.view(prompts, t, 3, p.heads(), p.width());
      return new Parts(
          rotate(split.select(2, 0).transpose(1, 2), p.rotation(), false),
          rotate(split.select(2, 1).transpose(1, 2), p.rotation(), false),
          split.select(2, 2).transpose(1, 2));
    }
  }

  /**
   * {@link Kernels#attention}.
   *
   * @param a inputs and output
   */
  public static void forward(Kernels.Attention a) {
    try (TensorScope scope = new TensorScope()) {
      Kernels.AttentionPattern p = a.pattern();
      Parts x = Parts.of(a.qkv(), a.prompts(), p);
      Tensor z = attend(x.q(), x.k(), x.v(), p.mask(), p.scale(), p.cap()).transpose(1, 2);
      a.z().view(z.size(0), z.size(1), z.size(2), z.size(3)).copy_(z);
    }
  }

  static void backward(Kernels.AttentionBackward a) {
    backward(a, 1);
  }

  /**
   * {@link Kernels#attentionBackward}, through the softmax by another pattern: {@code ds = p ⊙ (dp
   * − ⟨p, dp⟩)} with {@code p = softmax(s / temperature)}, s the scores and their mask, and no
   * factor 1/temperature. Values are mixed back by the pattern as it is.
   *
   * @param a inputs and output
   * @param temperature 1 for the true gradient
   */
  public static void backward(Kernels.AttentionBackward a, double temperature) {
    try (TensorScope scope = new TensorScope()) {
      Kernels.AttentionPattern p = a.pattern();
      Parts x = Parts.of(a.qkv(), a.prompts(), p);
      long b = a.prompts();
      long t = a.qkv().size(0) / b;
      Scalar scale = new Scalar(p.scale());
      Tensor scores = torch.matmul(x.q(), x.k().transpose(2, 3)).mul_(scale);
      Tensor slope = null;
      if (p.cap() > 0) {
        Tensor bent = scores.div_(new Scalar(p.cap())).tanh_();
        slope = bent.mul(bent).neg_().add_(new Scalar(1.0));
        scores = bent.mul_(new Scalar(p.cap()));
      }
      if (p.mask() != null) {
        scores.add_(p.mask());
      }
      Tensor pattern = torch.softmax(scores, -1);
      Tensor gz = a.gradZ().view(b, t, p.heads(), p.width()).transpose(1, 2);
      Tensor out = a.gradQkv().view(b, t, 3, p.heads(), p.width());
      out.select(2, 2).copy_(torch.matmul(pattern.transpose(2, 3), gz).transpose(1, 2));
      Tensor gp = torch.matmul(gz, x.v().transpose(2, 3));
      if (temperature != 1) {
        pattern = torch.softmax(scores.div(new Scalar(temperature)), -1);
      }
      Tensor inner = gp.mul(pattern).sum(new long[] {-1}, true, null);
      Tensor gs = gp.sub_(inner).mul_(pattern).mul_(scale);
      if (slope != null) {
        gs.mul_(slope);
      }
      Tensor gq = rotate(torch.matmul(gs, x.k()), p.rotation(), true);
      Tensor gk = rotate(torch.matmul(gs.transpose(2, 3), x.q()), p.rotation(), true);
      out.select(2, 0).copy_(gq.transpose(1, 2));
      out.select(2, 1).copy_(gk.transpose(1, 2));
    }
  }
}
