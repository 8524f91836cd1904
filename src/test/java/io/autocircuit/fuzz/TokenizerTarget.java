package io.autocircuit.fuzz;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.GoodTokenizers;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Loads fuzzed bytes as a {@code tokenizer.json} and, if they are one, tokenises some texts. The
 * native library ends the process on an error of its own, which the fuzzer reports.
 */
public final class TokenizerTarget {
  private static final Path FILE = file();
  private static final List<String> PROMPTS =
      List.of("a", "Hello world  123\n", "", "ﬁ ﷺ 漢字 😀", "a".repeat(60) + "!");

  private TokenizerTarget() {}

  private static Path file() {
    try {
      return Files.createTempDirectory("fuzz").resolve("tokenizer.json");
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What Jazzer calls. */
  public static void fuzzerTestOneInput(byte[] input) throws IOException {
    Files.write(FILE, input);
    boolean ignored =
        Bounded.reads(
            input.length,
            () -> {
              try (Tokenizer tokenizer = HuggingFaceTokenizer.load(FILE, BosPolicy.NEVER)) {
                for (String prompt : PROMPTS) {
                  boolean unusedTokenised =
                      Bounded.reads(
                          input.length,
                          () -> {
                            String unusedText =
                                tokenizer.decode(tokenizer.encodePrompt(prompt).ids());
                          });
                }
              }
            });
  }

  /** Inputs to begin with: good files of each model. */
  static List<byte[]> seeds() {
    return GoodTokenizers.all().values().stream()
        .filter(json -> json.length() < 4000)
        .map(json -> json.getBytes(StandardCharsets.UTF_8))
        .toList();
  }
}
