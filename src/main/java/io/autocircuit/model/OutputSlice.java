package io.autocircuit.model;

import org.bytedeco.pytorch.Tensor;

/** Which positions' logits are looked at. */
public enum OutputSlice {
  /** The last position. */
  LAST_SEQ,
  /** All but the first (which is BOS in compiled models). */
  NOT_FIRST_SEQ,
  /** All. */
  ALL;

  /**
   * The first position of the slice for prompts of that length.
   *
   * @param length of the prompts, padding included
   * @return counted from 0, at most {@code length - 1}
   */
  public int first(int length) {
    return switch (this) {
      case LAST_SEQ -> length - 1;
      case NOT_FIRST_SEQ -> 1;
      case ALL -> 0;
    };
  }

  /**
   * Cuts axis 1 of {@code [B,T,…]}; a view.
   *
   * @param x {@code [B,T,…]}
   * @return {@code [B,P,…]}, in the current scope
   */
  public Tensor apply(Tensor x) {
    long first = first((int) x.size(1));
    return x.narrow(1, first, x.size(1) - first);
  }
}
