package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Wording;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.dataset.DatasetFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Why heads attend, and clusters of prompts, of the embedded model. */
class AttendsAndClusterTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private static void assertNarrow(Ran ran, Path file) {
    assertEquals(0, ran.code(), ran::err);
    assertTrue(
        ran.out().lines().allMatch(l -> l.equals(file.toString()) || l.length() <= 80), ran::out);
  }

  private static void assertFails(int code, String part, Object... words) {
    Ran ran = Ran.command(words);
    assertEquals(code, ran.code(), ran::out);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertTrue(ran.err().contains(part), ran::err);
  }

  private static double sum(JsonNode rows) {
    double sum = 0;
    for (JsonNode row : rows) {
      sum += row.get("value").asDouble();
    }
    return sum;
  }

  /**
   * The embedded prompts, whose corrupt twin has another token before the answer; of every third
   * the corrupt twin asks for another token instead.
   */
  private Path prompts(int count) {
    PromptDataset all = EmbeddedTask.prompts();
    List<PromptPair> pairs = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      PromptPair pair = all.prompts().get(i);
      pairs.add(i % 3 == 0 ? asked(pair).withTemplate("asks") : pair.withTemplate("shows"));
    }
    Path file = folder.resolve("prompts.json");
    DatasetFile.write(
        file,
        new PromptDataset("prompts", pairs, List.of(), new TreeMap<>()),
        JsonNodeFactory.instance.objectNode());
    return file;
  }

  private static PromptPair asked(PromptPair pair) {
    int[] clean = ((Wording.Ids) pair.clean()).ids();
    int last = clean.length - 1;
    int answer = ((Wording.Ids) pair.answers().get(0).get(0)).ids()[0];
    int at = 1;
    while (clean[at] == clean[last] || clean[at + 1] == answer) {
      at++;
    }
    int[] corrupt = clean.clone();
    corrupt[last] = clean[at];
    return new PromptPair(
        pair.clean(),
        new Wording.Ids(corrupt),
        pair.answers(),
        List.of(List.of(new Wording.Ids(new int[] {clean[at + 1]}))));
  }

  @Test
  void whyAHeadAttends() throws IOException {
    Path found = folder.resolve("found");
    Results.discover(found, "--threads", 1, "--train", 4, "--test", 4);
    Path file = folder.resolve("why.json");
    Ran ran = Ran.command("attends", found, "--head", "a1.h1", "--json", file, "--best", 3);
    assertNarrow(ran, file);
    assertTrue(ran.out().startsWith("A1.1 of induction, clean prompt "), ran::out);
    JsonNode why = JSON.readTree(Files.readString(file));
    assertEquals(15, why.get("query").asInt());
    assertEquals("A1.1", why.get("head").asText());
    assertTrue(why.get("attention").asDouble() > 0.5, why::toString); // an induction head
    double product = why.get("product").asDouble();
    assertEquals(product, why.get("score").asDouble(), 0);
    assertEquals(product, sum(why.get("query_side")), 1e-9 * Math.abs(product));
    assertEquals(product, sum(why.get("key_side")), 1e-9 * Math.abs(product));
    assertEquals(why.get("pair_count").asInt(), why.get("pairs").size());
    assertEquals(product, sum(why.get("pairs")), 1e-9 * Math.abs(product));
    // the same prompt by its tokens, of the model alone
    List<String> ids = new ArrayList<>();
    why.get("ids").forEach(id -> ids.add(id.asText()));
    Path again = folder.resolve("again.json");
    Ran own =
        Ran.command(
            "attends",
            "--model",
            EmbeddedTask.directory(),
            "--tokens",
            String.join(",", ids),
            "--head",
            "A1.1",
            "--key",
            why.get("key").asInt(),
            "--json",
            again);
    assertNarrow(own, again);
    assertEquals(product, JSON.readTree(Files.readString(again)).get("product").asDouble(), 1e-9);
    assertFails(2, "give either DIR or --model", "attends", "--head", "A0.0");
    assertFails(2, "needs --text or --tokens", "attends", "--model", found, "--head", "A0.0");
    assertFails(2, "unknown head", "attends", found, "--head", "A9.0");
    assertFails(2, "--query=16 is outside", "attends", found, "--head", "A0.0", "--query", 16);
    assertFails(2, "it comes later", "attends", found, "--head", "A0.0", "--query", 3, "--key", 4);
    assertFails(2, "--prompt=64 is none", "attends", found, "--head", "A0.0", "--prompt", 64);
    assertFails(2, "has none, give --tokens", "attends", found, "--head", "A0.0", "--text", "x");
  }

  @Test
  void clustersOfPromptsAndTheirTemplates() throws IOException {
    Path found = folder.resolve("found");
    Object[] words = {
      "--threads",
      1,
      "--model",
      EmbeddedTask.directory(),
      "--dataset",
      prompts(36),
      "--per-prompt=10"
    };
    Results.discover(found, words);
    JsonNode templates =
        JSON.readTree(Files.readString(found.resolve("prompts.json"))).get("templates");
    assertEquals("shows", templates.get("names").get(0).get("name").asText());
    assertEquals(12, templates.get("names").get(1).get("prompts").asInt());
    assertEquals(templates.get("overlap").get(0).get(1), templates.get("overlap").get(1).get(0));
    Path out = folder.resolve("clusters");
    // of a run before that had more
    Path third = Files.createDirectories(out.resolve("cluster-3"));
    Files.writeString(third.resolve("circuit.json"), "[]");
    Ran ran = Ran.command("cluster", found, "--clusters", 2, "--out", out);
    assertFalse(Files.exists(third));
    assertNarrow(ran, out.resolve("clusters.json"));
    assertTrue(
        ran.out().contains("adjusted Rand index with the prompts' templates: 1.000"), ran::out);
    JsonNode all = JSON.readTree(Files.readString(out.resolve("clusters.json")));
    assertEquals("logit_diff_percent", all.get("metric").asText());
    int[] sizes = new int[2];
    List<Integer> prompts = new ArrayList<>();
    for (int c = 0; c < 2; c++) {
      sizes[c] = all.get("clusters").get(c).get("prompts").size();
      all.get("clusters").get(c).get("prompts").forEach(p -> prompts.add(p.asInt()));
      Path each = out.resolve("cluster-" + (c + 1));
      assertEquals(10, JSON.readTree(Files.readString(each.resolve("circuit.json"))).size());
      assertEquals(100, all.get("model").get(0).get(c).asDouble(), 1e-9);
      assertEquals(1, all.get("overlap").get(c).get(c).asDouble(), 0);
    }
    assertEquals(36, prompts.stream().distinct().count());
    assertEquals(12, sizes[1]);
    assertEquals(1, all.get("adjusted_rand").asDouble(), 1e-12);
    for (int c = 0; c < 2; c++) { // a circuit is better on its own prompts
      JsonNode own = all.get("values").get(c);
      double other = Math.abs(100 - all.get("values").get(1 - c).get(c).asDouble());
      assertTrue(Math.abs(100 - own.get(c).asDouble()) < other, all::toString);
    }
    // the circuit of all prompts, on all: what the discovery itself measures of ten edges
    Path again = folder.resolve("again");
    Results measured = Results.discover(again, append(words, "--edges", 10));
    assertEquals(
        measured.metric("logit_diff_percent").get(10),
        all.get("values").get(2).get(2).asDouble(),
        1e-3);
    // that of the first cluster, judged from its files on all prompts
    Path first = folder.resolve("first");
    Path scores = out.resolve("cluster-1").resolve("scores.safetensors");
    Object[] judging = {
      "--threads",
      1,
      "--model",
      EmbeddedTask.directory(),
      "--dataset",
      folder.resolve("prompts.json"),
      "--scores",
      scores,
      "--edges",
      10
    };
    assertEquals(
        Results.discover(first, judging).metric("logit_diff_percent").get(10),
        all.get("values").get(0).get(2).asDouble(),
        1e-3);
    assertFails(2, "--clusters=two", "cluster", found, "--clusters", "two", "--out", out);
    Path none = folder.resolve("none");
    assertFails(2, "prompts=36 cannot", "cluster", found, "--clusters", 37, "--out", none);
    assertFalse(Files.exists(none));
    assertFails(2, "give a run with --per-prompt", "cluster", first, "--out", out);
    assertFails(2, "unknown metric", "cluster", found, "--metric", "foo");
    assertFalse(Files.exists(Path.of("clusters")));
  }

  private static Object[] append(Object[] words, Object... more) {
    Object[] all = new Object[words.length + more.length];
    System.arraycopy(words, 0, all, 0, words.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return all;
  }
}
