package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.ModelSource;
import io.autocircuit.experiment.OfficialSource;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.PromptSplit;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunJudging;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.StoredFile;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.metric.Measurement;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.report.ResultDirectory;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.OfficialCircuit;
import io.autocircuit.task.Task;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** {@code discover --run}: a run is repeated from the file that it wrote. */
@Tag("slow")
class RepeatedRunTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What the numbers are in; {@code report.html} is compared too. */
  private static final List<String> FILES =
      List.of(
          "scores.safetensors",
          "edges.json",
          "measurements.json",
          "activations.json",
          "report.html",
          "run.json");

  @TempDir static Path folder;
  private static Path model;
  private static Path official;

  @BeforeAll
  static void prepare() throws IOException {
    model = Ran.embeddedCopy(folder.resolve("model"));
    official =
        Files.writeString(
            folder.resolve("official.json"), "[\"A0.2->A1.1.K\", \"A1.1->Resid End\"]");
  }

  private static Ran discover(Path out, Object... words) {
    List<Object> line = new ArrayList<>(List.of("discover", "--out", out));
    line.addAll(List.of(words));
    return Ran.command(line.toArray());
  }

  private static Path done(Path out, Object... words) {
    Ran ran = discover(out, words);
    assertEquals(0, ran.code(), ran::err);
    return out;
  }

  private static void assertSame(Path first, Path second, List<String> files) throws IOException {
    for (String file : files) {
      assertArrayEquals(
          Files.readAllBytes(first.resolve(file)), Files.readAllBytes(second.resolve(file)), file);
    }
  }

  /** Every algorithm that there is, with settings that are not its defaults. */
  static Stream<Arguments> everyAlgorithm() {
    Map<String, List<Object>> settings =
        Map.of(
            "eap",
                List.of(
                    "--mask-value",
                    "0.25",
                    "--score-ablation",
                    "zero",
                    "--sum",
                    "--weights",
                    "bfloat16"),
            "ig", List.of("--samples", "2", "--grad-function", "logprob"),
            "exact", List.of("--answer-function", "avg_val", "--precision", "float64"),
            "acdc", List.of("--tau", "0.01,0.1", "--target", "mse"),
            "sp", List.of("--epochs", "2", "--learning-rate", "0.05", "--dropout", "0.1"),
            "edge-pruning",
                List.of("--steps", "4", "--node-sparsity", "0.5", "--weight-decay", "0.01"),
            "random", List.of("--seed", "3", "--separate-qkv=false"),
            "ground-truth", List.of("--official", official, "--patch-type", "edge"));
    return PruneAlgorithmProvider.catalogue().keys().stream()
        .map(key -> Arguments.of(key, settings.getOrDefault(key, List.of())));
  }

  /** What settings that follow from a run come to here. */
  private static final Map<String, String> MEANS =
      Map.of("circuit_sizes=[official]", "[9]", "learn_for=judged", "tree");

  @ParameterizedTest(name = "{0}")
  @MethodSource("everyAlgorithm")
  void everyAlgorithmIsRepeatedBitForBit(String key, List<Object> settings) throws IOException {
    List<Object> words = new ArrayList<>(settings);
    words.addAll(List.of("--algorithm", key, "--edges", "0,9,0.5,all", "--train", 40));
    Path first = done(folder.resolve(key), words.toArray());
    Path again = done(folder.resolve(key + " again"), "--run", first.resolve("run.json"));
    assertSame(first, again, FILES);
    JsonNode run = JSON.readTree(first.resolve("run.json").toFile());
    JsonNode measured = JSON.readTree(first.resolve("measurements.json").toFile());
    PruneAlgorithmProvider entry = PruneAlgorithmProvider.catalogue().get(key);
    Settings asked = Settings.read(entry.settings(), run.get("scoring").get("settings"));
    Settings used = Settings.read(entry.settings(), measured.get("settings"));
    asked
        .values()
        .forEach(
            (name, value) ->
                assertEquals(
                    MEANS.getOrDefault(name + "=" + value, String.valueOf(value)),
                    String.valueOf(used.values().get(name))));
    assertEquals(RunSpec.read(first.resolve("run.json")).hash(), measured.get("run").asText());
  }

  @Test
  void whatIsPrintedIsTheSameToo() throws IOException {
    Object[] words = {
      "--token-positions",
      "--slice",
      "last",
      "--metrics",
      "logit_diff",
      "--bos",
      "never",
      "--ties",
      "--reverse-clean-corrupt",
      "--processing",
      "none",
      "--batch-size",
      10,
      "--pad",
      "--test",
      20,
      "--no-shuffle",
      "--edges",
      "log",
      "--memory",
      "64m",
      "--threads",
      1
    };
    Path first = folder.resolve("printed");
    Ran ran = discover(first, words);
    assertEquals(0, ran.code(), ran::err);
    Ran again = discover(folder.resolve("printed again"), "--run", first.resolve("run.json"));
    assertSame(first, folder.resolve("printed again"), FILES);
    assertEquals(withoutPlaces(ran.out()), withoutPlaces(again.out()));
    JsonNode m = JSON.readTree(first.resolve("measurements.json").toFile());
    assertTrue(m.get("token_positions").asBoolean() && m.get("ties").asBoolean(), m::toString);
    assertTrue(m.get("reverse_clean_corrupt").asBoolean(), m::toString);
    assertEquals(44, m.get("score_prompts").asInt());
    assertEquals(20, m.get("prompts").asInt());
    assertEquals("last", m.get("slice").asText());
    assertEquals("float32", m.get("precision").asText());
    assertEquals(42, m.get("seed").asInt());
  }

  private static String withoutPlaces(String out) {
    return out.replaceAll("(?m)^(report|device): .*$", "$1");
  }

  // ---- what has changed

  @Test
  void changedFilesAreNamed() throws IOException {
    Path copy = Ran.embeddedCopy(folder.resolve("changing"));
    Path prompts = copy.resolve("prompts.json");
    Path first =
        done(
            folder.resolve("before"),
            "--model",
            copy,
            "--dataset",
            prompts,
            "--official",
            official,
            "--edges",
            "0,9");
    Path run = first.resolve("run.json");
    byte[] weights = Files.readAllBytes(copy.resolve("model.safetensors"));
    byte[] changed = weights.clone();
    changed[changed.length - 1] ^= 1;
    Files.write(copy.resolve("model.safetensors"), changed);
    refused(1, List.of("weights in model=" + copy, "sha256=", "begin a new run"), "--run", run);
    Files.write(copy.resolve("model.safetensors"), weights);
    done(folder.resolve("as before"), "--run", run);

    ObjectNode root = (ObjectNode) JSON.readTree(prompts.toFile());
    root.withArray("prompts").remove(0);
    Files.write(prompts, JSON.writeValueAsBytes(root));
    refused(1, List.of("prompts=" + prompts), "--run", run);
    Files.writeString(copy.resolve("config.json"), " ", java.nio.file.StandardOpenOption.APPEND);
    refused(1, List.of("config.json in model=", "prompts="), "--run", run);
    Files.delete(prompts);
    refused(1, List.of("does not exist"), "--run", run);
  }

  @Test
  void filesThatHaveMovedAreGivenAnew() throws IOException {
    Path scores = done(folder.resolve("scored"), "--edges", "0,9").resolve("scores.safetensors");
    Path copy = Ran.embeddedCopy(folder.resolve("from"));
    Path first =
        done(
            folder.resolve("at first"),
            "--model",
            copy,
            "--dataset",
            copy.resolve("prompts.json"),
            "--scores",
            scores,
            "--edges",
            "0,9",
            "--official",
            official);
    Path to = Files.createDirectories(folder.resolve("elsewhere")).resolve("from");
    Files.move(copy, to);
    Path run = first.resolve("run.json");
    refused(1, List.of("does not exist"), "--run", run);
    Path moved = Files.copy(scores, folder.resolve("scores.safetensors"));
    Path again =
        done(
            folder.resolve("moved"),
            "--run",
            run,
            "--model",
            to,
            "--dataset",
            to.resolve("prompts.json"),
            "--scores",
            moved,
            "--official",
            Files.copy(official, folder.resolve("the same.json")));
    assertSame(first, again, List.of("scores.safetensors", "edges.json", "measurements.json"));
    refused(
        2,
        List.of("--model is given, but the run of", "has no model directory"),
        "--run",
        scores.resolveSibling("run.json"),
        "--model",
        to);
  }

  @Test
  void anotherVersionOrMachineIsANote() throws IOException {
    Path first = done(folder.resolve("here"), "--edges", "0,9");
    ObjectNode root = (ObjectNode) JSON.readTree(first.resolve("run.json").toFile());
    root.put("version", "0.0.1");
    ((ObjectNode) root.get("machine")).put("kernels", "cpu-other").put("threads", 100_000);
    Path run = Files.write(folder.resolve("elsewhere.json"), JSON.writeValueAsBytes(root));
    Ran ran = discover(folder.resolve("there"), "--run", run);
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("note: this run was recorded by version=0.0.1"), ran::out);
    assertTrue(ran.out().contains("kernels=cpu-other (here "), ran::out);
    assertTrue(ran.out().contains("threads=100000 (here "), ran::out);
    String report = Files.readString(folder.resolve("there").resolve("report.html"));
    assertTrue(report.contains("<th scope=\"row\">run</th>"), "the hash is shown");
  }

  // ---- what may be given beside it

  @Test
  void optionsThatContradictTheFileAreRefused() throws IOException {
    Path run = done(folder.resolve("plain"), "--edges", "0,9").resolve("run.json");
    refused(
        2,
        List.of("--tau, --seed cannot be given beside --run"),
        "--run",
        run,
        "--tau",
        0.1,
        "--seed",
        3);
    refused(2, List.of("--edges cannot be given"), "--run", run, "--edges", "0,9");
    refused(2, List.of("--algorithm cannot be given"), "--algorithm", "eap", "--run", run);
    refused(2, List.of("--threads=0"), "--run", run, "--threads", 0);
    refused(1, List.of("none.json does not exist"), "--run", folder.resolve("none.json"));
    Path again =
        done(
            folder.resolve("fine"),
            "--run",
            run,
            "--threads",
            1,
            "--memory",
            "100m",
            "--device",
            "cpu",
            "--verbose");
    assertEquals(RunSpec.read(run).hash(), RunSpec.read(again.resolve("run.json")).hash());
  }

  @Test
  void aRunThatDoesNotFitItsGraphIsBadData() throws IOException {
    Path first = done(folder.resolve("fits"), "--edges", "0,9");
    ObjectNode root = (ObjectNode) JSON.readTree(first.resolve("run.json").toFile());
    ((ObjectNode) root.get("judging")).putArray("edges").add(5000);
    Path run = Files.write(folder.resolve("unfit.json"), JSON.writeValueAsBytes(root));
    refused(1, List.of("unfit.json", "size=5000 exceeds the graph's edges=81"), "--run", run);
    root.remove("seed");
    Files.write(run, JSON.writeValueAsBytes(root));
    refused(1, List.of("unfit.json: missing field \"seed\""), "--run", run);
  }

  private static void refused(int code, List<String> parts, Object... words) throws IOException {
    Path out = folder.resolve("never");
    Ran ran = discover(out, words);
    assertEquals(code, ran.code(), ran::err);
    assertEquals(1, ran.err().lines().count(), ran::err);
    for (String part : parts) {
      assertTrue(ran.err().contains(part), ran::err);
    }
    assertFalse(Files.exists(out), "something was written");
  }

  // ---- the same from Java

  /** One call of the library does what the command line does. */
  @Test
  void aSpecMadeInJavaGivesTheSameFiles() throws IOException {
    Path typed =
        done(
            folder.resolve("typed"),
            "--model",
            model,
            "--dataset",
            model.resolve("prompts.json"),
            "--algorithm",
            "acdc",
            "--tau",
            "0.01",
            "--ablation",
            "zero",
            "--edges",
            "0,9,all",
            "--train",
            30,
            "--test",
            20,
            "--seed",
            5,
            "--official",
            official);
    PruneAlgorithmProvider acdc = PruneAlgorithmProvider.catalogue().get("acdc");
    RunSpec spec =
        RunSpec.of(
                ModelSource.at(model),
                PromptSource.at(model.resolve("prompts.json")),
                new RunSpec.Algorithm(
                    "acdc",
                    Settings.of(
                        acdc.settings(),
                        Map.of("tau", List.of(0.01), "score_ablation", Ablation.ZERO))))
            .withSeed(5)
            .withOfficial(Optional.of(OfficialSource.at(official)));
    spec =
        spec.withPrompts(spec.prompts().withSplit(new PromptSplit(30, 20, true)))
            .withJudging(
                new RunJudging(
                    CircuitRuns.of(PatchType.TREE_PATCH, Ablation.ZERO),
                    EdgeCounts.parse(List.of("0", "9", "all")),
                    false,
                    spec.judging().metrics(),
                    OutputSlice.LAST_SEQ));
    Path out = folder.resolve("java");
    try (Run run = Run.open(spec)) {
      ResultDirectory.write(out, run, run.run(Progress.SILENT));
      assertEquals(spec.pinned().hash(), run.spec().hash());
    }
    // the budget follows what the machine has free at the moment, so the report differs in it
    assertSame(typed, out, List.of("scores.safetensors", "edges.json", "measurements.json"));
    assertEquals(
        RunSpec.read(typed.resolve("run.json")).hash(),
        RunSpec.read(out.resolve("run.json")).hash());
  }

  @Test
  void aDiscoveryThatIsBuiltGivesTheSameNumbers() throws IOException {
    Results typed =
        Results.discover(
            folder.resolve("by options"),
            "--separate-qkv=false",
            "--slice",
            "last",
            "--batch-size",
            16,
            "--train",
            30,
            "--test",
            20,
            "--seed",
            7,
            "--ablation",
            "zero",
            "--score-ablation",
            "resample",
            "--patch-type",
            "edge",
            "--edges",
            "0,5,all",
            "--ties",
            "--metrics",
            "kl_div",
            "--official",
            joint());
    try (Task task =
        new Task(
            EmbeddedTask.model(null, ScalarType.Float), EmbeddedTask.prompts().tokenize(null))) {
      var builder =
          Discovery.builder(task, MaskGradient.eap())
              .separateQkv(false)
              .slice(OutputSlice.LAST_SEQ)
              .batchSize(16)
              .split(new PromptSplit(30, 20, true), 7)
              .runs(CircuitRuns.of(PatchType.EDGE_PATCH, Ablation.ZERO))
              .sizes(EdgeCounts.parse(List.of("0", "5", "all")))
              .ties(true)
              .metrics(List.of(io.autocircuit.metric.Metric.of("kl_div")))
              .threads(Runtime.getRuntime().availableProcessors());
      Discovery.Result built =
          builder.official(OfficialCircuit.read(joint(), builder.graph())).build().run();
      for (Measurement.Point p : built.measurements().get(0).points()) {
        assertEquals(typed.metric("kl_div").get(p.edges()), p.value(), "edges=" + p.edges());
      }
      assertEquals(typed.metric("kl_div").size(), built.measurements().get(0).points().size());
      assertEquals(typed.measurements().get("roc").size(), built.roc().size());
      Map<String, Double> scores = typed.scores();
      built
          .scores()
          .best(100)
          .forEach(
              s -> assertEquals(scores.get(s.edge().name()).floatValue(), s.score(), s::toString));
      // a discovery that is no spec's leaves no file that would repeat another run
      ResultDirectory.write(typed.directory(), built);
      assertFalse(Files.exists(typed.directory().resolve("run.json")));
    }
  }

  private static Path joint() throws IOException {
    return Files.writeString(folder.resolve("joint.json"), "[\"A0.2->A1.1\", \"A1.1->Resid End\"]");
  }

  @Test
  void savedScoresAreJudgedInOneCall() throws IOException {
    Path first = done(folder.resolve("scores"), "--edges", "0,9,all");
    Path scores = first.resolve("scores.safetensors");
    RunSpec spec =
        RunSpec.of(
            ModelSource.embedded(),
            PromptSource.embedded(),
            new RunSpec.Saved(StoredFile.at(scores)));
    Discovery.Result result = spec.run();
    Results typed = Results.discover(folder.resolve("judged"), "--scores", scores);
    for (Measurement m : result.measurements()) {
      Map<Integer, Double> values = typed.metric(m.metric().key());
      m.points().forEach(p -> assertEquals(values.get(p.edges()), p.value(), m::toString));
    }
    assertEquals(typed.edges().size(), result.scores().values().length);
  }
}
