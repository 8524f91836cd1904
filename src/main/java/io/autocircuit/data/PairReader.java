package io.autocircuit.data;

import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;

/**
 * Reads the pairs of a dataset one after another, where {@link PromptDataset#tokenize} reads all or
 * refuses all.
 */
public final class PairReader {
  private final int size;
  private final IntFunction<ReadPair> read;

  private PairReader(int size, IntFunction<ReadPair> read) {
    this.size = size;
    this.read = read;
  }

  /**
   * Reads prompts that are text or token ids, by the same rules as a run does.
   *
   * @param dataset the prompts
   * @param tokenizer may be null when the dataset holds no text
   * @param several what becomes of answers of several tokens
   * @param limits what every pair is checked for; null for nothing
   * @return a reader that needs the tokenizer open
   */
  public static PairReader of(
      PromptDataset dataset, Tokenizer tokenizer, MultiTokenAnswers several, PromptLimits limits) {
    PromptTokens tokens = new PromptTokens(PromptDraft.of(dataset), tokenizer, several, limits);
    return new PairReader(dataset.prompts().size(), tokens::one);
  }

  /**
   * Gives prompts that were read already.
   *
   * @param tokens the prompts
   * @return a reader of them
   */
  public static PairReader of(TokenizedDataset tokens) {
    return new PairReader(
        tokens.size(), i -> new ReadPair(tokens.prompts().get(i), true, List.of(), Set.of()));
  }

  /**
   * How many pairs there are.
   *
   * @return at least 0
   */
  public int size() {
    return size;
  }

  /**
   * Reads a pair. To be called for each in the order of the dataset.
   *
   * @param index from 0
   * @return the pair
   */
  public ReadPair read(int index) {
    return read.apply(index);
  }
}
