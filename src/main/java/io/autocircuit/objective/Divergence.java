package io.autocircuit.objective;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Distances between the outputs of two runs, one number per prompt. */
public final class Divergence {
  private Divergence() {}

  /**
   * The Kullback–Leibler divergence KL(target ‖ circuit), averaged over positions.
   *
   * @param circuit logits of the circuit, {@code [B,P,V]}, or of several, {@code [circuits,B,P,V]}
   * @param target logits of the reference run, {@code [B,P,V]}
   * @return {@code [B]} or {@code [circuits,B]}, in nats; differentiable in {@code circuit}
   */
  public static Tensor kl(Tensor circuit, Tensor target) {
    Tensor q = torch.log_softmax(circuit, -1);
    Tensor p = torch.log_softmax(target, -1);
    return p.exp().mul(p.sub(q)).sum(-1).mean(-1);
  }

  /**
   * The Jensen–Shannon divergence, averaged over positions: the mean of the Kullback–Leibler
   * divergences of both distributions from their mean (Lin 1991, "Divergence measures based on the
   * Shannon entropy", IEEE Transactions on Information Theory 37:1).
   *
   * @param circuit logits of the circuit, {@code [B,P,V]}
   * @param target logits of the reference run, {@code [B,P,V]}
   * @return {@code [B]}, in nats, at most ln 2
   */
  public static Tensor js(Tensor circuit, Tensor target) {
    Tensor q = torch.log_softmax(circuit, -1);
    Tensor p = torch.log_softmax(target, -1);
    Tensor m = torch.logaddexp(p, q).sub(new Scalar(Math.log(2)));
    Tensor both = p.exp().mul(p.sub(m)).add(q.exp().mul(q.sub(m)));
    return both.sum(-1).mean(-1).mul(new Scalar(0.5));
  }

  /**
   * The mean squared error over positions and outputs.
   *
   * @param circuit logits of the circuit, {@code [B,P,V]}, or of several, {@code [circuits,B,P,V]}
   * @param target logits of the reference run, {@code [B,P,V]}
   * @return {@code [B]} or {@code [circuits,B]}; differentiable in {@code circuit}
   */
  public static Tensor mse(Tensor circuit, Tensor target) {
    Tensor d = circuit.sub(target);
    return d.mul(d).mean(new long[] {-2, -1}, false, null);
  }
}
