package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.Columns;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.SmallTokenizers;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.task.dataset.WordTokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DatasetCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path folder;

  private static Path tokenizer;

  @BeforeAll
  static void makeTokenizer() throws IOException {
    tokenizer = folder.resolve("tokenizer");
    WordTokenizers.byteLevel(tokenizer, Set.of("Zach")).close();
  }

  @Test
  void aGeneratedFileSaysWhatMadeIt() throws IOException {
    Path file = folder.resolve("ioi.json");
    Ran ran =
        Ran.command(
            "dataset",
            "generate",
            "ioi-baba",
            "--frame",
            5,
            "--count",
            7,
            "--seed",
            3,
            "--tokenizer",
            tokenizer,
            "--out",
            file);
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().startsWith(file + ": 7 pairs of ioi-baba, seed 3\n"), ran::out);
    assertTrue(ran.out().contains("IO 3, IO+1 4"), ran::out);
    assertTrue(
        ran.out()
            .contains("left out: names that the tokenizer does not have as one token: 1 (Zach)\n"),
        ran::out);
    assertEquals(7, PromptDataset.read(file).prompts().size());
    JsonNode made = JSON.readTree(file.toFile()).get("generator");
    assertEquals("ioi-baba", made.get("key").textValue());
    assertEquals("5", made.get("settings").get("frame").textValue());
    assertEquals(3, made.get("seed").longValue());
    assertEquals(
        Fingerprint.of(tokenizer.resolve("tokenizer.json")),
        made.get("tokenizer_sha256").textValue());
    assertEquals(1, made.get("dropped").get(0).get("count").intValue());
  }

  @Test
  void theSameOptionsGiveTheSameBytes() throws IOException {
    for (String name : new String[] {"a.json", "b.json"}) {
      assertEquals(
          0,
          Ran.command("dataset", "generate", "tracr-xproportion", "--out", folder.resolve(name))
              .code());
    }
    assertArrayEquals(
        Files.readAllBytes(folder.resolve("a.json")), Files.readAllBytes(folder.resolve("b.json")));
  }

  @Test
  void whatCannotBeMadeIsSaidInOneLine() throws IOException {
    Path out = folder.resolve("none.json");
    Path few = SmallTokenizers.byteLevel(folder.resolve("few"), "ĠMary");
    refused(2, "unknown dataset", "dataset", "generate", "ioj", "--out", out);
    refused(2, "give --tokenizer DIR", "dataset", "generate", "ioi", "--out", out);
    refused(
        2,
        "--count=0 is out of range",
        "dataset",
        "generate",
        "tracr-reverse",
        "--count",
        0,
        "--out",
        out);
    refused(
        1,
        "count=999, but there are 243 sequences",
        "dataset",
        "generate",
        "tracr-reverse",
        "--count",
        999,
        "--out",
        out);
    refused(
        1,
        "dataset=ioi slot=names",
        "dataset",
        "generate",
        "ioi",
        "--tokenizer",
        few,
        "--out",
        out);
    refused(
        1,
        "count=19, but no more than 18 different pairs",
        "dataset",
        "generate",
        "animals",
        "--count",
        19,
        "--tokenizer",
        tokenizer,
        "--out",
        out);
    refused(2, "no command given", "dataset");
    assertFalse(Files.exists(out));
  }

  @Test
  void aCheckSaysWhatThePromptsAreLike() throws IOException {
    Path model = Ran.embeddedCopy(folder.resolve("induction"));
    Ran text = Ran.command("dataset", "check", model.resolve("prompts.json"), "--model", model);
    assertEquals(0, text.code(), text::err);
    for (String line :
        new String[] {
          "pairs 64",
          "tokens 16 each",
          "clean and corrupt equally long in every pair",
          "duplicates none",
          "model is right for 64 of 64 (100%)",
          "logit difference clean 14.384, corrupt -14.466"
        }) {
      assertTrue(words(text).contains(line), text::out);
    }
    JsonNode json =
        JSON.readTree(
            Ran.command(
                    "dataset", "check", model.resolve("prompts.json"), "--model", model, "--json")
                .out());
    assertEquals(64, json.get("lengths").get("16").intValue());
    assertEquals(64, json.get("model").get("right").intValue());
    assertEquals(14.384, json.get("model").get("logit_difference").doubleValue(), 1e-3);
  }

  @Test
  void aCheckFindsWhatIsWrong() throws IOException {
    Path file = folder.resolve("wrong.json");
    Files.writeString(
        file,
        """
        {"prompts": [
          {"clean": "Then Mary gave", "corrupt": "Then John gave", "answers": [" a"], "wrong_answers": []},
          {"clean": "Then Mary gave", "corrupt": "Then John gave", "answers": [" a"], "wrong_answers": []},
          {"clean": "Then Mary gave", "corrupt": "Then Mary gave", "answers": [" a"], "wrong_answers": []},
          {"clean": "Then Mary gave a", "corrupt": "Then John", "answers": [" ball"], "wrong_answers": []},
          {"clean": "Then Mary", "corrupt": "Then John", "answers": [" xylophone"], "wrong_answers": []}],
         "word_idxs": {"late": 9}}
        """);
    Ran ran = Ran.command("dataset", "check", file, "--tokenizer", tokenizer);
    assertEquals(1, ran.code(), ran::err);
    for (String part :
        new String[] {
          "pairs 5, 4 usable",
          "differ in length in 1 of 4 (25%)",
          "1 of 4 (25%) are there already; in 1 clean equals corrupt",
          "1 of 5 (20%) have answers of several tokens",
          "2 different lengths",
          "word_idxs.late=10, BOS included",
          "cannot be used: file=" + file + ": prompts[4].answers[0]=\" xylophone\" is not one token"
        }) {
      assertTrue(words(ran).contains(part), () -> part + " in " + ran.out());
    }
  }

  @Test
  void aFilterKeepsWhatTheModelKnowsAndSaysByWhichRule() throws IOException {
    Path model = Ran.embeddedCopy(folder.resolve("known"));
    ObjectNode prompts = (ObjectNode) JSON.readTree(model.resolve("prompts.json").toFile());
    ArrayNode pairs = (ArrayNode) prompts.get("prompts");
    ObjectNode unknown = (ObjectNode) pairs.get(2);
    JsonNode right = unknown.get("answers");
    unknown.set("answers", unknown.get("wrong_answers"));
    unknown.set("wrong_answers", right);
    ((ObjectNode) pairs.get(5)).set("corrupt", unknown.get("clean"));
    prompts.putObject("generator").put("key", "by hand");
    Path file = folder.resolve("some.json");
    JSON.writeValue(file.toFile(), prompts);
    Path out = folder.resolve("kept.json");
    Ran ran =
        Ran.command("dataset", "filter", file, "--model", model, "--min-prob", 0.5, "--out", out);
    assertEquals(0, ran.code(), ran::err);
    assertEquals(
        out
            + ": 62 of 64 pairs\nleft out: the model does not know the answer: 1\n"
            + "left out: the corrupt prompt is the clean one of such a pair: 1\n",
        ran.out());
    JsonNode kept = JSON.readTree(out.toFile());
    assertEquals(62, kept.get("prompts").size());
    assertEquals("by hand", kept.get("generator").get("key").textValue());
    JsonNode rule = kept.get("filter").get(0);
    assertEquals(0.5, rule.get("min_prob").doubleValue());
    assertEquals(64, rule.get("of").intValue());
    assertEquals(Fingerprint.of(file), rule.get("source_sha256").textValue());
    refused(
        1,
        "of 64 pairs none passes",
        "dataset",
        "filter",
        file,
        "--model",
        model,
        "--min-prob",
        0.9999999,
        "--out",
        out);
    refused(2, "give --model MODEL", "dataset", "filter", file, "--min-prob", 0.5, "--out", out);
    refused(
        2,
        "--min-prob=2.0 is out of range",
        "dataset",
        "filter",
        file,
        "--min-prob",
        2,
        "--model",
        model,
        "--out",
        out);
  }

  @Test
  void discoverTakesColumnsAndTheRunKeepsThem() throws IOException {
    Path model = Ran.embeddedCopy(folder.resolve("columns"));
    Path file = folder.resolve("renamed.jsonl");
    StringBuilder rows = new StringBuilder();
    for (JsonNode pair : JSON.readTree(model.resolve("prompts.json").toFile()).get("prompts")) {
      ObjectNode row = JSON.createObjectNode();
      row.set("question", pair.get("clean"));
      row.set("foil", pair.get("corrupt"));
      row.set("right", pair.get("answers").get(0));
      row.set("wrong", pair.get("wrong_answers"));
      rows.append(row).append('\n');
    }
    Files.writeString(file, rows.toString());
    String columns = "clean=question,corrupt=foil,answers=right,wrong_answers=wrong";
    Results mapped =
        Results.discover(
            folder.resolve("mapped"),
            "--model",
            model,
            "--dataset",
            file,
            "--columns",
            columns,
            "--edges",
            "0,9");
    Results plain =
        Results.discover(
            folder.resolve("plain"),
            "--model",
            model,
            "--dataset",
            model.resolve("prompts.json"),
            "--edges",
            "0,9");
    assertEquals(plain.scores(), mapped.scores());
    JsonNode prompts = JSON.readTree(folder.resolve("mapped/run.json").toFile()).get("prompts");
    assertEquals(Columns.parse(columns).toString(), prompts.get("columns").textValue());
    Ran again =
        Ran.command(
            "discover",
            "--run",
            folder.resolve("mapped/run.json"),
            "--out",
            folder.resolve("again"));
    assertEquals(0, again.code(), again::err);
    refused(
        2,
        "columns: \"clen\" is unknown",
        "discover",
        "--model",
        model,
        "--dataset",
        file,
        "--columns",
        "clen=question",
        "--out",
        folder.resolve("none"));
    refused(
        2, "give --dataset too", "discover", "--columns", columns, "--out", folder.resolve("none"));
    Ran check = Ran.command("dataset", "check", file, "--columns", columns);
    assertEquals(0, check.code(), check::err);
    assertTrue(words(check).contains("pairs 64"), check::out);
  }

  @Test
  void aBalancedFileHasEachAnswerAsOften() throws IOException {
    Path file = folder.resolve("unbalanced.json");
    Files.writeString(
        file,
        """
        {"prompts": [
          {"clean": [1], "corrupt": [2], "answers": [7], "wrong_answers": [8]},
          {"clean": [2], "corrupt": [3], "answers": [7], "wrong_answers": [8]},
          {"clean": [3], "corrupt": [4], "answers": [8], "wrong_answers": [7]},
          {"clean": [4], "corrupt": [5], "answers": [7], "wrong_answers": [8]}]}
        """);
    Path out = folder.resolve("balanced.json");
    assertEquals(0, Ran.command("dataset", "filter", file, "--balance", "--out", out).code());
    JsonNode kept = JSON.readTree(out.toFile()).get("prompts");
    assertEquals(2, kept.size());
    assertEquals(1, kept.get(0).get("clean").get(0).intValue());
    assertEquals(3, kept.get(1).get("clean").get(0).intValue());
  }

  @Test
  void theCompiledReversalSaysTheAnswersThatAreGenerated() {
    Path model =
        Path.of(System.getProperty("reference.dir", "../shared/reference"))
            .resolve("tracr-reverse/model");
    if (!Files.exists(model)) {
      System.out.println("DatasetCommandTest skipped: no tracr-reverse under reference.dir");
    }
    Assumptions.assumeTrue(Files.exists(model), "no tracr-reverse under reference.dir");
    Path file = folder.resolve("reverse.json");
    assertEquals(0, Ran.command("dataset", "generate", "tracr-reverse", "--out", file).code());
    Ran ran = Ran.command("dataset", "check", file, "--model", model);
    assertTrue(words(ran).contains("model is right for 243 of 243 (100%)"), ran::out);
    assertTrue(words(ran).contains("its first choice for 243 of 243"), ran::out);
  }

  /** What was printed, without the shape of the table. */
  private static String words(Ran ran) {
    return ran.out().replaceAll("\\s+", " ");
  }

  private static void refused(int code, String part, Object... words) {
    Ran ran = Ran.command(words);
    assertEquals(code, ran.code(), ran::err);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertTrue(ran.err().contains(part), ran::err);
  }
}
