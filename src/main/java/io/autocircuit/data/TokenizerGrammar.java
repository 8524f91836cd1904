package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.TokenizerChecks.Check;
import io.autocircuit.files.DataException;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The components of a {@code tokenizer.json} that are accepted: their types, the fields of each
 * type, and the values of each field. What is returned holds what was checked and nothing else, so
 * that the library sees no field that this class did not.
 */
final class TokenizerGrammar {
  /** Ids are below this. */
  static final int MOST_IDS = 1 << 24;

  /** Added tokens; each makes the library build its search tree once more. */
  static final int MOST_ADDED = 16_384;

  private static final int MOST_ADDED_TEXT = 1 << 20;
  private static final int MOST_COMPONENTS = 32;
  private static final int DEEPEST = 4;

  /** How many times longer the file's own replacements may make a text. */
  private static final double MOST_GROWTH = 64;

  /** Code points of a text when the regular expressions see it, at most. */
  static final int LONGEST_NORMALIZED = 1 << 21;

  /** Where the engine gives up, and the process with it, is 10,000,000. */
  private static final double MOST_STEPS_BACK = 9e6;

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final Set<String> ADDING =
      Set.of("TemplateProcessing", "BertProcessing", "RobertaProcessing");

  /** The kinds of components, and under which name a sequence holds its members. */
  enum Kind {
    NORMALIZER("normalizer", "normalizers"),
    PRE_TOKENIZER("pre_tokenizer", "pretokenizers"),
    POST_PROCESSOR("post_processor", "processors"),
    DECODER("decoder", "decoders");

    private final String field;
    private final String members;

    Kind(String field, String members) {
      this.field = field;
      this.members = members;
    }

    String field() {
      return field;
    }
  }

  private int components;
  private int adding;
  private double growth = 1;
  private double unicodeGrowth = 1;

  private TokenizerGrammar() {}

  /**
   * A component as the library may see it.
   *
   * @param growth how many times longer it makes a text, at most
   */
  record Checked(JsonNode value, double growth) {}

  /**
   * Checks a component.
   *
   * @throws TokenizerValues.Refused if it is outside what is accepted
   */
  static Checked check(Kind kind, JsonNode value) {
    if (value.isNull()) {
      return new Checked(value, 1);
    }
    TokenizerGrammar grammar = new TokenizerGrammar();
    JsonNode checked = grammar.component(kind, kind.field, value, 1);
    return new Checked(checked, grammar.growth * grammar.unicodeGrowth);
  }

  private JsonNode component(Kind kind, String where, JsonNode value, int depth) {
    if (++components > MOST_COMPONENTS) {
      throw new TokenizerValues.Refused(
          kind.field, "it has more components than the limit=" + MOST_COMPONENTS);
    }
    String type =
        TokenizerValues.text(where + ".type", TokenizerValues.object(where, value).path("type"));
    if (type.equals("Sequence")) {
      if (depth > DEEPEST) {
        throw new TokenizerValues.Refused(
            kind.field, "its sequences are nested deeper than the limit=" + DEEPEST);
      }
      TokenizerValues.onlyKnown(where, value, Set.of("type", kind.members));
      ObjectNode sequence = NODES.objectNode().put("type", type);
      ArrayNode members = sequence.putArray(kind.members);
      String inside = where + "." + kind.members;
      JsonNode list = TokenizerValues.array(inside, value.path(kind.members), MOST_COMPONENTS);
      for (int i = 0; i < list.size(); i++) {
        members.add(component(kind, inside + "[" + i + "]", list.get(i), depth + 1));
      }
      return sequence;
    }
    Map<String, Check> fields = TokenizerTypes.of(kind).get(type);
    if (fields == null) {
      throw new TokenizerValues.Refused(
          where,
          String.format(
              "type=%s is not one of %s, Sequence",
              DataException.quote(type),
              TokenizerTypes.of(kind).keySet().stream()
                  .sorted()
                  .collect(Collectors.joining(", "))));
    }
    ObjectNode checked = fields(where, value, fields);
    grow(where, type, checked);
    if (ADDING.contains(type) && ++adding > 1) {
      throw new TokenizerValues.Refused(where, "a second component that adds special tokens");
    }
    return checked;
  }

