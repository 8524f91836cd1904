package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.Faults.Fault;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.Suggestions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.StreamSupport;

/** Reads prompt pairs from JSON; {@code source} begins every message. */
record PromptReader(String source) {
  /** Far beyond any context, and a BOS may still move it without overflow. */
  private static final int LARGEST_POSITION = 1 << 24;

  private static final List<String> ANSWERS = List.of("answers", "wrong_answers");

  /** Whether an object is a pair, and not a dataset that holds pairs. */
  static boolean looksLikePair(JsonNode json) {
    return json.has("clean") || ForeignPairs.isMib(json);
  }

  /** The object at the root of a file. */
  PromptDraft dataset(JsonNode json, Columns columns) {
    try {
      JsonNode prompts = field(json, "prompts", "the file");
      if (!prompts.isArray()) {
        throw wrong("prompts", prompts, "a list of prompt pairs");
      }
      List<JsonNode> nodes = new ArrayList<>(prompts.size());
      prompts.forEach(nodes::add);
      List<String> remarks = new ArrayList<>();
      Faults faults = new Faults(source, nodes.size());
      List<PromptPair> pairs = pairs(nodes, columns, remarks, faults);
      return new PromptDraft(
          source,
          pairs,
          labels(json.path("seq_labels")),
          words(json.path("word_idxs")),
          remarks,
          faults);
    } catch (Fault e) {
      throw e.in(source);
    }
  }

  /**
   * Pairs, in one of the forms of {@link PromptDataset}.
   *
   * @param columns which columns hold what
   * @param remarks gets what had to be decided
   * @param faults gets what is wrong
   * @return one for each node, null where something is wrong
   */
  List<PromptPair> pairs(
      List<JsonNode> rows, Columns columns, List<String> remarks, Faults faults) {
    List<JsonNode> nodes = new ArrayList<>();
    for (int i = 0; i < rows.size(); i++) {
      int row = i;
      nodes.add(rows.get(i));
      faults.during(i, () -> nodes.set(row, columns.apply(rows.get(row), "prompts[" + row + "]")));
    }
    boolean numbers =
        nodes.stream()
            .flatMap(node -> ANSWERS.stream().map(node::path))
            .anyMatch(PromptReader::anyDecimal);
    ForeignPairs foreign = new ForeignPairs();
    List<PromptPair> pairs =
        PromptFiles.each(
            nodes.size(), i -> pair(nodes.get(i), "prompts[" + i + "]", numbers, foreign), faults);
    remarks.addAll(foreign.remarks());
    return pairs;
  }

  /** A number with a point or an exponent: then all answers of the file are numbers. */
  private static boolean anyDecimal(JsonNode json) {
    return json.isFloatingPointNumber()
        || (json.isArray()
            && StreamSupport.stream(json.spliterator(), false).anyMatch(PromptReader::anyDecimal));
  }

  private static PromptPair pair(
      JsonNode json, String where, boolean numbers, ForeignPairs foreign) {
    PromptPair read = read(json, where, numbers, foreign);
    JsonNode template = json.path("template");
    // other values are fields of other programs, which are ignored
    return template.isTextual() || template.isIntegralNumber()
        ? read.withTemplate(template.asText())
        : read;
  }

  private static PromptPair read(
      JsonNode json, String where, boolean numbers, ForeignPairs foreign) {
    if (json.isObject() && !json.has("clean") && ForeignPairs.isMib(json)) {
      return foreign.mib(json, where);
    }
    String corruptName = json.has("corrupted") && !json.has("corrupt") ? "corrupted" : "corrupt";
    Wording clean = prompt(field(json, "clean", where), where + ".clean");
    Wording corrupt = prompt(field(json, corruptName, where), where + "." + corruptName);
    if (!json.has("answers") && ForeignPairs.isMarked(clean)) {
      return ForeignPairs.marked(clean, corrupt, where, corruptName);
    }
    List<List<Wording>> answers =
        answers(field(json, "answers", where), where + ".answers", numbers);
    List<List<Wording>> wrong =
        answers(field(json, "wrong_answers", where), where + ".wrong_answers", numbers);
    if (answers.isEmpty() || answers.stream().anyMatch(List::isEmpty)) {
      throw new Fault(where + ".answers holds no answers", "give at least one for every position");
    }
    if (wrong.isEmpty()) {
      wrong = Collections.nCopies(answers.size(), List.of());
    }
    if (wrong.size() != answers.size()) {
      throw new Fault(
          String.format(
              "%s.answers has positions=%d, but wrong_answers has positions=%d",
              where, answers.size(), wrong.size()),
          "give both for the same positions");
    }
    return new PromptPair(clean, corrupt, answers, wrong, spans(json.path("spans"), where));
  }

