package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.model.Features.AttentionKind;
import io.autocircuit.model.TransformerConfig.Alibi;
import io.autocircuit.tensor.Placement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * What the tokens of some prompts fix for every block: shapes, which keys each query sees, rotation
 * angles. Its tensors belong to the scope in which it was made ({@link Transformer#context}).
 *
 * @param batchSize number of prompts B
 * @param length number of positions T
 * @param kinds what each way of attending needs, in the order of {@link
 *     TransformerConfig#attentionKinds}; they may share tensors
 */
public record PromptContext(int batchSize, int length, List<Attending> kinds) {

  /**
   * What attention of one kind needs.
   *
   * @param mask added to attention scores, {@code [1 or B, 1 or H, T,T]}: −∞ where a query does not
   *     see a key; null if every key is seen
   * @param cosines rotation, {@code [1 or B,1,T,dimensions]}; null without rotary positions
   * @param sines likewise
   */
  public record Attending(Tensor mask, Tensor cosines, Tensor sines) {

    /** The same for queries at the last {@code positions} positions only. */
    Attending last(int positions) {
      return new Attending(last(mask, positions), last(cosines, positions), last(sines, positions));
    }

    private static Tensor last(Tensor t, int positions) {
      return t == null || t.size(2) == positions
          ? t
          : t.narrow(2, t.size(2) - positions, positions);
    }
  }

  /**
   * The same with other tensors.
   *
   * @param batch number of prompts then
   * @param change makes them, of each tensor that is not null once
   * @return another context
   */
  public PromptContext map(int batch, UnaryOperator<Tensor> change) {
    IdentityHashMap<Tensor, Tensor> made = new IdentityHashMap<>();
    UnaryOperator<Tensor> once = t -> t == null ? null : made.computeIfAbsent(t, change);
    return new PromptContext(
        batch,
        length,
        kinds.stream()
            .map(
                k ->
                    new Attending(
                        once.apply(k.mask()), once.apply(k.cosines()), once.apply(k.sines())))
            .toList());
  }

  /**
   * Number of rows of activations.
   *
   * @return B·T
   */
  public int rows() {
    return batchSize * length;
  }

  /**
   * Of some prompts.
   *
   * @param place where tensors are made
   * @param tables cosines and sines of each kind of attention by position, {@code [context,
   *     dimensions]}; null where it has no rotation
   */
  static PromptContext of(
      TokenBatch tokens,
      Placement place,
      TransformerConfig config,
      List<TransformerWeights.Angles> tables) {
    Map<Integer, Tensor> masks = new HashMap<>();
    IdentityHashMap<TransformerWeights.Angles, Attending> turned = new IdentityHashMap<>();
    List<Attending> kinds = new ArrayList<>();
    for (int i = 0; i < tables.size(); i++) {
      AttentionKind kind = config.attentionKinds().get(i);
      Tensor mask =
          masks.computeIfAbsent(
              kind.window(), window -> mask(tokens, place, config.causal(), window));
      if (kind.positions() instanceof Alibi a) {
        Tensor falling = distances(tokens.length(), place, a.slopes());
        mask = mask == null ? falling : mask.add(falling);
      }
      TransformerWeights.Angles angles = tables.get(i);
      if (angles == null) {
        kinds.add(new Attending(mask, null, null));
        continue;
      }
      Attending rows =
          turned.computeIfAbsent(
              angles,
              x ->
                  new Attending(
                      null,
                      byPosition(x.cosines(), tokens, place),
                      byPosition(x.sines(), tokens, place)));
      kinds.add(new Attending(mask, rows.cosines(), rows.sines()));
    }
    return new PromptContext(tokens.batchSize(), tokens.length(), List.copyOf(kinds));
  }

  /**
   * Which keys queries see, {@code [1 or B,1,T,T]}; null if all.
   *
   * @param window how many of the last keys; 0: all
   */
  private static Tensor mask(TokenBatch tokens, Placement place, boolean causal, int window) {
    int b = tokens.batchSize();
    int t = tokens.length();
    boolean padded = padded(tokens);
    boolean cut = window > 0 && window < t;
    if (!causal && !padded && !cut) {
      return null;
    }
    int rows = padded ? b : 1;
    float[] m = new float[rows * t * t];
    for (int i = 0; i < rows; i++) {
      int pad = padded ? tokens.padding()[i] : 0;
      for (int q = 0; q < t; q++) {
        for (int k = 0; k < t; k++) {
          // A pad position sees itself alone, so that its row stays finite; nobody reads it.
          boolean seen =
              q == k || k >= pad && q >= pad && (!causal || k <= q) && (!cut || q - k < window);
          m[(i * t + q) * t + k] = seen ? 0f : Float.NEGATIVE_INFINITY;
        }
      }
    }
    return place.tensor(m, rows, 1, t, t);
  }

  /** {@code slope · (key − query)} of each head, {@code [1,H,T,T]}. */
  private static Tensor distances(int t, Placement place, double[] slopes) {
    float[] m = new float[slopes.length * t * t];
    for (int h = 0; h < slopes.length; h++) {
      for (int q = 0; q < t; q++) {
        for (int k = 0; k < t; k++) {
          m[(h * t + q) * t + k] = (float) (slopes[h] * Math.min(0, k - q));
        }
      }
    }
    return place.tensor(m, 1, slopes.length, t, t);
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