  /** Checks an object by the checks of its fields, and drops fields that mean nothing. */
  static ObjectNode fields(String where, JsonNode value, Map<String, Check> fields) {
    TokenizerValues.onlyKnown(where, value, fields.keySet());
    ObjectNode checked = NODES.objectNode();
    if (value.has("type")) {
      checked.set("type", value.get("type"));
    }
    fields.forEach(
        (name, check) -> {
          if (value.has(name)) {
            checked.set(name, check.apply(where + "." + name, value.get(name)));
          }
        });
    return checked;
  }

  /** Keeps count of how much longer texts can become. */
  private void grow(String where, String type, ObjectNode component) {
    switch (type) {
      case "NFKC", "NFKD" -> unicodeGrowth = Math.max(unicodeGrowth, 18);
      case "NFC", "NFD", "BertNormalizer", "Lowercase" ->
          unicodeGrowth = Math.max(unicodeGrowth, 4);
      case "ByteLevel" -> growth *= 2;
      case "Precompiled" -> {
        try {
          growth *= TokenizerCharsmap.growth(component.path("precompiled_charsmap").asText());
        } catch (IllegalArgumentException e) {
          throw new TokenizerValues.Refused(where + ".precompiled_charsmap", e.getMessage());
        }
      }
      case "Replace" -> {
        JsonNode pattern = component.path("pattern");
        String content = component.path("content").asText();
        long least =
            pattern.has("String")
                ? bytes(pattern.get("String").textValue())
                : expression(where + ".pattern.Regex", pattern.path("Regex").asText());
        if (least == 0 && component.has("pattern")) {
          throw new TokenizerValues.Refused(
              where + ".pattern.Regex",
              DataException.quote(component.path("pattern").path("Regex").asText())
                  + " is not accepted: it can match nothing, and the library cannot replace that");
        }
        growth *= Math.max(1, (double) bytes(content) / Math.max(1, least));
      }
      default -> {}
    }
    if (growth > MOST_GROWTH) {
      throw new TokenizerValues.Refused(
          where,
          "with those before it, it can make a text more than " + MOST_GROWTH + " times longer");
    }
  }

  private static int bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8).length;
  }

  /**
   * Checks a regular expression.
   *
   * @return the fewest bytes that it matches
   * @throws TokenizerValues.Refused if it is outside what is accepted
   */
  static long expression(String where, String regex) {
    try {
      return TokenizerRegex.check(regex, LONGEST_NORMALIZED, MOST_STEPS_BACK);
    } catch (TokenizerRegex.Refused e) {
      throw new TokenizerValues.Refused(
          where, DataException.quote(regex) + " is not accepted: " + e.getMessage());
    }
  }

  /**
   * Checks the added tokens.
   *
   * @throws TokenizerValues.Refused if they are outside what is accepted
   */
  static JsonNode addedTokens(JsonNode value) {
    ArrayNode checked = NODES.arrayNode();
    JsonNode list = TokenizerValues.array("added_tokens", value, MOST_ADDED);
    long length = 0;
    for (int i = 0; i < list.size(); i++) {
      String where = "added_tokens[" + i + "]";
      length += list.get(i).path("content").asText().length();
      if (length > MOST_ADDED_TEXT) {
        throw new TokenizerValues.Refused(
            "added_tokens", "their texts together are longer than the limit=" + MOST_ADDED_TEXT);
      }
      checked.add(
          fields(where, TokenizerValues.object(where, list.get(i)), TokenizerTypes.ADDED_TOKEN));
    }
    return checked;
  }

  /**
   * Checks that a template names no special token that it does not define; the library would end
   * the process.
   *
   * @throws TokenizerValues.Refused if it does
   */
  static void templatesAreComplete(JsonNode postProcessor) {
    for (JsonNode template : postProcessor.findParents("special_tokens")) {
      Set<String> defined = new HashSet<>();
      template.get("special_tokens").fieldNames().forEachRemaining(defined::add);
      for (String part : List.of("single", "pair")) {
        for (JsonNode piece : template.path(part)) {
          JsonNode id = piece.path("SpecialToken").path("id");
          if (id.isTextual() && !defined.contains(id.textValue())) {
            throw new TokenizerValues.Refused(
                "post_processor." + part,
                "token="
                    + DataException.quote(id.textValue())
                    + " is not in its special_tokens; define it there");
          }
        }
      }
    }
  }
}
