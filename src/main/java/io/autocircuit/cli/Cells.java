package io.autocircuit.cli;

/** How much of a terminal's line a text takes: a cell for most characters, two for wide ones. */
final class Cells {
  private Cells() {}

  /** The cells of a text. */
  static int width(String text) {
    return text.codePoints().map(Cells::width).sum();
  }

  private static int width(int c) {
    int type = Character.getType(c);
    if (type == Character.NON_SPACING_MARK
        || type == Character.ENCLOSING_MARK
        || type == Character.FORMAT) {
      return 0;
    }
    return wide(c) ? 2 : 1;
  }

  /** East Asian scripts, full-width forms and pictures (Unicode's East_Asian_Width W and F). */
  private static boolean wide(int c) {
    return c >= 0x1100
        && (c <= 0x115F
            || c >= 0x2E80 && c <= 0x303E
            || c >= 0x3041 && c <= 0xA4CF
            || c >= 0xA960 && c <= 0xA97C
            || c >= 0xAC00 && c <= 0xD7A3
            || c >= 0xF900 && c <= 0xFAFF
            || c >= 0xFE30 && c <= 0xFE6F
            || c >= 0xFF00 && c <= 0xFF60
            || c >= 0xFFE0 && c <= 0xFFE6
            || c >= 0x1F300 && c <= 0x1F64F
            || c >= 0x1F680 && c <= 0x1F6FF
            || c >= 0x1F900 && c <= 0x1FAFF
            || c >= 0x20000 && c <= 0x3FFFD);
  }

  /** A text, cut with {@code …} if it takes more cells than that. */
  static String cut(String text, int most) {
    if (width(text) <= most) {
      return text;
    }
    StringBuilder kept = new StringBuilder();
    int used = 0;
    for (int c : text.codePoints().toArray()) {
      if (used + width(c) > most - 1) {
        break;
      }
      used += width(c);
      kept.appendCodePoint(c);
    }
    return kept.append('…').toString();
  }

  /** A text with spaces behind it up to a width. */
  static String padded(String text, int to) {
    return text + " ".repeat(Math.max(0, to - width(text)));
  }
}
