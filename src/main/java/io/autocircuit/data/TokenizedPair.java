package io.autocircuit.data;

/**
 * One prompt pair as token ids.
 *
 * @param index its number in the file it came from, for messages; selecting and shuffling keep it
 * @param clean the clean prompt, {@code [T]}
 * @param corrupt the corrupt prompt, {@code [T']}
 * @param answers correct answers, {@code [positions][n]}: for the last position, or for the last P;
 *     n is 0 where the answers are numbers
 * @param wrongAnswers wrong answers, same layout; n may be 0
 * @param numbers the answers as numbers, for models whose outputs are numbers; null where they are
 *     tokens
 */
public record TokenizedPair(
    int index, int[] clean, int[] corrupt, int[][] answers, int[][] wrongAnswers, Numbers numbers) {

  /**
   * Answers that are numbers.
   *
   * @param answers what the outputs should be, {@code [positions][n]}
   * @param wrongAnswers what they should not be, same layout; n may be 0
   */
  public record Numbers(double[][] answers, double[][] wrongAnswers) {}

  /**
   * A pair whose answers are tokens.
   *
   * @param index its number in the file it came from, for messages; selecting and shuffling keep it
   * @param clean the clean prompt, {@code [T]}
   * @param corrupt the corrupt prompt, {@code [T']}
   * @param answers correct answers, {@code [positions][n]}: for the last position, or for the last
   *     P; n is 0 where the answers are numbers
   * @param wrongAnswers wrong answers, same layout; n may be 0
   */
  public TokenizedPair(
      int index, int[] clean, int[] corrupt, int[][] answers, int[][] wrongAnswers) {
    this(index, clean, corrupt, answers, wrongAnswers, null);
  }
}
