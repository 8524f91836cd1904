package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What each kind of tokenizer makes of a text, and how its tokens are shown. */
class TokenizerKindsTest {
  @TempDir Path directory;

  private void assertShown(String kind, BosPolicy bos, String text, String... shown)
      throws IOException {
    Path file = directory.resolve("tokenizer.json");
    Files.writeString(file, GoodTokenizers.all().get(kind));
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(file, bos)) {
      TokenTexts texts = new TokenTexts(tokenizer);
      assertEquals(
          List.of(shown),
          Arrays.stream(tokenizer.encodePrompt(text).ids()).mapToObj(texts::of).toList(),
          kind);
    }
  }

  @Test
  void byteLevelPairs() throws IOException {
    assertShown("gpt2", BosPolicy.NEVER, "hello wor", "hell", "o", "␣w", "or");
    assertShown("gpt2", BosPolicy.AUTO, "hell", "<|endoftext|>", "hell");
    assertShown("llama3", BosPolicy.NEVER, "a\n", "a", "⏎");
  }

  @Test
  void sentencePieceWithBytes() throws IOException {
    assertShown("llama2", BosPolicy.AUTO, "hello wor", "<s>", "␣", "hell", "o", "␣w", "or");
    // a letter that the vocabulary lacks is its bytes
    assertShown("llama2", BosPolicy.NEVER, "z", "␣", "z");
  }

  @Test
  void unigram() throws IOException {
    assertShown("t5", BosPolicy.NEVER, "hello world!", "␣hell", "o", "␣world", "!");
  }

  @Test
  void wordPiece() throws IOException {
    assertShown("bert", BosPolicy.NEVER, "Hello world", "␣hell", "o", "␣world");
  }
}
