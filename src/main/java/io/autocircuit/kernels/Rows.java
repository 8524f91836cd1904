package io.autocircuit.kernels;

import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;

/**
 * Some of the rows of a call: neighbouring prompts, all their positions, or neighbouring positions
 * of one prompt.
 *
 * @param prompt the first prompt
 * @param prompts how many
 * @param position the first position
 * @param positions how many
 */
record Rows(long prompt, long prompts, long position, long positions) {
  /**
   * Calls {@code part} until all rows had their turn, in order.
   *
   * @param prompts B
   * @param positions T
   * @param most rows of a part, at least 1
   */
  static void each(long prompts, long positions, long most, Consumer<Rows> part) {
    if (most >= positions) {
      parts(prompts, most / positions, b -> part.accept(new Rows(b[0], b[1], 0, positions)));
      return;
    }
    for (long b = 0; b < prompts; b++) {
      long prompt = b;
      parts(positions, most, t -> part.accept(new Rows(prompt, 1, t[0], t[1])));
    }
  }

  /**
   * Calls {@code part} with the first of neighbouring slices of an axis and their number.
   *
   * @param length of the axis
   * @param most slices of a part; less than 1 counts as 1
   */
  static void parts(long length, long most, Consumer<long[]> part) {
    long step = Math.max(1, most);
    for (long from = 0; from < length; from += step) {
      part.accept(new long[] {from, Math.min(step, length - from)});
    }
  }

  /** These rows of a tensor whose axes {@code axis} and the next are prompts and positions. */
  Tensor of(Tensor x, int axis) {
    return x == null ? null : x.narrow(axis, prompt, prompts).narrow(axis + 1, position, positions);
  }

  /** As {@link #of}, where an axis of length 1 serves all rows. */
  Tensor where(Tensor x, int axis) {
    if (x == null) {
      return null;
    }
    Tensor some = x.size(axis) == 1 ? x : x.narrow(axis, prompt, prompts);
    return some.size(axis + 1) == 1 ? some : some.narrow(axis + 1, position, positions);
  }

  /**
   * Whether earlier rows have been summed into the part of {@code [B or 1, T or 1, …]} of these.
   */
  boolean follow(Tensor sums) {
    return (sums.size(0) == 1 && prompt > 0) || (sums.size(1) == 1 && position > 0);
  }
}
