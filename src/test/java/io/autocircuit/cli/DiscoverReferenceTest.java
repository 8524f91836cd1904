package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@code discover} on models that others trained, against AutoCircuit's figures. Skipped where
 * {@code reference.dir} and {@code datasets.dir} do not hold them.
 */
@Tag("slow")
class DiscoverReferenceTest {
  private static final String SIZES = "0,1,2,5,10,20,50,100,200,500,1000,all";
  private static final int[] LISTED = {0, 10, 20, 50, 100, 200, 500, 1000, 2461};
  private static final double[] KL = {
    4.2180, 3.3905, 1.5232, 0.9597, 0.28349, 0.02994, 0.02477, 0.003612, 0
  };
  private static final double[] LOGIT_DIFF = {
    -4.9593, -3.9457, -1.4078, -0.3540, 1.3069, 4.3081, 4.1969, 4.7859, 4.9593
  };
  private static final List<String> TOP =
      List.of(
          "A4.2->Resid End", "MLP 2->A4.2.V", "MLP 3->A4.2.V", "A4.0->Resid End", "MLP 1->MLP 2");
  private static final double[] TOP_SCORES = {5.4824, 3.0968, 2.5407, 1.8889, 1.5518};
  private static final double RELATIVE = 1e-3;

  /** Half a unit of the last place that the figures are given with. */
  private static final double ROUNDING = 5e-5;

  @TempDir Path folder;

  private static Path model(String name) {
    Path model = Path.of(System.getProperty("reference.dir", "")).resolve(name).resolve("model");
    boolean there = Files.isRegularFile(model.resolve("config.json"));
    if (!there) {
      System.out.println("DiscoverReferenceTest skipped: no " + name + " under reference.dir");
    }
    Assumptions.assumeTrue(there, "no " + name + " under reference.dir");
    return model;
  }

  private static Path dataset(String name) {
    Path file = Path.of(System.getProperty("datasets.dir", "")).resolve(name);
    boolean there = Files.isRegularFile(file);
    if (!there) {
      System.out.println("DiscoverReferenceTest skipped: no " + name + " under datasets.dir");
    }
    Assumptions.assumeTrue(there, "no " + name + " under datasets.dir");
    return file;
  }

  private static Object[] pronouns(Object... more) {
    List<Object> words = new ArrayList<>();
    words.add("--model");
    words.add(model("stories260k"));
    words.add("--dataset");
    words.add(dataset("stories260k_pronoun_19.json"));
    words.addAll(List.of("--kv", "per-query")); // as TransformerLens has it
    words.addAll(List.of(more));
    return words.toArray();
  }

  @Test
  void eapOnTheStoriesModelGivesAutoCircuitsCurve() throws IOException {
    Results r = Results.discover(folder.resolve("r"), pronouns("--edges", SIZES));
    NavigableMap<Integer, Double> kl = r.metric("kl_div");
    NavigableMap<Integer, Double> difference = r.metric("logit_diff");
    for (int i = 0; i < LISTED.length; i++) {
      int k = LISTED[i];
      // the figures for KL have five digits
      double klDigits = KL[i] == 0 ? 1e-6 : Math.pow(10, Math.floor(Math.log10(KL[i])) - 4) / 2;
      assertEquals(KL[i], kl.get(k), RELATIVE * KL[i] + klDigits, "KL at " + k);
      assertEquals(
          LOGIT_DIFF[i],
          difference.get(k),
          RELATIVE * Math.abs(LOGIT_DIFF[i]) + ROUNDING,
          "logit difference at " + k);
    }
    assertEquals(TOP, r.best(TOP.size()));
    Map<String, Double> scores = r.scores();
    for (int i = 0; i < TOP_SCORES.length; i++) {
      assertEquals(
          TOP_SCORES[i], scores.get(TOP.get(i)), RELATIVE * TOP_SCORES[i] + ROUNDING, TOP.get(i));
    }
    assertEquals(2461, r.edges().size());
  }

