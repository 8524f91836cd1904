package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.graph.Suggestions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Which columns of a table hold what, for files that call it otherwise: {@code
 * clean=prompt,corrupt=other.prompt,answers=label,wrong_answers=other.label}.
 *
 * <p>A column of a column is named with a point between. {@code split} says which split of a
 * dataset folder is read, {@code counterfactual} which of several counterfactuals of MIB's rows,
 * and {@code space=answers} puts a space before answers that are text and begin with none.
 *
 * @param values what was given, by name
 */
public record Columns(SortedMap<String, String> values) {
  /** Files that say themselves what is what. */
  public static final Columns NONE = new Columns(new TreeMap<>());

  private static final String SPLIT = "split";
  private static final String COUNTERFACTUAL = "counterfactual";
  private static final String SPACE = "space";
  private static final List<String> FIELDS =
      List.of("clean", "corrupt", "answers", "wrong_answers", "template");
  private static final List<String> NAMES =
      List.of(
          "clean", "corrupt", "answers", "wrong_answers", "template", SPLIT, COUNTERFACTUAL, SPACE);

  /** MIB's tasks, by the counterfactual that its circuit track takes. */
  private static final Map<String, String> PRESETS =
      new TreeMap<>(
          Map.of(
              "mib-ioi", "counterfactual=s2_io_flip_counterfactual",
              "mib-mcqa", "counterfactual=symbol_counterfactual",
              "mib-arc-easy", "counterfactual=symbol_counterfactual",
              "mib-arc-challenge", "counterfactual=symbol_counterfactual"));

  /**
   * Copies the values and checks their names.
   *
   * @param values what was given, by name
   * @throws IllegalArgumentException if a name is unknown or a value empty
   */
  public Columns {
    values = Collections.unmodifiableSortedMap(new TreeMap<>(values));
    values.forEach(
        (name, value) -> {
          if (!NAMES.contains(name)) {
            throw new IllegalArgumentException(
                "columns: \"" + name + "\" is unknown; " + Suggestions.among(name, NAMES));
          }
          if (value.isEmpty() || (name.equals(SPACE) && !value.equals("answers"))) {
            throw new IllegalArgumentException(
                "columns: "
                    + name
                    + "="
                    + value
                    + " means nothing; give "
                    + (name.equals(SPACE) ? "space=answers" : "a column"));
          }
        });
  }

  /**
   * The columns that a text names.
   *
   * @param text presets and {@code name=column}, parted by commas; what comes later counts
   * @return the columns
   * @throws IllegalArgumentException if a preset or a name is unknown
   */
  public static Columns parse(String text) {
    SortedMap<String, String> values = new TreeMap<>();
    for (String part : text.split(",", -1)) {
      int at = part.indexOf('=');
      if (at >= 0) {
        values.put(part.substring(0, at).strip(), part.substring(at + 1).strip());
      } else if (PRESETS.containsKey(part.strip())) {
        values.putAll(parse(PRESETS.get(part.strip())).values());
      } else {
        throw new IllegalArgumentException(
            "columns: \""
                + part.strip()
                + "\" is neither name=column nor a preset; "
                + Suggestions.among(part.strip(), presets()));
      }
    }
    return new Columns(values);
  }

  /**
   * The presets.
   *
   * @return their names
   */
  public static List<String> presets() {
    return List.copyOf(PRESETS.keySet());
  }

  /**
   * Whether nothing is named.
   *
   * @return whether files say themselves what is what
   */
  public boolean isEmpty() {
    return values.isEmpty();
  }

  /** The split of a folder that is read, if one was named. */
  Optional<String> split() {
    return Optional.ofNullable(values.get(SPLIT));
  }

  /** Whether rows are to be changed. */
  boolean changesRows() {
    return values.keySet().stream().anyMatch(name -> !name.equals(SPLIT));
  }

  /**
   * A row with the fields that pairs have.
   *
   * @param where what messages call it
   */
  JsonNode apply(JsonNode row, String where) {
    if (!changesRows() || !row.isObject()) {
      return row;
    }
    ObjectNode pair = ((ObjectNode) row).deepCopy();
    String wanted = values.get(COUNTERFACTUAL);
    if (wanted != null) {
      required(row, wanted, where);
      List<String> others = new ArrayList<>();
      row.fieldNames()
          .forEachRemaining(
              name -> {
                if (name.endsWith("_counterfactual") && !name.equals(wanted)) {
                  others.add(name);
                }
              });
      pair.remove(others);
    }
    for (String field : FIELDS) {
      String column = values.get(field);
      if (column != null) {
        JsonNode value = required(row, column, where);
        pair.set(field, field.endsWith("answers") ? list(value) : value);
      }
    }
    if (values.containsKey("clean") && !values.containsKey("wrong_answers")) {
      pair.putIfAbsent("wrong_answers", JsonNodeFactory.instance.arrayNode());
    }
    if (values.containsKey(SPACE)) {
      spaced(pair);
    }
    return pair;
  }

  private static JsonNode required(JsonNode row, String column, String where) {
    JsonNode value = row;
    String at = where;
    if (row.has(column)) {
      return row.get(column);
    }
    for (String name : column.split("\\.", -1)) {
      value = PromptReader.field(value, name, at);
      at += "." + name;
    }
    return value;
  }

  /** One answer is a list of one. */
  private static JsonNode list(JsonNode value) {
    if (value.isArray()) {
      return value;
    }
    return JsonNodeFactory.instance.arrayNode().add(value);
  }

  private static void spaced(ObjectNode pair) {
    for (String field : List.of("answers", "wrong_answers")) {
      ArrayNode spaced = JsonNodeFactory.instance.arrayNode();
      for (JsonNode answer : pair.path(field)) {
        String text = answer.asText();
        boolean bare =
            answer.isTextual() && !text.isEmpty() && !Character.isWhitespace(text.charAt(0));
        spaced.add(bare ? JsonNodeFactory.instance.textNode(" " + text) : answer);
      }
      if (pair.has(field)) {
        pair.set(field, spaced);
      }
    }
  }

  /**
   * As it is typed.
   *
   * @return {@code name=column}, parted by commas, sorted by name
   */
  @Override
  public String toString() {
    return String.join(
        ",", values.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).toList());
  }
}
