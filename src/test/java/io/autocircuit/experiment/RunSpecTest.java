package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.task.RandomPrompts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run's spec, its JSON and its hash. */
class RunSpecTest {
  @TempDir Path folder;

  // ---- random specs

  private static <T> T one(Random r, List<T> of) {
    return of.get(r.nextInt(of.size()));
  }

  private static Optional<String> hash(Random r) {
    return r.nextInt(4) == 0
        ? Optional.empty()
        : Optional.of(String.format("%064x", new java.math.BigInteger(256, r)));
  }

  private static Path path(Random r) {
    return Path.of("/models", one(r, List.of("a", "é ü", "\"quoted\"", "back\\slash")), "x y.json");
  }

  private static StoredFile file(Random r) {
    return new StoredFile(path(r), hash(r));
  }

  private static Optional<ModelSource.Contents> contents(Random r) {
    Optional<String> weights = hash(r);
    return weights.map(w -> new ModelSource.Contents(w, w.replace('0', 'f')));
  }

  private static RunSpec.Scoring scoring(Random r) {
    if (r.nextInt(5) == 0) {
      return new RunSpec.Saved(file(r));
    }
    PruneAlgorithmProvider entry = one(r, PruneAlgorithmProvider.catalogue().entries());
    Map<String, Object> given = new HashMap<>();
    entry
        .settings()
        .forEach(
            s -> {
              switch (s.name()) {
                case "mask_value", "learning_rate", "lambda" -> given.put(s.name(), number(r));
                case "tau" -> given.put(s.name(), List.of(number(r), number(r)));
                case "samples", "epochs" -> given.put(s.name(), 1 + r.nextInt(1000));
                case "score_ablation" -> given.put(s.name(), one(r, Ablation.standard()));
                default -> {
                  // as it is
                }
              }
            });
    return new RunSpec.Algorithm(entry.key(), Settings.of(entry.settings(), given));
  }

  /** Positive numbers of every size. */
  private static double number(Random r) {
    return r.nextBoolean() ? 1 + r.nextInt(100) : Math.exp(200 * (r.nextDouble() - 0.5));
  }

  private static CircuitSelection selection(Random r) {
    CircuitSelection.Rule rule = one(r, List.of(CircuitSelection.Rule.values()));
    return new CircuitSelection(
        rule,
        r.nextBoolean(),
        r.nextBoolean(),
        rule == CircuitSelection.Rule.THRESHOLD
            ? List.of(r.nextGaussian(), r.nextDouble())
            : List.of());
  }

  private static EdgeCounts sizes(Random r) {
    if (r.nextBoolean()) {
      return EdgeCounts.parse(List.of(one(r, List.of("auto", "all", "log", "groups"))));
    }
    List<String> texts = new ArrayList<>();
    for (int i = 0; i <= r.nextInt(6); i++) {
      texts.add(one(r, List.of("0", "7", "1000000", "0.1", "all", "" + r.nextDouble(), "1.0")));
    }
    return EdgeCounts.listed(texts);
  }

