package io.autocircuit.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.StringReader;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * A {@code tokenizer.json} before the library sees it. The library trusts the file: a wrong length,
 * a missing name or an expression that backtracks ends the process or never ends. So the file is
 * read here first, what is outside {@code docs/tokenizers.md} is refused, and the library gets a
 * file that is written anew from what was read. Vocabulary and merges are read as a stream, since
 * they are most of the file, and are copied as they are.
 */
final class TokenizerFile {
  /** Bytes of a file; the largest in use has 33 million. */
  static final long LARGEST = 128L << 20;

  private static final String CURE = "docs/tokenizers.md lists what is accepted and its limits";
  private static final int DEEPEST = 64;

  /** Entries of a vocabulary; known ones have fewer than a million. */
  private static final int MOST_ENTRIES = 1 << 21;

  private static final String VOCAB = "model.vocab";
  private static final String MERGES = "model.merges";
  private static final int MOST_MERGES = 1 << 22;

  /** JSON values in all other parts together. */
  private static final int MOST_VALUES = 500_000;

  /** UTF-16 code units of one text to tokenise, however little the file lengthens it. */
  private static final int LONGEST_TEXT = 1 << 18;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(DEEPEST).build())
          .build();

  /**
   * A file that may be loaded.
   *
   * @param json what the library may see
   * @param longestText the most UTF-16 code units of a text to tokenise
   */
  record Checked(byte[] json, int longestText) {}

  private final String text;
  private final JsonParser parser;
  private int values;
  private final Map<TokenizerGrammar.Kind, JsonNode> components =
      new EnumMap<>(TokenizerGrammar.Kind.class);
  private JsonNode added = JsonNodeFactory.instance.arrayNode();
  private double growth = 1;
  private Model model;

  /** A part of the text. */
  private record Range(int from, int to) {}

  /**
   * The model.
   *
   * @param settings all but the rest
   * @param merges null if there are none
   */
  private record Model(JsonNode settings, Range vocab, Range merges) {}

  private TokenizerFile(String text) throws IOException {
    this.text = text;
    this.parser = FACTORY.createParser(new StringReader(text));
  }

  /**
   * Checks a file.
   *
   * @param file what messages call it
   * @throws DataException if it is damaged or outside what is accepted
   */
  static Checked check(Path file, byte[] bytes) {
    try {
      TokenizerFile read = new TokenizerFile(utf8(bytes));
      read.whole();
      return read.checked();
    } catch (StreamConstraintsException e) {
      throw refused(
          file,
          "it is nested deeper than " + DEEPEST + ", or a name or number is too long",
          CURE,
          e);
    } catch (JsonProcessingException e) {
      JsonLocation at = e.getLocation();
      String where = at == null ? "" : " at line " + at.getLineNr() + " column " + at.getColumnNr();
      throw refused(
          file,
          "it is not JSON" + where + ": " + DataException.quote(e.getOriginalMessage()),
          "download it again",
          e);
    } catch (IOException e) {
      throw refused(file, "it is not UTF-8 text", "download it again", e);
    } catch (TokenizerValues.Refused e) {
      throw refused(file, e.getMessage(), CURE, e);
    }
  }

  private static DataException refused(Path file, String what, String cure, Exception e) {
    return new DataException(
        "file=" + file + " is not a tokenizer that can be loaded: " + what + "; " + cure, e);
  }

  /** The text without a byte order mark; whether it is UTF-8 is found out piece by piece. */
  private static String utf8(byte[] bytes) throws CharacterCodingException {
    CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    ByteBuffer in = ByteBuffer.wrap(bytes);
    CharBuffer piece = CharBuffer.allocate(8192);
    CoderResult result;
    do {
      result = decoder.decode(in, piece.clear(), true);
    } while (result.isOverflow());
    if (result.isError()) {
      result.throwException();
    }
    String text = new String(bytes, StandardCharsets.UTF_8);
    return text.startsWith("\uFEFF") ? text.substring(1) : text;
  }

  // ---- reading ----

  private void whole() throws IOException {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw new TokenizerValues.Refused("the file", "it is not an object");
    }
    Map<String, JsonNode> unknown = new HashMap<>();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (name) {
        case "version" -> {
          if (!tree("version").asText().equals("1.0")) {
            throw new TokenizerValues.Refused("version", "it is not \"1.0\"");
          }
        }
        case "truncation", "padding" -> {
          Range ignored = part(); // nothing is truncated or padded here
        }
        case "added_tokens" -> added = TokenizerGrammar.addedTokens(tree(name));
        case "model" -> {
          if (value != JsonToken.START_OBJECT) {
            throw new TokenizerValues.Refused("model", "it is not an object");
          }
          model = model();
        }
        default -> {
          TokenizerGrammar.Kind kind = kind(name);
          if (kind == null) {
            unknown.put(name, tree(name));
          } else {
            TokenizerGrammar.Checked checked = TokenizerGrammar.check(kind, tree(name));
            components.put(kind, checked.value());
            growth = kind == TokenizerGrammar.Kind.DECODER ? growth : growth * checked.growth();
          }
        }
      }
    }
    if (parser.nextToken() != null) {
      throw new TokenizerValues.Refused("the file", "something follows its end");
    }
    TokenizerValues.onlyKnown(
        "the file", JsonNodeFactory.instance.objectNode().setAll(unknown), Set.of());
    if (model == null) {
      throw new TokenizerValues.Refused("the file", "it has no model");
    }
    JsonNode post = components.get(TokenizerGrammar.Kind.POST_PROCESSOR);
    if (post != null) {
      TokenizerGrammar.templatesAreComplete(post);
    }
  }

  private static TokenizerGrammar.Kind kind(String field) {
    for (TokenizerGrammar.Kind kind : TokenizerGrammar.Kind.values()) {
      if (kind.field().equals(field)) {
        return kind;
      }
    }
    return null;
  }

  private JsonNode tree(String name) throws IOException {
    Range part = part();
    return JsonFiles.parse(text.substring(part.from(), part.to()), name);
  }

  /** Where the value is at which the parser is; all of its values are counted. */
  private Range part() throws IOException {
    int from = begin();
    int depth = 0;
    JsonToken token = parser.currentToken();
    while (true) {
      if (++values > MOST_VALUES) {
        throw new TokenizerValues.Refused(
            "the file", "it has more values than the limit=" + MOST_VALUES);
      }
      if (token.isStructStart()) {
        depth++;
      } else if (token.isStructEnd()) {
        depth--;
      } else {
        parser.finishToken();
      }
      if (depth == 0) {
        return new Range(from, end());
      }
      token = parser.nextToken();
    }
  }

  // ---- the model ----

  private Model model() throws IOException {
    Map<String, JsonNode> settings = new LinkedHashMap<>();
    Range vocab = null;
    boolean scored = false;
    Range merges = null;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      if (name.equals("vocab")) {
        scored = value == JsonToken.START_ARRAY;
        vocab = scored ? scores() : ids(value);
      } else if (name.equals("merges")) {
        merges = merges(value);
      } else {
        settings.put(name, tree(name));
      }
    }
    if (vocab == null) {
      throw new TokenizerValues.Refused("model", "it has no vocab");
    }
    String type = TokenizerModel.type(settings, scored, merges != null);
    JsonNode checked = TokenizerModel.settings(type, settings, scored, merges != null);
    String prefix = checked.path("continuing_subword_prefix").asText("");
    if (merges != null && !prefix.isEmpty()) {
      TokenizerModel.mergesFitPrefix(
          prefix, JsonFiles.parse(text.substring(merges.from(), merges.to()), "merges"));
    }
    return new Model(checked, vocab, merges);
  }

  private int begin() {
    return (int) parser.currentTokenLocation().getCharOffset();
  }

  private int end() {
    return (int) parser.currentLocation().getCharOffset();
  }

  /** Checks the text at which the parser is, which belongs to the entry of that number. */
  private void token(String list, int entry, int longest) throws IOException {
    parser.finishToken();
    int length = parser.getTextLength();
    if (length > longest) {
      throw entry(list, entry, "its length=" + length + " is more than the limit=" + longest);
    }
    char[] characters = parser.getTextCharacters();
    int from = parser.getTextOffset();
    for (int i = from; i < from + length; i++) {
      if (Character.isSurrogate(characters[i])) {
        TokenizerValues.whole(list + "[" + entry + "]", parser.getText());
        return;
      }
    }
  }

  private static TokenizerValues.Refused entry(String list, int entry, String what) {
    return new TokenizerValues.Refused(list + "[" + entry + "]", what);
  }

  private static void count(int before, String where, int most) {
    if (before >= most) {
      throw new TokenizerValues.Refused(where, "it has more entries than the limit=" + most);
    }
  }

  /** A vocabulary of tokens and ids. */
  private Range ids(JsonToken value) throws IOException {
    if (value != JsonToken.START_OBJECT) {
      throw new TokenizerValues.Refused(VOCAB, "it is neither an object nor a list");
    }
    int from = begin();
    for (int i = 0; parser.nextToken() == JsonToken.FIELD_NAME; i++) {
      count(i, VOCAB, MOST_ENTRIES);
      token(VOCAB, i, TokenizerValues.LONGEST_TEXT);
      if (parser.nextToken() != JsonToken.VALUE_NUMBER_INT
          || parser.getTextLength() > 8
          || parser.getIntValue() < 0
          || parser.getIntValue() >= TokenizerGrammar.MOST_IDS) {
        throw new TokenizerValues.Refused(
            VOCAB + "[" + DataException.quote(parser.currentName()) + "]",
            "its id is not a whole number from 0 to " + (TokenizerGrammar.MOST_IDS - 1));
      }
    }
    return new Range(from, end());
  }

  /** A vocabulary of tokens and scores; a token's id is its place. */
  private Range scores() throws IOException {
    int from = begin();
    for (int i = 0; parser.nextToken() != JsonToken.END_ARRAY; i++) {
      count(i, VOCAB, MOST_ENTRIES);
      boolean good =
          parser.currentToken() == JsonToken.START_ARRAY
              && parser.nextToken() == JsonToken.VALUE_STRING;
      if (good) {
        token(VOCAB, i, TokenizerValues.LONGEST_TEXT);
        good = parser.nextToken().isNumeric() && Double.isFinite(parser.getDoubleValue());
      }
      if (!good || parser.nextToken() != JsonToken.END_ARRAY) {
        throw entry(VOCAB, i, "it is not a token and its score");
      }
    }
    return new Range(from, end());
  }

  /** Merges, each a text of two tokens or a list of them. */
  private Range merges(JsonToken value) throws IOException {
    if (value != JsonToken.START_ARRAY) {
      throw new TokenizerValues.Refused(MERGES, "it is not a list");
    }
    int from = begin();
    for (int i = 0; parser.nextToken() != JsonToken.END_ARRAY; i++) {
      count(i, MERGES, MOST_MERGES);
      if (parser.currentToken() == JsonToken.VALUE_STRING) {
        token(MERGES, i, 2 * TokenizerValues.LONGEST_TEXT + 1);
        continue;
      }
      boolean good = parser.currentToken() == JsonToken.START_ARRAY;
      for (int k = 0; good && k < 2; k++) {
        good = parser.nextToken() == JsonToken.VALUE_STRING;
        if (good) {
          token(MERGES, i, TokenizerValues.LONGEST_TEXT);
        }
      }
      if (!good || parser.nextToken() != JsonToken.END_ARRAY) {
        throw entry(MERGES, i, "it is not two tokens");
      }
    }
    return new Range(from, end());
  }

  // ---- writing ----

  private Checked checked() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length() + 1000);
    try (Writer out = new OutputStreamWriter(bytes, StandardCharsets.UTF_8)) {
      out.write("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":");
      out.write(added.toString());
      for (TokenizerGrammar.Kind kind : TokenizerGrammar.Kind.values()) {
        out.write(",\"" + kind.field() + "\":" + components.get(kind));
      }
      String settings = model.settings().toString();
      out.write(",\"model\":" + settings.substring(0, settings.length() - 1) + ",\"vocab\":");
      write(out, model.vocab());
      if (model.merges() != null) {
        out.write(",\"merges\":");
        write(out, model.merges());
      }
      out.write("}}");
    }
    int longest =
        (int) Math.min(LONGEST_TEXT, TokenizerGrammar.LONGEST_NORMALIZED / Math.max(1, growth));
    return new Checked(bytes.toByteArray(), longest);
  }

  private void write(Writer out, Range range) throws IOException {
    out.write(text, range.from(), range.to() - range.from());
  }
}
