package io.autocircuit.model;

import io.autocircuit.graph.UnknownNameException;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;

/** Which positions' logits are looked at. */
public enum OutputSlice {
  /** The last position. */
  LAST_SEQ("last"),
  /** All but the first (which is BOS in compiled models). */
  NOT_FIRST_SEQ("not_first"),
  /** All. */
  ALL("all");

  private final String key;

  OutputSlice(String key) {
    this.key = key;
  }

  /**
   * Its name in files and on the command line.
   *
   * @return {@code last}, {@code not_first} or {@code all}
   */
  public String key() {
    return key;
  }

  /**
   * The slice of that key.
   *
   * @param key in any case
   * @return the slice
   * @throws UnknownNameException if there is none
   */
  public static OutputSlice of(String key) {
    for (OutputSlice s : values()) {
      if (s.key.equalsIgnoreCase(key)) {
        return s;
      }
    }
    throw new UnknownNameException(
        "slice", key, Arrays.stream(values()).map(OutputSlice::key).toList());
  }

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
