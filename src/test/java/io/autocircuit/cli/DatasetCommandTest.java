package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.SmallTokenizers;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.task.dataset.WordTokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
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

  private static void refused(int code, String part, Object... words) {
    Ran ran = Ran.command(words);
    assertEquals(code, ran.code(), ran::err);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertTrue(ran.err().contains(part), ran::err);
  }
}
