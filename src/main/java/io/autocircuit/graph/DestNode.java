package io.autocircuit.graph;

/**
 * A node that reads sources.
 *
 * @param name {@code A{block}.{head}}, with {@code .Q}, {@code .K} or {@code .V} when those are
 *     separate, {@code MLP {block}} or {@code Resid End}; in an unfactorized graph {@code Resid Mid
 *     {block}} and {@code Resid Post {block}}
 * @param module the TransformerLens hook whose value is patched
 * @param input what is read
 * @param layer its depth
 * @param firstSource the index of the first source that it reads; 0 in a factorized graph
 * @param sources how many sources it reads: those with index {@code firstSource} to {@code
 *     firstSource + sources − 1}
 * @param block the block it belongs to; the number of blocks for the end of the stream
 * @param head the head, or the group of heads where they share a key or value input; −1 where the
 *     module has no heads
 */
public record DestNode(
    String name,
    String module,
    Input input,
    int layer,
    int firstSource,
    int sources,
    int block,
    int head) {

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
    /** A sum of the residual stream, which what follows reads in its place. */
    RESIDUAL,
    /** The end of the residual stream. */
    END
  }

  /**
   * Whether there is an edge from that source.
   *
   * @param source of the same graph
   * @return whether it is one of those that are read
   */
  public boolean reads(SrcNode source) {
    return source.index() >= firstSource && source.index() < firstSource + sources;
  }

  @Override
  public String toString() {
    return name;
  }
}
