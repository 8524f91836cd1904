package io.autocircuit.experiment;

import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;

/**
 * Which prompts of a dataset score the edges, and which judge circuits.
 *
 * @param train how many score; 0 for all that do not judge
 * @param test how many further ones judge; 0 for those that score
 * @param shuffle whether prompts are shuffled by the seed before they are taken, as CPython's
 *     {@code random.shuffle} does it; else they are taken in the order of the file
 */
public record PromptSplit(int train, int test, boolean shuffle) {
  /** All prompts do both. */
  public static final PromptSplit ALL = new PromptSplit(0, 0, true);

  /**
   * Checks the numbers.
   *
   * @param train how many score; 0 for all that do not judge
   * @param test how many further ones judge; 0 for those that score
   * @param shuffle whether prompts are shuffled by the seed before they are taken, as CPython's
   *     {@code random.shuffle} does it; else they are taken in the order of the file
   * @throws IllegalArgumentException if one is negative
   */
  public PromptSplit {
    if (train < 0 || test < 0) {
      throw new IllegalArgumentException(
          "--train=" + train + ", --test=" + test + ": give whole numbers from 1");
    }
  }

  /**
   * Splits.
   *
   * @param data all prompts
   * @param seed of the shuffling
   * @return those that score and those that judge; the same object where they are the same
   * @throws IllegalArgumentException if there are not so many prompts
   */
  public TokenizedDataset.Split of(TokenizedDataset data, long seed) {
    if (train == 0 && test == 0) {
      return new TokenizedDataset.Split(data, data);
    }
    int scoring = train > 0 ? train : data.size() - test;
    if (scoring < 1) {
      throw new IllegalArgumentException(
          "--test="
              + test
              + " leaves none of prompts="
              + data.size()
              + " to score the edges on; choose fewer, or leave --test away to judge on the"
              + " prompts that score");
    }
    try {
      TokenizedDataset.Split split = data.select(scoring, test, shuffle, seed);
      return test == 0 ? new TokenizedDataset.Split(split.train(), split.train()) : split;
    } catch (DataException tooMany) {
      throw new IllegalArgumentException("--train, --test: " + tooMany.getMessage(), tooMany);
    }
  }
}
