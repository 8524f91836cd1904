package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.PromptFinding;
import io.autocircuit.data.SmallTokenizers;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.model.ShapedModels;
import io.autocircuit.task.dataset.InspectedPrompt;
import io.autocircuit.task.dataset.TokenAlignment;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path folder;

  private static Path model;

  @BeforeAll
  static void aModelThatReadsText() throws IOException {
    model =
        SmallTokenizers.sentencePiece(
            folder.resolve("model"), "▁When", "▁Mary", "▁John", "▁to", "▁gave", "▁went");
    ShapedModels.write(model, 1, 2, ShapedModels.Kind.SEQUENTIAL);
  }

  private static Path prompts(String name, String... pairs) throws IOException {
    Path file = folder.resolve(name);
    Files.writeString(file, "{\"prompts\": [" + String.join(",", pairs) + "]}");
    return file;
  }

  private static String pair(String clean, String corrupt, String right, String wrong) {
    return String.format(
        "{\"clean\": %s, \"corrupt\": %s, \"answers\": %s, \"wrong_answers\": %s}",
        clean, corrupt, right, wrong);
  }

  private static Set<String> findings(JsonNode prompt) {
    Set<String> keys = new TreeSet<>();
    prompt.get("findings").forEach(f -> keys.add(f.textValue()));
    keys.removeAll(Set.of("model-wrong", "corrupt-as-good")); // the weights are random
    return keys;
  }

  @Test
  void theEmbeddedPromptsAreGood() throws IOException {
    Path out = folder.resolve("embedded");
    Ran ran = Ran.command("inspect", "--show", 1, "--strict", "--out", out);
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().startsWith("prompt 0: clean 16 tokens, corrupt 16 tokens, 2 differ\n"));
    assertTrue(ran.out().contains("64 of 64 (100%)"), ran::out);
    assertTrue(ran.out().contains("clean 14.384, corrupt -14.466"), ran::out);
    assertTrue(ran.out().contains("nothing was found that makes a prompt useless"), ran::out);
    JsonNode json = JSON.readTree(out.resolve("inspect.json").toFile());
    assertEquals(64, json.get("prompts").size());
    JsonNode first = json.get("prompts").get(0);
    JsonNode clean = first.get("model").get("clean");
    assertEquals(1, clean.get("rank").intValue());
    assertEquals(5, clean.get("choices").size());
    assertEquals(
        first.get("answers").get(0).get(0).get("id"), clean.get("choices").get(0).get("id"));
    assertEquals(14.384, json.at("/summary/model/logit_difference").doubleValue(), 1e-3);
    String page = Files.readString(out.resolve("inspect.html"));
    assertEquals(64, page.split("<article class=\"inspected\"", -1).length - 1);
    assertFalse(page.matches("(?s).*(src|href)=\"http.*"), "nothing is loaded");
  }

  @Test
  void everyFindingIsFound() throws IOException {
    String mary = "[\" Mary\"]";
    String john = "[\" John\"]";
    Path file =
        prompts(
            "all.json",
            pair("\"When Mary gave to\"", "\"When John gave to\"", mary, john),
            pair("\"When Mary gave to\"", "\"When John gave to\"", mary, john),
            pair("\"When Mary gave to\"", "\"When John gave to\"", mary, mary),
            pair("\"When Mary gave to\"", "\"When John gave to\"", "[\" Mary\",\" went\"]", mary),
            pair("\"When went to\"", "\"When went to\"", mary, john),
            pair("\"When gave Mary\"", "\"When gave John\"", mary, john),
            pair("\"When Mary Mary to\"", "\"When John to\"", mary, john),
            pair("\"When Mary to\"", "\"When John to\"", "[\" xylophone\"]", john),
            pair("\"to Mary \"", "\"to John \"", mary, john),
            pair("\"\"", "\"When\"", mary, john),
            pair("\"When § Mary\"", "\"When § John to\"", mary, john),
            pair("\"Mary went\"", "\"John went\"", "[\"John\"]", "[\"Mary\"]"),
            pair("[3, 4, 5]", "[0, 4, 6]", "[7]", "[8]"),
            pair("[0, 0, 4, 5]", "[0, 3, 4, 5]", "[7]", "[8]"),
            pair("[0, 3, 4, 5]", "[0, 3, 6, 6]", "[[7], [8], [9]]", "[[8], [9], [7]]"),
            pair("[0, 3, 4, 9999]", "[0, 3, 6, 6]", "[7]", "[8]"));
    Path json = folder.resolve("all-found.json");
    Ran ran =
        Ran.command("inspect", "--model", model, "--dataset", file, "--json", json, "--show", 99);
    assertEquals(0, ran.code(), ran::err);
    JsonNode all = JSON.readTree(json.toFile());
    List<Set<String>> found =
        StreamSupport.stream(all.get("prompts").spliterator(), false)
            .map(InspectCommandTest::findings)
            .toList();
    assertEquals(
        List.of(
            Set.of(),
            Set.of("repeated"),
            Set.of("answers-equal"),
            Set.of("answer-is-wrong"),
            Set.of("prompts-equal"),
            Set.of("equal-up-to-end"),
            Set.of("lengths-differ"),
            Set.of("several-tokens"),
            Set.of("space-at-end"),
            Set.of("blank", "lengths-differ"),
            Set.of("lengths-differ", "unknown-token"),
            Set.of("read-apart"),
            Set.of("bos-missing"),
            Set.of("bos-doubled"),
            Set.of("equal-up-to-answer"),
            Set.of("unusable")),
        found);
    assertEquals(14, all.at("/summary/usable").intValue());
    assertEquals(1, all.at("/summary/findings/unusable").intValue());
    assertTrue(
        all.get("prompts").get(15).get("faults").get(0).textValue().contains("token id=9999"),
        all::toString);
    assertTrue(ran.out().contains("several-tokens: 1 (7)"), ran::out);
    assertEquals(
        1,
        Ran.command("inspect", "--model", model, "--dataset", file, "--limit", 3, "--strict")
            .code());
  }

  @Test
  void theModelIsAskedAndItsMistakesAreFound() throws IOException {
    Path known = Ran.embeddedCopy(folder.resolve("known"));
    ObjectNode file = (ObjectNode) JSON.readTree(known.resolve("prompts.json").toFile());
    ArrayNode pairs = (ArrayNode) file.get("prompts");
    ObjectNode swapped = (ObjectNode) pairs.get(2);
    JsonNode right = swapped.get("answers");
    swapped.set("answers", swapped.get("wrong_answers"));
    swapped.set("wrong_answers", right);
    ((ObjectNode) pairs.get(4)).set("corrupt", pairs.get(4).get("clean"));
    Path prompts = folder.resolve("known.json");
    JSON.writeValue(prompts.toFile(), file);
    Path json = folder.resolve("known-found.json");
    Ran ran =
        Ran.command(
            "inspect",
            "--model",
            known,
            "--dataset",
            prompts,
            "--json",
            json,
            "--show",
            2,
            "--top",
            3);
    assertEquals(0, ran.code(), ran::err);
    JsonNode found = JSON.readTree(json.toFile()).at("/summary/findings");
    assertEquals("{\"prompts-equal\":1,\"model-wrong\":1,\"corrupt-as-good\":2}", found.toString());
    // those with findings are shown first
    assertTrue(ran.out().startsWith("prompt 2: "), ran::out);
    assertTrue(ran.out().contains("\nprompt 4: clean 16 tokens, corrupt 16 tokens, the same\n"));
  }

  @Test
  void bosAgainstTheModelsConventionIsFound() throws IOException {
    Path file =
        prompts("bos.json", pair("\"When Mary to\"", "\"When John to\"", "[\" Mary\"]", "[]"));
    Path json = folder.resolve("bos-found.json");
    Ran.command(
        "inspect",
        "--model",
        model,
        "--dataset",
        file,
        "--bos",
        "never",
        "--tokens-only",
        "--json",
        json);
    JsonNode prompt = JSON.readTree(json.toFile()).get("prompts").get(0);
    assertEquals(Set.of("bos-missing"), findings(prompt));
    assertFalse(prompt.has("model"), "nobody was asked");
  }

  @Test
  void aTaskIsInspectedWithItsOwnModel() {
    Ran tracr = Ran.command("inspect", "--task", "tracr-reverse", "--show", 1, "--limit", 4);
    assertEquals(0, tracr.code(), tracr::err);
    assertTrue(tracr.out().contains("4 of tracr-reverse"), tracr::out);
    Ran numbers = Ran.command("inspect", "--task", "tracr-xproportion", "--show", 1, "--limit", 2);
    assertTrue(numbers.out().contains("mean squared error"), numbers::out);
  }

  @Test
  void noLineIsWiderThanTheTerminal() throws IOException {
    String longPrompt = "\"" + "When Mary gave to John ".repeat(12).strip() + "\"";
    Path file =
        prompts(
            "wide.json",
            pair(longPrompt, longPrompt.replace("gave", "went"), "[\" Mary\"]", "[\" John\"]"),
            pair("\"When 王美 to\"", "\"When 約翰 to\"", "[\" Mary\"]", "[\" John\"]"));
    Ran ran = Ran.command("inspect", "--model", model, "--dataset", file);
    assertEquals(0, ran.code(), ran::err);
    ran.out().lines().forEach(l -> assertTrue(Cells.width(l) <= 80, l));
    assertFalse(ran.out().contains("\u001b"), "no colours but on a terminal");
  }

  @Test
  void onATerminalWhatDiffersIsColoured() {
    TokenizedPair pair =
        new TokenizedPair(
            7, new int[] {1, 2}, new int[] {1, 3}, new int[][] {{4}}, new int[][] {{5}});
    InspectedPrompt prompt =
        new InspectedPrompt(
            pair,
            TokenAlignment.of(pair.clean(), pair.corrupt()),
            Map.of(2, "␣Mary", 3, "␣Al"),
            Optional.empty(),
            List.of(),
            Set.of(PromptFinding.REPEATED));
    StringWriter text = new StringWriter();
    new InspectPrintout(new PrintWriter(text, true), 80, true).prompt(prompt);
    assertTrue(text.toString().contains("1 \u001b[1m␣Mary\u001b[0m"), text::toString);
    StringWriter plain = new StringWriter();
    new InspectPrintout(new PrintWriter(plain, true), 80, false).prompt(prompt);
    assertEquals(
        """
        prompt 7: clean 2 tokens, corrupt 2 tokens, 1 differs
                    0 1
          clean     1 ␣Mary
          corrupt   1 ␣Al
                      ^^^^^
          answers   id 4
          wrong     id 5
          found     repeated: the same pair as an earlier one; leave it out

        """,
        plain.toString().replace(System.lineSeparator(), "\n"));
    assertEquals(
        plain.toString(),
        text.toString().replaceAll("\u001b\\[[0-9]+m", ""),
        "but for the colours");
  }

  @Test
  void wideCharactersTakeTwoCells() {
    assertEquals(6, Cells.width("ab王美"));
    assertEquals(1, Cells.width("e\u0301"));
    assertEquals("ab…", Cells.cut("ab王美", 4));
    assertEquals("ab王…", Cells.cut("ab王美美", 5));
    assertEquals("王  ", Cells.padded("王", 4));
  }

  @Test
  void whatDoesNotFitIsWrongUsage() {
    assertEquals(2, Ran.command("inspect", "--model", model).code());
    assertEquals(2, Ran.command("inspect", "--task", "ioi", "--dataset", "x.json").code());
    assertEquals(2, Ran.command("inspect", "--limit", 0).code());
    assertEquals(2, Ran.command("inspect", "--task", "induction", "--tokens-only").code());
    Ran none = Ran.command("inspect", "--json", folder.resolve("nowhere/x.json"));
    assertEquals(1, none.code());
    assertTrue(none.err().contains("cannot be written"), none::err);
  }
}
