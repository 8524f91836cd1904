package io.autocircuit.graph;

import io.autocircuit.graph.DestNode.Input;
import java.util.List;
import java.util.stream.IntStream;

/**
 * One step of a run: what it reads from the residual stream, what kind of function it computes, and
 * which sources it writes. A graph's stages in order ({@link ComputationGraph#stages}) describe the
 * whole computation; every way to run it walks them.
 *
 * <p>The destinations of a stage are its <em>rows</em>: those of its modules one after another.
 * They all read the same range of the sources, a prefix in a factorized graph. What the function
 * takes are its <em>parts</em>: of attention with H heads the H queries, then the H keys, then the
 * H values; of any other stage its one input. Each part is fed by one row ({@link #row}); keys and
 * values may have fewer rows than heads, each of which then feeds the parts of a group of
 * neighbouring heads. In an unfactorized graph attention and MLPs have no rows: their parts are fed
 * by the stream as it is.
 *
 * @param index its place in the list of stages
 * @param kind what it computes
 * @param block the block that it belongs to; 0 for the embedding, the number of blocks for the end
 * @param layer its depth: it reads the sources of all smaller layers; in an unfactorized graph of
 *     the layer before
 * @param reads its destinations; for attention with separate inputs the modules of queries, keys
 *     and values in that order; none for the embedding, and for attention and MLPs of an
 *     unfactorized graph
 * @param writes its sources; null for the end
 * @param streamReadAgain whether the next stage reads the stream as it was before this one writes:
 *     it is in the same layer
 */
