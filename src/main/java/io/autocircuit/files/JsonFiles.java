package io.autocircuit.files;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.StringReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Strict reading of untrusted JSON: UTF-8, no duplicate keys, nothing after the value; nesting,
 * size and the number of values limited. Whatever is wrong becomes a {@link DataException} with
 * file, line and column.
 */
public final class JsonFiles {
  /** The largest file that {@link #read(Path)} accepts, in bytes: 256 MiB. */
  public static final long LARGEST = 256L << 20;

  /** The largest file of settings, such as {@code config.json}, in bytes: 10 MiB. */
  public static final long LARGEST_CONFIG = 10L << 20;

  private static final int DEEPEST = 64;

  /**
   * Tokens (values, names, brackets) in a text of {@code largest} bytes at most: a node takes up to
   * some 60 bytes, so that a tree takes some four times the limit of its file at most.
   */
  private static final long BYTES_PER_TOKEN = 16;

  private static final long FEWEST_TOKENS = 100_000;

  private JsonFiles() {}

  /**
   * The value in a file of at most {@link #LARGEST} bytes.
   *
   * @param file JSON in UTF-8
   * @return the one value that the file holds
   * @throws DataException if the file is missing, unreadable, too large or not strict JSON
   */
  public static JsonNode read(Path file) {
    return read(file, LARGEST);
  }

  /**
   * The value in a file.
   *
   * @param file JSON in UTF-8
   * @param largest the largest size accepted, in bytes; the file may hold one value, name or
   *     bracket for each 16 of them
   * @return the one value that the file holds
   * @throws DataException if the file is missing, unreadable, too large or not strict JSON
   */
  public static JsonNode read(Path file, long largest) {
    return read(file, largest, false);
  }

  /**
   * The value in a file as Python's {@code json} writes it: NaN and infinities are the bare words
   * {@code NaN}, {@code Infinity} and {@code -Infinity}.
   *
   * @param file JSON in UTF-8, of at most {@link #LARGEST} bytes
   * @return the one value that the file holds
   * @throws DataException if the file is missing, unreadable, too large or else not strict JSON
   */
  public static JsonNode readPython(Path file) {
    return read(file, LARGEST, true);
  }

