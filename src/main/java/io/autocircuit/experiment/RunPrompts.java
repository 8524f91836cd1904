package io.autocircuit.experiment;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.MultiTokenAnswers;
import java.util.Objects;
import java.util.Optional;

/**
 * The prompts of a {@link RunSpec} and how they are read.
 *
 * @param source where they come from
 * @param tokenizer the SHA-256 of the tokenizer's files, {@code none} if the model has none; empty
 *     where they have not been read yet
 * @param bos whether text begins with the model's BOS
 * @param multiTokenAnswers what becomes of answers of several tokens
 * @param padded whether prompts of different length are padded, instead of batched by length
 * @param batchSize the largest number of prompts in a batch, at least 1
 * @param split which score and which judge
 */
public record RunPrompts(
    PromptSource source,
    Optional<String> tokenizer,
    BosPolicy bos,
    MultiTokenAnswers multiTokenAnswers,
    boolean padded,
    int batchSize,
    PromptSplit split) {
  /** How many prompts a batch has where nobody says. */
  public static final int BATCH_SIZE = 32;

  /**
   * Checks the batch size.
   *
   * @param source where they come from
   * @param tokenizer the SHA-256 of the tokenizer's files, {@code none} if the model has none;
   *     empty where they have not been read yet
   * @param bos whether text begins with the model's BOS
   * @param multiTokenAnswers what becomes of answers of several tokens
   * @param padded whether prompts of different length are padded, instead of batched by length
   * @param batchSize the largest number of prompts in a batch, at least 1
   * @param split which score and which judge
   * @throws IllegalArgumentException if it is not positive
   */
  public RunPrompts {
    Objects.requireNonNull(source, "source");
    Objects.requireNonNull(split, "split");
    if (batchSize < 1) {
      throw new IllegalArgumentException(
          "--batch-size=" + batchSize + " is out of range; give a whole number from 1");
    }
  }

  /**
   * RunPrompts read in the usual way, all of which score and judge.
   *
   * @param source where they come from
   * @return the prompts
   */
  public static RunPrompts of(PromptSource source) {
    return new RunPrompts(
        source,
        Optional.empty(),
        BosPolicy.AUTO,
        MultiTokenAnswers.REFUSE,
        false,
        BATCH_SIZE,
        PromptSplit.ALL);
  }

  /**
   * Other prompts, read in the same way.
   *
   * @param other where they come from
   * @return with it
   */
  public RunPrompts withSource(PromptSource other) {
    return new RunPrompts(other, tokenizer, bos, multiTokenAnswers, padded, batchSize, split);
  }

  /**
   * The same prompts with another split.
   *
   * @param which which score and which judge
   * @return with it
   */
  public RunPrompts withSplit(PromptSplit which) {
    return new RunPrompts(source, tokenizer, bos, multiTokenAnswers, padded, batchSize, which);
  }

  /**
   * The same prompts in other batches.
   *
   * @param prompts how many a batch has at most
   * @return new prompts
   * @throws IllegalArgumentException if there are less than 1
   */
  public RunPrompts withBatchSize(int prompts) {
    return new RunPrompts(source, tokenizer, bos, multiTokenAnswers, padded, prompts, split);
  }

  /** The same prompts with the fingerprint of a tokenizer. */
  RunPrompts withTokenizer(Optional<String> fingerprint) {
    return new RunPrompts(source, fingerprint, bos, multiTokenAnswers, padded, batchSize, split);
  }

  /** As they are now, with the fingerprint of a tokenizer. */
  RunPrompts pinned(String fingerprint) {
    return new RunPrompts(
        source.pinned(),
        Optional.of(fingerprint),
        bos,
        multiTokenAnswers,
        padded,
        batchSize,
        split);
  }
}
