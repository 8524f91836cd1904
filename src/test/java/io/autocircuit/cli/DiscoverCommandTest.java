package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.experiment.Precision;
import io.autocircuit.experiment.SourceActivations;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightType;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code discover} from the command line to its files, on the embedded default. */
@Tag("slow")
class DiscoverCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int EDGES = 81;
  private static final int PROMPTS = 64;
  private static final Set<String> PREVIOUS_TOKEN_TO_INDUCTION =
      Set.of("A0.2->A1.0.K", "A0.2->A1.1.K", "A0.2->A1.2.K", "A0.2->A1.3.K");

  @TempDir static Path folder;
  private static Ran ran;
  private static Results eap;

  @BeforeAll
  static void runTheDefault() throws IOException {
    ran = Ran.command("discover", "--out", folder.resolve("eap"));
    assertEquals(0, ran.code(), ran::err);
    eap = Results.read(folder.resolve("eap"));
  }

  @Test
  void writesSixFilesAndNothingElse() throws IOException {
    try (Stream<Path> files = Files.list(eap.directory())) {
      assertEquals(
          Set.of(
              "scores.safetensors",
              "edges.json",
              "measurements.json",
              "activations.json",
              "report.html",
              "run.json"),
          new TreeSet<>(files.map(f -> f.getFileName().toString()).toList()));
    }
    assertEquals("", ran.err());
  }

  /** The report says what sources write, as the file does; heads look where they should. */
  @Test
  void activationsAreWrittenForTheReport() throws IOException {
    SourceActivations found = SourceActivations.read(eap.directory().resolve("activations.json"));
    assertEquals("resample clean 4", found.ablation() + " " + found.run() + " " + found.prompts());
    assertEquals(
        eap.edges().get(0).get("name").asText().split("->", -1)[0], found.sources().get(0).name());
    String page = Files.readString(eap.directory().resolve("report.html"));
    String json = found.json().toString();
    assertTrue(page.contains(json.replace("<", "\\u003c").replace(">", "\\u003e")), json);
    // A0.2 is the head of the previous token in the known circuit of this model
    List<List<Double>> rows =
        found.patterns().stream()
            .filter(p -> p.head().equals("A0.2"))
            .findFirst()
            .orElseThrow()
            .rows();
    for (int q = 2; q < rows.size(); q++) {
      assertTrue(rows.get(q).get(q - 1) > 0.5, "query " + q + ": " + rows.get(q));
    }
  }

  @Test
  void edgesAreListedByImportance() {
    assertEquals(EDGES, eap.edges().size());
    double last = Double.POSITIVE_INFINITY;
    for (JsonNode e : eap.edges()) {
      assertEquals(
          List.of("name", "seq_idx", "score"),
          e.properties().stream().map(Map.Entry::getKey).toList());
      assertTrue(e.get("name").isTextual() && e.get("seq_idx").isNull());
      assertTrue(e.get("score").isNumber());
      assertTrue(Math.abs(e.get("score").doubleValue()) <= last, e::toString);
      last = Math.abs(e.get("score").doubleValue());
    }
  }

  @Test
  void scoresHaveAutoCircuitsNamesAndShapes() throws IOException {
    try (Safetensors file = Safetensors.open(eap.directory().resolve("scores.safetensors"))) {
      assertEquals(
          Set.of(
              "blocks.0.hook_q_input",
              "blocks.0.hook_k_input",
              "blocks.0.hook_v_input",
              "blocks.1.hook_q_input",
              "blocks.1.hook_k_input",
              "blocks.1.hook_v_input",
              "blocks.1.hook_resid_post"),
          file.names());
      assertArrayEquals(new long[] {4, 1}, file.shape("blocks.0.hook_q_input"));
      assertArrayEquals(new long[] {4, 5}, file.shape("blocks.1.hook_k_input"));
      assertArrayEquals(new long[] {9}, file.shape("blocks.1.hook_resid_post"));
      assertEquals("eap", file.metadata().get("algorithm"));
      // rows are heads, columns sources: Resid Start, A0.0, A0.1, A0.2, A0.3
      float[] keys = file.floats("blocks.1.hook_k_input");
      Map<String, Double> scores = eap.scores();
      for (int head = 0; head < 4; head++) {
        assertEquals(scores.get("A0.2->A1." + head + ".K"), keys[head * 5 + 3], 1e-6);
        assertEquals(scores.get("Resid Start->A1." + head + ".K"), keys[head * 5], 1e-6);
      }
      float[] end = file.floats("blocks.1.hook_resid_post");
      assertEquals(scores.get("A1.1->Resid End"), end[6], 1e-6);
    }
  }

  @Test
  void measurementsSayWhatWasRunAndHaveEveryMetric() {
    JsonNode m = eap.measurements();
    assertEquals("eap", m.get("algorithm").asText());
    assertEquals("resample", m.get("ablation").asText());
    assertEquals("tree", m.get("patch_type").asText());
    assertEquals(EDGES, m.get("n_edges").asInt());
    assertEquals(PROMPTS, m.get("prompts").asInt());
    assertEquals("[1.0,1.0]", m.get("roc").get(EDGES + 2).toString(), "against its own circuit");
    for (Metric metric : Metric.all()) {
      if (metric == Metric.ANSWER_MSE) { // of numbers
        assertNull(m.get("metrics").get(metric.key()));
      } else {
        assertEquals(EDGES + 1, eap.metric(metric.key()).size(), metric.key());
      }
    }
    assertEquals(0, eap.metric("kl_div").get(EDGES), 1e-6);
    assertEquals(100, eap.metric("logit_diff_percent").get(EDGES), 1e-3);
    assertEquals(14.384, eap.metric("logit_diff").get(EDGES), 0.01);
    assertEquals(-14.466, eap.metric("logit_diff").get(0), 0.01);
  }

  @Test
  void theReportHoldsTheData() throws IOException {
    String html = Files.readString(eap.directory().resolve("report.html"));
    assertTrue(html.startsWith("<!doctype html>") || html.startsWith("<!DOCTYPE html>"));
    for (String part :
        List.of(
            "Circuit of induction",
            "\"A0.2\",\"A1.1.K\"",
            "Logit difference recovered, %",
            "Edge attribution patching",
            "embedded prompts.json")) {
      assertTrue(html.contains(part), part);
    }
    assertTrue(html.contains("9 of 81 edges (11.1 %) recover 99 %"), "the verdict");
    assertFalse(html.contains("\"tau\""), "settings of other algorithms");
  }

  @Test
  void printsTheTopEdgesTheCurveAndWhereTheReportIs() {
    assertTrue(ran.out().contains("Edge attribution patching (logit) on 64 prompts: 81 edges"));
    assertTrue(ran.out().contains("top edges\n  A1.1->Resid End"));
    assertTrue(
        ran.out()
            .lines()
            .anyMatch(l -> l.matches(" +81 +81 +\\S+ +\\S+ +14\\.38\\d +100\\.00 +100\\.00")),
        ran::out);
    assertTrue(
        ran.out().endsWith("report: " + eap.directory().resolve("report.html") + "\n"), ran::out);
  }

  // ---- the textbook finding

  @Test
  void eapFindsTheInductionCircuit() {
    assertTextbook(eap);
  }

  @Test
  void exactPatchingFindsTheInductionCircuit() throws IOException {
    assertTextbook(
        Results.discover(folder.resolve("exact"), "--algorithm", "exact", "--edges", "0,9,all"));
  }

  @Test
  void integratedGradientsFindTheInductionCircuit() throws IOException {
    assertTextbook(
        Results.discover(folder.resolve("ig"), "--algorithm", "ig", "--edges", "0,9,all"));
  }

  @Test
  void acdcKeepsExactlyTheInductionCircuit() throws IOException {
    Results acdc =
        Results.discover(folder.resolve("acdc"), "--algorithm", "acdc", "--edges", "0,9,all");
    assertTextbook(acdc);
    List<String> kept =
        acdc.scores().entrySet().stream()
            .filter(e -> Double.isInfinite(e.getValue()))
            .map(Map.Entry::getKey)
            .toList();
    assertEquals(9, kept.size(), kept::toString);
    assertEquals("Infinity", acdc.edges().get(0).get("score").asText());
    assertTrue(acdc.edges().get(0).get("score").isTextual());
    assertEquals(0.001, acdc.scores().get("A0.0->Resid End"), 1e-9);
  }

  /** Previous-token head → induction heads through K, and into the output. */
  private static void assertTextbook(Results results) {
    List<String> between =
        results.scores().keySet().stream().filter(e -> e.matches("A0\\.\\d->A1\\..*")).toList();
    assertEquals(4 * 4 * 3, between.size());
    assertEquals(PREVIOUS_TOKEN_TO_INDUCTION, Set.copyOf(between.subList(0, 4)));
    Set<String> circuit = Set.copyOf(results.best(9));
    assertTrue(circuit.containsAll(PREVIOUS_TOKEN_TO_INDUCTION), circuit::toString);
    assertTrue(
        circuit.containsAll(
            List.of(
                "A1.0->Resid End",
                "A1.1->Resid End",
                "A1.2->Resid End",
                "A1.3->Resid End",
                "Resid Start->A0.2.V")),
        circuit::toString);
    assertTrue(results.metric("logit_diff_percent").get(9) > 95);
    assertTrue(results.metric("correct_answer_percent").get(9) == 100);
    assertTrue(results.metric("logit_diff_percent").get(0) < 0);
  }

  // ---- the other algorithms and settings

  @Test
  void subnetworkProbingLearnsACircuit() throws IOException {
    Results sp =
        Results.discover(
            folder.resolve("sp"),
            "--algorithm=sp",
            "--patch-type=edge",
            "--mask-fn=sigmoid",
            "--circuit-size=9",
            "--target=logit_diff_percent",
            "--edges=0,12,all");
    assertEquals("sp", sp.measurements().get("algorithm").asText());
    assertEquals("edge", sp.measurements().get("patch_type").asText());
    assertTrue(sp.best(12).containsAll(PREVIOUS_TOKEN_TO_INDUCTION), sp.best(12)::toString);
    assertTrue(sp.metric("logit_diff_percent").get(12) > 90);
  }

  @Test
  void randomScoresAreABaselineOfTheirSeed() throws IOException {
    Object[] words = {"--algorithm", "random", "--edges", "9", "--seed", 7};
    Results first = Results.discover(folder.resolve("random1"), words);
    Results again = Results.discover(folder.resolve("random2"), words);
    words[5] = 8;
    Results other = Results.discover(folder.resolve("random3"), words);
    assertEquals(first.scores(), again.scores());
    assertFalse(first.scores().equals(other.scores()));
    assertTrue(first.metric("logit_diff_percent").get(9) < 50);
  }

  @Test
  void anOfficialCircuitGivesARocCurveAndTheGroundTruth() throws IOException {
    List<String> names = eap.best(9);
    Path file = folder.resolve("official.json");
    Files.write(file, JSON.writeValueAsBytes(names));
    Results roc =
        Results.discover(folder.resolve("roc"), "--official", file, "--edges", "0,5,9,all");
    List<List<Double>> points = new ArrayList<>();
    roc.measurements()
        .get("roc")
        .forEach(p -> points.add(List.of(p.get(0).asDouble(), p.get(1).asDouble())));
    assertTrue(points.contains(List.of(0.0, 1.0)), points::toString);
    Results truth =
        Results.discover(
            folder.resolve("truth"), "--algorithm", "ground-truth", "--official", file);
    assertEquals(Set.copyOf(names), Set.copyOf(truth.best(9)));
    assertEquals(List.of(0, 9, EDGES), List.copyOf(truth.metric("kl_div").keySet()));
    assertEquals(1.0, truth.scores().get(names.get(0)));
    assertEquals(0.0, truth.scores().get("A0.0->Resid End"));
  }

  static List<Ablation> ablations() {
    return Ablation.standard();
  }

  @ParameterizedTest
  @MethodSource("ablations")
  void everyAblationRunsWithBothPatchTypes(Ablation ablation) throws IOException {
    String name = ablation.key();
    for (String type : List.of("tree", "edge")) {
      Results r =
          Results.discover(
              folder.resolve(name + type),
              "--ablation",
              name,
              "--patch-type",
              type,
              "--edges",
              "0,all");
      assertEquals(name, r.measurements().get("ablation").asText());
      // all edges: tree patching is the clean run, edge patching patches in all that is ablated
      double intact = r.metric("kl_div").get(type.equals("tree") ? EDGES : 0);
      if (type.equals("tree")) {
        assertEquals(0, intact, 1e-6);
      } else {
        assertEquals(14.464, intact, 0.01, "the corrupt run");
      }
    }
  }

  @Test
  void tokenPositionsScoreEveryPosition() throws IOException {
    Results r =
        Results.discover(folder.resolve("tokens"), "--token-positions", "--edges", "0,200,all");
    assertEquals(EDGES * 16, r.edges().size());
    assertEquals(EDGES * 16, r.measurements().get("n_edges").asInt());
    assertEquals("A1.1->Resid End", r.edges().get(0).get("name").asText());
    assertEquals(15, r.edges().get(0).get("seq_idx").asInt());
    Map<String, Double> scores = r.scores();
    double sum = 0;
    for (int t = 0; t < 16; t++) {
      sum += scores.get("A0.2->A1.1.K@" + t);
    }
    assertEquals(eap.scores().get("A0.2->A1.1.K"), sum, 1e-4);
    try (Safetensors file = Safetensors.open(r.directory().resolve("scores.safetensors"))) {
      assertArrayEquals(new long[] {16, 4, 5}, file.shape("blocks.1.hook_k_input"));
      assertArrayEquals(new long[] {16, 9}, file.shape("blocks.1.hook_resid_post"));
      float[] keys = file.floats("blocks.1.hook_k_input");
      assertEquals(scores.get("A0.2->A1.1.K@13"), keys[13 * 20 + 1 * 5 + 3], 1e-6);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"--separate-qkv=false", "--separate-qkv=FALSE"})
  void headsMayHaveOneInput(String option) throws IOException {
    Results r = Results.discover(folder.resolve("joint"), option, "--edges", "0,9,all");
    assertEquals(33, r.edges().size());
    assertTrue(r.best(9).contains("A0.2->A1.1"), r.best(9)::toString);
    assertTrue(r.metric("logit_diff_percent").get(9) > 95);
  }

  @Test
  void paddingChangesNothing() throws IOException {
    Path file = folder.resolve("mixed.json");
    ObjectNode root = (ObjectNode) JSON.readTree(Ran.embedded("prompts.json"));
    int i = 0;
    for (JsonNode p : root.get("prompts")) {
      for (int drop = 0; drop < i % 3; drop++) {
        ((ArrayNode) p.get("clean")).remove(1);
        ((ArrayNode) p.get("corrupt")).remove(1);
      }
      i++;
    }
    Files.write(file, JSON.writeValueAsBytes(root));
    Object[] words = {"--dataset", file, "--edges", "0,5,9,20,all"};
    Results byLength = Results.discover(folder.resolve("bylength"), words);
    Object[] pad = {"--dataset", file, "--edges", "0,5,9,20,all", "--pad", "--batch-size", 10};
    Results padded = Results.discover(folder.resolve("padded"), pad);
    assertAgree(byLength, padded, 1e-4);
  }

  @Test
  void batchSizeAndThreadsChangeNothing() throws IOException {
    Object[] one = {"--edges", "0,9,all", "--batch-size", 64, "--threads", 1};
    Object[] other = {"--edges", "0,9,all", "--batch-size", 7, "--threads", 2};
    assertAgree(
        Results.discover(folder.resolve("b64"), one),
        Results.discover(folder.resolve("b7"), other),
        1e-4);
  }

  @Test
  void littleMemoryChangesNothing() throws IOException {
    for (String algorithm : List.of("eap", "acdc")) {
      Object[] words = {"--algorithm", algorithm, "--edges", "0,9,all"};
      Path little = folder.resolve("little-" + algorithm);
      // what is refused tells how much it needs: first for circuits, then for gradients
      String memory = "1k";
      Ran ran = null;
      for (int attempt = 0; attempt < 4 && (ran == null || ran.code() != 0); attempt++) {
        ran =
            Ran.command(
                "discover",
                "--out",
                little,
                "--memory",
                memory,
                "--edges",
                "0,9,all",
                "--algorithm",
                algorithm);
        if (ran.code() != 0) {
          assertTrue(ran.code() == 1 && ran.err().contains("(--memory)"), ran::err);
          assertFalse(Files.exists(little));
          memory = ran.err().strip().replaceAll(".*needs (\\S+);.*", "$1");
        }
      }
      assertEquals(0, ran.code(), ran::err);
      assertFalse(memory.equals("1k"));
      assertAgree(
          Results.discover(folder.resolve("all-" + algorithm), words), Results.read(little), 1e-4);
    }
  }

  @Test
  void verboseTellsTheMemory() {
    Ran told =
        Ran.command(
            "discover",
            "--out",
            folder.resolve("m1"),
            "--memory",
            "1.5g",
            "--verbose",
            "--edges",
            0);
    assertTrue(told.out().contains("memory for runs: 1.5g\n"), told::out);
    told = Ran.command("discover", "--out", folder.resolve("m1"), "--verbose", "--edges", 0);
    assertTrue(
        told.out().lines().anyMatch(l -> l.matches("memory for runs: \\S+ \\(of this machine\\)")),
        told::out);
    Ran wrong = Ran.command("discover", "--out", folder.resolve("m2"), "--memory", "lots");
    assertEquals(2, wrong.code());
    assertTrue(wrong.err().contains("memory=\"lots\" is not a size"), wrong::err);
  }

  @Test
  void doublePrecisionAgreesWithSingle() throws IOException {
    assertAgree(
        Results.discover(folder.resolve("f32"), "--edges", "0,9,all"),
        Results.discover(folder.resolve("f64"), "--edges", "0,9,all", "--precision", "float64"),
        1e-4);
  }

  @Test
  void weightsOf16BitsComeClose() throws IOException {
    Results full = Results.discover(folder.resolve("w32"), "--edges", "0,9,all");
    Results half =
        Results.discover(folder.resolve("w16"), "--edges", "0,9,all", "--weights", "float16");
    assertAgree(full, half, 4e-3);
    assertEquals("float32", full.measurements().get("weights").asText());
    assertEquals("float16", half.measurements().get("weights").asText());
    Ran wrong = Ran.command("discover", "--weights", "bfloat61");
    assertEquals(2, wrong.code());
    assertTrue(wrong.err().contains("bfloat16"), wrong::err);
  }

  private static void assertAgree(Results a, Results b, double tolerance) {
    Map<String, Double> scores = b.scores();
    a.scores()
        .forEach(
            (name, s) -> assertEquals(s, scores.get(name), tolerance * (1 + Math.abs(s)), name));
    for (String key : List.of("kl_div", "logit_diff", "answer_prob")) {
      a.metric(key)
          .forEach(
              (k, v) ->
                  assertEquals(
                      v, b.metric(key).get(k), tolerance * (1 + Math.abs(v)), key + " at " + k));
    }
  }

  @Test
  void theSameCommandGivesTheSameBytes() throws IOException {
    Results again = Results.discover(folder.resolve("again"));
    for (String file : List.of("scores.safetensors", "edges.json", "measurements.json")) {
      assertEquals(
          -1, Files.mismatch(eap.directory().resolve(file), again.directory().resolve(file)), file);
    }
  }

  @Test
  void sumsAreMeansTimesBatchesAndSamples() throws IOException {
    Results mean =
        Results.discover(folder.resolve("mean"), "--algorithm=ig", "--samples=3", "--edges=9");
    Results sum =
        Results.discover(
            folder.resolve("sum"),
            "--algorithm=ig",
            "--samples=3",
            "--edges=9",
            "--batch-size=16",
            "--sum");
    mean.scores()
        .forEach(
            (name, s) ->
                assertEquals(16 * s, sum.scores().get(name), 1e-3 * (1 + 16 * Math.abs(s)), name));
  }

  @Test
  void tiesExtendACircuit() throws IOException {
    Results exact = Results.discover(folder.resolve("notie"), "--algorithm=acdc", "--edges=0,1,10");
    assertEquals(List.of(0, 1, 9, 10), List.copyOf(exact.metric("kl_div").keySet()));
    Results ties =
        Results.discover(folder.resolve("ties"), "--algorithm=acdc", "--edges=0,1,10", "--ties");
    assertEquals(List.of(0, 9, EDGES), List.copyOf(ties.metric("kl_div").keySet()));
  }

  @Test
  void severalThresholdsReplaceTheDefault() throws IOException {
    Results r =
        Results.discover(
            folder.resolve("taus"), "--algorithm=acdc", "--tau=0.1,0.01", "--edges=0,9");
    assertFalse(r.scores().containsValue(0.001), "the default threshold was run");
    assertTrue(r.scores().containsValue(0.01));
  }

  @Test
  void trainAndTestPromptsAreDisjointAndSeeded() throws IOException {
    Object[] words = {"--train", 20, "--test", 30, "--seed", 3, "--edges", "9,all"};
    Results r = Results.discover(folder.resolve("split"), words);
    assertEquals(30, r.measurements().get("prompts").asInt());
    words[5] = 4;
    Results other = Results.discover(folder.resolve("split4"), words);
    assertFalse(r.scores().equals(other.scores()));
    Results first =
        Results.discover(
            folder.resolve("first"), "--train", 64, "--no-shuffle", "--edges", "9,all");
    assertEquals(eap.scores(), first.scores());
    String report = Files.readString(r.directory().resolve("report.html"));
    assertTrue(report.contains("20 to score, 30 to judge"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"all", "log", "groups", "auto", "0,0.25,9,all"})
  void sizesInEveryForm(String form) throws IOException {
    Results r = Results.discover(folder.resolve("sizes"), "--edges", form);
    Set<Integer> sizes = r.metric("kl_div").keySet();
    assertTrue(sizes.containsAll(Set.of(0, 9, EDGES)), sizes::toString);
    int expected =
        switch (form) {
          case "log" -> 9 + 8 + 2;
          case "groups" -> 2 + distinct(r) - 1;
          case "0,0.25,9,all" -> 4;
          default -> EDGES + 1;
        };
    assertEquals(expected, sizes.size(), sizes::toString);
  }

  /** Number of different |score|s. */
  private static int distinct(Results r) {
    return (int) r.scores().values().stream().map(Math::abs).distinct().count();
  }

  @Test
  void metricsCanBeChosen() throws IOException {
    Results r =
        Results.discover(
            folder.resolve("metrics"), "--metrics", "prob_diff,kl_div,kl_div", "--edges", "9");
    assertEquals(2, r.measurements().get("metrics").size());
  }

  @Test
  void reversingExchangesCleanAndCorrupt() throws IOException {
    Results r =
        Results.discover(folder.resolve("reverse"), "--reverse-clean-corrupt", "--edges", "0,all");
    assertEquals(eap.metric("logit_diff").get(EDGES), r.metric("logit_diff").get(0), 1e-3);
    assertEquals(eap.metric("logit_diff").get(0), r.metric("logit_diff").get(EDGES), 1e-3);
  }

  @Test
  void laterResultsReplaceEarlierOnes() throws IOException {
    Path out = folder.resolve("replaced");
    Results.discover(out, "--edges", "9");
    Files.writeString(out.resolve("mine.txt"), "kept");
    Results r = Results.discover(out, "--edges", "0,9", "--activations=0");
    assertEquals(Set.of(0, 9), r.metric("kl_div").keySet());
    try (Stream<Path> files = Files.list(out)) {
      assertEquals(6, files.count(), "no activations.json, but mine");
    }
  }

  @Test
  void randomModelsNeedNoFiles() throws IOException {
    Object[] words = {"--random-weights=tiny", "--random-prompts=8x10", "--edges=0,9,all"};
    Results r = Results.discover(folder.resolve("tiny"), words);
    assertEquals(8, r.measurements().get("prompts").asInt());
    assertEquals(0, r.metric("kl_div").lastEntry().getValue(), 1e-6);
    assertEquals(r.scores(), Results.discover(folder.resolve("tiny2"), words).scores());
  }

  // ---- help and lists

  @Test
  void helpNamesEveryValueAndDefault() {
    Ran help = Ran.command("discover", "--help");
    assertEquals(0, help.code());
    String text = help.out().replaceAll("\\s+", " ");
    List<String> values = new ArrayList<>(PruneAlgorithmProvider.catalogue().keys());
    for (Enum<?>[] names :
        List.<Enum<?>[]>of(
            BosPolicy.values(),
            LogitFunction.values(),
            MaskFunction.values(),
            MaskGradient.AnswerFunction.values())) {
      for (Enum<?> name : names) {
        values.add(name.name().toLowerCase(Locale.ROOT));
      }
    }
    Stream.of(PatchType.values()).map(PatchType::key).forEach(values::add);
    Stream.of(Precision.values()).map(Precision::key).forEach(values::add);
    Stream.of(WeightType.values()).map(WeightType::key).forEach(values::add);
    Stream.of(OutputSlice.values()).map(OutputSlice::key).forEach(values::add);
    for (String value : values) {
      assertTrue(text.contains(value), value);
    }
    assertFalse(text.contains("${"), text);
    assertTrue(
        help.out().lines().allMatch(l -> l.length() <= 80), "lines fit an 80-column terminal");
  }

  @Test
  void listsNameWhatTheOptionsAccept() {
    for (Catalogues catalogue : Catalogues.values()) {
      Ran list = Ran.command("list", catalogue.name());
      assertEquals(0, list.code(), list::err);
      for (String key : catalogue.load().keys()) {
        assertTrue(list.out().lines().anyMatch(l -> l.equals(key) || l.startsWith(key + " ")), key);
      }
    }
    Ran models = Ran.command("list", "MODELS");
    assertEquals(0, models.code());
    for (String model : List.of("gpt2", "gpt_neox", "llama", "HookedTransformer", "gpt2-small")) {
      assertTrue(models.out().contains(model), model);
    }
  }

  @Test
  void listsFitATerminal() {
    for (String what : ListCommand.What.names()) {
      Ran list = Ran.command("list", what);
      assertTrue(list.out().lines().allMatch(l -> l.length() <= 80), list::out);
      assertTrue(list.out().lines().noneMatch(l -> l.endsWith(" ")), list::out);
    }
  }

  @Test
  void theReferencePagesAreWhatTheCommandWrites() throws IOException {
    Ran ran = Ran.command("reference", folder);
    assertEquals(0, ran.code(), ran::err);
    Path pages = Path.of(System.getProperty("basedir", ""), "docs/reference");
    for (Catalogues catalogue : Catalogues.values()) {
      String file = catalogue.name().toLowerCase(Locale.ROOT) + ".md";
      assertEquals(
          Files.readString(folder.resolve(file)),
          Files.readString(pages.resolve(file)),
          "write docs/reference anew: autocircuit reference docs/reference");
    }
  }

  @Test
  void theLibrarysTasksAreWhatOtherOptionsGive() throws IOException {
    Results embedded = Results.discover(folder.resolve("e"), "--task", "Induction", "--edges", 9);
    assertEquals(eap.scores(), embedded.scores());
    Results random =
        Results.discover(folder.resolve("r"), "--random-weights", "tiny", "--edges", 9);
    Results task = Results.discover(folder.resolve("t"), "--task", "random", "--edges", 9);
    assertEquals(random.edges(), task.edges());
    assertEquals(random.measurements(), task.measurements());
  }

  @Test
  void everySettingOfAnAlgorithmIsAnOption() {
    picocli.CommandLine.Model.CommandSpec spec =
        new picocli.CommandLine(
                new DiscoverCommand(),
                new HubOption.Factory(Map.of(), picocli.CommandLine.defaultFactory()))
            .getCommandSpec();
    for (PruneAlgorithmProvider algorithm : PruneAlgorithmProvider.catalogue()) {
      for (Setting setting : algorithm.settings()) {
        assertTrue(spec.optionsMap().containsKey(setting.option()), setting.option());
      }
    }
  }
}
