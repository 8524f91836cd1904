package io.autocircuit.cli;

import io.autocircuit.data.PromptFinding;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.task.dataset.InspectedPrompt;
import io.autocircuit.task.dataset.Inspection;
import io.autocircuit.task.dataset.ModelAnswers.Choice;
import io.autocircuit.task.dataset.ModelAnswers.Said;
import io.autocircuit.task.dataset.ModelAnswers.Side;
import io.autocircuit.task.dataset.TokenAlignment;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Inspected prompts for the terminal.
 *
 * @param out where to
 * @param width cells of a line
 * @param colours whether marks are coloured besides
 */
record InspectPrintout(PrintWriter out, int width, boolean colours) {
  private static final String BOLD = "1";
  private static final String RED = "31";
  private static final String GREEN = "32";
  private static final String FAINT = "2";

  /** The first column: what a line is. */
  private static final int MARGIN = 12;

  /** The longest token that is shown whole. */
  private static final int LONGEST = 24;

  /** Answers that are listed. */
  private static final int LISTED = 6;

  private String in(String colour, String text) {
    return colours && !text.isEmpty() ? "\u001b[" + colour + "m" + text + "\u001b[0m" : text;
  }

  // ---- a prompt

  /** One prompt: its tokens, its answers, what the model says, what was found. */
  void prompt(InspectedPrompt prompt) {
    TokenizedPair pair = prompt.pair();
    int differing = prompt.differing();
    out.println(
        in(BOLD, "prompt " + prompt.index())
            + ": clean "
            + tokens(pair.clean().length)
            + ", corrupt "
            + tokens(pair.corrupt().length)
            + (differing == 0
                ? ", the same"
                : ", " + differing + (differing == 1 ? " differs" : " differ")));
    aligned(prompt);
    if (prompt.faults().isEmpty()) {
      if (pair.numbers() == null) {
        answers(prompt);
      } else {
        numbers(prompt);
      }
    }
    prompt.faults().forEach(f -> wrapped("fault", f, RED));
    prompt.findings().forEach(f -> wrapped("found", f.key() + ": " + f.text(), RED));
    out.println();
  }

  private static String tokens(int n) {
    return n + (n == 1 ? " token" : " tokens");
  }

  /** As many columns in a row as fit. */
  private void aligned(InspectedPrompt prompt) {
    List<TokenAlignment.Column> row = new ArrayList<>();
    int used = MARGIN;
    for (TokenAlignment.Column column : prompt.columns()) {
      int cells = cells(prompt, column) + 1;
      if (used + cells - 1 > width && !row.isEmpty()) {
        row(prompt, row);
        row.clear();
        used = MARGIN;
      }
      row.add(column);
      used += cells;
    }
    if (!row.isEmpty()) {
      row(prompt, row);
    }
  }

  private int cells(InspectedPrompt prompt, TokenAlignment.Column column) {
    return Math.max(
        position(column).length(),
        Math.max(
            Cells.width(token(prompt, prompt.pair().clean(), column.clean())),
            Cells.width(token(prompt, prompt.pair().corrupt(), column.corrupt()))));
  }

  private static String position(TokenAlignment.Column column) {
    return String.valueOf(column.clean() == TokenAlignment.GAP ? column.corrupt() : column.clean());
  }

  private String token(InspectedPrompt prompt, int[] ids, int at) {
    int most = Math.min(LONGEST, width - MARGIN);
    return at == TokenAlignment.GAP ? "–" : Cells.cut(prompt.text(ids[at]), most);
  }

  private void row(InspectedPrompt prompt, List<TokenAlignment.Column> row) {
    StringBuilder positions = new StringBuilder(Cells.padded("", MARGIN));
    StringBuilder clean = new StringBuilder(Cells.padded("  clean", MARGIN));
    StringBuilder corrupt = new StringBuilder(Cells.padded("  corrupt", MARGIN));
    StringBuilder marks = new StringBuilder(Cells.padded("", MARGIN));
    for (TokenAlignment.Column column : row) {
      int cells = cells(prompt, column);
      positions.append(Cells.padded(position(column), cells)).append(' ');
      clean.append(cell(prompt, prompt.pair().clean(), column.clean(), column.same(), cells));
      corrupt.append(cell(prompt, prompt.pair().corrupt(), column.corrupt(), column.same(), cells));
      marks.append(column.same() ? " ".repeat(cells) : "^".repeat(cells)).append(' ');
    }
    out.println(in(FAINT, positions.toString().stripTrailing()));
    out.println(clean.toString().stripTrailing());
    out.println(corrupt.toString().stripTrailing());
    if (!marks.toString().isBlank()) {
      out.println(in(RED, marks.toString().stripTrailing()));
    }
  }

  private String cell(InspectedPrompt prompt, int[] ids, int at, boolean same, int cells) {
    String text = token(prompt, ids, at);
    return (same ? text : in(BOLD, text)) + " ".repeat(cells - Cells.width(text) + 1);
  }

