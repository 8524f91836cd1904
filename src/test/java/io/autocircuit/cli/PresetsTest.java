package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Presets, as the command line chooses, lists and documents them; and the page of file fields. */
@Tag("slow")
class PresetsTest {
  @TempDir Path folder;

  private JsonNode settings(Object... options) throws IOException {
    Path out = folder.resolve("out");
    Results.discover(out, options);
    return new ObjectMapper()
        .readTree(RunSpec.read(out.resolve("run.json")).json())
        .get("scoring")
        .get("settings");
  }

  @Test
  void aPresetIsTheSettingsThatItNames() throws IOException {
    assertEquals(
        settings("--algorithm", "ig", "--answer-function", "avg_val", "--samples", 50),
        settings("--preset", "integrated-edge-grads"));
  }

  @Test
  void optionsThatAreGivenGoBeforeAPreset() throws IOException {
    assertEquals(
        settings(
            "--algorithm",
            "ig",
            "--answer-function",
            "avg_val",
            "--samples",
            3,
            "--ablation",
            "zero"),
        settings("--preset", "Integrated-Edge-Grads", "--samples", 3, "--ablation", "zero"));
  }

  @Test
  void aPresetThatIsUnknownOrAnothersIsRefused() {
    Ran unknown = Ran.command("discover", "--preset", "mse-acdx", "--out", folder.resolve("x"));
    assertEquals(2, unknown.code());
    assertTrue(
        unknown.err().contains("unknown preset \"mse-acdx\": did you mean \"mse-acdc\""),
        unknown.err());
    Ran another =
        Ran.command(
            "discover", "--preset", "mse-acdc", "--algorithm", "eap", "--out", folder.resolve("x"));
    assertEquals(2, another.code());
    assertTrue(
        another.err().contains("--preset=mse-acdc belongs to --algorithm=acdc, not to eap"),
        another.err());
    Ran scores = Ran.command("discover", "--preset", "mse-acdc", "--scores", "x", "--out", folder);
    assertEquals(2, scores.code());
    assertTrue(scores.err().contains("give --preset or --scores, not both"), scores.err());
  }

  @Test
  void presetsAreListed() throws IOException {
    Ran list = Ran.command("list", "algorithms");
    for (String key : PruneAlgorithmProvider.catalogue().presetKeys()) {
      assertTrue(list.out().contains("--preset " + key), list::out);
    }
    JsonNode json = new ObjectMapper().readTree(Ran.command("list", "algorithms", "--json").out());
    JsonNode acdc =
        StreamSupport.stream(json.spliterator(), false)
            .filter(a -> a.get("key").asText().equals("acdc"))
            .findFirst()
            .orElseThrow();
    JsonNode mse = acdc.get("presets").get(1);
    assertEquals("MSE ACDC", mse.get("names").get(0).asText());
    assertEquals("mse-acdc", mse.get("key").asText());
    assertEquals("mse", mse.get("values").get("target").asText());
    assertEquals(1e-10, mse.get("values").get("tau").get(0).asDouble());
  }

  @Test
  void thePageAndTheSchemaOfExperimentFilesAreWhatTheCodeWrites() throws IOException {
    Path docs = Path.of(System.getProperty("basedir", ""), "docs");
    Ran ran = Ran.command("reference", folder);
    assertEquals(0, ran.code(), ran::err);
    assertEquals(
        Files.readString(folder.resolve("experiment-files.md")),
        Files.readString(docs.resolve("reference/experiment-files.md")),
        "write docs/reference anew: autocircuit reference docs/reference");
    assertEquals(
        ExperimentSpec.schema(),
        Files.readString(docs.resolve("experiment.schema.json")),
        "write docs/experiment.schema.json anew, with what ExperimentSpec.schema() gives");
  }
}
