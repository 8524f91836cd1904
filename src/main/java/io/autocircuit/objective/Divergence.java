package io.autocircuit.objective;

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
