package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import io.autocircuit.model.Unembedding;
import org.bytedeco.pytorch.Tensor;

/**
 * Runs with any mask, stage by stage, and their gradients. Owns the working memory of such runs.
 */
interface MaskedRun extends AutoCloseable {
  /** For the form of the graph. */
  static MaskedRun of(RunInputs in) {
    if (!in.graph().factorized()) {
      return new ResidualRun(in);
    }
    return in.graph().latents() == null ? new DenseRun(in) : new LatentRun(in);
  }

  /**
   * The forward pass.
   *
   * @param firstBlock the first block that is computed
   * @param stream before that block, {@code [B,T,D]}; overwritten
   * @param kept receives what gradients need, by the index of the stage; may be null
   * @param streams receives the stream before each block and at the end; may be null
   * @param end makes the logits: of all outputs, or some
   * @return the sliced logits, {@code [B,P,V]}
   */
  Tensor logits(
      PatchMask mask,
      int firstBlock,
      Tensor stream,
      DenseRun.Kept[] kept,
      Tensor[] streams,
      Unembedding end);

  /**
   * How a gradient goes back.
   *
   * @param rules through the model's functions
   * @param mask of the last run
   * @param kept what its stages kept
   * @param firstBlock the last block to go back through; gradients before it are 0
   * @param fixed whose outputs are constants of the run; null for none
   * @param neurons receives the total gradients of what sources write, times Δ; may be null
   * @param values receives the gradients of what sources are ablated to; may be null
   */
  record Way(
      BackwardRules rules,
      PatchMask mask,
      DenseRun.Kept[] kept,
      int firstBlock,
      Stage fixed,
      NeuronSums neurons,
      ValueGradients values) {}

  /**
   * The gradient of the last run with respect to its mask.
   *
   * @param out receives the gradients
   * @param unembedded ∂L/∂ what is unembedded, {@code [B,P,D]}
   */
  default void backward(Way way, MaskGradients out, Tensor unembedded) {
    steps(way, out).from(unembedded);
  }

  /**
   * The same, for a caller who goes back himself.
   *
   * @param out receives the gradients
   * @return before its first step
   * @throws IllegalStateException if these runs have no such steps
   */
  default MaskedBackward steps(Way way, MaskGradients out) {
    throw new IllegalStateException("the gradients of these runs are taken at once");
  }

  /**
   * Δ of some sources in the last run.
   *
   * @return {@code [count,B,T,D]}
   * @throws IllegalStateException if there are sources without one
   */
  default Tensor delta(int firstSource, int count) {
    throw new IllegalStateException("these runs have sources without Δ");
  }

  /**
   * Whether the runs that follow leave Δ as it is.
   *
   * @throws IllegalStateException if they cannot
   */
  default void freeze(boolean on) {
    throw new IllegalStateException("these runs write Δ");
  }

  @Override
  void close();
}
