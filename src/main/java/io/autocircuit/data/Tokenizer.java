package io.autocircuit.data;

import java.util.List;

/**
 * Text to token ids. Implementations may be used by several threads at once until they are closed.
 */
public interface Tokenizer extends AutoCloseable {

  /**
   * The token ids of a text and how each is spelled.
   *
   * @param ids token ids, {@code [T]}
   * @param spellings the vocabulary's spelling of each, for people, {@code [T]}
   */
  record Encoded(int[] ids, List<String> spellings) {}

  /**
   * Tokenises a prompt as the model expects one, with its leading special tokens.
   *
   * @param text a prompt as a file gives it
   * @return its ids, and how each is spelled
   */
  Encoded encodePrompt(String text);

  /**
   * Tokenises what follows a prompt, without any special token.
   *
   * @param text what follows a prompt, its space included
   * @return its ids, and how each is spelled
   */
  Encoded encodeAnswer(String text);

  /**
   * How many special tokens (BOS) {@link #encodePrompt} puts before the text; the {@code word_idxs}
   * of a dataset move by as many.
   *
   * @return 0 or more
   */
  int leadingSpecialTokens();

  /**
   * The text of token ids, special tokens included.
   *
   * @param ids of the vocabulary
   * @return text for people: it need not tokenise to the same ids
   */
  String decode(int... ids);

  @Override
  void close();
}
