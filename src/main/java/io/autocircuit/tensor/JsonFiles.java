package io.autocircuit.tensor;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Strict reading of untrusted JSON: UTF-8, no duplicate keys, nothing after the value, nesting and
 * size limited. Whatever is wrong becomes a {@link DataException} with file, line and column.
 */
public final class JsonFiles {
  /** The largest file that {@link #read(Path)} accepts, in bytes: 256 MiB. */
  public static final long LARGEST = 256L << 20;

  private static final int DEEPEST = 64;
  private static final ObjectReader READER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                  .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxNestingDepth(DEEPEST).build())
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build()
          .reader();

  private JsonFiles() {}

  /**
   * The value in a file of at most {@link #LARGEST} bytes.
   *
   * @throws DataException if the file is missing, unreadable, too large or not strict JSON
   */
  public static JsonNode read(Path file) {
    return read(file, LARGEST);
  }

  /**
   * The value in a file.
   *
   * @param largest the largest size accepted, in bytes
   * @throws DataException if the file is missing, unreadable, too large or not strict JSON
   */
  public static JsonNode read(Path file, long largest) {
    byte[] bytes = bytes(file, largest);
    return parse(bytes, 0, bytes.length, file.toString());
  }

  /**
   * The bytes of a file, for readers that parse JSON themselves.
   *
   * @param largest the largest size accepted, in bytes
   * @throws DataException if the file is missing, unreadable or too large
   */
  public static byte[] bytes(Path file, long largest) {
    try {
      long size = Files.size(file);
      if (size > largest) {
        throw new DataException(
            String.format(
                "file=%s: size=%d bytes is more than the limit=%d; is this the right file?",
                file, size, largest));
      }
      try (InputStream in = Files.newInputStream(file)) {
        return in.readNBytes((int) Math.min(largest, Integer.MAX_VALUE - 8));
      }
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /**
   * The value in {@code text}.
   *
   * @param sourceName how messages call it: a file name, say
   * @throws DataException if it is not strict JSON
   */
  public static JsonNode parse(String text, String sourceName) {
    JsonNode value;
    try {
      value = READER.readTree(text);
    } catch (JsonProcessingException e) {
      throw invalid(e, sourceName);
    }
    if (value.isMissingNode()) {
      throw new DataException(
          "file=" + sourceName + ": no JSON value in it (it is empty); write the file again");
    }
    return value;
  }

  /**
   * All values in {@code text}, one after another, as in JSON lines.
   *
   * @param sourceName how messages call it: a file name, say
   * @return none if there is only white space
   * @throws DataException if one of them is not strict JSON
   */
  public static List<JsonNode> values(String text, String sourceName) {
    ObjectReader one = READER.without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    List<JsonNode> values = new ArrayList<>();
    try (JsonParser parser = one.createParser(text)) {
      while (parser.nextToken() != null) {
        values.add(one.readTree(parser));
      }
    } catch (JsonProcessingException e) {
      throw invalid(e, sourceName);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return values;
  }

  /** An error in this library's words: names of the parser's settings are of no use to people. */
  private static DataException invalid(JsonProcessingException e, String sourceName) {
    JsonLocation at = e.getLocation();
    String message = e.getOriginalMessage();
    int start = message.indexOf(" (start marker at");
    String said =
        message.startsWith("Trailing token")
            ? "there is more after the end of the value"
            : message.startsWith("Non-standard token")
                ? message.replaceFirst("(?s):? enable .*", "") + " is not a number of JSON"
                : message.contains("nesting depth")
                    ? "its nesting depth exceeds " + DEEPEST
                    : start >= 0
                        ? message.substring(0, start)
                        : message.replaceAll("\\(?[^(`]*`[^`]*`[^)]*\\)?", "").strip();
    return new DataException(
        String.format(
            "file=%s%s: invalid JSON: %s; correct the file or write it again",
            sourceName,
            at == null ? "" : " line=" + at.getLineNr() + " column=" + at.getColumnNr(),
            DataException.printable(said, 300)),
        e);
  }

  /**
   * The text of a UTF-8 file; a byte order mark is skipped.
   *
   * @param largest the largest size accepted, in bytes
   * @throws DataException if the file is missing, unreadable, too large or not UTF-8
   */
  public static String text(Path file, long largest) {
    byte[] bytes = bytes(file, largest);
    return text(bytes, 0, bytes.length, file.toString());
  }

  /** Like {@link #parse(String, String)} for UTF-8 bytes; a byte order mark is skipped. */
  static JsonNode parse(byte[] bytes, int offset, int length, String sourceName) {
    return parse(text(bytes, offset, length, sourceName), sourceName);
  }

  private static String text(byte[] bytes, int offset, int length, String sourceName) {
    boolean mark =
        length >= 3
            && bytes[offset] == (byte) 0xEF
            && bytes[offset + 1] == (byte) 0xBB
            && bytes[offset + 2] == (byte) 0xBF;
    int skipped = mark ? 3 : 0;
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, offset + skipped, length - skipped))
          .toString();
    } catch (CharacterCodingException e) {
      throw new DataException("file=" + sourceName + ": it is not UTF-8 text; save it as UTF-8", e);
    }
  }

  /** The exception for a file that the file system does not hand out. */
  static DataException unreadable(Path file, IOException e) {
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
