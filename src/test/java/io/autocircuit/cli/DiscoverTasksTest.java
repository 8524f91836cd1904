package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.Forked;
import io.autocircuit.experiment.ModelSource;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.model.ShapedModels;
import io.autocircuit.model.ShapedModels.Kind;
import io.autocircuit.task.dataset.WordTokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The tasks about models of the user's, from the command line to the results: with random weights
 * of the blocks and heads that are wanted, and a tokenizer that has the words of the prompts.
 */
class DiscoverTasksTest {
  @TempDir static Path models;
  @TempDir Path out;

  @BeforeAll
  static void writeModels() throws IOException {
    write("openai-community/gpt2", 12, 12, Kind.SEQUENTIAL);
    write("attn-only-4l", 4, 8, Kind.ATTENTION_ONLY);
    write("pythia-70m-deduped", 6, 8, Kind.PARALLEL);
    write("small", 2, 4, Kind.SEQUENTIAL);
  }

  private static void write(String name, int blocks, int heads, Kind kind) throws IOException {
    Path directory = models.resolve(name);
    WordTokenizers.byteLevel(directory, Set.of()).close();
    ShapedModels.write(directory, blocks, heads, kind);
  }

  private Ran discover(Object... words) {
    Object[] all = new Object[words.length + 7];
    all[0] = "discover";
    System.arraycopy(words, 0, all, 1, words.length);
    System.arraycopy(
        new Object[] {"--out", out, "--edges", "10,100", "--metrics", "kl_div"},
        0,
        all,
        words.length + 1,
        6);
    return Ran.command(all);
  }

  private RunSpec spec() {
    return RunSpec.read(out.resolve("run.json"));
  }

  @Test
  void aTaskIsRunAsItIsUsual() {
    Ran ran = discover("--task", "ioi", "--model-dir", models, "--count", "12");
    assertCompared(ran, 771);
    assertEquals(models.resolve("openai-community/gpt2"), spec().model().directory().orElseThrow());
    assertEquals("ioi", ((PromptSource.OfTask) spec().prompts().source()).task().key(), "prompts");
    assertEquals(new RunSpec.Graph(true, false), spec().graph());
    assertEquals(6, spec().prompts().split().train());
    assertEquals(6, spec().prompts().split().test());
  }