  private static JsonNode read(Path file, long largest, boolean words) {
    try (InputStream in = open(file, largest)) {
      return parse(utf8(in), file.toString(), largest, words);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /**
   * The bytes of a file, for readers that parse JSON themselves.
   *
   * @param file JSON, going by its name
   * @param largest the largest size accepted, in bytes
   * @return all of it
   * @throws DataException if the file is missing, unreadable, too large, or a file of another kind
   *     under this name (a Git LFS pointer, a web page, …)
   */
  public static byte[] bytes(Path file, long largest) {
    try (InputStream in = open(file, largest)) {
      return in.readNBytes((int) Math.min(largest, Integer.MAX_VALUE - 8));
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /** A file that is not too large and does not begin like another kind of file. */
  private static InputStream open(Path file, long largest) throws IOException {
    long size = Files.size(file);
    if (size > largest) {
      throw new DataException(
          String.format(
              "file=%s: size=%d bytes is more than the limit=%d; is this the right file?",
              file, size, largest));
    }
    InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
    boolean accepted = false;
    try {
      in.mark(ForeignFiles.LOOKED_AT);
      byte[] start = in.readNBytes(ForeignFiles.LOOKED_AT);
      in.reset();
      ForeignFiles.require(file, start, size);
      String other = ForeignFiles.notUtf8(start);
      if (other != null) {
        throw new DataException("file=" + file + ": " + other);
      }
      accepted = true;
      return in;
    } finally {
      if (!accepted) {
        in.close();
      }
    }
  }

  /**
   * The value in {@code text}.
   *
   * @param text JSON
   * @param sourceName how messages call it: a file name, say
   * @return the one value that it holds
   * @throws DataException if it is not strict JSON
   */
  public static JsonNode parse(String text, String sourceName) {
    try {
      return parse(new StringReader(text), sourceName, LARGEST);
    } catch (IOException e) {
      throw new IllegalStateException("a string that cannot be read", e);
    }
  }

  /**
   * All values in {@code text}, one after another, as in JSON lines.
   *
   * @param text JSON values between white space
   * @param sourceName how messages call it: a file name, say
   * @return none if there is only white space
   * @throws DataException if one of them is not strict JSON
   */
  public static List<JsonNode> values(String text, String sourceName) {
    List<JsonNode> values = new ArrayList<>();
    ObjectMapper mapper = new ObjectMapper();
    try (JsonParser parser = parser(new StringReader(text), LARGEST)) {
      try {
        while (parser.nextToken() != null) {
          values.add(mapper.readTree(parser));
        }
      } catch (JsonProcessingException e) {
        throw JsonErrors.syntax(sourceName, parser, e);
      }
    } catch (IOException e) {
      throw new IllegalStateException("a string that cannot be read", e);
    }
    return values;
  }

  /**
   * The text of a UTF-8 file; a byte order mark is skipped.
   *
   * @param file text in UTF-8
   * @param largest the largest size accepted, in bytes
   * @return its characters, without a byte order mark
   * @throws DataException if the file is missing, unreadable, too large, not UTF-8, or a file of
   *     another kind under this name
   */
  public static String text(Path file, long largest) {
    try (InputStream in = open(file, largest);
        Reader text = utf8(in)) {
      StringBuilder all = new StringBuilder();
      char[] block = new char[1 << 16];
      for (int n = text.read(block); n >= 0; n = text.read(block)) {
        all.append(block, 0, n);
      }
      return all.toString();
    } catch (CharacterCodingException e) {
      throw new DataException("file=" + file + ": it is not UTF-8 text; save it as UTF-8", e);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  private static JsonNode parse(Reader text, String sourceName, long largest) throws IOException {
    return parse(text, sourceName, largest, false);
  }

  private static JsonNode parse(Reader text, String sourceName, long largest, boolean words)
      throws IOException {
    try (JsonParser parser = parser(text, largest, words)) {
      JsonNode value;
      try {
        value = new ObjectMapper().readTree(parser);
      } catch (JsonProcessingException e) {
        throw JsonErrors.syntax(sourceName, parser, e);
      }
      requireEnd(parser, sourceName);
      if (value == null || value.isMissingNode()) {
        throw new DataException(
            "file=" + sourceName + ": no JSON value in it (it is empty); write the file again");
      }
      return value;
    } catch (CharacterCodingException e) {
      throw JsonErrors.encoding(sourceName, e);
    }
  }

  /**
   * A strict parser for those who read token by token. Its exceptions are for {@link
   * JsonErrors#syntax} and {@link JsonErrors#encoding}.
   *
   * @param text see {@link #utf8}
   * @param largest the bytes whose 16th part is the largest number of tokens
   * @return one that stands before the first token; closing it closes the text
   * @throws IOException if the text cannot be read
   */
  public static JsonParser parser(Reader text, long largest) throws IOException {
    return parser(text, largest, false);
  }

  private static JsonParser parser(Reader text, long largest, boolean words) throws IOException {
    long tokens = Math.max(FEWEST_TOKENS, largest / BYTES_PER_TOKEN);
    return JsonFactory.builder()
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
        .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
        .configure(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS, words)
        .streamReadConstraints(
            StreamReadConstraints.builder()
                .maxNestingDepth(DEEPEST)
                .maxTokenCount(tokens)
                .maxDocumentLength(largest)
                .build())
        .build()
        .createParser(text);
  }

  /**
   * Checks that nothing follows the value that was read.
   *
   * @param parser stands at the last token of the value
   * @param sourceName how messages call the text
   * @throws IOException if the text cannot be read
   * @throws DataException if something does
   */
  public static void requireEnd(JsonParser parser, String sourceName) throws IOException {
    try {
      if (parser.nextToken() != null) {
        throw JsonErrors.trailing(sourceName, parser, null);
      }
    } catch (JsonProcessingException e) {
      throw JsonErrors.trailing(sourceName, parser, e);
    }
  }

  /**
   * UTF-8 as characters; a byte order mark is skipped, anything else is an error when read.
   *
   * @param in bytes; read to the end by whoever reads the characters
   * @return its characters
   * @throws IOException if its beginning cannot be read
   */
  public static Reader utf8(InputStream in) throws IOException {
    BufferedInputStream bytes = new BufferedInputStream(in, 1 << 16);
    bytes.mark(3);
    byte[] mark = bytes.readNBytes(3);
    if (!Arrays.equals(mark, new byte[] {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF})) {
      bytes.reset();
    }
    return new InputStreamReader(bytes, StandardCharsets.UTF_8.newDecoder());
  }

  /**
   * The exception for a file that the file system does not hand out.
   *
   * @param file what was to be read
   * @param e what the file system says
   * @return one that says what to do: look for the file, or for permission to read it
   */
  public static DataException unreadable(Path file, IOException e) {
    if (e instanceof NoSuchFileException) {
      return new DataException("file=" + file + " does not exist; check the path", e);
    }
    if (Files.isDirectory(file)) {
      return new DataException("file=" + file + " is a directory; name a file in it", e);
    }
    return new DataException(
        String.format(
            "file=%s cannot be read (%s: %s); check its permissions and its disk",
            file,
            e.getClass().getSimpleName(),
            DataException.printable(String.valueOf(e.getMessage()), 200)),
        e);
  }
}
