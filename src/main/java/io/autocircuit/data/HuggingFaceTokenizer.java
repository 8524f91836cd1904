package io.autocircuit.data;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.Encoding;
import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.tensor.DataException;
import io.autocircuit.tensor.JsonFiles;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A Hugging Face {@code tokenizer.json}, run by the Rust library through DJL. Nothing is truncated
 * and nothing is padded, whatever the file says. Works without a network.
 *
 * <p>DJL reports its use to its makers unless {@code OPT_OUT_TRACKING} is {@code true} in the
 * environment or the system properties. Loading this class sets that property unless either is set
 * already.
 */
public final class HuggingFaceTokenizer implements Tokenizer {
  private static final String OPT_OUT = "OPT_OUT_TRACKING";

  static {
    // DJL reads it when a tokenizer is made, and offers no other switch.
    if (System.getProperty(OPT_OUT) == null && System.getenv(OPT_OUT) == null) {
      System.setProperty(OPT_OUT, "true");
    }
  }

  private final Path file;
  private final ai.djl.huggingface.tokenizers.HuggingFaceTokenizer library;
  private final Prefix prefix;
  private final boolean special;

  /**
   * @param ids put before every prompt
   * @param byLibrary whether the library's post-processor does it
   */
  private record Prefix(int[] ids, List<String> spellings, boolean byLibrary) {}

  private HuggingFaceTokenizer(
      Path file,
      ai.djl.huggingface.tokenizers.HuggingFaceTokenizer library,
      boolean special,
      Prefix prefix) {
    this.file = file;
    this.library = library;
    this.special = special;
    this.prefix = prefix;
  }

  /** Like {@link #load(Path, BosPolicy)} with {@link BosPolicy#TOKENIZER}. */
  public static HuggingFaceTokenizer load(Path directory) {
    return load(directory, BosPolicy.TOKENIZER);
  }

  /**
   * Loads {@code tokenizer.json} from a model directory.
   *
   * @param directory the directory, or the file itself; {@code tokenizer_config.json} beside it is
   *     read for {@link BosPolicy#ALWAYS} only
   * @throws DataException if the file is missing or damaged, if it appends special tokens after a
   *     prompt, or if {@link BosPolicy#ALWAYS} is asked for and no BOS token is named
   */
  public static HuggingFaceTokenizer load(Path directory, BosPolicy bos) {
    Path file = Files.isDirectory(directory) ? directory.resolve("tokenizer.json") : directory;
    ai.djl.huggingface.tokenizers.HuggingFaceTokenizer library =
        open(file, JsonFiles.bytes(file, JsonFiles.LARGEST));
    boolean loaded = false;
    try {
      Prefix prefix =
          switch (bos) {
            case NEVER -> new Prefix(new int[0], List.of(), false);
            case TOKENIZER -> ownPrefix(file, library);
            case ALWAYS -> {
              Prefix own = ownPrefix(file, library);
              yield own.ids().length > 0 ? own : configuredPrefix(file, library);
            }
          };
      loaded = true;
      return new HuggingFaceTokenizer(file, library, bos != BosPolicy.NEVER, prefix);
    } finally {
      if (!loaded) {
        library.close();
      }
    }
  }

