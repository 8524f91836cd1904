package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Placement;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;

/**
 * What the tokens of some prompts fix for every block: shapes, which keys each query sees, rotation
 * angles. Its tensors belong to the scope in which it was made ({@link Transformer#context}).
 *
 * @param batchSize number of prompts B
 * @param length number of positions T
 * @param mask added to attention scores, {@code [1 or B,1,T,T]}: 0 where a query sees a key, else
 *     −∞; null if every key is seen
 * @param cosines rotation, {@code [1 or B,1,T,dimensions]}; null without rotary positions
 * @param sines likewise
 */
public record PromptContext(int batchSize, int length, Tensor mask, Tensor cosines, Tensor sines) {

  /**
   * Number of rows of activations.
   *
   * @return B·T
   */
  public int rows() {
    return batchSize * length;
  }

  /** The same for queries at the last {@code positions} positions only. */
  PromptContext last(int positions) {
    if (positions == length) {
      return this;
    }
    long first = (long) length - positions;
    return new PromptContext(
        batchSize,
        length,
        mask == null ? null : mask.narrow(2, first, positions),
        cosines == null ? null : cosines.narrow(2, first, positions),
        sines == null ? null : sines.narrow(2, first, positions));
  }

  /**
   * Of some prompts.
   *
   * @param place where tensors are made
   * @param causal whether a query sees no later keys
   * @param cosines by position, {@code [context, dimensions]}; null without rotary positions
   * @param sines likewise
   */
  static PromptContext of(
      TokenBatch tokens, Placement place, boolean causal, Tensor cosines, Tensor sines) {
    int b = tokens.batchSize();
    int t = tokens.length();
    boolean padded = padded(tokens);
    Tensor mask = null;
    if (causal || padded) {
      int rows = padded ? b : 1;
      float[] m = new float[rows * t * t];
      for (int i = 0; i < rows; i++) {
        int pad = padded ? tokens.padding()[i] : 0;
        for (int q = 0; q < t; q++) {
          for (int k = 0; k < t; k++) {
            // A pad position sees itself alone, so that its row stays finite; nobody reads it.
            boolean seen = q == k || (k >= pad && q >= pad && (!causal || k <= q));
            m[(i * t + q) * t + k] = seen ? 0f : Float.NEGATIVE_INFINITY;
          }
        }
      }
      mask = place.tensor(m, rows, 1, t, t);
    }
    if (cosines == null) {
      return new PromptContext(b, t, mask, null, null);
    }
    return new PromptContext(
        b, t, mask, byPosition(cosines, tokens, place), byPosition(sines, tokens, place));
  }

  /** Rows of a table at the position of every token, {@code [1 or B,1,T,columns]}. */
  private static Tensor byPosition(Tensor table, TokenBatch tokens, Placement place) {
    int t = tokens.length();
    if (!padded(tokens)) {
      return table.narrow(0, 0, t).reshape(1, 1, t, table.size(1));
    }
    long[] positions = positionIds(tokens);
    Tensor ids = place.indices(positions, positions.length);
    return rows(table, ids).reshape(tokens.batchSize(), 1, t, table.size(1));
  }

  /** Whether some prompt begins with pads. */
  static boolean padded(TokenBatch tokens) {
    return Arrays.stream(tokens.padding()).anyMatch(p -> p > 0);
  }

  /** The position of every token: counted from the first that is not a pad; 0 for pads. */
  static long[] positionIds(TokenBatch tokens) {
    long[] ids = new long[tokens.batchSize() * tokens.length()];
    for (int i = 0; i < tokens.batchSize(); i++) {
      for (int t = 0; t < tokens.length(); t++) {
        ids[i * tokens.length() + t] = Math.max(0, t - tokens.padding()[i]);
      }
    }
    return ids;
  }

  /** Some rows of a table, {@code [ids, columns]}. */
  static Tensor rows(Tensor table, Tensor ids) {
    return table.gather(0, ids.unsqueeze(1).expand(ids.size(0), table.size(1)));
  }
}
