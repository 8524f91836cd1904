package io.autocircuit.patch;

import org.bytedeco.pytorch.Tensor;

/** A gradient on its way back through a run, from the end, one block after another. */
interface MaskedBackward {
  /**
   * All the way.
   *
   * @param unembedded ∂L/∂ what is unembedded, {@code [B,P,D]}
   */
  void from(Tensor unembedded);

  /**
   * To the masks at the end.
   *
   * @param unembedded ∂L/∂ what is unembedded, {@code [B,P,D]}
   */
  void end(Tensor unembedded);

  /**
   * Through a block.
   *
   * @param block the one before the last step's
   */
  void block(int block);

  /**
   * Past a block, as if what it adds to the stream were constant.
   *
   * @param block the one before the last step's
   */
  void skip(int block);

  /**
   * The same gradient where it is now, to go on by itself.
   *
   * @param other receives what comes from here on
   * @return in the current scope
   */
  MaskedBackward copy(MaskGradients other);
}
