package io.autocircuit.data;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.autocircuit.data.Tokenizer.Encoded;
import io.autocircuit.files.DataException;
import java.io.ByteArrayInputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeoutException;

/**
 * The native tokenizers library with one checked file ({@link TokenizerFile}) loaded. Texts are
 * checked and every call has a time limit, since an error inside the library can end the process or
 * never return.
 */
final class TokenizerLibrary implements AutoCloseable {
  private static final Duration LOADING = Duration.ofMinutes(2);
  private static final Duration ENCODING = Duration.ofSeconds(20);

  private final Path file;
  private final HuggingFaceTokenizer library;
  private final int longestText;
  private final TokenizerRunner runner;

  private TokenizerLibrary(
      Path file, HuggingFaceTokenizer library, int longestText, TokenizerRunner runner) {
    this.file = file;
    this.library = library;
    this.longestText = longestText;
    this.runner = runner;
  }

  /**
   * Loads a tokenizer.
   *
   * @param bytes the content of {@code file}
   * @throws DataException if it is damaged or outside what is accepted
   */
  static TokenizerLibrary open(Path file, byte[] bytes) {
    TokenizerFile.Checked checked = TokenizerFile.check(file, bytes);
    TokenizerRunner runner = new TokenizerRunner();
    boolean loaded = false;
    try {
      Map<String, String> options = Map.of("truncation", "false", "padding", "false");
      HuggingFaceTokenizer library =
          runner.call(
              () ->
                  HuggingFaceTokenizer.newInstance(
                      new ByteArrayInputStream(checked.json()), options),
              LOADING);
      loaded = true;
      return new TokenizerLibrary(file, library, checked.longestText(), runner);
    } catch (EngineException e) {
      throw new IllegalStateException(
          "the native tokenizers library of DJL did not load ("
              + e.getMessage()
              + "); it unpacks itself into DJL_CACHE_DIR (default: ~/.djl.ai), make that writable",
          e);
    } catch (TimeoutException e) {
      throw new DataException(
          String.format(
              "file=%s is not a tokenizer that can be loaded: the library did not end within"
                  + " seconds=%d; use a smaller one",
              file, LOADING.toSeconds()),
          e);
    } catch (Exception e) {
      throw new DataException(
          String.format(
              "file=%s is not a tokenizer that can be loaded (%s); download it again",
              file, DataException.quote(String.valueOf(e.getMessage()))),
          e);
    } finally {
      if (!loaded) {
        runner.close();
      }
    }
  }

  /**
   * Tokenises a text.
   *
   * @param special whether the file's post-processor adds its special tokens
   * @throws DataException if the text or the tokenizer does not allow it
   */
  Encoded encode(String text, boolean special) {
    if (text.length() > longestText) {
      throw RefusedText.of(
          file,
          text,
          String.format(
              "has length=%d, more than the limit=%d of this tokenizer",
              text.length(), longestText),
          "shorten it",
          null);
    }
    if (TokenizerValues.halfSurrogate(text)) {
      throw RefusedText.of(
          file, text, "has half of a surrogate pair, which is not text", "correct it", null);
    }
    Encoding encoding =
        limited(() -> library.encode(text, special, false), "text=" + DataException.quote(text));
    int[] ids = Arrays.stream(encoding.getIds()).mapToInt(Math::toIntExact).toArray();
    List<String> tokens = List.of(encoding.getTokens());
    if (tokens.size() != ids.length) {
      throw new DataException(
          String.format(
              "file=%s: its post_processor gives tokens=%d for ids=%d; name one token for each id",
              file, tokens.size(), ids.length));
    }
    return new Encoded(ids, tokens);
  }

  /**
   * The text of some ids, special tokens too.
   *
   * @throws DataException if the tokenizer does not allow it
   */
  String decode(int... ids) {
    if (ids.length == 0) {
      return "";
    }
    long[] all = Arrays.stream(ids).asLongStream().toArray();
    return limited(() -> library.decode(all, false), "ids=" + ids.length);
  }

  private <T> T limited(Callable<T> call, String what) {
    try {
      return runner.call(call, ENCODING);
    } catch (TimeoutException e) {
      throw new DataException(
          String.format(
              "file=%s: %s did not end within seconds=%d; shorten the text or use another"
                  + " tokenizer",
              file, what, ENCODING.toSeconds()),
          e);
    } catch (Exception e) {
      throw new DataException(
          String.format(
              "file=%s: %s cannot be tokenised (%s); correct the text or the tokenizer",
              file, what, DataException.quote(String.valueOf(e.getMessage()))),
          e);
    }
  }

  /** Frees the native tokenizer, unless a call is still in it. */
  @Override
  public void close() {
    if (!runner.stuck()) {
      library.close();
    }
    runner.close();
  }
}
