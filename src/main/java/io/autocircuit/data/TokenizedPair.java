package io.autocircuit.data;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

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
 * @param spans token positions by the name of a span, of the clean and the corrupt prompt alike;
 *     BOS counted; empty if there are none
 */
public record TokenizedPair(
    int index,
    int[] clean,
    int[] corrupt,
    int[][] answers,
    int[][] wrongAnswers,
    Numbers numbers,
    Map<String, int[]> spans) {

  /**
   * Keeps an unmodifiable copy of the spans, in their order.
   *
   * @param index its number in the file it came from, for messages; selecting and shuffling keep it
   * @param clean the clean prompt, {@code [T]}
   * @param corrupt the corrupt prompt, {@code [T']}
   * @param answers correct answers, {@code [positions][n]}
   * @param wrongAnswers wrong answers, same layout; n may be 0
   * @param numbers the answers as numbers; null where they are tokens
   * @param spans token positions by the name of a span
   */
  public TokenizedPair {
    spans = Collections.unmodifiableMap(new LinkedHashMap<>(spans));
  }

  /**
   * A pair without spans.
   *
   * @param index its number in the file it came from, for messages; selecting and shuffling keep it
   * @param clean the clean prompt, {@code [T]}
   * @param corrupt the corrupt prompt, {@code [T']}
   * @param answers correct answers, {@code [positions][n]}
   * @param wrongAnswers wrong answers, same layout; n may be 0
   * @param numbers the answers as numbers; null where they are tokens
   */
  public TokenizedPair(
      int index,
      int[] clean,
      int[] corrupt,
      int[][] answers,
      int[][] wrongAnswers,
      Numbers numbers) {
    this(index, clean, corrupt, answers, wrongAnswers, numbers, Map.of());
  }

  /**
   * The same pair with spans.
   *
   * @param positions token positions by the name of a span, BOS counted
   * @return a pair that has them
   */
  public TokenizedPair withSpans(Map<String, int[]> positions) {
    return new TokenizedPair(index, clean, corrupt, answers, wrongAnswers, numbers, positions);
  }

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
    this(index, clean, corrupt, answers, wrongAnswers, null, Map.of());
  }
}
