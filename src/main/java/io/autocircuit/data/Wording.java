package io.autocircuit.data;

/**
 * What a dataset says in one place, a prompt or an answer: text, token ids already, or, for answers
 * of models whose outputs are numbers, a number.
 */
public sealed interface Wording {

  /**
   * Text, still to be tokenised.
   *
   * @param text as in the file
   */
  record Text(String text) implements Wording {}

  /**
   * Token ids, complete: nothing is added to them, no BOS either.
   *
   * @param ids each at least 0
   */
  record Ids(int[] ids) implements Wording {}

  /**
   * A number that an output should be.
   *
   * @param value finite
   */
  record Value(double value) implements Wording {}
}
