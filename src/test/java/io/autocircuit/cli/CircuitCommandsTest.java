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
  void whatTheDirectorySaysOfACircuitIsExportedToo() throws Exception {
    String tokens =
        """
        [{"name":"A0.1->MLP 0","seq_idx":2,"score":3},
        {"name":"Resid Start->A0.1.Q","seq_idx":0,"score":-2},
        {"name":"MLP 0->Resid End","seq_idx":2,"score":1}]
        """;
    Path results = results("tokens", tokens);
    Files.writeString(
        results.resolve("measurements.json"), "{\"position_labels\":[\"When\",\" Mary\"]}");
    Files.writeString(
        results.resolve("activations.json"),
        "{\"ablation\":\"zero\",\"run\":\"clean\",\"prompts\":1,\"tokens\":[],\"patterns\":[],\"sources\":[{\"name\":"
            + "\"A0.1\",\"position\":2,\"norm\":1.5,\"ablated_norm\":0,\"delta_norm\":1.5,"
            + "\"at\":2,\"channels\":[[0,1,0]]}]}");
    Path file = directory.resolve("c.dot");
    assertEquals(0, Ran.command("export", results, "--threshold=2", "--out=" + file).code());
    String dot = Files.readString(file);
    assertTrue(dot.contains("[label=\"Q @0 “When”\", score=\"-2\", rank=2"), dot);
    assertTrue(dot.contains("delta_norm=\"1.5\"") && !dot.contains("Unembed"), dot);
    Ran none = Ran.command("export", results, "--threshold=9", "--out=" + file);
    assertEquals(file + "\nnote: no edge reaches it; the greatest |score| is 3.0\n", none.out());
    file = directory.resolve("c.svg");
    Object[] each = {"export", results, "--format=svg", "--position=each", "--out=" + file};
    assertEquals(0, Ran.command(each).code());
    String svg = Files.readString(file);
    assertTrue(svg.contains(">Position 0 “When”<") && svg.contains(">Position 2<"), svg);
    Object[] one = {"export", results, "--format=svg", "--position=2", "--out=" + file};
    assertEquals(0, Ran.command(one).code());
    svg = Files.readString(file);
    assertTrue(svg.contains("position 2: 2<") && !svg.contains("A0.1.Q"), svg);
    file = directory.resolve("c.png");
    Ran png = Ran.command("export", results, "--format=png", "--out=" + file);
    assertEquals(0, png.code(), png.err());
    assertEquals(920, javax.imageio.ImageIO.read(file.toFile()).getWidth());
    for (String bad : List.of("--position=3", "--position=x", "--edges=1 --threshold=1")) {
      Ran ran = Ran.command((Object[]) ("export " + results + " " + bad).split(" "));
      assertEquals(2, ran.code(), bad);
      assertTrue(ran.err().lines().findFirst().orElse("").length() > 20, ran.err());
    }
    assertEquals(2, Ran.command("export", results, "--position=each").code(), "a picture");
    Path whole = results("whole", FIRST);
    Ran ran = Ran.command("export", whole, "--position=0");
    assertTrue(ran.err().contains("these edges stand for all positions"), ran.err());
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
