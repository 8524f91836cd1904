package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Prompt files that failed in use, from file to result. */
@Tag("slow")
class FieldPromptsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private static Path field(String name) {
    String reference = System.getProperty("reference.dir", "../shared/reference");
    Path path = Path.of(System.getProperty("field.dir", reference + "/../field")).resolve(name);
    boolean there = Files.exists(path);
    if (!there) {
      System.out.println("FieldPromptsTest skipped: no " + name + " under field.dir");
    }
    Assumptions.assumeTrue(there, "no " + name + " under field.dir");
    return path;
  }

  @ParameterizedTest
  @ValueSource(strings = {"names.json", "letters.json"})
  void answersOfSentencePiece(String file) throws IOException {
    Path model = field("answers-sentencepiece");
    JsonNode expected = JSON.readTree(model.resolve("expected.json").toFile()).get(file);
    Results r =
        Results.discover(
            folder.resolve("r"),
            "--model",
            model,
            "--dataset",
            model.resolve(file),
            "--edges",
            "0,all",
            "--metrics",
            "logit_diff");
    assertEquals(
        expected.get("clean_logit_diff").doubleValue(),
        r.metric("logit_diff").lastEntry().getValue(),
        2e-5);
    assertEquals(
        expected.get("corrupt_logit_diff").doubleValue(),
        r.metric("logit_diff").firstEntry().getValue(),
        2e-5);
  }

  @ParameterizedTest
  @CsvSource({
    "data-jsonl/edge_pruning.jsonl, data-jsonl/expected.json",
    "data-jsonl/mib.jsonl, data-jsonl/expected.json",
    "data-jsonl/pairs.jsonl, data-jsonl/expected.json",
    "data-eapig-csv/ioi.csv, data-eapig-csv/expected.json",
    "data-root-list/prompts.json, data-eapig-csv/expected.json"
  })
  void filesOfOtherToolsGiveTheSameResults(String file, String same) throws IOException {
    Path model = field("eapig-gqa");
    List<Results> results = new ArrayList<>();
    for (String dataset : List.of(file, same)) {
      results.add(
          Results.discover(
              folder.resolve("r" + results.size()),
              "--model",
              model,
              "--dataset",
              field(dataset),
              "--edges",
              "0,5,all"));
    }
    assertEquals(results.get(1).scores(), results.get(0).scores());
    assertEquals(withoutHash(results.get(1)), withoutHash(results.get(0)));
  }

  /** The measurements; the hash of the run covers the prompt file, which is another. */
  private static JsonNode withoutHash(Results r) {
    ObjectNode all = r.measurements().deepCopy();
    assertTrue(all.remove("run").isTextual());
    return all;
  }

  @Test
  void theBosOfTheOtherToolsIsTheDefault() throws IOException {
    Path model = field("eapig-gqa");
    JsonNode expected =
        JSON.readTree(model.resolve("expected.json").toFile()).get("methods").get("EAP");
    Results r =
        Results.discover(
            folder.resolve("r"),
            "--model",
            model,
            "--dataset",
            model.resolve("prompts.json"),
            "--edges",
            "0,all",
            "--metrics",
            "kl_div");
    // they take the gradient of minus the difference, and the sign of the patch is theirs too
    assertEquals(
        Math.abs(expected.get("a0.h0->m0").doubleValue()),
        Math.abs(r.scores().get("A0.0->MLP 0")),
        1e-5);
    assertEquals(
        Math.abs(expected.get("input->a0.h1<q>").doubleValue()),
        Math.abs(r.scores().get("Resid Start->A0.1.Q")),
        1e-5);
  }

  @Test
  void answersOfSeveralTokens() {
    Path model = field("eapig-gqa");
    Path file = field("data-multi-token-answers/prompts.json");
    Ran refused = Ran.command("discover", "--model", model, "--dataset", file, "--out", folder);
    assertEquals(1, refused.code());
    assertTrue(refused.err().contains("[\"Mary\", \"Tom\"]"), refused::err);
    assertTrue(refused.err().contains("--multi-token-answers first_differing"), refused::err);
    Ran fine =
        Ran.command(
            "discover",
            "--model",
            model,
            "--dataset",
            file,
            "--edges",
            "0,all",
            "--multi-token-answers",
            "first_differing",
            "--out",
            folder.resolve("fine"));
    assertEquals(0, fine.code(), fine::err);
  }

  @Test
  void theYearsOfEapIgAreReadAndTheirNumbersMustBeTokens() {
    Ran ran =
        Ran.command(
            "discover",
            "--model",
            field("eapig-gqa"),
            "--dataset",
            field("data-eapig-csv/greater_than.csv"),
            "--out",
            folder);
    assertEquals(1, ran.code());
    assertTrue(ran.err().contains("prompts[0].answers[0]=\"43\" is not"), ran::err);
  }

  @Test
  void numbersAsAnswers() {
    Path reference = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    Path model = reference.resolve("tracr-reverse/model");
    Path file = field("data-float-answers/prompts.json");
    Assumptions.assumeTrue(Files.isDirectory(model), "no tracr-reverse under reference.dir");
    Ran ran =
        Ran.command(
            "discover",
            "--model",
            model,
            "--dataset",
            file,
            "--slice",
            "all",
            "--answer-function",
            "mse",
            "--edges",
            "0,all",
            "--out",
            folder.resolve("r"));
    assertEquals(0, ran.code(), ran::err);
  }
}
