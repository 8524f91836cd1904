package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.task.OfficialCircuit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Inputs that failed in real use, {@code -Dfield.dir}: each gives the right numbers, or one line
 * that names the cure. Logits are compared by {@code ReferenceParityTest}, prompts by {@code
 * FieldPromptsTest}.
 */
@Tag("slow")
class FieldInputsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  private static Path reference() {
    return Path.of(System.getProperty("reference.dir", "../shared/reference"));
  }

  private static Path field(String name) {
    Path path = Path.of(System.getProperty("field.dir", reference() + "/../field")).resolve(name);
    boolean there = Files.exists(path);
    if (!there) {
      System.out.println("FieldInputsTest skipped: no " + name + " under field.dir");
    }
    Assumptions.assumeTrue(there, "no " + name + " under field.dir");
    return path;
  }

  @ParameterizedTest
  @CsvSource({
    "lfs-pointer,git lfs pull",
    "quantised-int8-bitsandbytes,quantised",
    "unread-tensors-qwen2-as-llama,self_attn.q_proj.bias",
    "rel-files/num_experts,num_experts",
  })
  void oneLineNamesTheCure(String name, String part) throws IOException {
    Path prompts = Files.writeString(folder.resolve("p.json"), pair());
    Ran ran =
        Ran.command(
            "discover", "--model", field(name), "--dataset", prompts, "--out", folder.resolve("o"));
    assertEquals(1, ran.code(), ran::out);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertTrue(ran.err().contains(part), ran::err);
    assertFalse(ran.err().contains("internal error"), ran::err);
    assertFalse(Files.exists(folder.resolve("o")), "something was written");
  }

  private static String pair() {
    return "[{\"clean\": [1, 2, 3], \"corrupt\": [1, 4, 3], \"answers\": [5], \"wrong_answers\":"
        + " [6]}]";
  }

  @Test
  void circuitsOfOtherToolsAreTheSameEdges() throws IOException {
    Path circuits = field("circuit-eapig-json");
    ComputationGraph graph =
        ComputationGraph.factorized(2, 4, ComputationGraph.Wiring.SEQUENTIAL, true, 0);
    for (Map.Entry<String, JsonNode> e :
        JSON.readTree(circuits.resolve("expected.json").toFile()).properties()) {
      Set<String> expected = new TreeSet<>();
      e.getValue().forEach(n -> expected.add(n.asText()));
      Set<String> names = new TreeSet<>();
      OfficialCircuit.read(circuits.resolve(e.getKey()), graph).edges().stream()
          .map(Edge::name)
          .forEach(names::add);
      assertEquals(expected, names, e.getKey());
    }
  }

  @Test
  void scoresOfEapIgWithGroupedHeads() throws IOException {
    Path model = field("eapig-gqa");
    Results ours =
        Results.discover(
            folder.resolve("o"),
            "--model",
            model,
            "--dataset",
            model.resolve("prompts.json"),
            "--kv",
            "per-query",
            "--edges",
            "0,all");
    Map<String, Double> scores = ours.scores();
    JsonNode expected =
        JSON.readTree(model.resolve("expected.json").toFile()).get("methods").get("EAP");
    assertEquals(110, expected.size());
    for (Map.Entry<String, JsonNode> e : expected.properties()) {
      String[] ends = e.getKey().split("->", -1);
      String name = node(ends[0]) + "->" + node(ends[1]);
      assertEquals(e.getValue().doubleValue(), scores.get(name), 5e-6, name);
    }
  }

  /** EAP-IG's name of a node as ours. */
  private static String node(String name) {
    if (name.equals("input")) {
      return "Resid Start";
    }
    if (name.equals("logits")) {
      return "Resid End";
    }
    if (name.startsWith("m")) {
      return "MLP " + name.substring(1);
    }
    String[] parts = name.replaceAll("[ah<>]", " ").replace(".", " ").strip().split(" +", -1);
    return "A"
        + parts[0]
        + "."
        + parts[1]
        + (parts.length > 2 ? "." + parts[2].toUpperCase(Locale.ROOT) : "");
  }

  @Test
  void aNegativePositionOfAnOfficialCircuit() {
    Path official = field("rel-files/official-negative.json");
    Ran ran = Ran.command("discover", "--official", official, "--out", folder.resolve("o"));
    assertEquals(1, ran.code());
    assertTrue(ran.err().contains("seq_idx=-1, which is no position"), ran::err);
  }
}
