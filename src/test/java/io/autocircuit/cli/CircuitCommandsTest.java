package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code export} and {@code compare} on edges that lie there; nothing is computed. */
class CircuitCommandsTest {
  private static final String FIRST =
      """
      [
      {"name":"A0.1->MLP 0","seq_idx":null,"score":"Infinity"},
      {"name":"Resid Start->A0.1.Q","seq_idx":null,"score":-2.5},
      {"name":"MLP 0->Resid End","seq_idx":null,"score":1.5},
      {"name":"Resid Start->Resid End","seq_idx":null,"score":0.5}
      ]
      """;
  private static final String SECOND =
      """
      [{"name":"A0.1->MLP 0","seq_idx":null,"score":3},
      {"name":"Resid Start->Resid End","seq_idx":null,"score":2},
      {"name":"MLP 0->Resid End","seq_idx":null,"score":1},
      {"name":"Resid Start->A0.1.Q","seq_idx":null,"score":0.1}]
      """;

  @TempDir Path directory;

  private Path results(String name, String edges) throws Exception {
    Path results = Files.createDirectories(directory.resolve(name));
    Files.writeString(results.resolve("edges.json"), edges);
    return results;
  }

  @Test
  void aCircuitIsExportedInEachFormat() throws Exception {
    Path results = results("first", FIRST);
    for (String format : List.of("dot", "svg", "graphml", "json")) {
      Path file = directory.resolve("c." + format);
      Ran ran = Ran.command("export", results, "--edges=3", "--format=" + format, "--out=" + file);
      assertEquals(0, ran.code(), ran.err());
      assertEquals(file + "\n", ran.out());
      String text = Files.readString(file);
      assertTrue(text.contains("MLP 0"), text);
      assertFalse(text.contains("Resid Start->Resid End"), text);
    }
    assertTrue(
        Files.readString(directory.resolve("c.dot"))
            .contains("\"Resid Start\" -> \"A0.1\" [label=\"Q\", score=\"-2.5\", rank=2"));
  }

  @Test
  void twoCircuitsAreCompared() throws Exception {
    Path page = directory.resolve("two.html");
    Ran ran =
        Ran.command(
            "compare",
            results("first", FIRST),
            results("second", SECOND),
            "--edges=3",
            "--out=" + page);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("3 edges each, Jaccard index 0.500"), ran.out());
    assertTrue(
        ran.out().contains("all                      2           1            1"), ran.out());
    assertTrue(
        ran.out().contains("start → attention        0           1            0"), ran.out());
    String html = Files.readString(page);
    assertTrue(html.contains("<dt>First</dt><dd>first</dd>"), "the name, not the path");
    assertFalse(html.contains(directory.toString()), "a path of this machine");
    assertEquals(
        1,
        html.split("class=\"link first\" fill=\"none\" stroke=\"#2456c7\" stroke-op", -1).length
            - 1);
    assertTrue(html.contains("[\"first\",\"Resid Start-\\u003eA0.1.Q\",null,2,-2.5,4,0.1]"));
  }

  @Test
  void whatCannotBeReadIsSaidInOneLine() throws Exception {
    Path good = results("good", FIRST);
    assertFails(
        "nothing is not there; name a directory that discover --out wrote",
        "export",
        directory.resolve("nothing"));
    assertFails("edges=5 outside 0..4", "export", good, "--edges=5");
    assertFails("edges=0 outside 1..4", "compare", good, good, "--edges=0");
    assertFails("is no list", "export", results("a", "{}"));
    assertFails("is no JSON", "export", results("b", "[{\"name\""));
    assertFails(
        "item=0 which is no",
        "export",
        results("c", "[{\"name\":\"a-b\",\"seq_idx\":null,\"score\":1}]"));
    assertFails(
        "item=0 which is no",
        "export",
        results("d", "[{\"name\":\"a->b\",\"seq_idx\":null,\"score\":\"x\"}]"));
    assertFails(
        "item=0 which is no",
        "export",
        results("e", "[{\"name\":\"a->b\",\"seq_idx\":-1,\"score\":1}]"));
    assertFails(
        "after edges of a smaller |score|", "export", results("f", FIRST.replace("1.5", "9.5")));
    assertFails(
        "has a path from node=MLP 0 to itself",
        "export",
        results("g", FIRST.replace("Resid Start->Resid End", "Resid End->MLP 0")));
    assertFails(
        "edge=Resid Start->A0.1.Q is in the graph of",
        "compare",
        good,
        results("h", SECOND.replace("A0.1.Q", "A0.1")),
        "--edges=2");
  }

  private static void assertFails(String part, Object... words) {
    Ran ran = Ran.command(words);
    assertEquals(1, ran.code(), ran.out());
    assertTrue(ran.err().contains(part), ran.err());
    assertEquals(1, ran.err().lines().count(), ran.err());
  }
}
