package io.autocircuit.data;

/**
 * What becomes of answers that the tokenizer gives several tokens. Circuits are judged by what the
 * model says at one position, so that an answer must be one token there.
 */
public enum MultiTokenAnswers {
  /** They are refused, with their tokens. */
  REFUSE,
  /**
   * The first token at which they differ is looked at. The tokens that <em>all</em> answers and
   * wrong answers of a pair begin with are put behind its clean and its corrupt prompt; the token
   * after them is the answer. A pair without wrong answers has nothing to differ from: the first
   * token counts. An answer and a wrong answer that part only later than others are refused.
   */
  FIRST_DIFFERING
}
