package io.autocircuit.data;

import java.util.List;

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
 */
public record PromptPair(
    Wording clean, Wording corrupt, List<List<Wording>> answers, List<List<Wording>> wrongAnswers) {

  /**
   * Copies the lists.
   *
   * @param clean the clean prompt
   * @param corrupt the corrupt prompt
   * @param answers correct answers by position: one position, the last of the prompt, or P of them,
   *     the last P of the prompt; never empty, nor is any position's list
   * @param wrongAnswers wrong answers by position, as many positions as {@code answers}; a list may
   *     be empty
   */
  public PromptPair {
    answers = answers.stream().map(List::copyOf).toList();
    wrongAnswers = wrongAnswers.stream().map(List::copyOf).toList();
  }
}
