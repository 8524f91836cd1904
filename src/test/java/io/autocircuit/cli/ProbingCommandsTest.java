package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Circuit probing, edges to avoid, and completeness from the command line. */
@Tag("slow")
class ProbingCommandsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private JsonNode json(String file) throws IOException {
    return JSON.readTree(Files.readString(folder.resolve(file)));
  }

  private static void assertFails(int code, String part, Object... words) {
    Ran ran = Ran.command(words);
    assertEquals(code, ran.code(), ran::out);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertTrue(ran.err().contains(part), ran::err);
  }

  @Test
  void circuitsAreProbedForBySize() throws IOException {
    Path out = folder.resolve("probed");
    Results probed =
        Results.discover(
            out,
            "--algorithm",
            "cp",
            "--circuit-sizes",
            "5,official",
            "--epochs",
            2,
            "--threads",
            1);
    JsonNode found = probed.measurements().get("found");
    assertEquals("probed for 5 edges", found.get(0).get("what").asText());
    assertEquals(5, found.get(0).get("edges").asInt());
    assertEquals(2, found.size());
    assertEquals(2, (int) probed.scores().values().iterator().next().doubleValue());
    // the same without a word
    Results again = Results.discover(folder.resolve("again"), "--run", out.resolve("run.json"));
    assertEquals(probed.scores(), again.scores());
  }

  @Test
  void aPresetIsAnAlgorithm() {
    Path out = folder.resolve("x");
    assertFails(
        2,
        "--circuit-sizes=10000 exceeds the graph's edges=81; give smaller ones, such as"
            + " --circuit-sizes",
        "discover",
        "--algorithm",
        "preset:TP",
        "--out",
        out);
    assertFails(
        2,
        "unknown preset \"Tree Probin\": did you mean \"Tree Probing\"",
        "discover",
        "--algorithm",
        "preset:Tree Probin",
        "--out",
        out);
    assertFails(
        2,
        "needs --official FILE, or --circuit of a task, or settings that do not name it",
        "discover",
        "--algorithm",
        "cp",
        "--circuit",
        "none",
        "--out",
        out);
    Ran several =
        Ran.command(
            "discover",
            "--algorithm",
            "preset:EAP,preset:Edge Answer Logit MSE Gradient At Clean,preset:EAP (Prob)",
            "--edges",
            "9",
            "--out",
            out);
    assertEquals(0, several.code(), several::err);
    Ran table = Ran.command("results", out, "--metric", "kl_div", "--edges", 9);
    assertTrue(table.out().contains("EAP (MSE)"), table::out);
    assertTrue(table.out().contains("EAP (Prob)"), table::out);
    Ran alike = Ran.command("results", out, "--metric", "similarity", "--of", "EAP", "--edges", 9);
    assertEquals(0, alike.code(), alike::err);
    assertTrue(alike.out().contains("in common with EAP at 9 edges"), alike::out);
  }

  @Test
  void edgesAreAvoided() throws IOException {
    Path first = folder.resolve("first");
    Results found = Results.discover(first, "--threads", 1);
    Path other = folder.resolve("other");
    Ran ran =
        Ran.command(
            "another",
            first,
            "--edges",
            8,
            "--epochs",
            30,
            "--learning-rate",
            0.3,
            "--lambda",
            1,
            "--avoid-lambda",
            20,
            "--out",
            other);
    assertEquals(0, ran.code(), ran::err);
    List<String> best = Results.read(other).best(8);
    List<String> avoided = found.best(8);
    long shared = best.stream().filter(avoided::contains).count();
    assertTrue(
        ran.out().contains("of its 8 edges " + shared + " are among the 8 avoided"), ran::out);
    assertTrue(shared <= 4, "shared " + shared); // a penalty, not a prohibition
    JsonNode avoid = json("other/run.json").get("scoring").get("avoid");
    assertEquals(8, avoid.get("edges").asInt());
    assertEquals(first.resolve("edges.json").toString(), avoid.get("path").asText());
    // what it wrote repeats it, also where the file has moved to
    Path moved = Files.copy(first.resolve("edges.json"), folder.resolve("moved.json"));
    Results.discover(first, "--threads", 1, "--algorithm", "random"); // the old file is gone
    assertFails(
        1,
        "not what this run was recorded with: avoid=",
        "discover",
        "--run",
        other.resolve("run.json"),
        "--out",
        folder.resolve("gone"));
    Results again =
        Results.discover(
            folder.resolve("again"), "--run", other.resolve("run.json"), "--avoid", moved);
    assertEquals(best, again.best(8));
    assertFails(
        2,
        "is the directory of the circuit to avoid",
        "another",
        first,
        "--edges",
        8,
        "--out",
        first);
    assertFails(
        2,
        "avoided edges=81 are all edges of the graph",
        "discover",
        "--algorithm",
        "sp",
        "--avoid",
        moved,
        "--out",
        folder.resolve("x"));
    Ran note =
        Ran.command(
            "discover", "--avoid", moved, "--avoid-edges", 3, "--out", folder.resolve("eap"));
    assertTrue(note.out().contains("note: --avoid has no effect on eap"), note::out);
  }

  @Test
  void whatARunWasScoredBySaysWhetherThereIsAnother() throws IOException {
    Path prompts = folder.resolve("prompts");
    Results.discover(prompts, "--threads", 1, "--per-prompt", 5);
    Path other = folder.resolve("other");
    Ran ran = Ran.command("another", prompts, "--edges", 8, "--epochs", 1, "--out", other);
    assertEquals(0, ran.code(), ran::err);
    Path nodes = folder.resolve("nodes");
    Results.discover(nodes, "--threads", 1, "--level", "node");
    String said = "is of a run with --level node, whose circuits are nodes";
    assertFails(2, said, "another", nodes, "--edges", 8, "--out", other);
    assertFails(2, said, "completeness", nodes, "--edges", 8, "--out", folder.resolve("c.json"));
    assertFails(
        2,
        "--activations is of one circuit",
        "discover",
        "--algorithm",
        "eap,random",
        "--activations",
        2,
        "--out",
        other);
  }

  @Test
  void completenessOfADiscovery() throws IOException {
    Path found = folder.resolve("found");
    Results.discover(found, "--threads", 1, "--train", 16, "--test", 16);
    Path file = folder.resolve("complete.json");
    Ran ran = Ran.command("completeness", found, "--edges", "9,20", "--epochs", 5, "--out", file);
    assertEquals(0, ran.code(), ran::err);
    JsonNode circuits = json("complete.json").get("circuits");
    assertEquals(9, circuits.get(0).get("edges").asInt());
    assertEquals(20, circuits.get(1).get("edges").asInt());
    for (JsonNode c : circuits) {
      assertEquals(c.get("knocked_out").asInt(), c.get("knockouts").size());
      assertTrue(c.get("normal").asDouble() >= 0 && c.get("knockout").asDouble() >= 0, c::toString);
    }
    Results results = Results.read(found);
    double normal = circuits.get(0).get("normal").asDouble();
    double measured = results.metric("kl_div").getOrDefault(9, Double.NaN);
    assertEquals(measured, normal, 1e-4 * (1 + measured));
    assertFails(
        2, "--edges=[100] is out of range", "completeness", found, "--edges", 100, "--out", file);
    assertFails(1, "holds no run.json", "completeness", folder, "--edges", 3, "--out", file);
    Path nowhere = folder.resolve("none").resolve("x.json");
    assertFails(1, "cannot be written", "completeness", found, "--edges", 3, "--out", nowhere);
  }
}