  static RunSpec random(long seed) {
    Random r = new Random(seed);
    ModelSource model =
        one(
            r,
            List.of(
                new ModelSource.Directory(path(r), contents(r)),
                new ModelSource.Embedded("induction", contents(r)),
                ModelSource.random("tiny")));
    PromptSource prompts =
        one(
            r,
            List.of(
                new PromptSource.File(file(r)),
                new PromptSource.File(file(r), Columns.parse("clean=q,corrupt=a.b,split=test")),
                new PromptSource.Embedded("induction", hash(r)),
                new PromptSource.Random(new RandomPrompts(1 + r.nextInt(50), 2 + r.nextInt(50)))));
    List<Metric> metrics = new ArrayList<>(Metric.standard());
    Collections.shuffle(metrics, r);
    boolean ties = r.nextBoolean();
    return new RunSpec(
        one(r, List.of("1.0.0", "development", "2-SNAPSHOT")),
        model,
        r.nextBoolean()
            ? Optional.empty()
            : Optional.of(
                new WeightProcessing(
                    r.nextBoolean(), r.nextBoolean(), r.nextBoolean(), r.nextBoolean())),
        new NumberTypes(one(r, List.of(Precision.values())), one(r, List.of(WeightType.values()))),
        new RunPrompts(
            prompts,
            r.nextBoolean() ? Optional.of("none") : hash(r),
            one(r, List.of(BosPolicy.values())),
            one(r, List.of(MultiTokenAnswers.values())),
            r.nextBoolean(),
            1 + r.nextInt(1000),
            new PromptSplit(r.nextInt(100), r.nextInt(100), r.nextBoolean())),
        new RunSpec.Graph(
            r.nextBoolean(),
            one(r, List.of(KeyValues.values())),
            r.nextBoolean(),
            r.nextBoolean(),
            r.nextBoolean() ? Form.FACTORIZED : Form.UNFACTORIZED,
            r.nextBoolean() ? Level.EDGE : Level.NODE,
            r.nextBoolean()
                ? Optional.empty()
                : Optional.of(
                    new AutoencoderSource(path(r), hash(r), r.nextInt(9), r.nextBoolean()))),
        scoring(r),
        new RunJudging(
            new CircuitRuns(
                one(r, List.of(PatchType.values())), one(r, Ablation.standard()), r.nextBoolean()),
            sizes(r),
            ties,
            ties ? CircuitSelection.TOP : selection(r),
            metrics.subList(0, 1 + r.nextInt(metrics.size())),
            one(r, List.of(OutputSlice.values())),
            r.nextInt(3)),
        r.nextInt(4) > 0 ? Optional.empty() : Optional.of(file(r)),
        official(r),
        r.nextLong(),
        r.nextBoolean()
            ? Optional.empty()
            : Optional.of(
                new Machine(
                    one(r, List.of("cpu", "cuda:1")), "cpu-avx2", 1 + r.nextInt(64), 1L << 40)));
  }

  private static Optional<OfficialSource> official(Random r) {
    return switch (r.nextInt(3)) {
      case 0 -> Optional.empty();
      case 1 -> Optional.of(new OfficialSource.Known("ioi-edges"));
      default -> Optional.of(new OfficialSource.Stored(file(r)));
    };
  }

  @Property(tries = 500)
  void whatIsWrittenIsReadBack(@ForAll long seed) {
    RunSpec spec = random(seed);
    RunSpec back = RunSpec.parse(spec.json(), "run.json");
    assertEquals(spec, back);
    assertEquals(spec.json(), back.json(), "and written the same");
    assertEquals(spec.identity(), back.identity());
  }

  /** Nothing that the numbers depend on is forgotten: specs that differ have other identities. */
  @Property(tries = 200)
  void specsThatDifferInMoreThanPlacesHaveOtherIdentities(@ForAll long a, @ForAll long b) {
    RunSpec first = random(a);
    RunSpec second = random(b);
    assertEquals(
        withoutPlaces(first).equals(withoutPlaces(second)),
        first.identity().equals(second.identity()));
  }

  private static RunSpec withoutPlaces(RunSpec spec) {
    Path nowhere = Path.of("/");
    RunSpec s = spec.withMachine(Optional.empty());
    if (s.model() instanceof ModelSource.Directory d) {
      s = s.withModel(new ModelSource.Directory(nowhere, d.contents()));
    }
    if (s.prompts().source() instanceof PromptSource.File f) {
      s =
          s.withPrompts(
              s.prompts()
                  .withSource(new PromptSource.File(new StoredFile(nowhere, f.file().sha256()))));
    }
    if (s.scoring() instanceof RunSpec.Saved saved) {
      s = s.withScoring(new RunSpec.Saved(new StoredFile(nowhere, saved.file().sha256())));
    }
    return s.official().orElse(null) instanceof OfficialSource.Stored f
        ? s.withOfficial(
            Optional.of(new OfficialSource.Stored(new StoredFile(nowhere, f.file().sha256()))))
        : s;
  }

  // ---- the canonical form

  static RunSpec fixed() {
    PruneAlgorithmProvider eap = PruneAlgorithmProvider.catalogue().get("eap");
    String zeros = "0".repeat(64);
    return new RunSpec(
        "1.2.3",
        new ModelSource.Directory(
            Path.of("/models/gpt2"),
            Optional.of(new ModelSource.Contents("a".repeat(64), "b".repeat(64)))),
        Optional.of(WeightProcessing.DEFAULT),
        NumberTypes.USUAL,
        new RunPrompts(
            new PromptSource.File(new StoredFile(Path.of("/p/ioi.json"), Optional.of(zeros))),
            Optional.of("c".repeat(64)),
            BosPolicy.AUTO,
            MultiTokenAnswers.REFUSE,
            false,
            32,
            new PromptSplit(100, 50, true)),
        RunSpec.Graph.USUAL,
        new RunSpec.Algorithm("eap", Settings.of(eap.settings(), Map.of("mask_value", 1e-7))),
        new RunJudging(
            CircuitRuns.of(PatchType.TREE_PATCH, Ablation.ZERO),
            EdgeCounts.parse(List.of("0", "0.1", "all")),
            false,
            List.of(Metric.of("kl_div"), Metric.of("logit_diff")),
            OutputSlice.LAST_SEQ),
        Optional.empty(),
        Optional.empty(),
        7,
        Optional.of(new Machine("cpu", "cpu-avx2", 2, 1000)));
  }

