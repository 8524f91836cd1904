package io.autocircuit.graph;

import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.ComputationGraph.Wiring;
import java.util.List;
import java.util.stream.LongStream;

/**
 * What a graph follows from.
 *
 * @param latents null without autoencoders
 */
record GraphShape(
    Form form,
    int blocks,
    int heads,
    int keyValueHeads,
    Wiring wiring,
    boolean separateQkv,
    int positions,
    LatentSources latents) {

  /**
   * Checks the sizes.
   *
   * @throws IllegalArgumentException if one is out of range
   */
  GraphShape {
    if (blocks < 1 || heads < 1 || positions < 0) {
      throw new IllegalArgumentException(
          "blocks=" + blocks + ", heads=" + heads + ", positions=" + positions + " out of range");
    }
  }

  static GraphShape factorized(
      int blocks, int heads, int keyValueHeads, Wiring wiring, boolean separateQkv, int positions) {
    GraphShape shape =
        new GraphShape(
            Form.FACTORIZED, blocks, heads, keyValueHeads, wiring, separateQkv, positions, null);
    if (keyValueHeads < 1
        || heads % keyValueHeads != 0
        || (!separateQkv && keyValueHeads != heads)) {
      throw new IllegalArgumentException(
          "keyValueHeads="
              + keyValueHeads
              + " does not fit heads="
              + heads
              + ", separateQkv="
              + separateQkv
              + "; give a divisor of heads, and heads itself where inputs are not separate");
    }
    return shape;
  }

  static GraphShape unfactorized(int blocks, int heads, Wiring wiring, int positions) {
    if (wiring == Wiring.PARALLEL) {
      throw new IllegalArgumentException(
          "graph=unfactorized does not fit wiring=PARALLEL: attention and MLP of a block read the"
              + " same stream, which has no sum between them; use graph=factorized");
    }
    return new GraphShape(Form.UNFACTORIZED, blocks, heads, heads, wiring, false, positions, null);
  }

  int positionCopies() {
    return Math.max(1, positions);
  }

  /** The shape of a module's mask: {@code [positions?][heads?][sources]}. */
  long[] maskShape(DestModule module) {
    LongStream.Builder axes = LongStream.builder();
    if (positions > 0) {
      axes.add(positions);
    }
    if (module.perHead()) {
      axes.add(module.nodes().size());
    }
    return axes.add(module.sources()).build().toArray();
  }

  GraphShape withSpans(List<String> names) {
    if (names.isEmpty() || names.stream().distinct().count() < names.size()) {
      throw new IllegalArgumentException(
          "spans=" + names + "; give one name or more, each of them once");
    }
    return withPositions(names.size());
  }

  GraphShape withPositions(int count) {
    return new GraphShape(form, blocks, heads, keyValueHeads, wiring, separateQkv, count, latents);
  }

  GraphShape withLatents(LatentSources some) {
    return new GraphShape(form, blocks, heads, keyValueHeads, wiring, separateQkv, positions, some);
  }

  /** Whether latents take the place of a block's MLP. */
  boolean latent(int block) {
    return latents != null && latents.replaces(block);
  }

  /**
   * That latents can take the place of the MLPs.
   *
   * @param graph for the message
   * @throws IllegalArgumentException if not
   */
  void requireFit(LatentSources some, ComputationGraph graph) {
    boolean factorized = form == Form.FACTORIZED;
    if (!factorized || wiring == Wiring.ATTENTION_ONLY || some.blocks() != blocks) {
      throw new IllegalArgumentException(
          "autoencoders of blocks="
              + some.blocks()
              + " do not fit the "
              + graph
              + (factorized
                  ? "; they take the place of the MLPs of a model of as many blocks"
                  : "; use graph=factorized, where an MLP is a source among others"));
    }
  }

  /**
   * That an edge may be at a position.
   *
   * @param edge its name, for the message
   * @throws IllegalArgumentException if not
   */
  void requirePosition(String edge, int position) {
    boolean fits = positions == 0 ? position == -1 : position >= 0 && position < positions;
    if (!fits) {
      throw new IllegalArgumentException(
          "position="
              + position
              + " of edge \""
              + edge
              + "\" does not fit: "
              + (positions == 0
                  ? "this graph has one edge for all positions; leave seq_idx out, or give"
                      + " --token-positions"
                  : "this graph has positions="
                      + positions
                      + "; give one in 0.."
                      + (positions - 1)));
    }
  }

  @Override
  public String toString() {
    return (form == Form.FACTORIZED ? "" : "unfactorized, ")
        + "blocks="
        + blocks
        + ", heads="
        + heads
        + (keyValueHeads == heads ? "" : ", keyValueHeads=" + keyValueHeads)
        + ", wiring="
        + wiring
        + ", separateQkv="
        + separateQkv
        + ", positions="
        + positions;
  }
}
