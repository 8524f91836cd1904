package io.autocircuit.graph;

/**
 * A node that reads the residual stream.
 *
 * @param name {@code A{block}.{head}}, with {@code .Q}, {@code .K} or {@code .V} when those are
 *     separate, {@code MLP {block}} or {@code Resid End}
 * @param module the TransformerLens hook whose value is patched
 * @param input what is read
 * @param layer its depth
 * @param sources how many sources it reads: those with index 0 to {@code sources − 1}
 * @param block the block it belongs to; the number of blocks for the end of the stream
 * @param head the head, or the group of heads where they share a key or value input; −1 where the
 *     module has no heads
 */
public record DestNode(
    String name, String module, Input input, int layer, int sources, int block, int head) {

  /** What a destination reads. */
  public enum Input {
    /** The query input of one head. */
    Q,
    /** The key input of one head. */
    K,
    /** The value input of one head. */
    V,
    /** The one input of a head that feeds its queries, keys and values alike. */
    ATTENTION,
    /** The input of an MLP. */
    MLP,
    /** The end of the residual stream. */
    END
  }

  @Override
  public String toString() {
    return name;
  }
}
