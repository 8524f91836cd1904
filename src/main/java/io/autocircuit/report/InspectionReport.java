package io.autocircuit.report;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.autocircuit.data.PromptFinding;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.task.dataset.InspectedPrompt;
import io.autocircuit.task.dataset.Inspection;
import io.autocircuit.task.dataset.ModelAnswers;
import io.autocircuit.task.dataset.ModelAnswers.Choice;
import io.autocircuit.task.dataset.TokenAlignment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The page that {@code inspect} writes: what was found in prompts, and prompts token by token with
 * what the model says. One HTML file that needs no other file and no network; its script only
 * chooses which prompts are seen.
 */
public final class InspectionReport {
  /** The page holds at most this many prompts, those in which something was found before others. */
  public static final int MAX_PROMPTS = 500;

  private InspectionReport() {}

  /**
   * Renders the page.
   *
   * @param title of the page
   * @param summary names and values under the title
   * @param inspection what was found
   * @param notices what else is to be known, one line each
   * @return the HTML document
   * @throws IllegalStateException if a resource of the page is missing from the class path
   */
  public static String render(
      String title, Map<String, String> summary, Inspection inspection, List<String> notices) {
    List<InspectedPrompt> shown = inspection.shown(MAX_PROMPTS);
    Map<String, String> places = new LinkedHashMap<>();
    places.put("title", Page.escape(title));
    places.put("summary", Page.summary(summary));
    places.put("findings", findings(inspection));
    places.put(
        "notices",
        notices.isEmpty()
            ? ""
            : notices.stream()
                .map(n -> "<li>" + Page.escape(n) + "</li>")
                .collect(Collectors.joining("", "<ul class=\"note\">", "</ul>")));
    places.put(
        "shown",
        shown.size() == inspection.size()
            ? String.format(Locale.ROOT, "All %,d prompts.", shown.size())
            : String.format(
                Locale.ROOT,
                "%,d of %,d prompts, first those in which something was found.",
                shown.size(),
                inspection.size()));
    places.put(
        "prompts", shown.stream().map(InspectionReport::prompt).collect(Collectors.joining("\n")));
    return Page.plain("inspect", JsonNodeFactory.instance.objectNode(), places);
  }

  /**
   * Renders the page into a file, which appears whole or not at all.
   *
   * @param file where to write; its directory must exist
   * @param title of the page
   * @param summary names and values under the title
   * @param inspection what was found
   * @param notices what else is to be known, one line each
   * @throws io.autocircuit.files.DataException if the file cannot be written
   */
  public static void write(
      Path file,
      String title,
      Map<String, String> summary,
      Inspection inspection,
      List<String> notices) {
    AtomicFile.write(file, render(title, summary, inspection, notices));
  }

  private static String findings(Inspection inspection) {
    if (inspection.counts().isEmpty()) {
      return "<p>Nothing was found that makes a prompt useless.</p>";
    }
    StringBuilder html =
        new StringBuilder(
            "<div class=\"scroll\"><table class=\"numbers\"><thead><tr><th>Finding</th>"
                + "<th class=\"numeric\">Prompts</th><th>First</th><th>What it means</th></tr>"
                + "</thead><tbody>");
    inspection
        .counts()
        .forEach(
            (finding, n) ->
                html.append("<tr><td>")
                    .append(chip(finding))
                    .append("</td><td class=\"numeric\">")
                    .append(String.format(Locale.ROOT, "%,d", n))
                    .append("</td><td>")
                    .append(
                        inspection.first(finding).stream()
                            .map(String::valueOf)
                            .collect(Collectors.joining(", ")))
                    .append(n > inspection.first(finding).size() ? ", …" : "")
                    .append("</td><td class=\"meaning\">")
                    .append(Page.escape(finding.text()))
                    .append("</td></tr>"));
    return html.append("</tbody></table></div>").toString();
  }

  private static String chip(PromptFinding finding) {
    return "<span class=\"finding\">" + Page.escape(finding.key()) + "</span>";
  }

  // ---- one prompt

  private static String prompt(InspectedPrompt prompt) {
    TokenizedPair pair = prompt.pair();
    StringBuilder html = new StringBuilder();
    String keys =
        prompt.findings().stream().map(PromptFinding::key).collect(Collectors.joining(" "));
    html.append("<article class=\"inspected\" data-findings=\"")
        .append(keys)
        .append("\"><h3>Prompt ")
        .append(prompt.index())
        .append(" <span class=\"muted\">clean ")
        .append(tokens(pair.clean().length))
        .append(", corrupt ")
        .append(tokens(pair.corrupt().length))
        .append(", ")
        .append(prompt.differing())
        .append(" differ</span> ");
    prompt.findings().forEach(f -> html.append(chip(f)).append(' '));
    html.append("</h3>");
    prompt.faults().forEach(f -> html.append("<p class=\"alert\">" + Page.escape(f) + "</p>"));
    html.append("<ol class=\"aligned\">");
    for (TokenAlignment.Column column : prompt.columns()) {
      html.append(column.same() ? "<li>" : "<li class=\"differs\">")
          .append("<span>")
          .append(column.clean() == TokenAlignment.GAP ? column.corrupt() : column.clean())
          .append("</span>")
          .append(cell(prompt, pair.clean(), column.clean()))
          .append(column.same() ? "" : cell(prompt, pair.corrupt(), column.corrupt()))
          .append("</li>");
    }
    html.append("</ol>");
    if (pair.numbers() != null) {
      numbers(prompt, html);
    } else if (prompt.faults().isEmpty()) {
      answers(prompt, html);
    }
    return html.append("</article>").toString();
  }

