package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
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
  private static final int MOST_PIECES = 64;

  /** How many times longer the file's own replacements may make a text. */
  private static final double MOST_GROWTH = 64;

  /** Code points of a text when the regular expressions see it, at most. */
  static final int LONGEST_NORMALIZED = 1 << 21;

  /** Where the engine gives up, and the process with it, is 10,000,000. */
  private static final double MOST_STEPS_BACK = 9e6;

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final Set<String> ADDING =
      Set.of("TemplateProcessing", "BertProcessing", "RobertaProcessing");

  /** Checks the value of a field and returns what the library may see of it. */
  private interface Check {
    JsonNode apply(TokenizerGrammar grammar, String where, JsonNode value);
  }

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
    Map<String, Check> fields = types(kind).get(type);
    if (fields == null) {
      throw new TokenizerValues.Refused(
          where,
          String.format(
              "type=%s is not one of %s, Sequence",
              DataException.quote(type),
              types(kind).keySet().stream().sorted().collect(Collectors.joining(", "))));
    }
    ObjectNode checked = fields(where, value, fields);
    grow(where, type, checked);
    if (ADDING.contains(type) && ++adding > 1) {
      throw new TokenizerValues.Refused(where, "a second component that adds special tokens");
    }
    return checked;
  }

  /** Checks an object by the checks of its fields, and drops fields that mean nothing. */
  private ObjectNode fields(String where, JsonNode value, Map<String, Check> fields) {
    TokenizerValues.onlyKnown(where, value, fields.keySet());
    ObjectNode checked = NODES.objectNode();
    if (value.has("type")) {
      checked.set("type", value.get("type"));
    }
    fields.forEach(
        (name, check) -> {
          if (value.has(name)) {
            checked.set(name, check.apply(this, where + "." + name, value.get(name)));
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

  private static long expression(String where, String regex) {
    try {
      return TokenizerRegex.check(regex, LONGEST_NORMALIZED, MOST_STEPS_BACK);
    } catch (TokenizerRegex.Refused e) {
      throw new TokenizerValues.Refused(
          where, DataException.quote(regex) + " is not accepted: " + e.getMessage());
    }
  }

  // ---- the types ----

  private static Map<String, Map<String, Check>> types(Kind kind) {
    return switch (kind) {
      case NORMALIZER -> NORMALIZERS;
      case PRE_TOKENIZER -> PRE_TOKENIZERS;
      case POST_PROCESSOR -> POST_PROCESSORS;
      case DECODER -> DECODERS;
    };
  }

  private static Map<String, Map<String, Check>> normalizers() {
    Map<String, Map<String, Check>> types = new HashMap<>();
    types.put(
        "BertNormalizer",
        Map.of(
            "clean_text", TokenizerGrammar::flag,
            "handle_chinese_chars", TokenizerGrammar::flag,
            "strip_accents", orNull(TokenizerGrammar::flag),
            "lowercase", TokenizerGrammar::flag));
    types.put(
        "Strip",
        Map.of("strip_left", TokenizerGrammar::flag, "strip_right", TokenizerGrammar::flag));
    for (String plain :
        List.of("StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt", "ByteLevel")) {
      types.put(plain, Map.of());
    }
    types.put("Precompiled", Map.of("precompiled_charsmap", TokenizerGrammar::charsmap));
    types.put(
        "Replace", Map.of("pattern", TokenizerGrammar::pattern, "content", TokenizerGrammar::any));
    types.put("Prepend", Map.of("prepend", TokenizerGrammar::some));
    return types;
  }

  private static final List<String> BEHAVIORS =
      List.of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous");

  private static Map<String, Check> byteLevel() {
    return Map.of(
        "add_prefix_space", TokenizerGrammar::flag,
        "trim_offsets", TokenizerGrammar::flag,
        "use_regex", TokenizerGrammar::flag);
  }

  private static Map<String, Check> metaspace() {
    return Map.of(
        "replacement", TokenizerGrammar::character,
        "str_rep", TokenizerGrammar::character,
        "add_prefix_space", TokenizerGrammar::flag,
        "prepend_scheme", oneOf(List.of("first", "never", "always")),
        "split", TokenizerGrammar::flag);
  }

  private static Map<String, Map<String, Check>> preTokenizers() {
    Map<String, Map<String, Check>> types = new HashMap<>();
    for (String plain :
        List.of("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts")) {
      types.put(plain, Map.of());
    }
    types.put("ByteLevel", byteLevel());
    types.put("Metaspace", metaspace());
    types.put("CharDelimiterSplit", Map.of("delimiter", TokenizerGrammar::character));
    types.put("Punctuation", Map.of("behavior", oneOf(BEHAVIORS)));
    types.put("Digits", Map.of("individual_digits", TokenizerGrammar::flag));
    types.put("FixedLength", Map.of("length", number(1, 1 << 20)));
    types.put(
        "Split",
        Map.of(
            "pattern", TokenizerGrammar::pattern,
            "behavior", oneOf(BEHAVIORS),
            "invert", TokenizerGrammar::flag));
    return types;
  }

  private static Map<String, Map<String, Check>> postProcessors() {
    return Map.of(
        "ByteLevel",
        byteLevel(),
        "BertProcessing",
        Map.of("sep", TokenizerGrammar::tokenAndId, "cls", TokenizerGrammar::tokenAndId),
        "RobertaProcessing",
        Map.of(
            "sep", TokenizerGrammar::tokenAndId,
            "cls", TokenizerGrammar::tokenAndId,
            "trim_offsets", TokenizerGrammar::flag,
            "add_prefix_space", TokenizerGrammar::flag),
        "TemplateProcessing",
        Map.of(
            "single", TokenizerGrammar::template,
            "pair", TokenizerGrammar::template,
            "special_tokens", TokenizerGrammar::specialTokens));
  }

  private static Map<String, Map<String, Check>> decoders() {
    return Map.of(
        "ByteLevel",
        byteLevel(),
        "Metaspace",
        metaspace(),
        "BPEDecoder",
        Map.of("suffix", TokenizerGrammar::any),
        "WordPiece",
        Map.of("prefix", TokenizerGrammar::any, "cleanup", TokenizerGrammar::flag),
        "CTC",
        Map.of(
            "pad_token", TokenizerGrammar::any,
            "word_delimiter_token", TokenizerGrammar::any,
            "cleanup", TokenizerGrammar::flag),
        "Replace",
        Map.of("pattern", TokenizerGrammar::pattern, "content", TokenizerGrammar::any),
        "Fuse",
        Map.of(),
        "ByteFallback",
        Map.of(),
        "Strip",
        Map.of(
            "content", TokenizerGrammar::character,
            "start", number(0, TokenizerValues.LONGEST_TEXT),
            // The library cannot cut the end of a token that is shorter.
            "stop", number(0, 0)));
  }

  private static final Map<String, Map<String, Check>> NORMALIZERS = normalizers();
  private static final Map<String, Map<String, Check>> PRE_TOKENIZERS = preTokenizers();
  private static final Map<String, Map<String, Check>> POST_PROCESSORS = postProcessors();
  private static final Map<String, Map<String, Check>> DECODERS = decoders();

  private static final Map<String, Check> ADDED_TOKEN =
      Map.of(
          "id", number(0, MOST_IDS - 1),
          "content", TokenizerGrammar::some,
          "single_word", TokenizerGrammar::flag,
          "lstrip", TokenizerGrammar::flag,
          "rstrip", TokenizerGrammar::flag,
          "normalized", TokenizerGrammar::flag,
          "special", TokenizerGrammar::flag);

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
          new TokenizerGrammar()
              .fields(where, TokenizerValues.object(where, list.get(i)), ADDED_TOKEN));
    }
    return checked;
  }

  // ---- the values ----

  private static Check orNull(Check check) {
    return (grammar, where, value) -> value.isNull() ? value : check.apply(grammar, where, value);
  }

  private static Check oneOf(List<String> names) {
    return (grammar, where, value) -> {
      if (!names.contains(TokenizerValues.text(where, value))) {
        throw new TokenizerValues.Refused(where, "it is not one of " + String.join(", ", names));
      }
      return value;
    };
  }

  private static Check number(int least, int most) {
    return (grammar, where, value) -> TokenizerValues.integer(where, value, least, most);
  }

  private static JsonNode flag(TokenizerGrammar grammar, String where, JsonNode value) {
    if (!value.isBoolean()) {
      throw new TokenizerValues.Refused(
          where, TokenizerValues.shown(value) + " is not true or false");
    }
    return value;
  }

  private static JsonNode any(TokenizerGrammar grammar, String where, JsonNode value) {
    String ignored = TokenizerValues.text(where, value);
    return value;
  }

  private static JsonNode some(TokenizerGrammar grammar, String where, JsonNode value) {
    if (TokenizerValues.text(where, value).isEmpty()) {
      throw new TokenizerValues.Refused(where, "it is empty");
    }
    return value;
  }

  private static JsonNode character(TokenizerGrammar grammar, String where, JsonNode value) {
    String text = TokenizerValues.text(where, value);
    if (text.codePointCount(0, text.length()) != 1) {
      throw new TokenizerValues.Refused(
          where, TokenizerValues.shown(value) + " is not one character");
    }
    return value;
  }

  private static JsonNode charsmap(TokenizerGrammar grammar, String where, JsonNode value) {
    if (!value.isTextual()) {
      throw new TokenizerValues.Refused(where, TokenizerValues.shown(value) + " is not text");
    }
    return value; // growth() reads it
  }

  private static JsonNode pattern(TokenizerGrammar grammar, String where, JsonNode value) {
    JsonNode pattern = TokenizerValues.object(where, value);
    if (pattern.size() == 1 && pattern.has("String")) {
      return NODES.objectNode().set("String", some(grammar, where, pattern.get("String")));
    }
    if (pattern.size() == 1 && pattern.path("Regex").isTextual()) {
      String regex = pattern.get("Regex").textValue();
      TokenizerValues.whole(where, regex);
      if (regex.isEmpty()) {
        throw new TokenizerValues.Refused(where, "it is empty");
      }
      long ignored = expression(where + ".Regex", regex);
      return NODES.objectNode().put("Regex", regex);
    }
    throw new TokenizerValues.Refused(where, "it is not one text in a field String or Regex");
  }

  private static JsonNode tokenAndId(TokenizerGrammar grammar, String where, JsonNode value) {
    JsonNode pair = TokenizerValues.array(where, value, 2);
    if (pair.size() != 2) {
      throw new TokenizerValues.Refused(where, "it is not a token and its id");
    }
    return NODES
        .arrayNode()
        .add(any(grammar, where + "[0]", pair.get(0)))
        .add(TokenizerValues.integer(where + "[1]", pair.get(1), 0, MOST_IDS - 1));
  }

  private static JsonNode template(TokenizerGrammar grammar, String where, JsonNode value) {
    ArrayNode checked = NODES.arrayNode();
    JsonNode pieces = TokenizerValues.array(where, value, MOST_PIECES);
    for (int i = 0; i < pieces.size(); i++) {
      String at = where + "[" + i + "]";
      JsonNode piece = TokenizerValues.object(at, pieces.get(i));
      String kind = piece.has("Sequence") ? "Sequence" : "SpecialToken";
      if (piece.size() != 1 || !piece.path(kind).isObject()) {
        throw new TokenizerValues.Refused(at, "it is not one Sequence or SpecialToken");
      }
      Check id =
          kind.equals("Sequence")
              ? oneOf(where.endsWith(".single") ? List.of("A") : List.of("A", "B"))
              : TokenizerGrammar::any;
      checked.add(
          NODES
              .objectNode()
              .set(
                  kind,
                  grammar.fields(
                      at + "." + kind,
                      piece.get(kind),
                      Map.of("id", id, "type_id", number(0, 1 << 16)))));
    }
    return checked;
  }

  private static JsonNode specialTokens(TokenizerGrammar grammar, String where, JsonNode value) {
    if (TokenizerValues.object(where, value).size() > MOST_PIECES * 16) {
      throw new TokenizerValues.Refused(
          where, "it has more tokens than the limit=" + MOST_PIECES * 16);
    }
    ObjectNode checked = NODES.objectNode();
    for (Map.Entry<String, JsonNode> token : value.properties()) {
      String at = where + "[" + DataException.quote(token.getKey()) + "]";
      TokenizerValues.whole(at, token.getKey());
      JsonNode entry = TokenizerValues.object(at, token.getValue());
      TokenizerValues.onlyKnown(at, entry, Set.of("id", "ids", "tokens"));
      JsonNode ids = TokenizerValues.array(at + ".ids", entry.path("ids"), MOST_PIECES);
      JsonNode tokens = TokenizerValues.array(at + ".tokens", entry.path("tokens"), MOST_PIECES);
      if (ids.size() != tokens.size()) {
        throw new TokenizerValues.Refused(
            at,
            String.format(
                "ids=%d and tokens=%d are not equally many; name one token for each id",
                ids.size(), tokens.size()));
      }
      for (int i = 0; i < ids.size(); i++) {
        JsonNode unusedId =
            TokenizerValues.integer(at + ".ids[" + i + "]", ids.get(i), 0, MOST_IDS - 1);
        String ignored = TokenizerValues.text(at + ".tokens[" + i + "]", tokens.get(i));
      }
      ObjectNode kept = checked.putObject(token.getKey());
      kept.set("id", any(grammar, at + ".id", entry.path("id")));
      kept.set("ids", ids);
      kept.set("tokens", tokens);
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
