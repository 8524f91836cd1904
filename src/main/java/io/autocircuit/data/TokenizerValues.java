package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import java.util.Set;

/** Checks of single values of a {@code tokenizer.json}. */
final class TokenizerValues {
  /** UTF-16 code units of a token, a pattern or any other text of a component. */
  static final int LONGEST_TEXT = 1024;

  private TokenizerValues() {}

  /** Something outside what is accepted; {@link TokenizerFile} puts the file's name before it. */
  @SuppressWarnings("serial")
  static final class Refused extends RuntimeException {
    Refused(String where, String what) {
      super(where + ": " + what);
    }
  }

  /**
   * Fields that no one knows are dropped where they are switched off, and refused where they are
   * not: a newer library may give them a meaning.
   */
  static void onlyKnown(String where, JsonNode value, Set<String> known) {
    value
        .properties()
        .forEach(
            field -> {
              boolean off =
                  field.getValue().isNull()
                      || field.getValue().isBoolean() && !field.getValue().booleanValue()
                      || field.getValue().isContainerNode() && field.getValue().isEmpty();
              if (!off && !known.contains(field.getKey()) && !field.getKey().equals("type")) {
                throw new Refused(
                    where,
                    "field="
                        + DataException.quote(field.getKey())
                        + " is not known; remove it if it has no meaning");
              }
            });
  }

  /**
   * A whole number.
   *
   * @throws Refused if it is another value, or outside {@code least} and {@code most}
   */
  static JsonNode integer(String where, JsonNode value, int least, int most) {
    if (!value.isIntegralNumber()
        || !value.canConvertToLong()
        || value.longValue() < least
        || value.longValue() > most) {
      throw new Refused(
          where, shown(value) + " is not a whole number from " + least + " to " + most);
    }
    return value;
  }

  /**
   * An object.
   *
   * @throws Refused if it is another value
   */
  static JsonNode object(String where, JsonNode value) {
    if (!value.isObject()) {
      throw new Refused(where, shown(value) + " is not an object");
    }
    return value;
  }

  /**
   * A list of at most {@code most} values.
   *
   * @throws Refused if it is another value or longer
   */
  static JsonNode array(String where, JsonNode value, int most) {
    if (!value.isArray()) {
      throw new Refused(where, shown(value) + " is not a list");
    }
    if (value.size() > most) {
      throw new Refused(where, "count=" + value.size() + " is more than the limit=" + most);
    }
    return value;
  }

  /**
   * A text of at most {@link #LONGEST_TEXT} UTF-16 code units.
   *
   * @throws Refused if it is another value, longer, or no text in UTF-8
   */
  static String text(String where, JsonNode value) {
    if (!value.isTextual()) {
      throw new Refused(where, shown(value) + " is not text");
    }
    String text = value.textValue();
    if (text.length() > LONGEST_TEXT) {
      throw new Refused(
          where, "length=" + text.length() + " is more than the limit=" + LONGEST_TEXT);
    }
    whole(where, text);
    return text;
  }

  /** Refuses half of a surrogate pair, which is no text in UTF-8. */
  static void whole(String where, String text) {
    if (halfSurrogate(text)) {
      throw new Refused(where, "it has half of a surrogate pair, which is not text");
    }
  }

  /** Whether a text has half of a surrogate pair. */
  static boolean halfSurrogate(String text) {
    return text.codePoints().anyMatch(c -> c >= 0xD800 && c <= 0xDFFF);
  }

  /** A value as it may appear in a message. */
  static String shown(JsonNode value) {
    return value.isMissingNode()
        ? "it is missing and"
        : value.isTextual()
            ? DataException.quote(value.textValue())
            : value.isContainerNode()
                ? value.isArray() ? "a list" : "an object"
                : DataException.quote(value.asText());
  }
}
