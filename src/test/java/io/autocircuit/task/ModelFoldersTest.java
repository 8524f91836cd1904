package io.autocircuit.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.autocircuit.files.DataException;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where {@link ModelFolders} finds a model that a task wants. */
class ModelFoldersTest {
  private static final WantedModel MODEL =
      new WantedModel("somebody/a-model", List.of("usual-name"), 3, 5);

  @TempDir Path first;
  @TempDir Path second;

  private static Path model(Path directory) throws IOException {
    Files.createDirectories(directory);
    Files.writeString(directory.resolve("config.json"), "{}");
    return directory;
  }

  private ModelFolders both() {
    return new ModelFolders(List.of(first, second));
  }

  @Test
  void namesAreTriedInOrderInEachFolder() throws IOException {
    assertEquals(Optional.empty(), both().find(MODEL));
    Path cached = model(second.resolve("models--somebody--a-model/snapshots/0123abc"));
    assertEquals(Optional.of(cached), both().find(MODEL));
    Path usual = model(second.resolve("usual-name"));
    assertEquals(Optional.of(usual), both().find(MODEL));
    Path last = model(second.resolve("a-model"));
    assertEquals(Optional.of(last), both().find(MODEL));
    Path id = model(second.resolve("somebody").resolve("a-model"));
    assertEquals(Optional.of(id), both().find(MODEL));
    Path before = model(first.resolve("usual-name"));
    assertEquals(Optional.of(before), both().find(MODEL));
  }

  @Test
  void ofSeveralSnapshotsTheOneOfTheBranchIsTaken() throws IOException {
    Path cache = second.resolve("models--somebody--a-model");
    model(cache.resolve("snapshots").resolve("a".repeat(40)));
    Path main = model(cache.resolve("snapshots").resolve("b".repeat(40)));
    assertThrows(DataException.class, () -> both().find(MODEL));
    Files.writeString(main.resolve("model.safetensors"), "weights");
    Files.writeString(
        Files.createDirectories(cache.resolve("refs")).resolve("main"), "b".repeat(40));
    assertEquals(Optional.of(main), both().find(MODEL));
  }

  @Test
  void aDirectoryWithoutAModelIsPassedOver() throws IOException {
    Files.createDirectories(first.resolve("a-model"));
    Path there = model(second.resolve("a-model"));
    assertEquals(there, both().require(MODEL, "a-task"));
  }

  @Test
  void theEnvironmentNamesFoldersAsPathDoes() {
    assertEquals(
        List.of(first, second),
        ModelFolders.of(Map.of("AUTOCIRCUIT_MODELS", first + File.pathSeparator + second))
            .folders());
    assertEquals(List.of(), ModelFolders.of(Map.of()).folders());
    assertEquals(
        List.of(second, first),
        ModelFolders.parse(second.toString())
            .and(ModelFolders.parse(first + File.pathSeparator + second))
            .folders());
  }

  @Test
  void whatIsNotThereIsNamedWithWhereItWasLookedFor() {
    ModelFolders folders = new ModelFolders(List.of(first, second.resolve("nowhere")));
    assertEquals(
        "task=a-task wants model=somebody/a-model (blocks=3, heads=5), which is not in models="
            + first
            + File.pathSeparator
            + second.resolve("nowhere")
            + " (which is no directory); give its name on the hub, which downloads it, or its"
            + " directory with --model somebody/a-model, or with --model-dir DIR or"
            + " AUTOCIRCUIT_MODELS a folder that holds one of somebody/a-model, a-model,"
            + " usual-name, models--somebody--a-model",
        assertThrows(DataException.class, () -> folders.require(MODEL, "a-task")).getMessage());
    String message =
        assertThrows(
                DataException.class, () -> new ModelFolders(List.of()).require(MODEL, "a-task"))
            .getMessage();
    assertEquals(true, message.contains(", and no folder of models is named; "), message);
  }
}