public record Stage(
    int index,
    Kind kind,
    int block,
    int layer,
    List<DestModule> reads,
    SrcModule writes,
    boolean streamReadAgain) {

  /** What a stage computes. */
  public enum Kind {
    /** Tokens become the start of the residual stream; reads nothing. */
    EMBEDDING,
    /** Attention between positions; each head is a source. */
    ATTENTION,
    /** A function of each position; one source. */
    MLP,
    /**
     * A function of each position whose output an autoencoder takes apart; each latent is a source,
     * and the last what the latents leave over, if the graph has that ({@link
     * LatentSources#errorTerm}).
     */
    LATENTS,
    /**
     * A sum of the residual stream, in an unfactorized graph: what follows reads it, patched, in
     * place of the stream; one source.
     */
    RESIDUAL,
    /** The end of the stream, which becomes logits; writes nothing. */
    END
  }

  /** Queries, keys, values. */
  private static final int ATTENTION_INPUTS = 3;

  /**
   * Keeps an unmodifiable copy of {@code reads}.
   *
   * @param index 0 for the embedding, then counted in the order of a run
   * @param kind what it computes
   * @param block 0 to the number of blocks
   * @param layer 0 for the embedding; not below that of the stage before
   * @param reads one module, or three for attention with separate inputs; empty (not null) where
   *     nothing is patched
   * @param writes at least one source; null for the end
   * @param streamReadAgain true only of a stage that another of its layer follows: attention of a
   *     parallel block
   */
  public Stage {
    reads = List.copyOf(reads);
  }

  /**
   * The index of the first source that it reads.
   *
   * @return 0 in a factorized graph
   */
  public int firstSource() {
    return reads.isEmpty() ? 0 : reads.get(0).firstSource();
  }

  /**
   * How many sources it reads: those with index {@code firstSource()} to {@code firstSource() +
   * sources() − 1}.
   *
   * @return 0 for the embedding and whatever else has no destinations
   */
  public int sources() {
    return reads.isEmpty() ? 0 : reads.get(0).sources();
  }

  /**
   * The index of the first source that it writes.
   *
   * @return the number of all sources for the end
   */
  public int firstWritten() {
    return writes == null ? firstSource() + sources() : writes.first();
  }

  /**
   * How many sources it writes: the heads H of attention, 1 of others.
   *
   * @return 0 for the end
   */
  public int written() {
    return writes == null ? 0 : writes.size();
  }

  /**
   * The number of destinations.
   *
   * @return the nodes of all modules
   */
  public int rows() {
    int rows = 0;
    for (DestModule m : reads) {
      rows += m.nodes().size();
    }
    return rows;
  }

  /**
   * The module that a row belongs to.
   *
   * @param row 0 to {@code rows() − 1}
   * @return one of {@link #reads}
   * @throws IndexOutOfBoundsException if there is no such row
   */
  public DestModule module(int row) {
    int left = row;
    for (DestModule m : reads) {
      if (left < m.nodes().size()) {
        return m;
      }
      left -= m.nodes().size();
    }
    throw new IndexOutOfBoundsException("row=" + row + " of " + rows());
  }

  /**
   * The place of a row in its module.
   *
   * @param row 0 to {@code rows() − 1}
   * @return 0 to the number of the module's nodes − 1
   * @throws IndexOutOfBoundsException if there is no such row
   */
  public int node(int row) {
    int left = row;
    for (DestModule m : reads) {
      if (left < m.nodes().size()) {
        return left;
      }
      left -= m.nodes().size();
    }
    throw new IndexOutOfBoundsException("row=" + row + " of " + rows());
  }

  /**
   * The row of a destination.
   *
   * @param destination of one of {@link #reads}
   * @return 0 to {@code rows() − 1}
   * @throws IllegalArgumentException if the stage does not read it
   */
  public int row(DestNode destination) {
    int row = 0;
    for (DestModule m : reads) {
      int node = m.nodes().indexOf(destination);
      if (node >= 0) {
        return row + node;
      }
      row += m.nodes().size();
    }
    throw new IllegalArgumentException(destination + " is no destination of stage=" + index);
  }

  /**
   * The number of inputs that its function takes.
   *
   * @return 3·H for attention (queries of all heads, keys, values), 0 for the embedding, else 1
   */
  public int parts() {
    return switch (kind) {
      case EMBEDDING -> 0;
      case ATTENTION -> ATTENTION_INPUTS * written();
      case MLP, LATENTS, RESIDUAL, END -> 1;
    };
  }

  /**
   * The row that feeds a part.
   *
   * @param part 0 to {@code parts() − 1}
   * @return 0 to {@code rows() − 1}; without meaning where there are no rows
   */
  public int row(int part) {
    if (kind != Kind.ATTENTION) {
      return 0;
    }
    int heads = written();
    int head = part % heads;
    if (reads.size() <= 1) {
      return head;
    }
    int input = part / heads;
    int row = 0;
    for (int i = 0; i < input; i++) {
      row += reads.get(i).nodes().size();
    }
    return row + head / (heads / reads.get(input).nodes().size());
  }

  /**
   * The part that a part is the same as: its row is the same, and a group of heads that shares a
   * row for keys or values shares their weights too, so that one is computed for all of them.
   *
   * @param part 0 to {@code parts() − 1}
   * @return the key or value of the first head of the group; {@code part} itself where none is
   *     shared
   */
  public int shared(int part) {
    if (kind != Kind.ATTENTION || reads.size() <= 1) {
      return part;
    }
    int heads = written();
    return part - part % heads % (heads / reads.get(part / heads).nodes().size());
  }

  /**
   * The parts that are computed, each of which has a row of its own where queries, keys and values
   * have inputs of their own.
   *
   * @return those that are no copy of another, ascending
   */
  public int[] distinctParts() {
    return IntStream.range(0, parts()).filter(p -> shared(p) == p).toArray();
  }

  /**
   * The rows that feed all parts.
   *
   * @return {@link #row} of every part
   */
  public int[] rowOfParts() {
    return IntStream.range(0, parts()).map(this::row).toArray();
  }

  /**
   * The rows that feed the parts that are computed.
   *
   * @return {@link #row} of every one of {@link #distinctParts}
   */
  public int[] rowOfDistinctParts() {
    return IntStream.of(distinctParts()).map(this::row).toArray();
  }

  /**
   * Whether it reads the stream as it is: it has a function, and no destination where what it reads
   * could be patched.
   *
   * @return true for attention and MLPs of an unfactorized graph
   */
  public boolean readsStream() {
    return reads.isEmpty() && parts() > 0;
  }

  /**
   * How many of its sources depend on a row: 1, or the size of a group of heads.
   *
   * @param row 0 to {@code rows() − 1}
   * @return 0 for the end
   */
  public int fed(int row) {
    return kind == Kind.ATTENTION ? written() / module(row).nodes().size() : written();
  }

  /**
   * The index of the first source that depends on a row.
   *
   * @param row 0 to {@code rows() − 1}
   * @return a source index
   */
  public int firstFed(int row) {
    return firstWritten() + (kind == Kind.ATTENTION ? node(row) * fed(row) : 0);
  }

  /**
   * Whether one position of its output depends on a row at all positions: keys and values do, and
   * the one input of attention that feeds them too.
   *
   * @param row 0 to {@code rows() − 1}
   * @return false for queries, MLPs and the end
   */
  public boolean readEverywhere(int row) {
    Input input = module(row).input();
    return input == Input.K || input == Input.V || input == Input.ATTENTION;
  }
}
