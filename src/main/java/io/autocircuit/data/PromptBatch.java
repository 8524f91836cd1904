package io.autocircuit.data;

/**
 * Clean and corrupt prompts that are evaluated together, with their answers.
 *
 * @param clean the clean prompts, {@code [B,T]}
 * @param corrupt the corrupt prompts, {@code [B,T]}: same length and padding as {@code clean}
 * @param answers correct answers, {@code [B][positions][n]}: one position (the last) unless the
 *     dataset gives answers for each position; n may differ between prompts
 * @param wrongAnswers wrong answers, same layout; n may be 0
 * @param rows the index of each prompt in its dataset
 */
public record PromptBatch(
    TokenBatch clean, TokenBatch corrupt, int[][][] answers, int[][][] wrongAnswers, int[] rows) {}
