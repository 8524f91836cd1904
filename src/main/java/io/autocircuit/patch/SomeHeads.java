package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.PromptContext;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import org.bytedeco.pytorch.Tensor;

/**
 * Some heads of one stage of attention, from a position on.
 *
 * @param some which heads, ascending
 * @param first the first position at which they are computed
 */
record SomeHeads(Stage stage, int[] some, int first) {

  /**
   * Mixes values and writes the heads' Δ.
   *
   * @param parts queries, keys and values of all heads, {@code [B,T,3·H·dHead]}; keys and values of
   *     these heads at all positions, queries from {@code first} on
   * @param context of these B prompts
   * @param ablations p of all heads, {@code [H,B,T,D]}
   * @param delta written for these heads from {@code first} on, {@code [H,B,T,D]}
   */
  void write(
      Transformer model,
      Kernels kernels,
      Tensor parts,
      PromptContext context,
      Tensor ablations,
      Tensor delta) {
    int dHead = model.config().dHead();
    long width = (long) stage.written() * dHead;
    long positions = parts.size(1) - first;
    Tensor z =
        model
            .attentionStep(stage)
            .mix(
                pick(parts.narrow(2, 0, width).narrow(1, first, positions), dHead),
                pick(parts.narrow(2, width, width), dHead),
                pick(parts.narrow(2, 2 * width, width), dHead),
                some,
                context)
            .reshape(parts.size(0), positions, (long) some.length * dHead);
    kernels.headOutputs(
        new Kernels.HeadOutputs(
            z,
            model.attentionOutput(stage),
            dHead,
            some,
            ablations.narrow(2, first, positions),
            delta.narrow(2, first, positions),
            null));
  }

  private Tensor pick(Tensor columns, int dHead) {
    Tensor byHead = columns.unflatten(2, new long[] {stage.written(), dHead});
    return some.length == stage.written() ? byHead : Placement.slices(byHead, 2, some);
  }
}
