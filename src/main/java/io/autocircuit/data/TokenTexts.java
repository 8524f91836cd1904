package io.autocircuit.data;

import io.autocircuit.files.DataException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * What single tokens say, with the space that they begin with: {@code ␣Mary}. A space is shown as
 * {@code ␣}, a new line as {@code ⏎}, a tab as {@code ⇥}, and what else cannot be seen by its code.
 * Each token is decoded once.
 */
public final class TokenTexts {
  private static final char SPACE = '\u2423';
  private static final char NEW_LINE = '\u23ce';
  private static final char TAB = '\u21e5';

  /** A space as SentencePiece and as byte-level vocabularies spell it. */
  private static final Pattern MARKS = Pattern.compile("[\u2581\u0120]");

  private static final char NOT_TEXT = '\ufffd';

  private final Tokenizer tokenizer;
  private final int[] before;

  /** Whether the file has no decoder: tokens are then spelled as in the vocabulary, and parted. */
  private final boolean raw;

  private final Map<Integer, String> known = new HashMap<>();

  /**
   * Nothing decoded yet.
   *
   * @param tokenizer who spells the tokens; null where there is none, and tokens are their ids
   */
  public TokenTexts(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
    this.before = tokenizer == null ? new int[0] : tokenizer.encodeAnswer("a").ids();
    this.raw =
        tokenizer != null
            && MARKS.matcher(tokenizer.decode(tokenizer.encodeAnswer(" a").ids())).find();
  }

  /**
   * The text of a token.
   *
   * @param id a token id
   * @return all of it can be seen; the id where there is no text
   */
  public String of(int id) {
    return known.computeIfAbsent(id, this::text);
  }

  private String text(int id) {
    if (tokenizer == null) {
      return String.valueOf(id);
    }
    try {
      if (raw) {
        return visible(MARKS.matcher(tokenizer.decode(id)).replaceAll(" "));
      }
      // behind another token, where decoders keep the space that they cut off at a beginning
      int[] both = Arrays.copyOf(before, before.length + 1);
      both[before.length] = id;
      String whole = tokenizer.decode(both);
      String head = tokenizer.decode(before);
      String text = whole.startsWith(head) ? whole.substring(head.length()) : tokenizer.decode(id);
      return text.isEmpty() || text.indexOf(NOT_TEXT) >= 0 ? "#" + id : visible(text);
    } catch (DataException outside) {
      return "#" + id;
    }
  }

  /**
   * A text in which everything can be seen.
   *
   * @param text any text
   * @return as long as it or longer, on one line
   */
  public static String visible(String text) {
    StringBuilder shown = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case ' ' -> shown.append(SPACE);
                case '\n' -> shown.append(NEW_LINE);
                case '\t' -> shown.append(TAB);
                default -> {
                  if (isSeen(c)) {
                    shown.appendCodePoint(c);
                  } else {
                    shown.append(String.format("\\u{%04X}", c));
                  }
                }
              }
            });
    return shown.toString();
  }

  private static boolean isSeen(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SPACE_SEPARATOR ->
          false;
      default -> true;
    };
  }
}