  @Test
  void paddedPromptsGiveTheSame() throws IOException {
    Object[] words = {
      "--model",
      model("stories260k"),
      "--dataset",
      dataset("stories260k_pronoun.json"),
      "--kv",
      "per-query",
      "--edges",
      "0,20,100,500,all",
      "--batch-size",
      73,
      "--metrics",
      "kl_div,logit_diff"
    };
    Results byLength = Results.discover(folder.resolve("bylength"), words);
    Object[] padded = java.util.Arrays.copyOf(words, words.length + 1);
    padded[words.length] = "--pad";
    Results pad = Results.discover(folder.resolve("pad"), padded);
    assertEquals(146, byLength.measurements().get("prompts").asInt());
    assertEquals(4.9755, byLength.metric("logit_diff").get(2461), 1e-3);
    Map<String, Double> scores = pad.scores();
    byLength
        .scores()
        .forEach((name, s) -> assertEquals(s, scores.get(name), 1e-4 * (1 + Math.abs(s)), name));
    for (String key : List.of("kl_div", "logit_diff")) {
      byLength
          .metric(key)
          .forEach((k, v) -> assertEquals(v, pad.metric(key).get(k), 1e-4 * (1 + Math.abs(v))));
    }
  }

  @Test
  void acdcOnTheStoriesModelKeepsAutoCircuitsNumberOfEdges() throws IOException {
    Results r =
        Results.discover(
            folder.resolve("acdc"),
            pronouns("--algorithm", "acdc", "--tau", "0.001", "--edges", "0,all"));
    long kept = r.scores().values().stream().filter(s -> Double.isInfinite(s)).count();
    assertEquals(115, kept, 1.15);
    int first = 0;
    for (JsonNode e : r.edges()) {
      assertEquals(first < kept, e.get("score").asText().equals("Infinity"), e::toString);
      first++;
    }
  }

  @Test
  void tokenPositionsOnTheStoriesModel() throws IOException {
    Results r =
        Results.discover(
            folder.resolve("tokens"),
            pronouns("--token-positions", "--edges", "0,100,all", "--metrics", "kl_div"));
    assertEquals(2461 * 19, r.edges().size());
    assertEquals("A4.2->Resid End", r.best(1).get(0));
    assertEquals(18, r.edges().get(0).get("seq_idx").asInt());
    assertEquals(KL[0], r.metric("kl_div").get(0), RELATIVE * KL[0]);
    assertEquals(0, r.metric("kl_div").get(2461 * 19), 1e-6);
  }

  @Test
  void theTracrModelAnswersAtSeveralPositions() throws IOException {
    Path model = model("tracr-reverse");
    Path prompts = model.resolveSibling("dataset.json");
    Ran last =
        Ran.command(
            "discover", "--model", model, "--dataset", prompts, "--out", folder.resolve("t"));
    assertEquals(2, last.code());
    assertTrue(last.err().contains("--slice"), last::err);
    Results r =
        Results.discover(
            folder.resolve("t"),
            "--model",
            model,
            "--dataset",
            prompts,
            "--slice",
            "not_first",
            "--ablation",
            "zero",
            "--token-positions");
    assertEquals(0, r.metric("kl_div").lastEntry().getValue(), 1e-6);
    assertTrue(r.metric("kl_div").firstEntry().getValue() > 0.01);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"tiny-gpt2", "tiny-neox", "tiny-llama-gqa", "tiny-attn-only", "gpt-nano-sort"})
  void everyKindOfModelRuns(String name) throws IOException {
    Path model = model(name);
    Results r =
        Results.discover(
            folder.resolve("r"),
            "--model",
            model,
            "--dataset",
            model.resolveSibling("dataset.json"),
            "--edges",
            "0,10,all");
    assertEquals(0, r.metric("kl_div").lastEntry().getValue(), 1e-5);
    assertEquals(100, r.metric("logit_diff_percent").lastEntry().getValue(), 0.1);
    assertTrue(r.metric("kl_div").get(0) > 0.01);
  }
}
