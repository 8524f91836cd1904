package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.Placement;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * The outputs that the answers of a batch name, where a loss reads no others: their logits alone
 * need be computed, and the gradient of all others is zero.
 *
 * @param outputs indices of outputs, ascending
 * @param prompts the batch, whose answers are places in {@code outputs}
 */
record AnswerOutputs(int[] outputs, PromptBatch prompts) {
  /** All logits are computed unless the answers are fewer than one in so many of them. */
  private static final int FEW = 4;

  /**
   * The outputs that a loss reads.
   *
   * @param all how many outputs the model has
   * @return null where it may read all, or the answers are not few, or one does not exist
   */
  static AnswerOutputs of(LossFunction loss, PromptBatch prompts, int all) {
    if (!loss.readsAnswersOnly() || prompts.numbers() != null) {
      return null;
    }
    int[] named =
        Stream.of(prompts.answers(), prompts.wrongAnswers())
            .flatMap(Arrays::stream)
            .flatMap(Arrays::stream)
            .flatMapToInt(Arrays::stream)
            .sorted()
            .distinct()
            .toArray();
    if (named.length == 0
        || named.length > all / FEW
        || named[0] < 0
        || named[named.length - 1] >= all) {
      return null;
    }
    return new AnswerOutputs(
        named,
        new PromptBatch(
            prompts.clean(),
            prompts.corrupt(),
            places(prompts.answers(), named),
            places(prompts.wrongAnswers(), named),
            prompts.rows()));
  }

  /**
   * Logits of these outputs.
   *
   * @param logits of all outputs, {@code [B,P,V]}; may be null
   * @return null where {@code logits} is
   */
  Tensor of(Tensor logits) {
    return logits == null ? null : Placement.slices(logits, 2, outputs);
  }

  private static int[][][] places(int[][][] answers, int[] named) {
    return Arrays.stream(answers)
        .map(
            prompt ->
                Arrays.stream(prompt)
                    .map(
                        tokens ->
                            IntStream.of(tokens)
                                .map(token -> Arrays.binarySearch(named, token))
                                .toArray())
                    .toArray(int[][]::new))
        .toArray(int[][][]::new);
  }
}
