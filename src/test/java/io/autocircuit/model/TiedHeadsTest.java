package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.logits;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.model.ModelDirectories.Draft;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models whose head is their embedding, or says so. */
class TiedHeadsTest {
  @TempDir Path directory;

  private record Family(Supplier<Draft> draft, String embedding, String head) {}

  private static final List<Family> FAMILIES =
      List.of(
          new Family(ModelDirectories::gpt2, "transformer.wte.weight", "lm_head.weight"),
          new Family(ModelDirectories::neox, "gpt_neox.embed_in.weight", "embed_out.weight"),
          new Family(ModelDirectories::llama, "model.embed_tokens.weight", "lm_head.weight"));

  private static Draft tied(Family f, Boolean flag) {
    Draft m = f.draft().get();
    if (flag != null) {
      m.config().put("tie_word_embeddings", flag.booleanValue());
    }
    m.weights().remove(f.head());
    return m;
  }

  private static void addHead(Draft m, Family f) {
    m.put(f.head(), ModelDirectories.VOCABULARY, ModelDirectories.D);
  }

  @Test
  void oneOfBothIsEnough() throws IOException {
    for (Family f : FAMILIES) {
      Draft m = tied(f, true);
      float[] expected = logits(m, directory);
      m.copy(f.embedding(), f.head());
      assertArrayEquals(expected, logits(m, directory));
      assertEquals(List.of(), notices(m, directory));
      m.weights().remove(f.embedding());
      assertArrayEquals(expected, logits(m, directory));
      assertEquals(List.of(), notices(m, directory));
    }
  }

  @Test
  void twoThatDifferAreBothUsed() throws IOException {
    for (Family f : FAMILIES) {
      Draft untied = tied(f, false);
      addHead(untied, f);
      float[] expected = logits(untied, directory);
      assertEquals(List.of(), notices(untied, directory));
      Draft m = tied(f, true);
      addHead(m, f);
      assertArrayEquals(expected, logits(m, directory));
      String plain = f.embedding().substring(f.embedding().indexOf('.') + 1);
      assertEquals(
          List.of(
              "file=M/config.json: tie_word_embeddings=true, but the file holds "
                  + plain
                  + " and another "
                  + f.head()
                  + ": both are used, as transformers 5 does; set \"tie_word_embeddings\": false if"
                  + " that is meant, or remove "
                  + f.head()
                  + " if not"),
          notices(m, directory));
    }
    Draft byDefault = tied(FAMILIES.get(0), null);
    addHead(byDefault, FAMILIES.get(0));
    assertContains(
        notices(byDefault, directory).get(0), "tie_word_embeddings is not given (so true), but");
  }

  @Test
  void aHeadThatIsNowhere() throws IOException {
    Map<Boolean, String> says =
        Map.of(
            true, "tie_word_embeddings is not given, so false", false, "tie_word_embeddings=false");
    for (Family f : FAMILIES.subList(1, 3)) {
      says.forEach(
          (absent, words) -> {
            try {
              assertContains(
                  complaint(tied(f, absent ? null : Boolean.FALSE), directory),
                  "tensor=\"" + f.head() + "\" is missing; config.json says " + words,
                  "set \"tie_word_embeddings\": true");
            } catch (IOException e) {
              throw new AssertionError(e);
            }
          });
    }
  }

  @Test
  void aHeadOfAnotherVocabulary() throws IOException {
    Draft m = tied(FAMILIES.get(2), true);
    m.put("lm_head.weight", 7, ModelDirectories.D);
    assertContains(complaint(m, directory), "tensor=\"lm_head.weight\" has shape=[7, 32] but");
  }
}
