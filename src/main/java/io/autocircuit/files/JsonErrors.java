package io.autocircuit.files;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import java.nio.charset.CharacterCodingException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What is wrong with a JSON text, in words of our own. */
public final class JsonErrors {
  private static final Pattern CODE = Pattern.compile("code (\\d+)");
  private static final Pattern QUOTED = Pattern.compile("(?s)^[^']*'(.*)'");
  private static final Pattern EXPLANATION =
      Pattern.compile("(?s)': (was expecting|enable|expected|no open) .*$");
  private static final Pattern LIMIT = Pattern.compile("maximum allowed \\((\\d+)");

  private JsonErrors() {}

  /**
   * The exception for a text that does not parse.
   *
   * @param source how messages call it
   * @param parser where it stopped
   * @param e what the parser says
   * @return one that says the place in words of our own, whatever the parser's are
   */
  public static DataException syntax(String source, JsonParser parser, JsonProcessingException e) {
    return invalid(source, e.getLocation(), parser, words(e, parser), e);
  }

  /** The exception for text after the end of the value. */
  static DataException trailing(String source, JsonParser parser, JsonProcessingException e) {
    JsonLocation at = e == null ? parser.currentTokenLocation() : e.getLocation();
    boolean lines = at != null && at.getLineNr() > 1;
    return invalid(
        source,
        at,
        parser,
        "there is more after the value's end"
            + (lines ? "; if these are JSON lines, make them one list: [ , ]" : ""),
        e);
  }

  /**
   * The exception for bytes that are not UTF-8.
   *
   * @param source how messages call the text
   * @param e what the decoder says
   * @return one that names the source
   */
  public static DataException encoding(String source, CharacterCodingException e) {
    return new DataException(
        "file=" + source + ": invalid JSON: it is not UTF-8 text; save it as UTF-8", e);
  }

  private static DataException invalid(
      String source, JsonLocation location, JsonParser parser, String words, Throwable cause) {
    JsonLocation at = location == null ? parser.currentLocation() : location;
    return new DataException(
        String.format(
            "file=%s line=%d column=%d: invalid JSON: %s; correct the file or write it again",
            source, at.getLineNr(), at.getColumnNr(), words),
        cause);
  }

  private static String words(JsonProcessingException e, JsonParser parser) {
    String said = String.valueOf(e.getOriginalMessage());
    if (e instanceof StreamConstraintsException) {
      return limit(said);
    }
    if (e instanceof JsonEOFException) {
      return "it ends in the middle of a value (is the file cut short?)";
    }
    if (said.startsWith("Duplicate field")) {
      return "the name " + quoted(said) + " occurs twice in one object";
    }
    if (said.startsWith("Non-standard token")) {
      return at(parser) + quoted(said) + ": JSON has neither NaN nor infinity";
    }
    if (said.startsWith("Unrecognized token")) {
      return at(parser) + word(said);
    }
    if (said.startsWith("Unexpected close marker")) {
      return "the bracket " + quoted(said) + " closes nothing here";
    }
    if (said.startsWith("Illegal unquoted character")) {
      return "a control character (code "
          + code(said)
          + ") stands in a text as it is; write it with a backslash, a line break as \\n";
    }
    if (said.startsWith("Illegal character")) {
      return "a control character (code " + code(said) + ") stands between values";
    }
    if (said.startsWith("Unrecognized character escape")) {
      return "backslash and " + character(said) + " is no escape of JSON";
    }
    if (said.startsWith("Invalid numeric value") || said.contains("in numeric value")) {
      return at(parser) + "a number is not written as JSON's are (01, +1, 1., .5 and 1e are not)";
    }
    if (said.startsWith("Unexpected character")) {
      return at(parser) + unexpected(character(said), said, parser);
    }
    return at(parser) + "it is not JSON here";
  }

  private static String limit(String said) {
    Matcher number = LIMIT.matcher(said);
    String most = number.find() ? number.group(1) : "allowed";
    if (said.contains("nesting depth")) {
      return "values are nested deeper than " + most;
    }
    if (said.startsWith("Number")) {
      return "a number has more than " + most + " characters";
    }
    if (said.startsWith("Name")) {
      return "a name has more than " + most + " characters";
    }
    if (said.startsWith("String")) {
      return "a text has more than " + most + " characters";
    }
    if (said.startsWith("Token")) {
      return "it holds more than " + most + " values, names and brackets, too many for this file";
    }
    return "it is larger than " + most;
  }

  private static String word(String said) {
    String word = quoted(said);
    boolean python = word.matches("\"(True|False|None)\"");
    return "the word "
        + word
        + " is no JSON"
        + (python
            ? " (it writes true, false and null)"
            : " (texts stand in double quotes; without are true, false, null and numbers)");
  }

  private static String unexpected(String character, String said, JsonParser parser) {
    boolean value = said.contains("a valid value");
    if ((character.equals("\"]\"") && value && parser.getParsingContext().inArray())
        || (character.equals("\"}\"") && said.contains("double-quote"))) {
      return "there is a comma before the closing bracket "
          + character
          + ", where JSON allows none; remove the comma";
    }
    if (character.equals("\",\"") && parser.getParsingContext().inRoot()) {
      return "there is a comma after a value that stands by itself; end JSON lines without commas,"
          + " or make them one list: [ , ]";
    }
    return "unexpected character "
        + character
        + (character.equals("\"#\"") ? " (JSON has no comments)" : needed(said));
  }

  private static String needed(String said) {
    if (said.contains("double-quote")) {
      return " (a name in double quotes is needed)";
    }
    if (said.contains("comma to separate")) {
      return " (a comma or the closing bracket is needed)";
    }
    if (said.contains("colon")) {
      return " (a colon after the name is needed)";
    }
    if (said.contains("comment")) {
      return " (JSON has no comments)";
    }
    return said.contains("a valid value") ? " (a value is needed)" : "";
  }

  /** The JSON pointer of the value that is being read, for the middle of a sentence. */
  private static String at(JsonParser parser) {
    String pointer = parser.getParsingContext().pathAsPointer().toString();
    return pointer.isEmpty() ? "" : "at " + DataException.printable(pointer, 120) + " ";
  }

  private static String quoted(String said) {
    Matcher text = QUOTED.matcher(EXPLANATION.matcher(said).replaceFirst("'"));
    return text.find() ? DataException.quote(text.group(1)) : "(unknown)";
  }

  private static String code(String said) {
    Matcher code = CODE.matcher(said);
    return code.find() ? code.group(1) : "unknown";
  }

  private static String character(String said) {
    String code = code(said);
    return code.equals("unknown")
        ? code
        : DataException.quote(Character.toString(Integer.parseInt(code)));
  }
}
