package io.autocircuit.data;

import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Prompt pairs as a file gives them, before tokenisation. The file is JSON in AutoCircuit's schema:
 *
 * <pre>{"prompts": [{"clean": …, "corrupt": …, "answers": […], "wrong_answers": […]}, …],
 *  "seq_labels": ["The", "cat", …],  (optional) a name for each token position
 *  "word_idxs": {"subject": 1, …}}   (optional) names for some positions, BOS not counted</pre>
 *
 * <p>A pair may have {@code "spans": {"subject": [1, 2], …}}: names for some of its token
 * positions, BOS not counted, of both of its prompts.
 *
 * <p>A prompt is a string or a list of token ids. Answers are a list of strings or token ids, for
 * the last position; or a list of such lists, for the last positions. Where one of them has a point
 * or an exponent, all answers of the file are numbers. Other fields are ignored.
 *
 * <p>Files of other tools are read as well: a list of pairs without the object around it, one pair
 * a line (JSON lines), {@code corrupted} for {@code corrupt}, Edge-Pruning's {@code <predict>}
 * marks, MIB's rows of choices and counterfactuals, and tables (CSV) as EAP-IG has them. {@code
 * docs/prompts.md} says what becomes of each.
 *
 * @param source what messages call it: its file
 * @param prompts the pairs, in the order of the file, at least one
 * @param seqLabels a label for each token position, BOS not counted; empty if there are none
 * @param wordIdxs token positions by name, BOS not counted; empty if there are none
 * @param remarks what reading the file had to decide, one line each
 */