  /** Circuits are judged at the size of the known one too, which a line of the table shows. */
  private static void assertCompared(Ran ran, int edges) {
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().lines().anyMatch(line -> line.strip().startsWith(edges + " ")), ran.out());
    assertTrue(ran.out().contains("area under the ROC curve"), ran.out());
  }

  @Test
  void scoresAreComparedWithTheKnownCircuit() {
    Ran ran =
        discover(
            "--task",
            "docstring-tokens",
            "--model-dir",
            models,
            "--count",
            "6",
            "--circuit",
            "docstring-edges");
    assertCompared(ran, 34);
    assertEquals(new RunSpec.Graph(true, true), spec().graph());
    assertEquals(3, spec().prompts().split().train());
    ran =
        discover(
            "--task",
            "docstring",
            "--model-dir",
            models,
            "--count",
            "6",
            "--circuit",
            "docstring-heads");
    assertCompared(ran, 588);
  }

  @Test
  void tasksWithoutAKnownCircuitAreRunToo() {
    Ran ran = discover("--task", "capital-cities", "--model-dir", models);
    assertEquals(0, ran.code(), ran.err());
    assertEquals(new RunSpec.Graph(true, true), spec().graph());
    assertEquals(8, spec().prompts().split().test());
    ran = discover("--task", "animal-diet", "--model-dir", models);
    assertEquals(0, ran.code(), ran.err());
  }

  @Test
  @Tag("slow")
  void sportsPlayersHaveOneInputForEachHead() throws IOException {
    write("pythia-2.8b-deduped", 32, 32, Kind.PARALLEL);
    Ran ran =
        discover(
            "--task",
            "sports-players",
            "--model-dir",
            models,
            "--count",
            "4",
            "--name-tokens",
            "2");
    assertCompared(ran, 2276);
    assertEquals(new RunSpec.Graph(false, false), spec().graph());
  }

  @Test
  void itsOptionsHaveTheLastWord() {
    Path model = models.resolve("openai-community/gpt2");
    Ran ran =
        discover(
            "--task",
            "ioi-tokens",
            "--model",
            model,
            "--count",
            "8",
            "--train",
            "3",
            "--frame",
            "4",
            "--separate-qkv=false");
    assertEquals(0, ran.code(), ran.err());
    assertEquals(new RunSpec.Graph(false, true), spec().graph());
    assertEquals(3, spec().prompts().split().train());
    assertEquals(2, spec().prompts().split().test());
    ran =
        discover(
            "--task",
            "ioi-tokens",
            "--model",
            model,
            "--count",
            "8",
            "--token-positions=false",
            "--slice",
            "all");
    assertEquals(0, ran.code(), ran.err());
    assertEquals(RunSpec.Graph.USUAL, spec().graph());
    assertEquals("all", spec().judging().slice().key());
  }

  @Test
  void aRunOfATaskIsRepeated() throws IOException {
    Ran ran = discover("--task", "greater-than", "--model-dir", models, "--count", "6");
    assertCompared(ran, 235);
    assertTrue(spec().model() instanceof ModelSource.Directory, "the model is a directory");
    byte[] scores = Files.readAllBytes(out.resolve("scores.safetensors"));
    Ran again =
        Ran.command("discover", "--run", out.resolve("run.json"), "--out", out.resolve("again"));
    assertEquals(0, again.code(), again.err());
    assertArrayEquals(scores, Files.readAllBytes(out.resolve("again/scores.safetensors")));
  }

  @Test
  void promptsMayBeTheUsers() throws IOException {
    Path file = out.resolve("prompts.json");
    Files.writeString(
        file,
        "{\"prompts\": [{\"clean\": [5, 6, 7], \"corrupt\": [5, 8, 7], \"answers\": [9],"
            + " \"wrong_answers\": [10]}]}");
    Ran ran = discover("--task", "ioi-tokens", "--model-dir", models, "--dataset", file);
    assertEquals(0, ran.code(), ran.err());
    assertEquals(new RunSpec.Graph(true, true), spec().graph());
    assertEquals(0, spec().prompts().split().train());
  }

  @Test
  void aMissingModelIsOneLine() {
    Ran ran = discover("--task", "ioi", "--model-dir", out);
    assertEquals(1, ran.code(), ran.err());
    assertEquals(1, ran.err().lines().count(), ran.err());
    assertTrue(
        ran.err().contains("task=ioi wants model=openai-community/gpt2 (blocks=12, heads=12)"),
        ran.err());
    assertTrue(ran.err().contains("models=" + out), ran.err());
  }

  @Test
  void aModelOfAnotherShapeIsOneLine() {
    Ran ran = discover("--task", "ioi", "--model", models.resolve("small"));
    assertEquals(1, ran.code(), ran.err());
    assertEquals(1, ran.err().lines().count(), ran.err());
    assertTrue(ran.err().contains("has blocks=2, heads=4; this task is about"), ran.err());
  }

  @Test
  void aModelWithoutATokenizerIsOneLine() throws IOException {
    Path bare = out.resolve("bare");
    Files.createDirectories(bare);
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(models.resolve("openai-community/gpt2").resolve(file), bare.resolve(file));
    }
    Ran ran = discover("--task", "ioi", "--model", bare);
    assertEquals(1, ran.code(), ran.err());
    assertTrue(ran.err().contains("has no tokenizer.json"), ran.err());
    assertEquals(1, ran.err().lines().count(), ran.err());
  }

  @Test
  void optionsThatDoNotFitATaskAreWrongUsage() {
    Ran ran = discover("--task", "induction", "--model", models.resolve("small"));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("this task has a model of its own"), ran.err());
    ran = discover("--task", "induction", "--model-dir", models);
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--model-dir needs a --task that wants a model"), ran.err());
    ran = discover("--task", "ioi", "--model-dir", models, "--bos", "never");
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--bos=never does not fit task=ioi"), ran.err());
  }

  @Test
  void theListSaysWhatIsNeededAndWhere() throws Exception {
    List<String> lines =
        Forked.run(
            out.resolve("log"),
            List.of(),
            Map.of("AUTOCIRCUIT_MODELS", models.toString()),
            Main.class,
            "list",
            "tasks",
            "--json");
    JsonNode ioi = null;
    JsonNode induction = null;
    for (JsonNode task : new ObjectMapper().readTree(String.join("\n", lines))) {
      ioi = task.path("key").asText().equals("ioi") ? task : ioi;
      induction = task.path("key").asText().equals("induction") ? task : induction;
    }
    assertTrue(induction.path("model").isNull(), "it brings its own");
    assertEquals("openai-community/gpt2", ioi.path("model").path("hub").asText());
    assertEquals(12, ioi.path("model").path("blocks").asInt());
    assertEquals(
        models.resolve("openai-community/gpt2").toString(),
        ioi.path("model").path("directory").asText());
    assertEquals(
        List.of("ioi-edges", "ioi-edges-mlp0", "ioi-heads"),
        ioi.path("circuits").findValuesAsText("key"));
    String text = Ran.command("list", "tasks").out().replaceAll("\\s+", " ");
    assertTrue(text.contains("Needs openai-community/gpt2: "), text);
    assertTrue(text.contains("Known circuits: ioi-edges, ioi-edges-mlp0, ioi-heads"), text);
    assertFalse(text.contains("induction Needs"), text);
  }
}
