package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The settings of a tokenizer's model: all but its vocabulary and merges. */
final class TokenizerModel {
  /** Characters of a word that WordPiece looks up; all known files have 100. */
  private static final int LONGEST_WORD = 200;

  private static final Set<String> TEXTS =
      Set.of("unk_token", "continuing_subword_prefix", "end_of_word_suffix");
  private static final Map<String, Set<String>> FIELDS =
      Map.of(
          "BPE",
          Set.of(
              "dropout",
              "unk_token",
              "continuing_subword_prefix",
              "end_of_word_suffix",
              "fuse_unk",
              "byte_fallback",
              "ignore_merges"),
          "WordPiece",
          Set.of("unk_token", "continuing_subword_prefix", "max_input_chars_per_word"),
          "WordLevel",
          Set.of("unk_token"),
          "Unigram",
          Set.of("unk_id", "byte_fallback"));

  private TokenizerModel() {}

  /**
   * The model's type; files of old have none, and are told apart by what they have.
   *
   * @param scored whether the vocabulary has scores
   * @param merges whether it has merges
   * @throws TokenizerValues.Refused if the type is not known
   */
  static String type(Map<String, JsonNode> settings, boolean scored, boolean merges) {
    JsonNode named = settings.get("type");
    if (named == null) {
      return scored
          ? "Unigram"
          : merges
              ? "BPE"
              : settings.containsKey("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
    }
    if (!FIELDS.containsKey(named.asText())) {
      throw new TokenizerValues.Refused(
          "model",
          "type="
              + DataException.quote(named.asText())
              + " is not one of BPE, Unigram, WordLevel, WordPiece");
    }
    return named.asText();
  }

  /**
   * The settings that the library may see, {@code type} first.
   *
   * @throws TokenizerValues.Refused if they are outside what is accepted
   */
  static JsonNode settings(
      String type, Map<String, JsonNode> settings, boolean scored, boolean merges) {
    if (scored != type.equals("Unigram") || merges != type.equals("BPE")) {
      throw new TokenizerValues.Refused(
          "model",
          String.format(
              "a %s with a vocabulary %s scores and %s merges",
              type, scored ? "with" : "without", merges ? "with" : "without"));
    }
    ObjectNode all = JsonNodeFactory.instance.objectNode();
    all.setAll(settings);
    TokenizerValues.onlyKnown("model", all, FIELDS.get(type));
    ObjectNode checked = JsonNodeFactory.instance.objectNode().put("type", type);
    settings.forEach(
        (name, value) -> {
          if (FIELDS.get(type).contains(name)) {
            checked.set(name, setting("model." + name, name, value));
          }
        });
    return checked;
  }

  private static JsonNode setting(String where, String name, JsonNode value) {
    if (name.equals("dropout")) {
      if (!value.isNull() && !(value.isNumber() && value.doubleValue() == 0)) {
        throw new TokenizerValues.Refused(
            where, "it makes tokens random; set it to null in the file");
      }
      return JsonNodeFactory.instance.nullNode();
    }
    if (value.isNull()) {
      return value;
    }
    if (TEXTS.contains(name)) {
      if (!value.isTextual() || value.textValue().length() > TokenizerValues.LONGEST_TEXT) {
        throw new TokenizerValues.Refused(where, "it is not a text of usual length");
      }
      TokenizerValues.whole(where, value.textValue());
      return value;
    }
    if (name.equals("max_input_chars_per_word") || name.equals("unk_id")) {
      int most = name.equals("unk_id") ? TokenizerGrammar.MOST_IDS - 1 : LONGEST_WORD;
      if (!value.isInt() || value.intValue() < 0 || value.intValue() > most) {
        throw new TokenizerValues.Refused(where, "it is not a whole number from 0 to " + most);
      }
      return value;
    }
    if (!value.isBoolean()) {
      throw new TokenizerValues.Refused(where, "it is not true or false");
    }
    return value;
  }

  /**
   * Checks that the second token of each merge begins with the prefix, in ASCII, that the library
   * cuts off without a look.
   *
   * @throws TokenizerValues.Refused if one does not
   */
  static void mergesFitPrefix(String prefix, JsonNode merges) {
    if (!prefix.chars().allMatch(c -> c < 128)) {
      throw new TokenizerValues.Refused(
          "model.continuing_subword_prefix", "it is not ASCII, which the library needs for merges");
    }
    for (JsonNode merge : merges) {
      List<String> tokens =
          merge.isArray()
              ? List.of(merge.get(0).textValue(), merge.get(1).textValue())
              : List.of(merge.textValue().split(" ", -1));
      if (!tokens.get(tokens.size() - 1).startsWith(prefix)) {
        throw new TokenizerValues.Refused(
            "model.merges",
            DataException.quote(tokens.get(tokens.size() - 1))
                + " does not begin with continuing_subword_prefix="
                + DataException.quote(prefix));
      }
    }
  }
}