public record PromptDataset(
    String source,
    List<PromptPair> prompts,
    List<String> seqLabels,
    SortedMap<String, Integer> wordIdxs,
    List<String> remarks) {

  /**
   * Copies the collections.
   *
   * @param source what messages call it: its file
   * @param prompts the pairs, in the order of the file, at least one
   * @param seqLabels a label for each token position, BOS not counted; empty if there are none
   * @param wordIdxs token positions by name, BOS not counted; empty if there are none
   * @param remarks what reading the file had to decide, one line each
   * @throws DataException if there are no prompts
   */
  public PromptDataset {
    prompts = List.copyOf(prompts);
    seqLabels = List.copyOf(seqLabels);
    wordIdxs = Collections.unmodifiableSortedMap(new TreeMap<>(wordIdxs));
    remarks = List.copyOf(remarks);
    if (prompts.isEmpty()) {
      throw new DataException(
          "file=" + source + ": prompts=[] holds no prompts; give at least one pair");
    }
  }

  /**
   * Prompts about which nothing had to be decided.
   *
   * @param source what messages call it: its file
   * @param prompts the pairs, in the order of the file, at least one
   * @param seqLabels a label for each token position, BOS not counted; empty if there are none
   * @param wordIdxs token positions by name, BOS not counted; empty if there are none
   * @throws DataException if there are none
   */
  public PromptDataset(
      String source,
      List<PromptPair> prompts,
      List<String> seqLabels,
      SortedMap<String, Integer> wordIdxs) {
    this(source, prompts, seqLabels, wordIdxs, List.of());
  }

  /**
   * Reads a file.
   *
   * @param file in any of the forms
   * @return the pairs, in the order of the file
   * @throws DataException if it is missing, not UTF-8, or in none of the forms; the message says
   *     where, for the first ten prompts that are wrong
   */
  public static PromptDataset read(Path file) {
    return read(file, Columns.NONE);
  }

  /**
   * Reads a file, or a folder of files as Hugging Face's hub has it.
   *
   * @param place a file in any of the forms, or a folder of such
   * @param columns which columns hold what, and which split of a folder is read
   * @return the pairs, in the order of the file
   * @throws DataException if it is missing, not UTF-8, or in none of the forms
   */
  public static PromptDataset read(Path place, Columns columns) {
    return PromptFiles.read(place, columns).dataset();
  }

  /**
   * What a file or folder holds.
   *
   * @param place a file, or a folder
   * @param columns which split of a folder is read
   * @return the SHA-256 of the file; of several files, of their names and their SHA-256
   * @throws DataException if one cannot be read
   */
  public static String fingerprint(Path place, Columns columns) {
    return DatasetFolder.fingerprint(place, columns);
  }

  /**
   * Reads a file, turns its texts into token ids as {@link #tokenize(Tokenizer, MultiTokenAnswers)}
   * does, and checks that a model takes them, so that one message names whatever is wrong.
   *
   * @param file in any of the forms
   * @param tokenizer may be null when the file holds no text
   * @param several what becomes of answers of several tokens
   * @param limits what the model takes
   * @return the pairs as token ids, in the order of the file
   * @throws DataException if the file cannot be read, or some of its prompts cannot be used; the
   *     first ten of each kind of fault are named
   */
  public static TokenizedDataset readTokens(
      Path file, Tokenizer tokenizer, MultiTokenAnswers several, PromptLimits limits) {
    return readTokens(file, Columns.NONE, tokenizer, several, limits);
  }

  /**
   * The same for files whose columns are called otherwise, or a folder.
   *
   * @param place a file in any of the forms, or a folder of such
   * @param columns which columns hold what, and which split of a folder is read
   * @param tokenizer may be null when the file holds no text
   * @param several what becomes of answers of several tokens
   * @param limits what the model takes
   * @return the pairs as token ids, in the order of the file
   * @throws DataException if the file cannot be read, or some of its prompts cannot be used
   */
  public static TokenizedDataset readTokens(
      Path place,
      Columns columns,
      Tokenizer tokenizer,
      MultiTokenAnswers several,
      PromptLimits limits) {
    return new PromptTokens(PromptFiles.read(place, columns), tokenizer, several, limits).dataset();
  }

  /**
   * Reads the text of a file.
   *
   * @param text in any of the forms
   * @param sourceName what messages call it; a name that ends in {@code .csv} or {@code .tsv} makes
   *     a table of what is not JSON
   * @return the pairs, in the order of the text
   * @throws DataException if it is in none of the forms; the message says where
   */
  public static PromptDataset parse(String text, String sourceName) {
    return PromptFiles.parse(text, sourceName).dataset();
  }

  /**
   * Like {@link #tokenize(Tokenizer, MultiTokenAnswers)}, refusing answers of several tokens.
   *
   * @param tokenizer may be null when the dataset holds no text
   * @return the same pairs as token ids
   */
  public TokenizedDataset tokenize(Tokenizer tokenizer) {
    return tokenize(tokenizer, MultiTokenAnswers.REFUSE);
  }

  /**
   * Turns every text into token ids.
   *
   * <p>Prompts that are text get the tokenizer's leading special tokens, and then labels and word
   * positions move along; prompts that are ids stay as they are. Answers get no special tokens.
   *
   * <p>The token of an answer is what it adds to its clean prompt: tokens(prompt + answer) minus
   * tokens(prompt). Where that is not one token for all answers of a pair, but each of them alone
   * is, that is taken, with a remark if the tokenizer then put a space before it. Answers behind
   * token ids, or for several positions, are tokenised alone.
   *
   * @param tokenizer may be null when the dataset holds no text
   * @param several what becomes of answers of several tokens
   * @return the same pairs as token ids
   * @throws DataException if there is text and no tokenizer, if an answer is not one token, is not
   *     in the vocabulary, or leaves open whether it begins a word, if a prompt has no tokens or
   *     fewer than answer positions, or if some prompts are text and others ids while labels or
   *     word positions are given; the first ten are named
   */
  public TokenizedDataset tokenize(Tokenizer tokenizer, MultiTokenAnswers several) {
    return new PromptTokens(PromptDraft.of(this), tokenizer, several, null).dataset();
  }
}
