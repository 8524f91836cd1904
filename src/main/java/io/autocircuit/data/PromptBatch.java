package io.autocircuit.data;

import java.util.Arrays;

/**
 * Clean and corrupt prompts that are evaluated together, with their answers.
 *
 * @param clean the clean prompts, {@code [B,T]}
 * @param corrupt the corrupt prompts, {@code [B,T]}; padded as {@code clean} unless the prompts of
 *     a pair differ in length, which only {@link Batches#padded} permits
 * @param answers correct answers, {@code [B][positions][n]}: one position (the last) unless the
 *     dataset gives answers for each position; n may differ between prompts, and is 0 where the
 *     answers are numbers
 * @param wrongAnswers wrong answers, same layout; n may be 0
 * @param rows the position of each prompt in the dataset that was batched, {@code [B]}
 * @param numbers the answers as numbers, {@code [B][positions][n]}, where all prompts of the batch
 *     have numbers for answers; else null
 */
public record PromptBatch(
    TokenBatch clean,
    TokenBatch corrupt,
    int[][][] answers,
    int[][][] wrongAnswers,
    int[] rows,
    double[][][] numbers) {

  /**
   * A batch whose answers are tokens.
   *
   * @param clean the clean prompts, {@code [B,T]}
   * @param corrupt the corrupt prompts, {@code [B,T]}; padded as {@code clean} unless the prompts
   *     of a pair differ in length, which only {@link Batches#padded} permits
   * @param answers correct answers, {@code [B][positions][n]}: one position (the last) unless the
   *     dataset gives answers for each position; n may differ between prompts, and is 0 where the
   *     answers are numbers
   * @param wrongAnswers wrong answers, same layout; n may be 0
   * @param rows the position of each prompt in the dataset that was batched, {@code [B]}
   */
  public PromptBatch(
      TokenBatch clean, TokenBatch corrupt, int[][][] answers, int[][][] wrongAnswers, int[] rows) {
    this(clean, corrupt, answers, wrongAnswers, rows, null);
  }

  /**
   * Some neighbouring prompts, at the same length: their common padding stays.
   *
   * @param from the first prompt
   * @param to the one after the last
   * @return a batch of {@code to - from} prompts
   * @throws IndexOutOfBoundsException if there are no such prompts
   */
  public PromptBatch slice(int from, int to) {
    return new PromptBatch(
        clean.slice(from, to),
        corrupt.slice(from, to),
        Arrays.copyOfRange(answers, from, to),
        Arrays.copyOfRange(wrongAnswers, from, to),
        Arrays.copyOfRange(rows, from, to),
        numbers == null ? null : Arrays.copyOfRange(numbers, from, to));
  }
}
