package io.autocircuit.model;

import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.TransformerConfig.Positions;
import java.util.List;

/**
 * What some families of models compute besides: attention that differs between blocks, steps
 * between the projections and the scores of attention, and soft caps.
 *
 * @param attention how each block attends; empty where every block sees the whole prompt, with the
 *     positions of the configuration
 * @param queryKeyNormalization of queries and keys, before their rotation
 * @param acrossHeads whether it is over all heads of a block together, not over each
 * @param clip queries, keys and values are cut to −clip … clip, before their normalisation; 0: they
 *     are not
 * @param scoreCap scaled attention scores s become {@code cap · tanh(s / cap)}, before the mask; 0:
 *     they stay
 * @param logitCap the same for logits; 0: they stay
 * @param outputNormalization of what attention (all heads together) and MLPs write to the stream
 * @param keyValueHeads how many heads keys and values have, each shared by a group of neighbouring
 *     query heads; 0: one for each query head
 */
public record Features(
    List<AttentionKind> attention,
    Normalization queryKeyNormalization,
    boolean acrossHeads,
    double clip,
    double scoreCap,
    double logitCap,
    Normalization outputNormalization,
    int keyValueHeads) {

  /** Nothing of that. */
  public static final Features NONE =
      new Features(List.of(), Normalization.NONE, false, 0, 0, 0, Normalization.NONE);

  /**
   * Of a model with keys and values for each query head.
   *
   * @param attention how each block attends
   * @param queryKeyNormalization of queries and keys
   * @param acrossHeads whether it is over all heads of a block together
   * @param clip of queries, keys and values
   * @param scoreCap of attention scores
   * @param logitCap of logits
   * @param outputNormalization of what attention and MLPs write
   * @throws IllegalArgumentException as for all components
   */
  public Features(
      List<AttentionKind> attention,
      Normalization queryKeyNormalization,
      boolean acrossHeads,
      double clip,
      double scoreCap,
      double logitCap,
      Normalization outputNormalization) {
    this(
        attention,
        queryKeyNormalization,
        acrossHeads,
        clip,
        scoreCap,
        logitCap,
        outputNormalization,
        0);
  }

  /**
   * How a block attends.
   *
   * @param window the last positions that a query sees, itself among them; 0: all
   * @param positions how positions enter this block's attention
   */
  public record AttentionKind(int window, Positions positions) {

    /**
     * Checks the window.
     *
     * @param window 0 or more
     * @param positions not null
     * @throws IllegalArgumentException if the window is negative
     */
    public AttentionKind {
      if (window < 0) {
        throw new IllegalArgumentException(
            "window=" + window + " is negative; give 0 for all positions");
      }
    }
  }

  /**
   * Checks the numbers, and keeps an unmodifiable copy of the list.
   *
   * @param attention one for each block, or none
   * @param queryKeyNormalization with ε above 0, unless there is none
   * @param acrossHeads of no effect without a normalisation
   * @param clip 0 or more
   * @param scoreCap 0 or more
   * @param logitCap 0 or more
   * @param outputNormalization none, or RMS with ε above 0
   * @param keyValueHeads 0 or more
   * @throws IllegalArgumentException if a number is out of range
   */
  public Features {
    attention = List.copyOf(attention);
    if (queryKeyNormalization.kind() != Normalization.Kind.NONE
        && !(queryKeyNormalization.epsilon() > 0)) {
      throw new IllegalArgumentException(
          "epsilon="
              + queryKeyNormalization.epsilon()
              + " of queries and keys must be above 0; give a small number such as 1e-6");
    }
    if (outputNormalization.kind() == Normalization.Kind.LAYER_NORM
        || outputNormalization.kind() == Normalization.Kind.RMS_NORM
            && !(outputNormalization.epsilon() > 0)) {
      throw new IllegalArgumentException(
          "outputNormalization="
              + outputNormalization
              + " is not supported; give none, or RMS with epsilon above 0");
    }
    requireFromZero("clip", clip);
    requireFromZero("scoreCap", scoreCap);
    requireFromZero("logitCap", logitCap);
    requireFromZero("keyValueHeads", keyValueHeads);
  }

  private static void requireFromZero(String name, double value) {
    if (!(value >= 0) || Double.isInfinite(value)) {
      throw new IllegalArgumentException(
          name + "=" + value + " is out of range; give a number above 0, or 0 for none");
    }
  }

  /**
   * The same with a list of how each block attends.
   *
   * @param kinds one for each block
   * @return a copy
   */
  public Features withAttention(List<AttentionKind> kinds) {
    return new Features(
        kinds,
        queryKeyNormalization,
        acrossHeads,
        clip,
        scoreCap,
        logitCap,
        outputNormalization,
        keyValueHeads);
  }

  /**
   * The same with normalised queries and keys.
   *
   * @param norm how
   * @param together whether over all heads of a block
   * @return a copy
   */
  public Features withQueryKeyNormalization(Normalization norm, boolean together) {
    return new Features(
        attention, norm, together, clip, scoreCap, logitCap, outputNormalization, keyValueHeads);
  }

  /**
   * The same with clipped queries, keys and values.
   *
   * @param most their largest size; 0: any
   * @return a copy
   */
  public Features withClip(double most) {
    return new Features(
        attention,
        queryKeyNormalization,
        acrossHeads,
        most,
        scoreCap,
        logitCap,
        outputNormalization,
        keyValueHeads);
  }

  /**
   * The same with soft caps.
   *
   * @param scores of attention scores; 0: none
   * @param logits of logits; 0: none
   * @return a copy
   */
  public Features withCaps(double scores, double logits) {
    return new Features(
        attention,
        queryKeyNormalization,
        acrossHeads,
        clip,
        scores,
        logits,
        outputNormalization,
        keyValueHeads);
  }

  /**
   * The same with normalised outputs.
   *
   * @param norm none, or RMS
   * @return a copy
   */
  public Features withOutputNormalization(Normalization norm) {
    return new Features(
        attention,
        queryKeyNormalization,
        acrossHeads,
        clip,
        scoreCap,
        logitCap,
        norm,
        keyValueHeads);
  }

  /**
   * The same with another number of heads of keys and values.
   *
   * @param count how many; 0: one for each query head
   * @return a copy
   */
  public Features withKeyValueHeads(int count) {
    return new Features(
        attention,
        queryKeyNormalization,
        acrossHeads,
        clip,
        scoreCap,
        logitCap,
        outputNormalization,
        count);
  }

  /**
   * Whether what a head writes depends on the inputs of all heads of its block, through the scale
   * of a normalisation that they share ({@code docs/adr/0027-shares-of-normalised-outputs.md}).
   *
   * @return whether it is so
   */
  public boolean couplesHeads() {
    return outputNormalization.kind() != Normalization.Kind.NONE
        || acrossHeads && queryKeyNormalization.kind() != Normalization.Kind.NONE;
  }

  /**
   * Whether something is done between the projections and the scores of attention.
   *
   * @return whether queries and keys are normalised, or anything is clipped
   */
  public boolean preparesAttention() {
    return clip > 0 || queryKeyNormalization.kind() != Normalization.Kind.NONE;
  }
}
