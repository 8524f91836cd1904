package io.autocircuit.data;

/**
 * Clean and corrupt prompts that are evaluated together, with their answers.
 *
 * @param clean the clean prompts, {@code [B,T]}
 * @param corrupt the corrupt prompts, {@code [B,T]}; padded as {@code clean} unless the prompts of
 *     a pair differ in length, which only {@link Batches#padded} permits
 * @param answers correct answers, {@code [B][positions][n]}: one position (the last) unless the
 *     dataset gives answers for each position; n may differ between prompts
 * @param wrongAnswers wrong answers, same layout; n may be 0
 * @param rows the position of each prompt in the dataset that was batched, {@code [B]}
 */
public record PromptBatch(
    TokenBatch clean, TokenBatch corrupt, int[][][] answers, int[][][] wrongAnswers, int[] rows) {}
