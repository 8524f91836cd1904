package io.autocircuit.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * The answers of EAP-IG's greater-than tables, which give the two digits that they must be above:
 * "… from the year 1642 to the year 16" with 42.
 *
 * @param column which column gives them
 * @param name its name
 */
record YearAnswers(int column, String name) {
  private static final int NUMBERS = 100;

  /** A number of four digits, and later the first two of them at the end. */
  private static final Pattern PROMPT =
      Pattern.compile("(?s).*(?<!\\d)(\\d\\d)(\\d\\d)(?!\\d).*\\D\\1");

  /**
   * The rule of a table.
   *
   * @param clean which column holds the clean prompts
   * @return null if some prompt is not of that form, or its number is another
   */
  static YearAnswers of(List<String> columns, List<String[]> rows, int clean) {
    int label = columns.indexOf("label");
    int column = label >= 0 ? label : columns.indexOf("correct_idx");
    if (column < 0 || rows.isEmpty()) {
      return null;
    }
    for (String[] row : rows) {
      if (row.length != columns.size() || year(row, clean, column) < 0) {
        return null;
      }
    }
    return new YearAnswers(column, columns.get(column));
  }

  /** The two digits that prompt and label agree in; −1 if they do not. */
  private static int year(String[] row, int clean, int column) {
    String label = row[column].strip();
    Matcher prompt = PROMPT.matcher(row[clean]);
    if (!label.matches("\\d{1,2}") || !prompt.matches()) {
      return -1;
    }
    int year = Integer.parseInt(label);
    return year == Integer.parseInt(prompt.group(2)) && year < NUMBERS - 1 ? year : -1;
  }

  PromptPair pair(String[] row, int clean, int corrupt) {
    int year = year(row, clean, column);
    return new PromptPair(
        new Wording.Text(row[clean]),
        new Wording.Text(row[corrupt]),
        List.of(numbers(year + 1, NUMBERS)),
        List.of(numbers(0, year + 1)));
  }

  private static List<Wording> numbers(int from, int to) {
    List<Wording> numbers = new ArrayList<>();
    IntStream.range(from, to)
        .forEach(n -> numbers.add(new Wording.Text(String.format(Locale.ROOT, "%02d", n))));
    return numbers;
  }

  /** What was decided. */
  String remark() {
    return "column "
        + name
        + " is read as in EAP-IG's greater-than: two-digit numbers above it are right, the others"
        + " wrong";
  }
}
