package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What became of a model directory: its numbers, its notices, or the words that refuse it. */
final class Loaded {
  private static final TokenBatch TOKENS =
      new TokenBatch(new int[] {3, 1, 4, 1, 5, 9, 2, 6, 5, 10}, 2, 5, new int[2]);

  private Loaded() {}

  @SuppressWarnings("try") // scopes work without being mentioned
  static float[] logits(Path model) {
    try (TensorScope scope = new TensorScope();
        Transformer t = ModelLoader.load(model, WeightProcessing.NONE, ScalarType.Float)) {
      return Tensors.floats(t.logits(TOKENS, OutputSlice.ALL));
    }
  }

  static float[] logits(Draft draft, Path parent) throws IOException {
    return logits(draft.write(Files.createTempDirectory(parent, "m")));
  }

  static TransformerConfig config(Draft draft, Path parent) throws IOException {
    try (Transformer t = ModelLoader.load(draft.write(Files.createTempDirectory(parent, "m")))) {
      return t.config();
    }
  }

  /** The notices without the name of the file, after checks all notices pass. */
  static List<String> notices(Path model) {
    try (Transformer t = ModelLoader.load(model)) {
      t.notices()
          .forEach(
              n -> {
                assertEquals(1, n.lines().count(), n);
                assertTrue(n.length() < 800, n);
              });
      return t.notices().stream().map(n -> n.replace(model.toString(), "M")).toList();
    }
  }

  static List<String> notices(Draft draft, Path parent) throws IOException {
    return notices(draft.write(Files.createTempDirectory(parent, "m")));
  }

  /** The message without the name of the directory, after checks all messages pass. */
  static String complaint(Path model) {
    DataException e =
        assertThrows(DataException.class, () -> ModelLoader.load(model).close(), model::toString);
    String message = e.getMessage();
    assertEquals(1, message.lines().count(), message);
    assertTrue(message.contains(";") || message.contains("did you mean"), "no cure: " + message);
    return message.replace(model.toString(), "M");
  }

  static String complaint(Draft draft, Path parent) throws IOException {
    return complaint(draft.write(Files.createTempDirectory(parent, "bad")));
  }

  static void assertContains(String text, String... parts) {
    for (String part : parts) {
      assertTrue(text.contains(part), () -> part + " is not in: " + text);
    }
  }
}