  @Test
  void weightsOf16BitsAreSaidAndOthersAreNot() {
    RunSpec full = fixed();
    RunSpec half = full.withNumbers(new NumberTypes(Precision.FLOAT32, WeightType.BFLOAT16));
    assertFalse(full.json().contains("\"weights\""));
    assertTrue(half.json().contains("\"weights\":\"bfloat16\""), half::json);
    assertNotEquals(full.hash(), half.hash());
    assertEquals(half, RunSpec.parse(half.json(), "test"));
    String said = half.json().replace("\"bfloat16\"", "\"float32\"");
    assertEquals(full.hash(), RunSpec.parse(said, "test").hash());
    String wrong = half.json().replace("\"weights\"", "\"wieghts\"");
    String message =
        assertThrows(DataException.class, () -> RunSpec.parse(wrong, "test")).getMessage();
    assertTrue(message.contains("did you mean \"weights\""), message);
  }

  @Test
  void savedScoresAvoidNothing() {
    RunSpec saved =
        fixed().withScoring(new RunSpec.Saved(new StoredFile(Path.of("/s"), Optional.empty())));
    String kind = "\"kind\":\"saved\"";
    String wrong = saved.json().replace(kind, "\"avoid\":\"official\"," + kind);
    String message =
        assertThrows(DataException.class, () -> RunSpec.parse(wrong, "test")).getMessage();
    assertTrue(message.contains("saved scores avoid nothing"), message);
  }

  /**
   * The canonical form is fixed: results are stored under its hash. Who changes it gives the format
   * another number, and says in the changelog that hashes change.
   */
  @Test
  void theCanonicalFormIsFixed() {
    assertEquals(
        "{\"format\":1,\"graph\":{\"kv\":\"grouped\",\"separate_qkv\":true,"
            + "\"token_positions\":false},\"judging\":{"
            + "\"ablation\":\"zero\",\"edges\":[0,0.1,\"all\"],\"metrics\":[\"kl_div\",\"logit_diff\"],"
            + "\"patch_type\":\"tree\",\"reverse_clean_corrupt\":false,\"slice\":\"last\","
            + "\"ties\":false},\"model\":{\"config_sha256\":\""
            + "b".repeat(64)
            + "\",\"kind\":\"directory\",\"precision\":\"float32\",\"processing\":[\"fold_ln\","
            + "\"center_writing_weights\",\"center_unembed\",\"fold_value_biases\"],"
            + "\"weights_sha256\":\""
            + "a".repeat(64)
            + "\"},\"official\":null,\"prompts\":{\"batch_size\":32,\"bos\":\"auto\","
            + "\"kind\":\"file\",\"multi_token_answers\":\"refuse\",\"pad\":false,\"sha256\":\""
            + "0".repeat(64)
            + "\",\"split\":{\"shuffle\":true,\"test\":50,\"train\":100},\"tokenizer_sha256\":\""
            + "c".repeat(64)
            + "\"},\"scoring\":{\"algorithm\":\"eap\",\"kind\":\"algorithm\",\"settings\":{"
            + "\"answer_function\":\"auto\",\"grad_function\":\"logit\",\"mask_value\":1e-7,"
            + "\"score_ablation\":\"resample\",\"sum\":false}},\"seed\":7,\"version\":\"1.2.3\"}",
        fixed().identity());
    assertEquals(
        "bc525ae4c34e8c8225f4d883df2ef9c8ae6d390e633b1f79185dc5763387d01f", fixed().hash());
  }

