package io.autocircuit.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.UnknownNameException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which files a model is read from, and the names of processing steps and slices. */
class ModelFilesTest {
  @TempDir Path directory;

  @Test
  void oneFileOfWeightsAndNoTokenizer() throws IOException {
    Path model = ModelDirectories.gpt2().write(directory.resolve("m"));
    assertEquals(
        new ModelFiles(model, List.of("model.safetensors"), List.of()), ModelFiles.of(model));
  }

  @Test
  void shardsWithTheirIndexAndATokenizerWithItsSettings() throws IOException {
    Path model = ModelDirectories.gpt2().write(directory.resolve("models--a--b/snapshots/1"));
    Files.delete(model.resolve("model.safetensors"));
    Files.writeString(
        model.resolve("model.safetensors.index.json"),
        "{\"weight_map\": {\"x\": \"b.safetensors\", \"y\": \"a.safetensors\","
            + " \"z\": \"b.safetensors\", \"w\": \"../secret\"}}");
    for (String name : List.of("tokenizer.json", "special_tokens_map.json")) {
      Files.writeString(model.resolve(name), "{}");
    }
    ModelFiles files = ModelFiles.of(directory.resolve("models--a--b"));
    assertEquals(model, files.directory());
    assertEquals(
        List.of("a.safetensors", "b.safetensors", "model.safetensors.index.json"), files.weights());
    assertEquals(List.of("tokenizer.json", "special_tokens_map.json"), files.tokenizer());
  }

  @Test
  void aDirectoryThatIsNoModelsIsRefused() {
    DataException e = assertThrows(DataException.class, () -> ModelFiles.of(directory));
    assertTrue(e.getMessage().contains("has no config.json"), e.getMessage());
  }

  @Test
  void processingStepsHaveNames() {
    assertEquals(WeightProcessing.DEFAULT, WeightProcessing.parse(List.of("All")));
    assertEquals(WeightProcessing.NONE, WeightProcessing.parse(List.of("none")));
    assertEquals(WeightProcessing.NONE, WeightProcessing.parse(List.of()));
    WeightProcessing some = new WeightProcessing(false, true, false, true);
    assertEquals(List.of("center_writing_weights", "fold_value_biases"), some.steps());
    assertEquals(some, WeightProcessing.parse(some.steps()));
    assertThrows(UnknownNameException.class, () -> WeightProcessing.parse(List.of("foldln")));
  }

  @Test
  void slicesHaveNames() {
    for (OutputSlice s : OutputSlice.values()) {
      assertEquals(s, OutputSlice.of(s.key().toUpperCase(java.util.Locale.ROOT)));
    }
    assertThrows(UnknownNameException.class, () -> OutputSlice.of("first"));
  }
}
