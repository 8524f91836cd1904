package io.autocircuit.fuzz;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.DataException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Loads the files of some seeds and tokenises texts with each, in a process of its own since that
 * may end it. Arguments: {@code checked} (as this library does) or {@code raw} (as DJL does alone),
 * a directory, the first seed, and the seed after the last. Before each seed its number is written
 * to the file {@code seed}, so that who started this process knows which one ended it.
 */
final class TokenizerChild {
  private static final List<String> PROMPTS =
      List.of(
          "a",
          "Hello world",
          "a".repeat(60) + "!",
          " \n\n  \t hello  world ",
          "ﬁ ﷺ é 漢字 😀 \u0000 ｶﾞ①",
          "1234567890",
          "",
          "<s><|endoftext|>[CLS]  <unk>",
          "aa".repeat(1500),
          " ".repeat(2000),
          "\uFEFFa\uD7FF",
          "x".repeat(5000) + " ");

  private TokenizerChild() {}

  public static void main(String[] words) throws IOException {
    Path directory = Path.of(words[1]);
    TokenizerMutations mutations = new TokenizerMutations();
    int loaded = 0;
    for (long seed = Long.parseLong(words[2]); seed < Long.parseLong(words[3]); seed++) {
      Files.writeString(directory.resolve("seed"), Long.toString(seed));
      String json = mutations.file(seed);
      loaded += (words[0].equals("raw") ? raw(json) : checked(directory, json)) ? 1 : 0;
    }
    System.out.println("loaded " + loaded);
  }

  private static boolean raw(String json) {
    try (HuggingFaceTokenizer library =
        HuggingFaceTokenizer.newInstance(
            new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)),
            Map.of("truncation", "false", "padding", "false"))) {
      for (String prompt : PROMPTS) {
        for (boolean special : new boolean[] {false, true}) {
          try {
            String ignored = library.decode(library.encode(prompt, special, false).getIds(), false);
          } catch (RuntimeException clean) {
            // What the library says in an exception is no harm.
          }
        }
      }
      return true;
    } catch (IOException | RuntimeException clean) {
      return false;
    }
  }

  /** Whether the file of a seed loads; only a short message of one line may escape. */
  static boolean checked(Path directory, String json) throws IOException {
    Path file = directory.resolve("tokenizer.json");
    Files.writeString(file, json.replace("\uD83D\"", "\\ud83d\""));
    try (Tokenizer tokenizer = load(file)) {
      for (String prompt : PROMPTS) {
        try {
          Tokenizer.Encoded encoded = tokenizer.encodePrompt(prompt);
          if (encoded.ids().length != encoded.spellings().size()
              || Arrays.stream(encoded.ids()).anyMatch(id -> id < 0)) {
            throw new AssertionError("ids do not fit their spellings");
          }
          String ignored = tokenizer.decode(encoded.ids());
        } catch (DataException e) {
          oneLine(e);
        }
      }
      return true;
    } catch (DataException e) {
      oneLine(e);
      return false;
    }
  }

  private static Tokenizer load(Path file) {
    try {
      return io.autocircuit.data.HuggingFaceTokenizer.load(file);
    } catch (DataException e) {
      if (!e.getMessage().contains("its post-processor")) {
        throw e;
      }
      return io.autocircuit.data.HuggingFaceTokenizer.load(file, BosPolicy.NEVER);
    }
  }

  private static void oneLine(DataException e) {
    if (e.getMessage().length() > 1500
        || e.getMessage().codePoints().anyMatch(Character::isISOControl)) {
      throw new AssertionError("not one short line: " + e.getMessage(), e);
    }
    if (e.getMessage().contains("did not end within")) {
      throw new AssertionError("a call did not end", e);
    }
  }
}
