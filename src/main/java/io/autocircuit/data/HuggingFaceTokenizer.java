package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
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
  /** The file that it reads. */
  public static final String FILE = "tokenizer.json";

  private static final String OPT_OUT = "OPT_OUT_TRACKING";

  /** The BOS of GPT-2 and Pythia, whose older repositories name none. */
  private static final String USUAL_BOS = "<|endoftext|>";

  static {
    // DJL reads it when a tokenizer is made, and offers no other switch.
    if (System.getProperty(OPT_OUT) == null && System.getenv(OPT_OUT) == null) {
      System.setProperty(OPT_OUT, "true");
    }
  }

  private final TokenizerLibrary library;
  private final Prefix prefix;
  private final boolean special;

  /**
   * @param ids put before every prompt
   * @param byLibrary whether the library's post-processor does it
   */
  private record Prefix(int[] ids, List<String> spellings, boolean byLibrary) {}

  private HuggingFaceTokenizer(TokenizerLibrary library, boolean special, Prefix prefix) {
    this.library = library;
    this.special = special;
    this.prefix = prefix;
  }

  /**
   * Like {@link #load(Path, BosPolicy)} with {@link BosPolicy#AUTO}.
   *
   * @param directory the directory, or the file itself
   * @return the tokenizer; the caller closes it
   */
  public static HuggingFaceTokenizer load(Path directory) {
    return load(directory, BosPolicy.AUTO);
  }

  /**
   * Loads {@code tokenizer.json} from a model directory.
   *
   * @param directory the directory, or the file itself; {@code tokenizer_config.json} beside it is
   *     read for {@link BosPolicy#AUTO} and {@link BosPolicy#ALWAYS} only
   * @param bos whether prompts begin with the BOS token
   * @return the tokenizer; the caller closes it
   * @throws DataException if the file is missing or damaged, if it appends special tokens after a
   *     prompt, if the BOS token that is named is not one token, or if {@link BosPolicy#ALWAYS} is
   *     asked for and none is named
   * @throws IllegalStateException if the native library cannot be unpacked
   */
  public static HuggingFaceTokenizer load(Path directory, BosPolicy bos) {
    TokenizerCache.prepare();
    Path file = Files.isDirectory(directory) ? directory.resolve(FILE) : directory;
    TokenizerLibrary library =
        TokenizerLibrary.open(file, JsonFiles.bytes(file, TokenizerFile.LARGEST));
    boolean loaded = false;
    try {
      Prefix prefix =
          switch (bos) {
            case NEVER -> new Prefix(new int[0], List.of(), false);
            case TOKENIZER -> ownPrefix(file, library);
            case AUTO, ALWAYS -> {
              Prefix own = ownPrefix(file, library);
              yield own.ids().length > 0
                  ? own
                  : configuredPrefix(file, library, bos == BosPolicy.ALWAYS);
            }
          };
      loaded = true;
      return new HuggingFaceTokenizer(library, bos != BosPolicy.NEVER, prefix);
    } finally {
      if (!loaded) {
        library.close();
      }
    }
  }

  /** What the post-processor puts before a text, found by tokenising one with it and without. */
  private static Prefix ownPrefix(Path file, TokenizerLibrary library) {
    Encoded plain = library.encode("a", false);
    Encoded full = library.encode("a", true);
    int at = Collections.indexOfSubList(boxed(full.ids()), boxed(plain.ids()));
    if (at < 0 || plain.ids().length == 0) {
      throw new DataException(
          String.format(
              "file=%s: its post-processor changes tokens=%s into %s;"
                  + " use one that only puts special tokens before a text",
              file, Faults.tokens(plain.spellings()), Faults.tokens(full.spellings())));
    }
    if (at + plain.ids().length < full.ids().length) {
      throw new DataException(
          String.format(
              "file=%s: its post-processor puts tokens=%s after every prompt, where the answer"
                  + " belongs; remove them from post_processor, or give --bos never",
              file, full.spellings().subList(at + plain.ids().length, full.spellings().size())));
    }
    return new Prefix(
        Arrays.copyOf(full.ids(), at), List.copyOf(full.spellings().subList(0, at)), true);
  }

  /**
   * The one BOS token that is named beside the tokenizer, or that GPT-2's vocabulary has.
   *
   * @param needed whether it is an error that there is none
   */
  private static Prefix configuredPrefix(Path file, TokenizerLibrary library, boolean needed) {
    Path config = file.resolveSibling("tokenizer_config.json");
    for (Path named : List.of(config, file.resolveSibling("special_tokens_map.json"))) {
      JsonNode bos =
          Files.isRegularFile(named)
              ? JsonFiles.read(named, JsonFiles.LARGEST_CONFIG).path("bos_token")
              : MissingNode.getInstance();
      JsonNode content = bos.isObject() ? bos.path("content") : bos;
      if (content.isTextual()) {
        return named(named, content.textValue(), library);
      }
      if (!bos.isMissingNode()) {
        return none(named, needed);
      }
    }
    Encoded usual = library.encode(USUAL_BOS, false);
    return usual.ids().length == 1 && usual.spellings().get(0).equals(USUAL_BOS)
        ? new Prefix(usual.ids(), usual.spellings(), false)
        : none(config, needed);
  }

  private static Prefix named(Path config, String content, TokenizerLibrary library) {
    Encoded bos = library.encode(content, false);
    if (bos.ids().length != 1) {
      throw new DataException(
          String.format(
              "file=%s: bos_token=%s is not one token but %s; correct it, or give --bos never",
              config, DataException.quote(content), Faults.tokens(bos.spellings())));
    }
    return new Prefix(bos.ids(), bos.spellings(), false);
  }

  private static Prefix none(Path config, boolean needed) {
    if (needed) {
      throw new DataException(
          Files.isRegularFile(config)
              ? "file="
                  + config
                  + ": no field bos_token in it; choose another BOS policy (--bos auto or never), or"
                  + " name one"
              : "file="
                  + config
                  + " does not exist, which would name bos_token; choose another BOS policy (--bos"
                  + " auto or never), or add it");
    }
    return new Prefix(new int[0], List.of(), false);
  }

  private static List<Integer> boxed(int[] ids) {
    return Arrays.stream(ids).boxed().toList();
  }

  @Override
  public Encoded encodePrompt(String text) {
    Encoded encoded = library.encode(text, special && prefix.byLibrary());
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
    return library.encode(text, false);
  }

  @Override
  public int leadingSpecialTokens() {
    return prefix.ids().length;
  }

  @Override
  public String decode(int... ids) {
    return library.decode(ids);
  }

  /** Frees the native tokenizer. */
  @Override
  public void close() {
    library.close();
  }
}