  /** Of the same run as it was written before groups of heads had inputs of their own. */
  @Test
  void aRunThatSaysNothingOfKeysAndValuesHasThemForEachQuery() {
    String json = fixed().json();
    RunSpec old = RunSpec.parse(json.replace("\"kv\":\"grouped\",", ""), "run.json");
    assertEquals(KeyValues.GROUPED, RunSpec.parse(json, "run.json").graph().keyValues());
    assertEquals(KeyValues.PER_QUERY, old.graph().keyValues());
    assertEquals("37f9c2236909bcde2620583230d9012f31e44ba259f5e180b67dc6f36021b7c9", old.hash());
    DataException e =
        assertThrows(
            DataException.class,
            () -> RunSpec.parse(json.replace("grouped", "groups"), "run.json"));
    assertTrue(e.getMessage().contains("grouped"), e.getMessage());
  }

  @Test
  void theHashLooksAtContentsAndNotAtPlacesOrMachines() {
    RunSpec spec = fixed();
    ModelSource.Contents contents = ((ModelSource.Directory) spec.model()).contents().get();
    assertEquals(
        spec.hash(),
        spec.withModel(new ModelSource.Directory(Path.of("/elsewhere"), Optional.of(contents)))
            .withMachine(Optional.of(new Machine("cuda:0", "cuda", 64, 5)))
            .hash());
    ModelSource.Contents other = new ModelSource.Contents("d".repeat(64), contents.config());
    assertNotEquals(
        spec.hash(),
        spec.withModel(new ModelSource.Directory(Path.of("/models/gpt2"), Optional.of(other)))
            .hash());
    assertNotEquals(spec.hash(), spec.withSeed(8).hash());
  }

  @Test
  void aSpecWhoseFilesAreNotReadYetHasNoHash() {
    RunSpec spec = RunSpec.of(ModelSource.embedded(), PromptSource.embedded(), fixed().scoring());
    IllegalStateException e = assertThrows(IllegalStateException.class, spec::hash);
    assertTrue(
        e.getMessage().contains("weights of the embedded model")
            && e.getMessage().contains("pinned"),
        e.getMessage());
    RunSpec pinned = spec.pinned();
    assertEquals(pinned.hash(), spec.pinned().hash());
    assertEquals(pinned.hash(), RunSpec.parse(pinned.json(), "x").hash());
  }

  // ---- files

  @Test
  void aModelThatMovesKeepsItsHashAndOneByteChangesIt() throws IOException {
    Path first = Files.createDirectories(folder.resolve("first"));
    Path second = Files.createDirectories(folder.resolve("second"));
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(io.autocircuit.task.EmbeddedTask.directory().resolve(name), first.resolve(name));
      Files.copy(first.resolve(name), second.resolve(name));
    }
    PromptSource prompts = PromptSource.embedded();
    String hash = RunSpec.of(ModelSource.at(first), prompts, fixed().scoring()).pinned().hash();
    RunSpec moved = RunSpec.of(ModelSource.at(second), prompts, fixed().scoring());
    assertEquals(hash, moved.pinned().hash());
    byte[] weights = Files.readAllBytes(second.resolve("model.safetensors"));
    weights[weights.length - 1] ^= 1;
    Files.write(second.resolve("model.safetensors"), weights);
    assertNotEquals(hash, moved.pinned().hash());
    Files.copy(
        first.resolve("model.safetensors"),
        second.resolve("model.safetensors"),
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    assertEquals(hash, moved.pinned().hash());
    Files.writeString(second.resolve("tokenizer.json"), "{}");
    assertNotEquals(hash, moved.pinned().hash(), "a tokenizer that was not there");
  }

  @Test
  void relativePathsAreFromTheFilesDirectory() throws IOException {
    RunSpec spec =
        fixed()
            .withModel(new ModelSource.Directory(folder.resolve("model"), Optional.empty()))
            .withOfficial(Optional.of(OfficialSource.at(folder.resolve("sub/../official.json"))));
    Path file = folder.resolve("run.json");
    spec.write(file);
    String text = Files.readString(file);
    assertTrue(text.contains("\"path\": \"" + folder.resolve("official.json")), text);
    assertTrue(text.endsWith("}\n"), "whole lines");
    Files.writeString(file, text.replace(folder + "/", ""));
    assertFalse(Files.readString(file).contains(folder.toString()), "the test makes them relative");
    RunSpec back = RunSpec.read(file);
    assertEquals(folder.resolve("model"), back.model().directory().orElseThrow());
    assertEquals(
        folder.resolve("official.json"),
        ((OfficialSource.Stored) back.official().orElseThrow()).file().path());
  }
}