  private void answers(InspectedPrompt prompt) {
    if (prompt.said().isEmpty()) {
      int[][] right = prompt.pair().answers();
      int[][] wrong = prompt.pair().wrongAnswers();
      wrapped("answers", listed(prompt, right[right.length - 1]), GREEN);
      wrapped("wrong", listed(prompt, wrong[wrong.length - 1]), "");
      return;
    }
    Said said = prompt.said().get();
    wrapped("answers", listed(prompt, said.clean().answers(), said.corrupt().answers()), GREEN);
    wrapped(
        "wrong", listed(prompt, said.clean().wrongAnswers(), said.corrupt().wrongAnswers()), "");
    side("clean →", prompt, said.clean());
    side("corrupt →", prompt, said.corrupt());
  }

  private static String listed(InspectedPrompt prompt, int[] ids) {
    return ids.length == 0
        ? "none"
        : Arrays.stream(ids)
                .limit(LISTED)
                .mapToObj(id -> named(prompt, id))
                .collect(Collectors.joining(", "))
            + (ids.length > LISTED ? ", and " + (ids.length - LISTED) + " more" : "");
  }

  private static String named(InspectedPrompt prompt, int id) {
    String text = prompt.text(id);
    return text.equals(String.valueOf(id)) ? "id " + id : text + " (id " + id + ")";
  }

  /** Answers with what the model thinks of them after the clean and the corrupt prompt. */
  private static String listed(InspectedPrompt prompt, List<Choice> clean, List<Choice> corrupt) {
    List<String> shown = new ArrayList<>();
    for (int i = 0; i < Math.min(LISTED, clean.size()); i++) {
      Choice c = clean.get(i);
      Choice d = corrupt.get(i);
      shown.add(
          String.format(
              Locale.ROOT,
              "%s clean %s #%,d, corrupt %s #%,d",
              named(prompt, c.token()),
              percent(c.probability()),
              c.rank(),
              percent(d.probability()),
              d.rank()));
    }
    return clean.isEmpty()
        ? "none"
        : String.join("; ", shown)
            + (clean.size() > LISTED ? "; and " + (clean.size() - LISTED) + " more" : "");
  }

  private void side(String name, InspectedPrompt prompt, Side side) {
    String choices =
        side.choices().stream()
            .map(c -> prompt.text(c.token()) + " " + percent(c.probability()))
            .collect(Collectors.joining(", "));
    String difference =
        Double.isNaN(side.difference())
            ? ""
            : String.format(Locale.ROOT, "logit difference %.3f; ", side.difference());
    wrapped(name, difference + "next " + choices, "");
  }

  private static String percent(double probability) {
    return String.format(Locale.ROOT, "%.1f%%", 100 * probability);
  }

  private void numbers(InspectedPrompt prompt) {
    TokenizedPair.Numbers numbers = prompt.pair().numbers();
    wrapped("answers", Arrays.toString(numbers.answers()[numbers.answers().length - 1]), GREEN);
    prompt
        .said()
        .ifPresent(
            s -> {
              wrapped("clean →", s.clean().outputs().toString(), "");
              wrapped("corrupt →", s.corrupt().outputs().toString(), "");
            });
  }

  /** A line with a name before it, broken between words. */
  private void wrapped(String name, String text, String colour) {
    StringBuilder line = new StringBuilder();
    int used = MARGIN;
    for (String word : text.split(" ", -1)) {
      int cells = Cells.width(word);
      if (used > MARGIN && used + 1 + cells > width) {
        line.append('\n').append(" ".repeat(MARGIN));
        used = MARGIN;
      } else if (used > MARGIN) {
        line.append(' ');
        used++;
      }
      line.append(word);
      used += cells;
    }
    String first = Cells.padded("  " + name, MARGIN - 1) + " ";
    out.println(colour.isEmpty() ? first + line : in(colour, first) + line);
  }

  // ---- all of them

  /** What was found in all prompts. */
  void summary(Map<String, String> lines, Inspection inspection, List<String> notices) {
    Map<String, String> rows = new LinkedHashMap<>(lines);
    out.print(new Rows(rows).text(width));
    notices.forEach(n -> out.println("note: " + n));
    out.println();
    if (inspection.counts().isEmpty()) {
      out.println("nothing was found that makes a prompt useless");
      return;
    }
    out.printf(
        Locale.ROOT,
        "something was found in %,d of %,d prompts:%n",
        inspection.troubled(),
        inspection.size());
    inspection
        .counts()
        .forEach(
            (finding, n) -> {
              List<Integer> first = inspection.first(finding);
              out.println(
                  "  "
                      + in(RED, finding.key())
                      + ": "
                      + String.format(Locale.ROOT, "%,d", n)
                      + " ("
                      + first.stream().map(String::valueOf).collect(Collectors.joining(", "))
                      + (n > first.size() ? ", …)" : ")"));
              meaning(finding);
            });
  }

  private void meaning(PromptFinding finding) {
    StringBuilder line = new StringBuilder("   ");
    int used = 3;
    for (String word : finding.text().split(" ", -1)) {
      if (used + 1 + word.length() > width) {
        line.append("\n   ");
        used = 3;
      }
      line.append(' ').append(word);
      used += 1 + word.length();
    }
    out.println(line);
  }
}