  private static String tokens(int n) {
    return n + (n == 1 ? " token" : " tokens");
  }

  private static String cell(InspectedPrompt prompt, int[] ids, int at) {
    return at == TokenAlignment.GAP
        ? "<code class=\"gap\">–</code>"
        : "<code title=\"id " + ids[at] + "\">" + Page.escape(prompt.text(ids[at])) + "</code>";
  }

  private static void numbers(InspectedPrompt prompt, StringBuilder html) {
    TokenizedPair.Numbers numbers = prompt.pair().numbers();
    int last = numbers.answers().length - 1;
    html.append("<p class=\"note\">Answer ")
        .append(Page.escape(Arrays.toString(numbers.answers()[last])));
    prompt
        .said()
        .ifPresent(
            s ->
                html.append("; the model outputs ")
                    .append(Page.escape(s.clean().outputs().toString()))
                    .append(" after clean, ")
                    .append(Page.escape(s.corrupt().outputs().toString()))
                    .append(" after corrupt"));
    html.append(".</p>");
  }

  private static void answers(InspectedPrompt prompt, StringBuilder html) {
    if (prompt.said().isEmpty()) {
      int[][] right = prompt.pair().answers();
      int[][] wrong = prompt.pair().wrongAnswers();
      html.append("<p class=\"note\">Answers: ")
          .append(list(prompt, right[right.length - 1]))
          .append(". Wrong answers: ")
          .append(list(prompt, wrong[wrong.length - 1]))
          .append(".</p>");
      return;
    }
    ModelAnswers.Said said = prompt.said().get();
    html.append("<div class=\"sides\">");
    side("After the clean prompt", prompt, said.clean(), html);
    side("After the corrupt prompt", prompt, said.corrupt(), html);
    html.append("</div>");
  }

  private static String list(InspectedPrompt prompt, int[] ids) {
    return ids.length == 0
        ? "none"
        : Arrays.stream(ids)
            .mapToObj(id -> "<code>" + Page.escape(prompt.text(id)) + "</code> (" + id + ")")
            .collect(Collectors.joining(", "));
  }

  private static void side(
      String heading, InspectedPrompt prompt, ModelAnswers.Side side, StringBuilder html) {
    html.append("<div><h4>").append(heading).append("</h4><p class=\"note\">");
    if (!Double.isNaN(side.difference())) {
      html.append(String.format(Locale.ROOT, "logit difference %.3f, ", side.difference()));
    }
    html.append(
        String.format(
            Locale.ROOT,
            "answers together %.4f, best of them on rank %,d</p>",
            side.probability(),
            side.rank()));
    html.append(
        "<table class=\"numbers\"><thead><tr><th class=\"numeric\">Rank</th><th>Token</th>"
            + "<th class=\"numeric\">Id</th><th class=\"numeric\">Probability</th><th></th></tr>"
            + "</thead><tbody>");
    for (Choice c : side.choices()) {
      row(prompt, c, mark(c, side), html);
    }
    for (Choice c : side.answers()) {
      if (c.rank() > side.choices().size()) {
        row(prompt, c, mark(c, side), html);
      }
    }
    for (Choice c : side.wrongAnswers()) {
      if (c.rank() > side.choices().size() && !contains(side.answers(), c)) {
        row(prompt, c, mark(c, side), html);
      }
    }
    html.append("</tbody></table></div>");
  }

  private static String mark(Choice choice, ModelAnswers.Side side) {
    boolean right = contains(side.answers(), choice);
    boolean wrong = contains(side.wrongAnswers(), choice);
    return right && wrong ? "answer, wrong answer" : right ? "answer" : wrong ? "wrong answer" : "";
  }

  private static boolean contains(List<Choice> choices, Choice wanted) {
    return choices.stream().anyMatch(c -> c.token() == wanted.token());
  }

  private static void row(InspectedPrompt prompt, Choice c, String mark, StringBuilder html) {
    String kind = mark.startsWith("wrong") ? "wrong" : "answer";
    html.append(mark.isEmpty() ? "<tr>" : "<tr class=\"" + kind + "\">")
        .append("<td class=\"numeric\">")
        .append(String.format(Locale.ROOT, "%,d", c.rank()))
        .append("</td><td><code>")
        .append(Page.escape(prompt.text(c.token())))
        .append("</code></td><td class=\"numeric\">")
        .append(c.token())
        .append("</td><td class=\"numeric\">")
        .append(String.format(Locale.ROOT, "%.4f", c.probability()))
        .append("</td><td>")
        .append(mark)
        .append("</td></tr>");
  }
}
