package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.task.OfficialCircuit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs of a model of 8 heads in 4 groups, with inputs of groups and of heads, and their files. */
class GroupedRunTest {
  private static final String SHAPE = "stories260k-grouped";
  private static final int SIZE = 2;
  private static final Pattern SHARED = Pattern.compile("(.*->A\\d+\\.)(\\d+)(\\.[KV])");

  @TempDir private static Path folder;
  private static Results grouped;
  private static Results perQuery;

  private static Object[] words(Object... more) {
    Object[] all = new Object[more.length + 8];
    Object[] begin = {
      "--random-weights",
      SHAPE,
      "--random-prompts",
      "4x6",
      "--edges",
      "0,20,all",
      "--metrics",
      "kl_div"
    };
    System.arraycopy(begin, 0, all, 0, begin.length);
    System.arraycopy(more, 0, all, begin.length, more.length);
    return all;
  }

  @BeforeAll
  static void score() throws IOException {
    grouped = Results.discover(folder.resolve("grouped"), words());
    perQuery = Results.discover(folder.resolve("per-query"), words("--kv", "per-query"));
  }

  private static ComputationGraph graph(KeyValues kv) {
    TransformerConfig c = RandomModels.shape(SHAPE);
    return c.graph(true, kv, 0);
  }

  @Test
  void aGroupsScoreIsTheSumOfItsHeads() {
    assertEquals(graph(KeyValues.GROUPED).edgeCount(), grouped.edges().size());
    assertEquals(graph(KeyValues.PER_QUERY).edgeCount(), perQuery.edges().size());
    Map<String, Double> of = perQuery.scores();
    int shared = 0;
    for (JsonNode edge : grouped.edges()) {
      Matcher name = SHARED.matcher(edge.get("name").asText());
      double sum = name.matches() ? 0 : of.get(edge.get("name").asText());
      for (JsonNode head : edge.path("heads")) {
        assertEquals(Integer.parseInt(name.group(2)), head.asInt() / SIZE);
        sum += of.get(name.group(1) + head.asInt() + name.group(3));
      }
      assertEquals(name.matches() ? SIZE : 0, edge.path("heads").size());
      shared += name.matches() ? 1 : 0;
      assertEquals(sum, Results.number(edge.get("score")), 1e-5, edge.toString());
    }
    assertTrue(shared > 0);
    assertFalse(perQuery.edges().findValue("score") == null);
    assertEquals(null, perQuery.edges().findValue("heads"));
  }

  @Test
  void filesSayWhichInputsThereWere() throws IOException {
    assertEquals("grouped", grouped.measurements().get("kv").asText());
    assertEquals("per-query", perQuery.measurements().get("kv").asText());
    JsonNode run =
        new ObjectMapper().readTree(grouped.directory().resolve("run.json").toFile()).get("graph");
    assertEquals("grouped", run.get("kv").asText());
  }

  /** What was recorded before there was a choice. */
  @Test
  void aRunWithoutTheFieldIsPerQuery() throws IOException {
    String run = Files.readString(grouped.directory().resolve("run.json"));
    assertTrue(run.contains("\"kv\""), run);
    Path old = folder.resolve("old.json");
    Files.writeString(old, run.replaceFirst("\"kv\": *\"grouped\",", ""));
    assertEquals(perQuery.edges(), Results.discover(folder.resolve("again"), "--run", old).edges());
  }

