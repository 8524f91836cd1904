package io.autocircuit.files;

/**
 * Input that cannot be used: a damaged or lying file, a missing field, a tensor that is not there.
 * The message is for people: which file, what was wrong as {@code name=value}, then what to do. It
 * is one line of printable text whatever the input held, see {@link #quote} and {@link #oneLine}.
 */
public final class DataException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private static final int LONGEST_QUOTE = 120;
  private static final int LONGEST_MESSAGE = 1900;

  /**
   * Bad input, described by {@code message}.
   *
   * @param message one line: what is wrong as {@code name=value}, then what to do
   */
  public DataException(String message) {
    super(oneLine(message));
  }

  /**
   * Bad input, described by {@code message}, noticed because of {@code cause}.
   *
   * @param message one line: what is wrong as {@code name=value}, then what to do
   * @param cause what made it known
   */
  public DataException(String message, Throwable cause) {
    super(oneLine(message), cause);
  }

  /**
   * Untrusted text as it may appear in a message: in double quotes, cut after 120 characters, with
   * everything that is not a printable character written as a Java escape.
   *
   * @param text anything, from a file or a command line
   * @return the text between double quotes, on one line
   */
  public static String quote(String text) {
    return '"' + printable(text, LONGEST_QUOTE) + '"';
  }

  /**
   * A message as one line, whatever was put into it: of a long one, the beginning and the end,
   * which says what to do; control characters are escaped.
   *
   * @param message what to show; null reads {@code null}
   * @return fewer than 4,000 characters
   */
  public static String oneLine(String message) {
    String text = String.valueOf(message);
    String line = printable(ends(text), LONGEST_MESSAGE + 3);
    return ends(line);
  }

  private static String ends(String text) {
    int half = LONGEST_MESSAGE / 2;
    return text.length() <= LONGEST_MESSAGE + 3
        ? text
        : text.substring(0, half) + " … " + text.substring(text.length() - half);
  }

  /**
   * {@code text} on one line, cut after {@code limit} characters, control characters escaped.
   *
   * @param text anything, from a file or a command line
   * @param limit the most characters kept
   * @return the text without quotes, on one line
   */
  public static String printable(String text, int limit) {
    StringBuilder line = new StringBuilder();
    int end = Math.min(text.length(), limit);
    for (int i = 0; i < end; i++) {
      char c = text.charAt(i);
      if (c == '\n') {
        line.append("\\n");
      } else if (c == '\t') {
        line.append("\\t");
      } else if (c == '\r') {
        line.append("\\r");
      } else if (Character.isISOControl(c)
          || c == '\u2028'
          || c == '\u2029'
          || (Character.isSurrogate(c) && !paired(text, i, end))) {
        line.append(String.format("\\u%04x", (int) c));
      } else {
        line.append(c);
      }
    }
    return end < text.length() ? line.append("…").toString() : line.toString();
  }

  private static boolean paired(String text, int i, int end) {
    return Character.isHighSurrogate(text.charAt(i))
        ? i + 1 < end && Character.isLowSurrogate(text.charAt(i + 1))
        : i > 0 && Character.isHighSurrogate(text.charAt(i - 1));
  }
}
