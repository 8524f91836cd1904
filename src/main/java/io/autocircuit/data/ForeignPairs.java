package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.Faults.Fault;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Pairs as other tools write them in JSON: Edge-Pruning, whose texts mark what is to be predicted,
 * and MIB, whose rows hold a prompt, its choices, and counterfactuals of the same form.
 */
final class ForeignPairs {
  private static final String OPEN = "<predict>";
  private static final String CLOSE = "</predict>";
  private static final String COUNTERFACTUAL = "_counterfactual";

  /** Those that MIB's own circuit track takes by default. */
  private static final List<String> USUAL =
      List.of("s2_io_flip_counterfactual", "symbol_counterfactual", "random_counterfactual");

  private final Set<String> chosen = new TreeSet<>();

  /** What had to be decided so far. */
  List<String> remarks() {
    return chosen.stream()
        .map(name -> "rows hold several counterfactuals; corrupt prompts are those of " + name)
        .toList();
  }

  // ---- Edge-Pruning

  static boolean isMarked(Wording prompt) {
    return prompt instanceof Wording.Text text && text.text().contains(OPEN);
  }

  /**
   * The prompt ends where the mark begins; the answer is what it holds, the space before it too.
   */
  static PromptPair marked(Wording clean, Wording corrupt, String where, String corruptName) {
    Marked right = marked(clean, where + ".clean");
    Marked wrong = marked(corrupt, where + "." + corruptName);
    return new PromptPair(
        right.prompt(),
        wrong.prompt(),
        List.of(List.of(right.answer())),
        List.of(List.of(wrong.answer())));
  }

  private record Marked(Wording prompt, Wording answer) {}

  private static Marked marked(Wording wording, String where) {
    String text = wording instanceof Wording.Text t ? t.text() : "";
    int open = text.indexOf(OPEN);
    int close = text.indexOf(CLOSE, Math.max(open, 0));
    if (open < 0 || close < 0 || text.indexOf(OPEN, open + 1) >= 0) {
      throw new Fault(
          where + "=" + Faults.quote(text) + " does not hold one " + OPEN + "…" + CLOSE,
          "mark what is to be predicted in both prompts, or give answers and wrong_answers");
    }
    String before = text.substring(0, open);
    String prompt = before.stripTrailing();
    String answer = before.substring(prompt.length()) + text.substring(open + OPEN.length(), close);
    return new Marked(new Wording.Text(prompt), new Wording.Text(answer));
  }

  // ---- MIB

  static boolean isMib(JsonNode json) {
    return json.has("prompt") && json.has("choices");
  }

  /** The answer is the choice of {@code answerKey}, the wrong one that of the counterfactual. */
  PromptPair mib(JsonNode json, String where) {
    List<String> names = new ArrayList<>();
    for (var field : json.properties()) {
      if (field.getKey().endsWith(COUNTERFACTUAL) && field.getValue().isObject()) {
        names.add(field.getKey());
      }
    }
    String name = counterfactual(names, where);
    JsonNode other = json.get(name);
    String clean = text(json, where);
    String corrupt = text(other, where + "." + name);
    return new PromptPair(
        new Wording.Text(clean),
        new Wording.Text(corrupt),
        List.of(List.of(choice(json, clean, where))),
        List.of(List.of(choice(other, clean, where + "." + name))));
  }

  private String counterfactual(List<String> names, String where) {
    if (names.size() == 1) {
      return names.get(0);
    }
    String usual = USUAL.stream().filter(names::contains).findFirst().orElse(null);
    if (usual == null) {
      throw new Fault(
          where
              + " has counterfactuals="
              + names.stream().limit(8).map(Faults::quote).toList()
              + ", so that the corrupt prompt is not plain",
          "leave one field …" + COUNTERFACTUAL + " in each row");
    }
    chosen.add(usual);
    return usual;
  }

  private static String text(JsonNode json, String where) {
    JsonNode prompt = PromptReader.field(json, "prompt", where);
    if (!prompt.isTextual()) {
      throw PromptReader.wrong(where + ".prompt", prompt, "a string");
    }
    return prompt.textValue();
  }

  /** A choice that is a word follows the prompt after a space; labels are taken as they stand. */
  private static Wording choice(JsonNode json, String prompt, String where) {
    JsonNode choices = PromptReader.field(json, "choices", where);
    JsonNode labels = choices.isObject() ? choices.path("label") : choices;
    JsonNode key = PromptReader.field(json, "answerKey", where);
    if (!key.isInt() || !labels.path(key.intValue()).isTextual()) {
      throw PromptReader.wrong(
          where + ".answerKey", key, "the number of one of the choices, which are strings");
    }
    String choice = labels.get(key.intValue()).textValue();
    boolean apart =
        choices.isObject() || choice.isBlank() || Character.isWhitespace(choice.charAt(0));
    boolean spaced = prompt.isEmpty() || Character.isWhitespace(prompt.charAt(prompt.length() - 1));
    return new Wording.Text(apart || spaced ? choice : " " + choice);
  }
}
