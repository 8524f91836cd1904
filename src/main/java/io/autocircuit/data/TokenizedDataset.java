package io.autocircuit.data;

import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Prompt pairs as token ids. The {@code require…} methods check what a use of the dataset needs and
 * return the dataset, so that they chain; what they throw names every prompt at fault, as far as
 * the first ten.
 *
 * @param source what messages call it: its file
 * @param prompts the pairs; may be empty only as a part that {@link #select} was asked to leave so
 * @param seqLabels a label for each token position, BOS included; empty if there are none
 * @param wordIdxs token positions by name, BOS counted; empty if there are none
 * @param beginning which token begins the prompts, for people: {@code prompts begin with BOS "<s>"
 *     (id 1)}; empty where nobody said
 * @param remarks what reading and tokenising the file had to decide, one line each
 */
public record TokenizedDataset(
    String source,
    List<TokenizedPair> prompts,
    List<String> seqLabels,
    SortedMap<String, Integer> wordIdxs,
    String beginning,
    List<String> remarks) {

  private static final String PAIR_CURE = "make them equally long, or pad them (--pad)";

  /**
   * Copies the collections.
   *
   * @param source what messages call it: its file
   * @param prompts the pairs; may be empty only as a part that {@link #select} was asked to leave
   *     so
   * @param seqLabels a label for each token position, BOS included; empty if there are none
   * @param wordIdxs token positions by name, BOS counted; empty if there are none
   * @param beginning which token begins the prompts, for people: {@code prompts begin with BOS
   *     "<s>" (id 1)}; empty where nobody said
   * @param remarks what reading and tokenising the file had to decide, one line each
   */
  public TokenizedDataset {
    prompts = List.copyOf(prompts);
    seqLabels = List.copyOf(seqLabels);
    wordIdxs = Collections.unmodifiableSortedMap(new TreeMap<>(wordIdxs));
    remarks = List.copyOf(remarks);
  }

  /**
   * A dataset of which nothing else is known.
   *
   * @param source what messages call it: its file
   * @param prompts the pairs
   * @param seqLabels a label for each token position, BOS included; empty if there are none
   * @param wordIdxs token positions by name, BOS counted; empty if there are none
   */
  public TokenizedDataset(
      String source,
      List<TokenizedPair> prompts,
      List<String> seqLabels,
      SortedMap<String, Integer> wordIdxs) {
    this(source, prompts, seqLabels, wordIdxs, "", List.of());
  }

  /**
   * {@link #remarks} and what {@link PromptNotices#of} finds in the prompts, one line each.
   *
   * @return empty if there is nothing to say
   */
  public List<String> notices() {
    return Stream.concat(remarks.stream(), PromptNotices.of(prompts).stream()).toList();
  }

  /**
   * Two disjoint parts of a dataset.
   *
   * @param train prompts that score the edges
   * @param test prompts that judge circuits
   */
  public record Split(TokenizedDataset train, TokenizedDataset test) {}

  /**
   * The number of prompts.
   *
   * @return pairs, not batches
   */
  public int size() {
    return prompts.size();
  }

  /**
   * The first {@code train} prompts and the {@code test} after them, of the prompts as they are or
   * as CPython's {@code random.shuffle} leaves them.
   *
   * @param train how many prompts score the edges; 0 or more
   * @param test how many judge circuits; 0 or more
   * @param shuffle whether to shuffle all prompts first
   * @param seed for {@link PythonShuffle}; nothing else is seeded
   * @return both parts; either may be empty if none was asked for it
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
    return new TokenizedDataset(source, chosen, seqLabels, wordIdxs, beginning, remarks);
  }

  /**
   * Like {@link #requireFits(int, int, int)} for a model that says the tokens that it reads.
   *
   * @param vocabulary number of token ids, read and said
   * @param contextLength most positions of a prompt
   * @return this dataset
   */
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
    PromptLimits limits = new PromptLimits(vocabulary, answerVocabulary, contextLength, false);
    Faults faults = faults();
    prompts.forEach(pair -> fits(pair, limits, faults));
    faults.throwIfAny();
    return this;
  }

  private Faults faults() {
    return new Faults(source, size());
  }

  private static void fits(
      int prompt, int[] ids, String where, int vocabulary, int contextLength, Faults faults) {
    if (ids.length > contextLength) {
      faults.add(
          prompt,
          where + " has tokens=" + ids.length + ", more than the model's context=" + contextLength,
          "shorten the prompt");
    }
    known(prompt, ids, where, vocabulary, faults);
  }

  private static void known(int prompt, int[] ids, String where, int vocabulary, Faults faults) {
    for (int id : ids) {
      if (id < 0 || id >= vocabulary) {
        faults.add(
            prompt,
            where + " has token id=" + id + ", outside the model's vocabulary=" + vocabulary,
            "use ids from this model's own tokenizer");
        return;
      }
    }
  }

  /**
   * Checks that clean and corrupt of every pair have the same number of tokens, as {@link
   * Batches#byLength} needs; {@link Batches#padded} does not.
   *
   * @return this
   * @throws DataException if not, naming such prompts and both lengths
   */
  public TokenizedDataset requirePairedLengths() {
    return requirePairedLengths(PAIR_CURE);
  }

  private TokenizedDataset requirePairedLengths(String cure) {
    Faults faults = faults();
    prompts.forEach(pair -> paired(pair, cure, faults));
    faults.throwIfAny();
    return this;
  }

  private static void paired(TokenizedPair pair, String cure, Faults faults) {
    if (pair.clean().length != pair.corrupt().length) {
      faults.add(
          pair.index(),
          String.format(
              "prompts[%d] has clean tokens=%d but corrupt tokens=%d",
              pair.index(), pair.clean().length, pair.corrupt().length),
          cure);
    }
  }

  /** Adds what a model does not take of a pair. */
  static void fits(TokenizedPair pair, PromptLimits limits, Faults faults) {
    int index = pair.index();
    String where = "prompts[" + index + "].";
    int context = limits.contextLength();
    fits(index, pair.clean(), where + "clean", limits.vocabulary(), context, faults);
    fits(index, pair.corrupt(), where + "corrupt", limits.vocabulary(), context, faults);
    for (int[] answers : pair.answers()) {
      known(index, answers, where + "answers", limits.answerVocabulary(), faults);
    }
    for (int[] answers : pair.wrongAnswers()) {
      known(index, answers, where + "wrong_answers", limits.answerVocabulary(), faults);
    }
    if (limits.paired()) {
      paired(pair, PAIR_CURE, faults);
    }
  }

  /**
   * Checks that all prompts, clean and corrupt, have one length, so that a token position means the
   * same in each, and that labels and word positions fit that length.
   *
   * @return this
   * @throws DataException if not, naming prompts that differ from the first and both lengths
   */
  public TokenizedDataset requireEqualLengths() {
    requirePairedLengths("make them equally long: token positions need prompts of one length");
    if (prompts.isEmpty()) {
      return this;
    }
    TokenizedPair first = prompts.get(0);
    int length = first.clean().length;
    Faults faults = faults();
    for (TokenizedPair pair : prompts) {
      if (pair.clean().length != length) {
        faults.add(
            pair.index(),
            String.format(
                "prompts[%d] has tokens=%d but prompts[%d] has tokens=%d",
                first.index(), length, pair.index(), pair.clean().length),
            "token positions need prompts of one length");
      }
    }
    faults.throwIfAny();
    if (!seqLabels.isEmpty() && seqLabels.size() != length) {
      throw new DataException(
          String.format(
              "file=%s: seq_labels has length=%d (BOS included) but the prompts have tokens=%d;"
                  + " give one label per token, and none for the BOS that is put before text",
              source, seqLabels.size(), length));
    }
    for (Map.Entry<String, Integer> word : wordIdxs.entrySet()) {
      if (word.getValue() >= length) {
        throw new DataException(
            String.format(
                "file=%s: word_idxs entry %s=%d (BOS included) but the prompts have tokens=%d;"
                    + " give positions that do not count the BOS that is put before text",
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

  /**
   * Checks that answers are tokens.
   *
   * @param use what looks them up, as a part of a sentence: {@code --answer-function avg_diff}
   * @param cure what else to choose
   * @return this
   * @throws DataException if they are numbers
   */
  public TokenizedDataset requireTokens(String use, String cure) {
    for (TokenizedPair pair : prompts) {
      if (pair.numbers() != null) {
        throw new DataException(
            String.format(
                "file=%s: prompts[%d].answers=%s are numbers, but %s looks up answers that are"
                    + " tokens; give token ids or text, or choose %s",
                source,
                pair.index(),
                Faults.quote(Arrays.deepToString(pair.numbers().answers())),
                use,
                cure));
      }
    }
    return this;
  }

  /**
   * Checks that every prompt has wrong answers, at every position that it has answers for.
   *
   * @param use why: {@code --answer-function avg_diff compares answers with them}
   * @param cure what else to choose
   * @return this
   * @throws DataException if not
   */
  public TokenizedDataset requireWrongAnswers(String use, String cure) {
    Faults faults = faults();
    for (TokenizedPair pair : prompts) {
      if (pair.numbers() == null
          && Arrays.stream(pair.wrongAnswers()).anyMatch(wrong -> wrong.length == 0)) {
        faults.add(
            pair.index(),
            "prompts[" + pair.index() + "].wrong_answers is empty",
            "but " + use + ": add wrong answers, or choose " + cure);
      }
    }
    faults.throwIfAny();
    return this;
  }

  /**
   * Checks that every prompt has answers for one position, or for each that is looked at.
   *
   * @param sliced how many positions are looked at in a prompt of a length
   * @param slice what messages call them: {@code --slice last}
   * @return this
   * @throws DataException if not
   */
  public TokenizedDataset requireAnswerPositions(IntUnaryOperator sliced, String slice) {
    Faults faults = faults();
    for (TokenizedPair pair : prompts) {
      int length = pair.clean().length;
      int positions = pair.answers().length;
      int wanted = sliced.applyAsInt(length);
      if (positions != 1 && positions != wanted) {
        faults.add(
            pair.index(),
            String.format(
                "prompts[%d] has answers for positions=%d, but %s looks at positions=%d of its"
                    + " tokens=%d",
                pair.index(), positions, slice, wanted, length),
            "choose the --slice that the answers are for");
      }
    }
    faults.throwIfAny();
    return this;
  }

  /**
   * The number in its file of each prompt of some batches of this dataset.
   *
   * @param batches of this dataset
   * @return in the order of the batches
   */
  public int[] indices(List<PromptBatch> batches) {
    return batches.stream()
        .flatMapToInt(batch -> Arrays.stream(batch.rows()))
        .map(row -> prompts.get(row).index())
        .toArray();
  }

  /**
   * The template of each prompt of some batches of this dataset.
   *
   * @param batches of this dataset
   * @return in the order of the batches; an empty text for none
   */
  public List<String> templates(List<PromptBatch> batches) {
    return batches.stream()
        .flatMapToInt(batch -> Arrays.stream(batch.rows()))
        .mapToObj(row -> prompts.get(row).template())
        .toList();
  }

  /**
   * The lengths of the clean prompts that occur, ascending.
   *
   * @return in tokens, each once
   */
  public List<Integer> lengths() {
    return new ArrayList<>(
        prompts.stream().map(pair -> pair.clean().length).sorted().distinct().toList());
  }
}
