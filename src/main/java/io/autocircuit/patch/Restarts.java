package io.autocircuit.patch;

import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Tensor;

/**
 * Where runs can begin: the residual stream of the unpatched run before every block, and whether
 * the Δ of the blocks before are still that run's.
 */
final class Restarts implements AutoCloseable {
  private final RunInputs in;
  private final MaskedRun run;

  /** Before each block and at the end; null until it is needed. */
  private Tensor[] streams;

  /** How many leading blocks' Δ are those of the unpatched run; later ones are of the last run. */
  private int cleanBlocks;

  Restarts(RunInputs in, MaskedRun run) {
    this.in = in;
    this.run = run;
  }

  /**
   * A copy of the unpatched stream before a block, for a run from there on with masks that may
   * write Δ from there on. The Δ before are made those of the unpatched run.
   *
   * @param firstBlock 0 to the number of blocks, which computes the end alone
   * @return {@code [B,T,D]} in the current scope
   */
  Tensor before(int firstBlock) {
    if (firstBlock > 0 && (streams == null || cleanBlocks < firstBlock)) {
      runUnpatched();
    }
    cleanBlocks = Math.min(cleanBlocks, firstBlock);
    return firstBlock == 0 ? in.embedded.clone() : streams[firstBlock].clone();
  }

  /**
   * A copy of the unpatched stream before a block, for runs that leave Δ as it is: that of all
   * blocks is made the unpatched run's.
   *
   * @param firstBlock 0 to the number of blocks
   * @return {@code [B,T,D]} in the current scope
   */
  Tensor unpatched(int firstBlock) {
    if (streams == null || cleanBlocks < in.graph().blocks()) {
      runUnpatched();
    }
    return streams[firstBlock].clone();
  }

  /** Makes the Δ of all blocks those of the unpatched run, as far as gradients read them. */
  void unpatchedDeltas() {
    if (cleanBlocks == in.graph().blocks()) {
      return;
    }
    try (TensorScope scope = new TensorScope()) {
      run.logits(
          PatchMask.uniform(in.graph(), 0),
          0,
          in.embedded.clone(),
          new DenseRun.Kept[in.graph().stages().size()],
          null,
          in.model().unembedding());
      cleanBlocks = in.graph().blocks();
    }
  }

  private void runUnpatched() {
    int blocks = in.graph().blocks();
    try (TensorScope scope = new TensorScope()) {
      Tensor[] made = new Tensor[blocks + 1];
      run.logits(
          PatchMask.uniform(in.graph(), 0),
          0,
          in.embedded.clone(),
          null,
          made,
          in.model().unembedding());
      if (streams == null) {
        for (Tensor t : made) {
          t.retainReference();
        }
        streams = made;
      }
      cleanBlocks = blocks;
    }
  }

  @Override
  public void close() {
    if (streams != null) {
      for (Tensor t : streams) {
        t.releaseReference();
      }
      streams = null;
    }
  }
}
