package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What the fields of a {@code tokenizer.json}'s components may hold. Each check takes where a value
 * stands and the value, and returns what the library may see of it.
 */
final class TokenizerChecks {
  private static final int MOST_PIECES = 64;
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  /** Checks the value of a field and returns what the library may see of it. */
  interface Check {
    /**
     * Checks it.
     *
     * @throws TokenizerValues.Refused if it is outside what is accepted
     */
    JsonNode apply(String where, JsonNode value);
  }

  private TokenizerChecks() {}

  /** null, or what another check accepts. */
  static Check orNull(Check check) {
    return (where, value) -> value.isNull() ? value : check.apply(where, value);
  }

  /** One of these names. */
  static Check oneOf(List<String> names) {
    return (where, value) -> {
      if (!names.contains(TokenizerValues.text(where, value))) {
        throw new TokenizerValues.Refused(where, "it is not one of " + String.join(", ", names));
      }
      return value;
    };
  }

  /** A whole number in a range. */
  static Check number(int least, int most) {
    return (where, value) -> TokenizerValues.integer(where, value, least, most);
  }

  /** true or false. */
  static JsonNode flag(String where, JsonNode value) {
    if (!value.isBoolean()) {
      throw new TokenizerValues.Refused(
          where, TokenizerValues.shown(value) + " is not true or false");
    }
    return value;
  }

  /** Any text. */
  static JsonNode any(String where, JsonNode value) {
    String ignored = TokenizerValues.text(where, value);
    return value;
  }

  /** A text that is not empty. */
  static JsonNode some(String where, JsonNode value) {
    if (TokenizerValues.text(where, value).isEmpty()) {
      throw new TokenizerValues.Refused(where, "it is empty");
    }
    return value;
  }

  /** One character. */
  static JsonNode character(String where, JsonNode value) {
    String text = TokenizerValues.text(where, value);
    if (text.codePointCount(0, text.length()) != 1) {
      throw new TokenizerValues.Refused(
          where, TokenizerValues.shown(value) + " is not one character");
    }
    return value;
  }

  /** A precompiled map of characters, which {@link TokenizerCharsmap} reads. */
  static JsonNode charsmap(String where, JsonNode value) {
    if (!value.isTextual()) {
      throw new TokenizerValues.Refused(where, TokenizerValues.shown(value) + " is not text");
    }
    return value; // growth() reads it
  }

  /** What a component looks for: a text, or a regular expression that is bounded. */
  static JsonNode pattern(String where, JsonNode value) {
    JsonNode pattern = TokenizerValues.object(where, value);
    if (pattern.size() == 1 && pattern.has("String")) {
      return NODES.objectNode().set("String", some(where, pattern.get("String")));
    }
    if (pattern.size() == 1 && pattern.path("Regex").isTextual()) {
      String regex = pattern.get("Regex").textValue();
      TokenizerValues.whole(where, regex);
      if (regex.isEmpty()) {
        throw new TokenizerValues.Refused(where, "it is empty");
      }
      long ignored = TokenizerGrammar.expression(where + ".Regex", regex);
      return NODES.objectNode().put("Regex", regex);
    }
    throw new TokenizerValues.Refused(where, "it is not one text in a field String or Regex");
  }

  /** A token and its id. */
  static JsonNode tokenAndId(String where, JsonNode value) {
    JsonNode pair = TokenizerValues.array(where, value, 2);
    if (pair.size() != 2) {
      throw new TokenizerValues.Refused(where, "it is not a token and its id");
    }
    return NODES
        .arrayNode()
        .add(any(where + "[0]", pair.get(0)))
        .add(TokenizerValues.integer(where + "[1]", pair.get(1), 0, TokenizerGrammar.MOST_IDS - 1));
  }

  /** The pieces of a template. */
  static JsonNode template(String where, JsonNode value) {
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
              : TokenizerChecks::any;
      checked.add(
          NODES
              .objectNode()
              .set(
                  kind,
                  TokenizerGrammar.fields(
                      at + "." + kind,
                      piece.get(kind),
                      Map.of("id", id, "type_id", number(0, 1 << 16)))));
    }
    return checked;
  }

  /** The special tokens of a template. */
  static JsonNode specialTokens(String where, JsonNode value) {
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
            TokenizerValues.integer(
                at + ".ids[" + i + "]", ids.get(i), 0, TokenizerGrammar.MOST_IDS - 1);
        String ignored = TokenizerValues.text(at + ".tokens[" + i + "]", tokens.get(i));
      }
      ObjectNode kept = checked.putObject(token.getKey());
      kept.set("id", any(at + ".id", entry.path("id")));
      kept.set("ids", ids);
      kept.set("tokens", tokens);
    }
    return checked;
  }
}