  @Test
  void scoresOfTheOtherGraphAreTaken() throws IOException {
    Path scores = perQuery.directory().resolve("scores.safetensors");
    Results sums = Results.discover(folder.resolve("sums"), words("--scores", scores));
    Map<String, Double> wanted = grouped.scores();
    sums.scores().forEach((name, s) -> assertEquals(wanted.get(name), s, 1e-5, name));
    assertEquals(wanted.keySet(), sums.scores().keySet());
    PruneScores own =
        PruneScores.read(
            grouped.directory().resolve("scores.safetensors"), graph(KeyValues.GROUPED));
    PruneScores copies =
        PruneScores.read(
            grouped.directory().resolve("scores.safetensors"), graph(KeyValues.PER_QUERY));
    for (int e = 0; e < copies.values().length; e++) {
      Matcher name = SHARED.matcher(copies.graph().edge(e).name());
      String of =
          name.matches()
              ? name.group(1) + Integer.parseInt(name.group(2)) / SIZE + name.group(3)
              : copies.graph().edge(e).name();
      assertEquals(own.of(own.graph().edges(of).get(0)), copies.values()[e], of);
    }
  }

  @Test
  void listsOfEdgesGoToTheOtherGraph() throws IOException {
    Path own = folder.resolve("own.json");
    Path each = folder.resolve("each.json");
    Object[] export = {"export", grouped.directory(), "--edges", 40, "--format", "json", "--out"};
    assertEquals(0, Ran.command(with(export, own)).code());
    assertEquals(0, Ran.command(with(export, each, "--kv", "per-query")).code());
    JsonNode few = new ObjectMapper().readTree(own.toFile());
    JsonNode all = new ObjectMapper().readTree(each.toFile());
    assertEquals(40, few.size());
    long shared =
        StreamSupport.stream(few.spliterator(), false).filter(e -> e.has("heads")).count();
    assertTrue(shared > 0);
    assertEquals(40 + shared, all.size());
    assertEquals(null, all.findValue("heads"));
    Circuit circuit = OfficialCircuit.read(own, graph(KeyValues.GROUPED));
    assertEquals(40, circuit.size());
    assertEquals(circuit.edgeSet(), OfficialCircuit.read(each, graph(KeyValues.GROUPED)).edgeSet());
    assertEquals(
        OfficialCircuit.read(own, graph(KeyValues.PER_QUERY)).edgeSet(),
        OfficialCircuit.read(each, graph(KeyValues.PER_QUERY)).edgeSet());
    Ran other = Ran.command("compare", grouped.directory(), perQuery.directory());
    assertEquals(1, other.code());
    assertEquals(1, other.err().lines().count(), other.err());
  }

  private static Object[] with(Object[] words, Object... more) {
    Object[] all = java.util.Arrays.copyOf(words, words.length + more.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return all;
  }

  /** A node is what a head writes, whichever inputs there are. */
  @Test
  void nodesHaveTheScoresOfBothGraphs() throws IOException {
    JsonNode few = nodes("grouped");
    JsonNode all = nodes("per-query");
    assertEquals(all.size(), few.size());
    for (int i = 0; i < all.size(); i++) {
      assertEquals(all.get(i).get("name"), few.get(i).get("name"));
      assertEquals(all.get(i).get("score").asDouble(), few.get(i).get("score").asDouble(), 1e-5);
    }
  }

  private static JsonNode nodes(String kv) throws IOException {
    Path out = folder.resolve("nodes-" + kv);
    Results.discover(out, words("--kv", kv, "--level", "node"));
    return new ObjectMapper().readTree(out.resolve("nodes.json").toFile());
  }

  @Test
  void graphsWithoutSuchInputsRefuseTheOption() {
    Object[] graph = with(new Object[] {"discover"}, words("--kv", "grouped"));
    for (String other : new String[] {"--graph=unfactorized", "--separate-qkv=false"}) {
      Ran ran = Ran.command(with(graph, other));
      assertEquals(2, ran.code());
      assertTrue(ran.err().contains("--kv=grouped"), ran.err());
    }
  }

  @Test
  void otherAlgorithmsAndPositionsRun() throws IOException {
    Results acdc =
        Results.discover(
            folder.resolve("acdc"),
            words("--algorithm", "acdc", "--tau", "0.01", "--token-positions"));
    assertEquals(graph(KeyValues.GROUPED).edgeCount() * 6, acdc.edges().size());
    assertEquals(0, acdc.metric("kl_div").get(acdc.edges().size()), 1e-5);
  }
}
