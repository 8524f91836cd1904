package io.autocircuit.data;

/**
 * One prompt pair as token ids.
 *
 * @param index its number in the file it came from, for messages; selecting and shuffling keep it
 * @param clean the clean prompt, {@code [T]}
 * @param corrupt the corrupt prompt, {@code [T']}
 * @param answers correct answers, {@code [positions][n]}: for the last position, or for the last P
 * @param wrongAnswers wrong answers, same layout; n may be 0
 */
public record TokenizedPair(
    int index, int[] clean, int[] corrupt, int[][] answers, int[][] wrongAnswers) {}
