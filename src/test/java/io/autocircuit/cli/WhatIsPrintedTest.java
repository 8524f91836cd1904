package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code discover} prints and records is what it ran, and what it found. */
@Tag("slow")
class WhatIsPrintedTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  private Ran discover(Object... words) {
    Ran ran =
        Ran.command(
            Stream.concat(Stream.of("discover", "--out", folder.resolve("out")), Stream.of(words))
                .toArray());
    assertEquals(0, ran.code(), ran::err);
    return ran;
  }

  private JsonNode measurements() throws IOException {
    return JSON.readTree(folder.resolve("out/measurements.json").toFile());
  }

  // ---- what is run

  @Test
  void whatIsRunIsPrintedFirst() {
    List<String> lines = discover("--edges", "0").out().lines().toList();
    assertTrue(lines.get(0).startsWith("model: induction (2 × 4 heads, d_model 64), 81 edges"));
    assertTrue(lines.get(1).startsWith("prompts: 64 from embedded prompts.json"), lines.get(1));
    assertTrue(lines.get(2).startsWith("device: "));
    assertEquals("scoring: Edge attribution patching (logit), ablation resample", lines.get(3));
    assertEquals("judging: tree patching, ablation resample", lines.get(4));
  }

  @ParameterizedTest
  @CsvSource({
    "sp,,,tokenwise_mean_corrupt,resample",
    "sp,zero,,zero,zero",
    "sp,,zero,zero,resample",
    "sp,zero,resample,resample,zero",
    "eap,,,resample,resample",
    "eap,zero,,zero,zero",
    "eap,resample,zero,zero,resample",
    "acdc,,batch_all_tok_mean,batch_all_tok_mean,resample",
    "random,zero,,,zero"
  })
  void bothAblationsAreWhatRan(
      String algorithm, String ablation, String scoreAblation, String scored, String judged)
      throws IOException {
    List<Object> words =
        new ArrayList<>(
            List.of("--algorithm=" + algorithm, "--epochs=1", "--edges=0,9", "--metrics=kl_div"));
    if (ablation != null) {
      words.add("--ablation=" + ablation);
    }
    if (scoreAblation != null) {
      words.add("--score-ablation=" + scoreAblation);
    }
    Ran ran = discover(words.toArray());
    JsonNode m = measurements();
    if (scored == null) {
      assertTrue(m.get("score_ablation").isNull());
      assertFalse(ran.out().contains("scoring: Random, ablation"));
    } else {
      assertEquals(scored, m.get("score_ablation").asText());
      assertTrue(
          ran.out().lines().anyMatch(l -> l.matches("scoring: .*, ablation " + scored)), ran::out);
    }
    assertEquals(judged, m.get("ablation").asText());
    assertTrue(ran.out().contains("judging: tree patching, ablation " + judged), ran::out);
    String html = Files.readString(folder.resolve("out/report.html"));
    assertTrue(
        html.contains(
            scored == null || scored.equals(judged)
                ? "<dt>Ablation</dt><dd>" + judged + "</dd>"
                : "<dt>Ablation</dt><dd>" + scored + " to score, " + judged + " to judge</dd>"));
  }

  @Test
  void theScoringAblationChangesTheScoresAndNothingElse() throws IOException {
    discover("--edges", "0,9", "--score-ablation", "zero");
    double[] zero = first(Results.read(folder.resolve("out")));
    double judgedByResampling = Results.read(folder.resolve("out")).metric("kl_div").get(0);
    discover("--edges", "0,9");
    assertFalse(
        java.util.Arrays.equals(zero, first(Results.read(folder.resolve("out")))), "same scores");
    assertEquals(judgedByResampling, Results.read(folder.resolve("out")).metric("kl_div").get(0));
  }

  private static double[] first(Results r) {
    return r.scores().values().stream().limit(5).mapToDouble(Double::doubleValue).toArray();
  }

  // ---- names

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--algorithm eap --metrics kl_div,logit_diff --edges log --ablation zero --slice last",
        "--algorithm acdc --target mse --edges 0,all --bos never --device cpu",
        "--edges all --processing none --score-ablation zero --grad-function prob",
        "--edges groups --processing fold_ln,center_unembed --answer-function avg_val",
        "--patch-type edge --precision float64",
        "--algorithm sp --epochs 1 --mask-fn sigmoid --target answer"
      })
  void namesMayBeInAnyCase(String words) throws IOException {
    discover((Object[]) words.split(" "));
    String expected = Files.readString(folder.resolve("out/measurements.json"));
    String[] upper = words.split(" ");
    for (int i = 0; i < upper.length; i++) {
      upper[i] = upper[i].startsWith("--") ? upper[i] : upper[i].toUpperCase(Locale.ROOT);
    }
    discover((Object[]) upper);
    assertEquals(expected, Files.readString(folder.resolve("out/measurements.json")));
  }

  @Test
  void shapesMayBeInAnyCase() {
    assertEquals(
        2,
        Ran.command("discover", "--random-weights", "GPT2-Smal").code(),
        "still no shape of that name");
    assertEquals("gpt2-small", io.autocircuit.model.RandomModels.shape("GPT2-Small").name());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--epochs 1 --epochs 2",
        "--seed 1 --edges 0 --seed 1",
        "--pad --pad",
        "--device cpu --device cpu"
      })
  void anOptionGivenTwiceIsRefused(String words) {
    Ran ran = Ran.command((Object[]) ("discover --algorithm acdc " + words).split(" "));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("once"), ran::err);
    assertEquals("", ran.out());
  }

  @Test
  void anOptionFarFromAllOthersIsNotGuessedAt() {
    assertFalse(Ran.command("discover", "--foo").err().contains("did you mean"));
    assertTrue(Ran.command("discover", "--algoritm=x").err().contains("mean --algorithm?"));
    assertTrue(Ran.command("discover", "--metric", "x").err().contains("mean --metrics"));
  }

  // ---- what was found

  @Test
  void acdcsOwnCircuitIsMeasuredWhateverSizesAreAskedFor() throws IOException {
    Ran ran = discover("--algorithm", "acdc", "--tau", "0.001,0.1", "--edges", "0,20");
    JsonNode found = measurements().get("found");
    assertEquals(2, found.size());
    assertEquals("kept at τ = 0.001", found.get(0).get("what").asText());
    assertEquals(9, found.get(0).get("edges").asInt());
    int coarse = found.get(1).get("edges").asInt();
    Results r = Results.read(folder.resolve("out"));
    assertEquals(new java.util.TreeSet<>(List.of(0, coarse, 9, 20)), r.metric("kl_div").keySet());
    assertTrue(ran.out().contains("kept at τ = 0.001: 9 edges"), ran::out);
    assertTrue(
        Files.readString(folder.resolve("out/report.html")).contains("\"firstDrawn\":9"),
        "the report draws it");
  }

  @Test
  void acdcsEdgesAreOrderedByWhenTheyWent() throws IOException {
    Ran ran = discover("--algorithm", "acdc", "--edges", "9");
    assertFalse(ran.out().contains("Infinity"), ran::out);
    JsonNode edges = JSON.readTree(folder.resolve("out/edges.json").toFile());
    double last = Double.POSITIVE_INFINITY;
    for (int i = 0; i < 9; i++) {
      assertEquals("Infinity", edges.get(i).get("score").asText());
      double rise = edges.get(i).get("tie_break").asDouble();
      assertTrue(rise >= 0.001 && rise <= last, edges.get(i)::toString);
      last = rise;
    }
    // those that went: the last one removed first
    last = Double.POSITIVE_INFINITY;
    for (int i = 9; i < edges.size(); i++) {
      assertEquals(0.001, edges.get(i).get("score").asDouble(), 1e-9);
      assertTrue(edges.get(i).get("tie_break").asDouble() < last);
      last = edges.get(i).get("tie_break").asDouble();
    }
  }

  @Test
  void otherAlgorithmsHaveNoTieBreaks() throws IOException {
    discover("--edges", "9");
    assertNull(JSON.readTree(folder.resolve("out/edges.json").toFile()).get(0).get("tie_break"));
    assertEquals(0, measurements().get("found").size());
  }

  @Test
  void edgesThatNobodyReadsAreNotCountedAsLive() throws IOException {
    discover("--algorithm", "random", "--edges", "0,20,81", "--circuit", "none");
    JsonNode live = measurements().get("live_edges");
    assertEquals("[0,0]", live.get(0).toString());
    assertTrue(live.get(1).get(1).asInt() < 20, live::toString);
    assertEquals("[81,81]", live.get(2).toString());
  }

  @Test
  void aFullGraphThatRecoversEverythingIsNoVerdict() {
    assertTrue(
        discover("--algorithm", "random", "--edges", "0,10,all", "--circuit", "none")
            .out()
            .contains("No circuit measured but the full graph recovers 90 to 110 %"));
    assertFalse(discover("--edges", "0,all", "--circuit", "none").out().contains("recover"));
  }

  // ---- prompts that do not show the behaviour

  private Path prompts(java.util.function.BiConsumer<Integer, ObjectNode> change)
      throws IOException {
    ObjectNode root = (ObjectNode) JSON.readTree(Ran.embedded("prompts.json"));
    for (int i = 0; i < root.get("prompts").size(); i++) {
      change.accept(i, (ObjectNode) root.get("prompts").get(i));
    }
    Path file = folder.resolve("prompts.json");
    Files.write(file, JSON.writeValueAsBytes(root));
    return file;
  }

  private static void swap(ObjectNode pair, String a, String b) {
    JsonNode first = pair.get(a);
    pair.set(a, pair.get(b));
    pair.set(b, first);
  }

  @Test
  void swappedAnswersAreNoticed() throws IOException {
    Path file = prompts((i, pair) -> swap(pair, "answers", "wrong_answers"));
    Ran ran = discover("--dataset", file, "--edges", "0,9,all");
    assertTrue(
        ran.out().contains("note: on 64 of 64 clean prompts the full model prefers the wrong"),
        ran::out);
    assertTrue(ran.out().contains("seem to have changed places"), ran::out);
    assertFalse(ran.out().contains("recover"), "no verdict on percentages that mean nothing");
  }

  @Test
  void aFewWrongPreferencesAreCounted() throws IOException {
    Path file =
        prompts(
            (i, pair) -> {
              if (i < 3) {
                swap(pair, "answers", "wrong_answers");
              }
            });
    Ran ran = discover("--dataset", file, "--edges", "0,9,all");
    assertTrue(ran.out().contains("note: on 3 of 64 clean prompts"), ran::out);
    assertFalse(ran.out().contains("changed places"), ran::out);
    assertTrue(ran.out().contains(" recover "), ran::out);
  }

  @Test
  void aBehaviourThatIsShownNeedsNoNote() {
    assertFalse(discover("--edges", "0,9,all").out().contains("note:"));
  }

  @Test
  void corruptPromptsThatChangeNothingAreNoticed() throws IOException {
    Path file =
        prompts(
            (i, pair) -> {
              // the corrupt prompt is another clean one of the same answer: here, itself but for
              // one
              JsonNode clean = pair.get("clean");
              com.fasterxml.jackson.databind.node.ArrayNode same = clean.deepCopy();
              if (i == 0) {
                same.set(0, pair.get("corrupt").get(1));
              }
              pair.set("corrupt", same);
            });
    Ran ran = discover("--dataset", file, "--edges", "0,9,all");
    assertTrue(ran.out().contains("note: on corrupt prompts the full model still has"), ran::out);
    assertTrue(ran.out().contains("cannot tell circuits apart"), ran::out);
    assertFalse(ran.out().contains("0 of 81 edges"), ran::out);
  }

  // ---- what is typed

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--edges=,",
        "--edges=1,,2",
        "--metrics=,",
        "--processing=,",
        "--tau=,",
        "--out=",
        "--edges=auto,5",
        "--learning-rate=x",
        "--epochs=x",
        "--train=65",
        "--test=65"
      })
  void whatMakesNoSenseIsWrongUsageInOneLine(String option) {
    Ran ran = Ran.command("discover", "--algorithm", "acdc", option);
    assertEquals(2, ran.code(), ran::err);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertFalse(ran.err().matches("(?s).*(double|Exception|\\bint\\b).*"), ran::err);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--algorithm", "--metrics", "--edges", "--seed", "--tau", "--score-ablation", "--official",
        "--model", "--dataset", "--scores", "--random-weights", "--device", "--wxyz", "--bos"
      })
  void longValuesAreCutInMessages(String option) {
    for (String value : List.of("x".repeat(100_000), "y,".repeat(1000) + "z".repeat(5000))) {
      Ran ran = Ran.command("discover", "--dataset", "none.json", option + "=" + value);
      if (option.equals("--dataset")) {
        continue;
      }
      assertTrue(ran.code() > 0, option);
      assertTrue(ran.err().length() < 2000, () -> ran.err().length() + " " + ran.err());
      assertEquals(1, ran.err().lines().count(), option);
    }
  }
}
