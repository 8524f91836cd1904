package io.autocircuit.data;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A clean prompt, a corrupt one that differs in what a behaviour depends on, and what the model
 * should and should not say after the clean one.
 *
 * @param clean the clean prompt
 * @param corrupt the corrupt prompt
 * @param answers correct answers by position: one position, the last of the prompt, or P of them,
 *     the last P of the prompt; never empty, nor is any position's list
 * @param wrongAnswers wrong answers by position, as many positions as {@code answers}; a list may
 *     be empty
 * @param spans token positions by the name of a span, of the clean and the corrupt prompt alike;
 *     BOS not counted; empty if there are none
 * @param template what the pair is made of, by name; pairs of one template have the same; empty
 *     where nobody said
 */
public record PromptPair(
    Wording clean,
    Wording corrupt,
    List<List<Wording>> answers,
    List<List<Wording>> wrongAnswers,
    Map<String, int[]> spans,
    String template) {

  /**
   * Copies the lists.
   *
   * @param clean the clean prompt
   * @param corrupt the corrupt prompt
   * @param answers correct answers by position: one position, the last of the prompt, or P of them,
   *     the last P of the prompt; never empty, nor is any position's list
   * @param wrongAnswers wrong answers by position, as many positions as {@code answers}; a list may
   *     be empty
   * @param spans token positions by the name of a span
   * @param template what the pair is made of; empty where nobody said
   */
  public PromptPair {
    answers = answers.stream().map(List::copyOf).toList();
    wrongAnswers = wrongAnswers.stream().map(List::copyOf).toList();
    spans = Collections.unmodifiableMap(new LinkedHashMap<>(spans));
  }

  /**
   * A pair of no template.
   *
   * @param clean the clean prompt
   * @param corrupt the corrupt prompt
   * @param answers correct answers by position
   * @param wrongAnswers wrong answers by position, as many positions as {@code answers}
   * @param spans token positions by the name of a span
   */
  public PromptPair(
      Wording clean,
      Wording corrupt,
      List<List<Wording>> answers,
      List<List<Wording>> wrongAnswers,
      Map<String, int[]> spans) {
    this(clean, corrupt, answers, wrongAnswers, spans, "");
  }

  /**
   * A pair without spans.
   *
   * @param clean the clean prompt
   * @param corrupt the corrupt prompt
   * @param answers correct answers by position
   * @param wrongAnswers wrong answers by position, as many positions as {@code answers}
   */
  public PromptPair(
      Wording clean,
      Wording corrupt,
      List<List<Wording>> answers,
      List<List<Wording>> wrongAnswers) {
    this(clean, corrupt, answers, wrongAnswers, Map.of());
  }

  /**
   * The same pair with spans.
   *
   * @param positions token positions by the name of a span, BOS not counted
   * @return a pair that has them
   */
  public PromptPair withSpans(Map<String, int[]> positions) {
    return new PromptPair(clean, corrupt, answers, wrongAnswers, positions, template);
  }

  /**
   * The same pair of a template.
   *
   * @param name what it is made of; empty for nothing
   * @return a pair that has it
   */
  public PromptPair withTemplate(String name) {
    return new PromptPair(clean, corrupt, answers, wrongAnswers, spans, name);
  }
}