  /** Positions by name: a number for one, a list for several. */
  private static Map<String, int[]> spans(JsonNode json, String where) {
    Map<String, int[]> spans = new LinkedHashMap<>();
    if (json.isMissingNode() || json.isNull()) {
      return spans;
    }
    if (!json.isObject()) {
      throw wrong(where + ".spans", json, "an object of names and lists of token positions");
    }
    for (Map.Entry<String, JsonNode> span : json.properties()) {
      String what = where + ".spans entry " + DataException.quote(span.getKey());
      JsonNode at = span.getValue();
      int[] positions = new int[at.isArray() ? at.size() : 1];
      for (int i = 0; i < positions.length; i++) {
        positions[i] = position(at.isArray() ? at.get(i) : at, what);
      }
      spans.put(span.getKey(), positions);
    }
    return spans;
  }

  private static int position(JsonNode at, String what) {
    if (!at.isIntegralNumber()
        || !at.canConvertToInt()
        || at.intValue() < 0
        || at.intValue() > LARGEST_POSITION) {
      throw wrong(what, at, "a token position, an integer from 0 to " + LARGEST_POSITION);
    }
    return at.intValue();
  }

  static JsonNode field(JsonNode json, String name, String where) {
    if (!json.isObject()) {
      throw wrong(where, json, "an object");
    }
    JsonNode value = json.get(name);
    if (value == null) {
      List<String> names = new ArrayList<>();
      json.fieldNames().forEachRemaining(names::add);
      List<String> near = Suggestions.nearest(name, names, 1);
      throw new Fault(
          where + " has no field " + name + " (" + Suggestions.among(name, names) + ")",
          near.isEmpty() ? "add the field" : "rename or add the field");
    }
    return value;
  }

  private static Wording prompt(JsonNode json, String where) {
    if (json.isTextual()) {
      return new Wording.Text(json.textValue());
    }
    if (!json.isArray()) {
      throw wrong(where, json, "a string or a list of token ids");
    }
    int[] ids = new int[json.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = id(json.get(i), where + "[" + i + "]");
    }
    return new Wording.Ids(ids);
  }

  private static List<List<Wording>> answers(JsonNode json, String where, boolean numbers) {
    if (!json.isArray()) {
      throw wrong(where, json, "a list of answers");
    }
    if (json.isEmpty()) {
      return List.of();
    }
    boolean byPosition = json.get(0).isArray();
    List<List<Wording>> positions = new ArrayList<>();
    List<Wording> flat = new ArrayList<>();
    for (int i = 0; i < json.size(); i++) {
      String element = where + "[" + i + "]";
      if (json.get(i).isArray() != byPosition) {
        throw wrong(
            element, json.get(i), byPosition ? "a list, like the first" : "an answer, no list");
      }
      if (byPosition) {
        List<Wording> position = new ArrayList<>();
        for (int j = 0; j < json.get(i).size(); j++) {
          position.add(answer(json.get(i).get(j), element + "[" + j + "]", numbers));
        }
        positions.add(position);
      } else {
        flat.add(answer(json.get(i), element, numbers));
      }
    }
    return byPosition ? positions : List.of(flat);
  }

  private static Wording answer(JsonNode json, String where, boolean numbers) {
    if (numbers) {
      if (!json.isNumber() || !Double.isFinite(json.doubleValue())) {
        throw wrong(where, json, "a number, as other answers of the file are numbers");
      }
      return new Wording.Value(json.doubleValue());
    }
    return json.isTextual()
        ? new Wording.Text(json.textValue())
        : new Wording.Ids(new int[] {id(json, where)});
  }

  private static int id(JsonNode json, String where) {
    if (!json.isIntegralNumber() || !json.canConvertToInt() || json.intValue() < 0) {
      throw wrong(where, json, "a token id, an integer of at least 0");
    }
    return json.intValue();
  }

  private static List<String> labels(JsonNode json) {
    List<String> labels = new ArrayList<>();
    if (json.isMissingNode() || json.isNull()) {
      return labels;
    }
    if (!json.isArray()) {
      throw wrong("seq_labels", json, "a list of strings");
    }
    for (JsonNode label : json) {
      if (!label.isTextual()) {
        throw wrong("seq_labels[" + labels.size() + "]", label, "a string");
      }
      labels.add(label.textValue());
    }
    return labels;
  }

  private static SortedMap<String, Integer> words(JsonNode json) {
    SortedMap<String, Integer> words = new TreeMap<>();
    if (json.isMissingNode() || json.isNull()) {
      return words;
    }
    if (!json.isObject()) {
      throw wrong("word_idxs", json, "an object of names and positions");
    }
    for (Map.Entry<String, JsonNode> word : json.properties()) {
      String what = "word_idxs entry " + DataException.quote(word.getKey());
      words.put(word.getKey(), position(word.getValue(), what));
    }
    return words;
  }

  static Fault wrong(String where, JsonNode found, String needed) {
    String shown =
        found.isValueNode()
            ? DataException.quote(found.asText())
            : found.isArray() ? "(a list)" : "(an object)";
    return new Fault(where + "=" + shown, "give " + needed);
  }
}
