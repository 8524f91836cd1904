package io.autocircuit.data;

import io.autocircuit.files.Fingerprint;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
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
 * @param template what the pair is made of, by name; empty where nobody said
 */
public record TokenizedPair(
    int index,
    int[] clean,
    int[] corrupt,
    int[][] answers,
    int[][] wrongAnswers,
    Numbers numbers,
    Map<String, int[]> spans,
    String template) {

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
   * @param template what the pair is made of
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
    this(index, clean, corrupt, answers, wrongAnswers, numbers, Map.of(), "");
  }

  /**
   * The same pair with spans.
   *
   * @param positions token positions by the name of a span, BOS counted
   * @return a pair that has them
   */
  public TokenizedPair withSpans(Map<String, int[]> positions) {
    return new TokenizedPair(
        index, clean, corrupt, answers, wrongAnswers, numbers, positions, template);
  }

  /**
   * The same pair of a template.
   *
   * @param name what it is made of; empty for nothing
   * @return a pair that has it
   */
  public TokenizedPair withTemplate(String name) {
    return new TokenizedPair(index, clean, corrupt, answers, wrongAnswers, numbers, spans, name);
  }

  /**
   * The answers at one position, numbers or token ids.
   *
   * @param position an index of {@code answers}
   * @return each once, ascending
   */
  public double[] answersAt(int position) {
    return numbers == null
        ? Arrays.stream(answers[position]).asDoubleStream().distinct().sorted().toArray()
        : Arrays.stream(numbers.answers()[position]).distinct().sorted().toArray();
  }

  /**
   * The wrong answers at one position, numbers or token ids.
   *
   * @param position an index of {@code answers}
   * @return each once, ascending
   */
  public double[] wrongAnswersAt(int position) {
    return numbers == null
        ? Arrays.stream(wrongAnswers[position]).asDoubleStream().distinct().sorted().toArray()
        : Arrays.stream(numbers.wrongAnswers()[position]).distinct().sorted().toArray();
  }

  /**
   * What tells pairs of different prompts or answers apart; the order of answers does not count.
   *
   * @return a SHA-256, so that many take little memory
   */
  public String contentKey() {
    StringBuilder all = new StringBuilder(Arrays.toString(clean) + Arrays.toString(corrupt));
    for (int t = 0; t < answers.length; t++) {
      all.append(Arrays.toString(answersAt(t))).append(Arrays.toString(wrongAnswersAt(t)));
    }
    return Fingerprint.of(all.toString().getBytes(StandardCharsets.UTF_8));
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
    this(index, clean, corrupt, answers, wrongAnswers, null, Map.of(), "");
  }
}
