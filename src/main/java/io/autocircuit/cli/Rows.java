package io.autocircuit.cli;

import java.util.Map;

/**
 * Names and texts in two columns that fit a terminal.
 *
 * @param rows texts by name, in order
 */
record Rows(Map<String, String> rows) {
  /** The widest first column; a longer name has a line of its own. */
  private static final int WIDEST = 26;

  /** The lines, each ended, none longer than {@code width} unless a word is. */
  String text(int width) {
    int column =
        rows.keySet().stream()
                .mapToInt(String::length)
                .filter(n -> n <= WIDEST)
                .max()
                .orElse(WIDEST)
            + 2;
    StringBuilder out = new StringBuilder();
    rows.forEach(
        (name, text) -> {
          int used;
          if (name.length() > column - 2) {
            out.append(name).append('\n').append(" ".repeat(column));
          } else {
            out.append(name).append(" ".repeat(column - name.length()));
          }
          used = column;
          boolean first = true;
          for (String word : text.split(" ", -1)) {
            if (!first && used + 1 + word.length() > width) {
              out.append('\n').append(" ".repeat(column + 2));
              used = column + 2;
            } else if (!first) {
              out.append(' ');
              used++;
            }
            out.append(word);
            used += word.length();
            first = false;
          }
          out.append('\n');
        });
    return out.toString();
  }
}