  private static ai.djl.huggingface.tokenizers.HuggingFaceTokenizer open(Path file, byte[] bytes) {
    Map<String, String> options = Map.of("truncation", "false", "padding", "false");
    try {
      return ai.djl.huggingface.tokenizers.HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(bytes), options);
    } catch (EngineException e) {
      throw new IllegalStateException(
          "the native tokenizers library of DJL did not load ("
              + e.getMessage()
              + "); it unpacks itself into DJL_CACHE_DIR (default: ~/.djl.ai), make that writable",
          e);
    } catch (IOException | RuntimeException e) {
      throw damaged(file, e);
    }
  }

  private static DataException damaged(Path file, Exception e) {
    return new DataException(
        String.format(
            "file=%s is not a tokenizer that can be loaded (%s); download it again",
            file, DataException.quote(String.valueOf(e.getMessage()))),
        e);
  }

  /** What the post-processor puts before a text, found by tokenising one with it and without. */
  private static Prefix ownPrefix(
      Path file, ai.djl.huggingface.tokenizers.HuggingFaceTokenizer library) {
    Encoded plain = encode(file, library, "a", false);
    Encoded full = encode(file, library, "a", true);
    int at = Collections.indexOfSubList(boxed(full.ids()), boxed(plain.ids()));
    if (at < 0 || plain.ids().length == 0) {
      throw new DataException(
          String.format(
              "file=%s: its post-processor changes tokens=%s into %s;"
                  + " use one that only puts special tokens before a text",
              file, plain.spellings(), full.spellings()));
    }
    if (at + plain.ids().length < full.ids().length) {
      throw new DataException(
          String.format(
              "file=%s: its post-processor puts tokens=%s after every prompt, where the answer"
                  + " belongs; remove them from post_processor, or give the prompts without BOS",
              file, full.spellings().subList(at + plain.ids().length, full.spellings().size())));
    }
    return new Prefix(
        Arrays.copyOf(full.ids(), at), List.copyOf(full.spellings().subList(0, at)), true);
  }

  /** The one BOS token that {@code tokenizer_config.json} names. */
  private static Prefix configuredPrefix(
      Path file, ai.djl.huggingface.tokenizers.HuggingFaceTokenizer library) {
    Path config = file.resolveSibling("tokenizer_config.json");
    JsonNode named = JsonFiles.read(config, JsonFiles.LARGEST_CONFIG).path("bos_token");
    JsonNode content = named.isObject() ? named.path("content") : named;
    if (!content.isTextual()) {
      throw new DataException(
          "file=" + config + ": no field bos_token in it; choose another BOS policy or name one");
    }
    Encoded bos = encode(file, library, content.textValue(), false);
    if (bos.ids().length != 1) {
      throw new DataException(
          String.format(
              "file=%s: bos_token=%s is not one token but %s; correct it",
              config, DataException.quote(content.textValue()), bos.spellings()));
    }
    return new Prefix(bos.ids(), bos.spellings(), false);
  }

  private static List<Integer> boxed(int[] ids) {
    return Arrays.stream(ids).boxed().toList();
  }

  @Override
  public Encoded encodePrompt(String text) {
    Encoded encoded = encode(file, library, text, special && prefix.byLibrary());
    int[] bos = prefix.ids();
    if (bos.length == 0) {
      return encoded;
    }
    boolean present = startsWith(encoded.ids(), 0, bos);
    if (!prefix.byLibrary() && !present) {
      return new Encoded(
          concat(bos, encoded.ids()), concat(prefix.spellings(), encoded.spellings()));
    }
    // A text that spells out the BOS itself, and a post-processor that adds one: keep one.
    int doubled = 0;
    while (prefix.byLibrary() && startsWith(encoded.ids(), doubled + bos.length, bos)) {
      doubled += bos.length;
    }
    return new Encoded(
        Arrays.copyOfRange(encoded.ids(), doubled, encoded.ids().length),
        encoded.spellings().subList(doubled, encoded.spellings().size()));
  }

  private static boolean startsWith(int[] ids, int from, int[] head) {
    return ids.length >= from + head.length
        && Arrays.equals(ids, from, from + head.length, head, 0, head.length);
  }

  private static int[] concat(int[] a, int[] b) {
    int[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  private static List<String> concat(List<String> a, List<String> b) {
    return Stream.concat(a.stream(), b.stream()).toList();
  }

  @Override
  public Encoded encodeAnswer(String text) {
    return encode(file, library, text, false);
  }

  private static Encoded encode(
      Path file,
      ai.djl.huggingface.tokenizers.HuggingFaceTokenizer library,
      String text,
      boolean special) {
    Encoding encoding;
    try {
      encoding = library.encode(text, special, false);
    } catch (RuntimeException e) {
      throw new DataException(
          String.format(
              "file=%s: text=%s cannot be tokenised (%s); correct the text or the tokenizer",
              file, DataException.quote(text), DataException.quote(String.valueOf(e.getMessage()))),
          e);
    }
    int[] ids = Arrays.stream(encoding.getIds()).mapToInt(Math::toIntExact).toArray();
    return new Encoded(ids, List.of(encoding.getTokens()));
  }

  @Override
  public int leadingSpecialTokens() {
    return prefix.ids().length;
  }

  @Override
  public String decode(int... ids) {
    return library.decode(Arrays.stream(ids).asLongStream().toArray(), false);
  }

  /** Frees the native tokenizer. */
  @Override
  public void close() {
    library.close();
  }
}
