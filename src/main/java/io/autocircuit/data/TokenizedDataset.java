package io.autocircuit.data;

import io.autocircuit.tensor.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Prompt pairs as token ids. The {@code require…} methods check what a use of the dataset needs and
 * return the dataset, so that they chain.
 *
 * @param source what messages call it: its file
 * @param prompts the pairs; may be empty only as a part that {@link #select} was asked to leave so
 * @param seqLabels a label for each token position, BOS included; empty if there are none
 * @param wordIdxs token positions by name, BOS counted; empty if there are none
 */
public record TokenizedDataset(
    String source,
    List<TokenizedPair> prompts,
    List<String> seqLabels,
    SortedMap<String, Integer> wordIdxs) {

  /** Copies the collections. */
  public TokenizedDataset {
    prompts = List.copyOf(prompts);
    seqLabels = List.copyOf(seqLabels);
    wordIdxs = Collections.unmodifiableSortedMap(new TreeMap<>(wordIdxs));
  }

  /** Two disjoint parts of a dataset. */
  public record Split(TokenizedDataset train, TokenizedDataset test) {}

  /** The number of prompts. */
  public int size() {
    return prompts.size();
  }

  /**
   * The first {@code train} prompts and the {@code test} after them, of the prompts as they are or
   * as CPython's {@code random.shuffle} leaves them.
   *
   * @param shuffle whether to shuffle all prompts first
   * @param seed for {@link PythonShuffle}; nothing else is seeded
   * @throws DataException if there are not so many prompts, or none is asked for
   */
  public Split select(int train, int test, boolean shuffle, long seed) {
    if (train < 0 || test < 0 || train + (long) test == 0) {
      throw new DataException(
          String.format(
              "train=%d test=%d prompts wanted; give counts of at least 0, not both 0",
              train, test));
    }
    if (train + (long) test > size()) {
      throw new DataException(
          String.format(
              "file=%s: train=%d and test=%d prompts wanted, but it holds prompts=%d;"
                  + " ask for at most that many together",
              source, train, test, size()));
    }
    int[] order =
        shuffle ? PythonShuffle.order(size(), seed) : IntStream.range(0, size()).toArray();
    List<TokenizedPair> shuffled = Arrays.stream(order).mapToObj(prompts::get).toList();
    return new Split(with(shuffled.subList(0, train)), with(shuffled.subList(train, train + test)));
  }

  private TokenizedDataset with(List<TokenizedPair> chosen) {
    return new TokenizedDataset(source, chosen, seqLabels, wordIdxs);
  }

  /** Like {@link #requireFits(int, int, int)} for a model that says the tokens that it reads. */
  public TokenizedDataset requireFits(int vocabulary, int contextLength) {
    return requireFits(vocabulary, vocabulary, contextLength);
  }

  /**
   * Checks that a model can read every prompt and say every answer.
   *
   * @param vocabulary token ids the model reads are below this
   * @param answerVocabulary token ids the model says are below this
   * @param contextLength the largest number of tokens of a prompt
   * @return this
   * @throws DataException if not, naming the prompt
   */
  public TokenizedDataset requireFits(int vocabulary, int answerVocabulary, int contextLength) {
    for (TokenizedPair pair : prompts) {
      String where = "prompts[" + pair.index() + "].";
      requireFits(pair.clean(), where + "clean", vocabulary, contextLength);
      requireFits(pair.corrupt(), where + "corrupt", vocabulary, contextLength);
      for (int[] answers : pair.answers()) {
        requireIds(answers, where + "answers", answerVocabulary);
      }
      for (int[] answers : pair.wrongAnswers()) {
        requireIds(answers, where + "wrong_answers", answerVocabulary);
      }
    }
    return this;
  }

  private void requireFits(int[] ids, String where, int vocabulary, int contextLength) {
    if (ids.length > contextLength) {
      throw new DataException(
          String.format(
              "file=%s: %s has tokens=%d, more than the model's context=%d; shorten the prompt",
              source, where, ids.length, contextLength));
    }
    requireIds(ids, where, vocabulary);
  }

  private void requireIds(int[] ids, String where, int vocabulary) {
    for (int id : ids) {
      if (id < 0 || id >= vocabulary) {
        throw new DataException(
            String.format(
                "file=%s: %s has token id=%d, outside the model's vocabulary=%d;"
                    + " use ids from this model's own tokenizer",
                source, where, id, vocabulary));
      }
    }
  }

  /**
   * Checks that clean and corrupt of every pair have the same number of tokens.
   *
   * @return this
   * @throws DataException if not, naming the first such prompt and both lengths
   */
  public TokenizedDataset requirePairedLengths() {
    for (TokenizedPair pair : prompts) {
      if (pair.clean().length != pair.corrupt().length) {
        throw new DataException(
            String.format(
                "file=%s: prompts[%d] has clean tokens=%d but corrupt tokens=%d;"
                    + " make them equally long, or pad the prompts",
                source, pair.index(), pair.clean().length, pair.corrupt().length));
      }
    }
    return this;
  }

  /**
   * Checks that all prompts, clean and corrupt, have one length, so that a token position means the
   * same in each, and that labels and word positions fit that length.
   *
   * @return this
   * @throws DataException if not, naming the first prompt that differs and both lengths
   */
  public TokenizedDataset requireEqualLengths() {
    requirePairedLengths();
    if (prompts.isEmpty()) {
      return this;
    }
    TokenizedPair first = prompts.get(0);
    int length = first.clean().length;
    for (TokenizedPair pair : prompts) {
      if (pair.clean().length != length) {
        throw new DataException(
            String.format(
                "file=%s: prompts[%d] has tokens=%d but prompts[%d] has tokens=%d;"
                    + " token positions need prompts of one length",
                source, first.index(), length, pair.index(), pair.clean().length));
      }
    }
    if (!seqLabels.isEmpty() && seqLabels.size() != length) {
      throw new DataException(
          String.format(
              "file=%s: seq_labels has length=%d (BOS included) but the prompts have tokens=%d;"
                  + " give one label per token, without BOS",
              source, seqLabels.size(), length));
    }
    for (Map.Entry<String, Integer> word : wordIdxs.entrySet()) {
      if (word.getValue() >= length) {
        throw new DataException(
            String.format(
                "file=%s: word_idxs entry %s=%d (BOS included) but the prompts have tokens=%d;"
                    + " give positions without BOS",
                source, DataException.quote(word.getKey()), word.getValue(), length));
      }
    }
    return this;
  }

  /**
   * Checks that clean and corrupt differ in at least one pair; else there is nothing to discover.
   *
   * @return this
   * @throws DataException if they are equal everywhere
   */
  public TokenizedDataset requireDifference() {
    if (prompts.stream().allMatch(pair -> Arrays.equals(pair.clean(), pair.corrupt()))) {
      throw new DataException(
          String.format(
              "file=%s: clean equals corrupt in all prompts=%d, so nothing can be found;"
                  + " give corrupt prompts that change the answer",
              source, size()));
    }
    return this;
  }

  /** The lengths of the clean prompts that occur, ascending. */
  public List<Integer> lengths() {
    return new ArrayList<>(
        prompts.stream().map(pair -> pair.clean().length).sorted().distinct().toList());
  }
}
