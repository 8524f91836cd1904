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
   * @param parts queries, keys and values of all heads, {@code [B,T,3·H·dHead]}, with those of a
   *     group in the place of its first head; keys and values of these heads at all positions,
   *     queries from {@code first} on
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
    long positions = parts.size(1) - first;
    Tensor z =
        model
            .attentionStep(stage)
            .mix(
                pick(parts.narrow(1, first, positions), 0, dHead),
                pick(parts, 1, dHead),
                pick(parts, 2, dHead),
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

  /**
   * Of these heads, {@code [B,T,heads,dHead]}.
   *
   * @param input 0, 1, 2: queries, keys, values
   */
  private Tensor pick(Tensor parts, int input, int dHead) {
    int heads = stage.written();
    long width = (long) heads * dHead;
    Tensor byHead = parts.narrow(2, input * width, width).unflatten(2, new long[] {heads, dHead});
    int[] from = new int[some.length];
    boolean all = some.length == heads;
    for (int i = 0; i < from.length; i++) {
      from[i] = stage.shared(input * heads + some[i]) - input * heads;
      all &= from[i] == i;
    }
    return all ? byHead : Placement.slices(byHead, 2, from);
  }
}
