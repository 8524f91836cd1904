package io.autocircuit.report;

import static io.autocircuit.report.SampleReports.edge;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.SourceActivations;
import io.autocircuit.report.CircuitDrawing.Side;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

class CircuitFilesTest {
  private static final String GRAPHML = "http://graphml.graphdrawing.org/xmlns";
  private static final List<NodeInfo> NODES = SampleReports.nodes(3, 4);

  private static final SourceActivations WRITTEN =
      new SourceActivations(
          "resample",
          "clean",
          1,
          List.of(),
          Stream.of("Resid Start", "A0.1", "MLP 1")
              .map(n -> new SourceActivations.Source(n, 1, 1.5, 2e-7, 3, 1, List.of()))
              .toList(),
          List.of(),
          List.of());

  /** A token of Graphviz's language: a quoted text, a name or number, an arrow, a sign. */
  private static final Pattern TOKEN =
      Pattern.compile("\\s*(\"(?:[^\"\\\\]|\\\\.)*\"|[A-Za-z_0-9.-]+(?<!-)|->|[{}\\[\\]=;,])");

  static Stream<CircuitDrawing> drawings() {
    List<ScoredEdge> edges = ReportData.of("", NODES, SampleReports.edges(NODES, 0, 3)).edges();
    List<ScoredEdge> others = ReportData.of("", NODES, SampleReports.edges(NODES, 0, 4)).edges();
    List<ScoredEdge> tokens = ReportData.of("", NODES, SampleReports.edges(NODES, 3, 5)).edges();
    String hostile = "a\" -> \"b\\ ]]> <x>&\n\u0001\ud800 {}";
    return Stream.of(
        CircuitDrawing.of("usual", NODES, edges, 30),
        CircuitDrawing.of("none", NODES, edges, 0),
        CircuitDrawing.of("all", NODES, edges, edges.size()),
        CircuitDrawing.of("positions", NODES, tokens, 40)
            .withPositionLabels(List.of("When", "\" ] <Mary>"))
            .withActivations(WRITTEN),
        CircuitDrawing.of("two", NODES, edges, others, 25),
        CircuitDrawing.of(
            "extremes",
            NODES,
            List.of(
                edge("Resid Start", "A0.1.Q", null, Double.POSITIVE_INFINITY),
                edge("Resid Start", "MLP 0", null, Double.NEGATIVE_INFINITY),
                edge("A0.1", "MLP 0", null, 1e-12),
                edge("MLP 0", "Resid End", null, 0)),
            4),
        CircuitDrawing.of(
            hostile,
            List.of(new NodeInfo(hostile, 0), new NodeInfo(hostile + "2", 1)),
            List.of(edge(hostile, hostile + "2", 1, 0.5)),
            1));
  }

  @ParameterizedTest
  @MethodSource("drawings")
  void graphmlHasTheStructureOfItsSchema(CircuitDrawing drawing) throws Exception {
    Element root = xml(CircuitFiles.graphml(drawing)).getDocumentElement();
    assertEquals(GRAPHML, root.getNamespaceURI());
    assertEquals("graphml", root.getLocalName());
    List<Element> parts = children(root);
    Map<String, String> types = new HashMap<>();
    for (Element key : parts.subList(0, parts.size() - 1)) {
      assertEquals("key", key.getLocalName());
      String of = key.getAttribute("for");
      assertTrue(Set.of("node", "edge").contains(of), of);
      String type = key.getAttribute("attr.type");
      assertTrue(Set.of("int", "double", "string").contains(type), type);
      assertFalse(key.getAttribute("attr.name").isEmpty());
      assertEquals(null, types.put(key.getAttribute("id"), of + ":" + type), "ids differ");
    }
    Element graph = parts.get(parts.size() - 1);
    assertEquals("graph", graph.getLocalName());
    assertEquals("directed", graph.getAttribute("edgedefault"));
    Map<String, String> nodes = new HashMap<>();
    int edges = 0;
    for (Element item : children(graph)) {
      Map<String, String> data = new HashMap<>();
      for (Element datum : children(item)) {
        assertEquals("data", datum.getLocalName());
        String type = types.get(datum.getAttribute("key"));
        assertTrue(type.startsWith(item.getLocalName() + ":"), type);
        assertTrue(isA(type.split(":", -1)[1], datum.getTextContent()), datum.getTextContent());
        data.put(datum.getAttribute("key"), datum.getTextContent());
      }
      if (item.getLocalName().equals("node")) {
        assertTrue(item.getAttribute("id").matches("[A-Za-z][\\w.-]*"), "an NMTOKEN");
        assertEquals(null, nodes.put(item.getAttribute("id"), data.get("name")), "ids differ");
      } else if (item.getLocalName().equals("edge")) {
        CircuitDrawing.Link link = drawing.links().get(edges++);
        assertEquals(safe(link.source()), nodes.get(item.getAttribute("source")));
        assertEquals(safe(link.destination()), nodes.get(item.getAttribute("target")));
        double score = Double.parseDouble(data.get("score").replace("INF", "Infinity"));
        assertEquals((float) link.edge().score(), (float) score);
        assertEquals(link.input(), data.getOrDefault("input", ""));
        assertEquals(link.side() == Side.ONLY, !data.containsKey("in"));
        assertEquals(drawing.activation(link).isPresent(), "3".equals(data.get("delta_norm")));
        assertEquals(drawing.activation(link).isPresent(), "2e-7".equals(data.get("ablated_norm")));
        boolean labelled =
            link.edge().seqIdx() != null && link.edge().seqIdx() < drawing.positionLabels().size();
        assertEquals(labelled, data.containsKey("token"));
      } else {
        assertEquals("desc", item.getLocalName());
      }
    }
    assertEquals(drawing.links().size(), edges);
    assertEquals(CircuitFiles.used(drawing).size(), nodes.size());
  }

  private static boolean isA(String type, String value) {
    return switch (type) {
      case "int" -> value.matches("-?\\d+");
      case "double" -> value.matches("-?(INF|\\d+(\\.\\d+)?(e[+-]?\\d+)?)");
      default -> true;
    };
  }

  @ParameterizedTest
  @MethodSource("drawings")
  void dotHasTheGrammarOfGraphviz(CircuitDrawing drawing) {
    List<String[]> edges = new ArrayList<>();
    new Grammar(CircuitFiles.dot(drawing)).graph(edges);
    assertEquals(drawing.links().size(), edges.size());
    for (int i = 0; i < edges.size(); i++) {
      assertEquals(safe(drawing.links().get(i).source()), edges.get(i)[0]);
      assertEquals(safe(drawing.links().get(i).destination()), edges.get(i)[1]);
    }
  }

  /** The grammar that graphs are written in, as far as it is used. */
  private static final class Grammar {
    private final List<String> tokens = new ArrayList<>();
    private int at;

    Grammar(String text) {
      Matcher m = TOKEN.matcher(text);
      int end = 0;
      while (m.find() && m.start() == end) {
        tokens.add(m.group(1));
        end = m.end();
      }
      assertTrue(text.substring(end).isBlank(), "no token: " + text.substring(end));
    }

    private String next() {
      return tokens.get(at++);
    }

    private void take(String token) {
      assertEquals(token, next());
    }

    private boolean ahead(String token) {
      return tokens.get(at).equals(token);
    }

    private String id() {
      String id = next();
      assertFalse("{}[]=;,->".contains(id), id);
      return id.startsWith("\"")
          ? id.substring(1, id.length() - 1).replaceAll("\\\\(.)", "$1")
          : id;
    }

    void graph(List<String[]> edges) {
      take("digraph");
      id();
      take("{");
      statements(edges);
      assertEquals(tokens.size(), at);
    }

    private void statements(List<String[]> edges) {
      while (!ahead("}")) {
        if (ahead("{")) {
          take("{");
          statements(edges);
          continue;
        }
        String first = id();
        if (ahead("=")) {
          take("=");
          id();
        } else {
          if (ahead("->")) {
            take("->");
            edges.add(new String[] {first, id()});
          }
          if (ahead("[")) {
            attributes();
          }
        }
        take(";");
      }
      take("}");
    }

    private void attributes() {
      take("[");
      do {
        id();
        take("=");
        id();
      } while (next().equals(","));
      assertEquals("]", tokens.get(at - 1));
    }
  }

  @Test
  void theGrammarRefusesWhatIsNone() {
    for (String bad : List.of("digraph x { a -> ; }", "digraph { ", "digraph x { a b; }")) {
      assertThrows(Throwable.class, () -> new Grammar(bad).graph(new ArrayList<>()), () -> bad);
    }
  }

  @Test
  void graphvizReadsIt(@TempDir Path directory) throws Exception {
    boolean installed =
        Stream.of(String.valueOf(System.getenv("PATH")).split(java.io.File.pathSeparator))
            .anyMatch(p -> Files.isExecutable(Path.of(p, "dot")));
    if (!installed) {
      System.out.println("CircuitFilesTest.graphvizReadsIt skipped: no dot on the PATH");
    }
    Assumptions.assumeTrue(installed, "no dot on the PATH (Debian: apt install graphviz)");
    for (CircuitDrawing drawing : drawings().toList()) {
      Path file =
          Files.writeString(
              directory.resolve("c.dot"), CircuitFiles.dot(drawing), StandardCharsets.UTF_8);
      Process dot =
          new ProcessBuilder(
                  "dot", "-Tplain", "-o", directory.resolve("o").toString(), file.toString())
              .redirectErrorStream(true)
              .start();
      String said = new String(dot.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertTrue(dot.waitFor(60, TimeUnit.SECONDS));
      assertEquals(0, dot.exitValue(), said);
      long edges =
          Files.readAllLines(directory.resolve("o")).stream()
              .filter(l -> l.startsWith("edge"))
              .count();
      assertEquals(drawing.links().size(), edges);
    }
  }

  @ParameterizedTest
  @MethodSource("drawings")
  void thePictureHasALineForEachEdgeAndEveryNode(CircuitDrawing drawing) throws Exception {
    Document picture = xml(CircuitFiles.svg(drawing));
    Element root = picture.getDocumentElement();
    assertEquals("http://www.w3.org/2000/svg", root.getNamespaceURI());
    NodeList paths = root.getElementsByTagNameNS("*", "path");
    long links = 0;
    for (int i = 0; i < paths.getLength(); i++) {
      links += children((Element) paths.item(i)).isEmpty() ? 0 : 1;
    }
    assertEquals(drawing.links().size(), links);
    Set<String> places = new HashSet<>();
    double width = Double.parseDouble(root.getAttribute("width"));
    double height = Double.parseDouble(root.getAttribute("height"));
    NodeList boxes = root.getElementsByTagNameNS("*", "g");
    assertEquals(drawing.nodes().size(), boxes.getLength());
    for (int i = 0; i < boxes.getLength(); i++) {
      Element box = children((Element) boxes.item(i)).get(0);
      double x = Double.parseDouble(box.getAttribute("x"));
      double y = Double.parseDouble(box.getAttribute("y"));
      assertTrue(x >= 0 && x + 54 <= width && y >= 0 && y + 20 <= height);
      assertTrue(places.add(x + " " + y), "two nodes in one place");
    }
  }

  @Test
  void eachPositionHasAGrid() throws Exception {
    CircuitDrawing drawing = drawings().toList().get(3);
    Element root = xml(CircuitFiles.svgByPosition(drawing)).getDocumentElement();
    List<String> headings =
        children(root).stream()
            .filter(e -> e.getAttribute("class").equals("position"))
            .map(Element::getTextContent)
            .toList();
    assertEquals(List.of("Position 0 “When”", "Position 1 “\" ] <Mary>”", "Position 2"), headings);
    NodeList paths = root.getElementsByTagNameNS("*", "path");
    int links = 0;
    for (int i = 0; i < paths.getLength(); i++) {
      links += children((Element) paths.item(i)).size();
    }
    assertEquals(40, links);
    int first = (int) drawing.links().stream().filter(l -> l.edge().seqIdx() == 0).count();
    assertEquals(first, drawing.at(0).links().size());
    assertTrue(CircuitFiles.svg(drawing).contains("; its source writes 1.5, ablated 2e-7, Δ 3<"));
  }

  @Test
  void picturesArePainted() throws Exception {
    for (CircuitDrawing drawing : drawings().toList()) {
      Element root = xml(CircuitFiles.svg(drawing)).getDocumentElement();
      var image = ImageIO.read(new ByteArrayInputStream(GridImage.png(CircuitFiles.svg(drawing))));
      assertEquals(2 * Double.parseDouble(root.getAttribute("width")), image.getWidth());
      assertEquals(2 * Double.parseDouble(root.getAttribute("height")), image.getHeight());
      Set<Integer> colours = new HashSet<>();
      for (int y = 0; y < image.getHeight(); y++) {
        for (int x = 0; x < image.getWidth(); x++) {
          colours.add(image.getRGB(x, y) & 0xffffff);
        }
      }
      assertTrue(colours.contains(0xffffff) && colours.contains(0x1d2126), "paper and text");
      boolean blue = drawing.links().isEmpty() || drawing.links().get(0).side() != Side.ONLY;
      assertTrue(blue || colours.contains(0x2456c7), drawing.title()); // the key
    }
    assertMessage("no picture of a circuit", () -> GridImage.png("<svg"));
  }

  @Test
  void graphsOfOtherKindsHaveTheirLayersFromEdgesAlone(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("edges.json");
    Files.writeString(
        file,
        Stream.of(
                "Resid Start->Resid Mid 0",
                "A0.0->Resid Mid 0",
                "Resid Mid 0->Resid Post 0",
                "MLP 0->Resid Post 0",
                "Resid Post 0->Resid Mid 1",
                "A1.0->Resid Mid 1",
                "Resid Mid 1->Resid End",
                "MLP 1->Resid End")
            .map(n -> "{\"name\":\"" + n + "\",\"seq_idx\":null,\"score\":1}")
            .toList()
            .toString());
    Map<String, Integer> layers = new HashMap<>();
    ResultEdges.read(file).nodes().forEach(n -> layers.put(n.name(), n.layer()));
    assertEquals(
        Map.of(
            "Resid Start",
            0,
            "A0.0",
            0,
            "Resid Mid 0",
            1,
            "MLP 0",
            1,
            "Resid Post 0",
            2,
            "A1.0",
            2,
            "Resid Mid 1",
            3,
            "MLP 1",
            3,
            "Resid End",
            4),
        layers);
    Files.writeString(
        file,
        Stream.of(
                "Resid Start->A0.0.Q",
                "Resid Start->MLP 0",
                "A0.0->MLP 0",
                "MLP 0 Latent 7->A1.0.Q",
                "A0.0->A1.0.Q",
                "MLP 0 Latent 12->Resid End",
                "A1.0->Resid End")
            .map(n -> "{\"name\":\"" + n + "\",\"seq_idx\":null,\"score\":1}")
            .toList()
            .toString());
    layers.clear();
    ResultEdges latents = ResultEdges.read(file);
    latents.nodes().forEach(n -> layers.put(n.name(), n.layer()));
    assertEquals(
        Map.of(
            "Resid Start",
            0,
            "A0.0",
            1,
            "MLP 0",
            2,
            "MLP 0 Latent 7",
            2,
            "MLP 0 Latent 12",
            2,
            "A1.0",
            3,
            "Resid End",
            4),
        layers);
    // of thousands of latents the picture has those with an edge
    String picture = CircuitFiles.svg(latents.drawing("latents", 4));
    assertTrue(picture.contains(">MLP 0·7<") && !picture.contains(">MLP 0·12<"));
    List<String> order =
        CircuitDrawing.of("", latents.nodes(), List.of(), 0).nodes().stream()
            .map(NodeInfo::name)
            .toList();
    assertTrue(order.indexOf("MLP 0 Latent 7") < order.indexOf("MLP 0 Latent 12"));
  }

  @Test
  void theGridIsTheSameWhateverTheCircuit() {
    Pattern box = Pattern.compile("<rect x=\"[^\"]*\" y=\"[^\"]*\"");
    List<ScoredEdge> edges = ReportData.of("", NODES, SampleReports.edges(NODES, 0, 3)).edges();
    List<List<String>> grids =
        Stream.of(1, 50)
            .map(k -> CircuitFiles.svg(CircuitDrawing.of("t", NODES, edges, k)))
            .map(svg -> box.matcher(svg).results().map(m -> m.group()).toList())
            .toList();
    assertEquals(NODES.size(), grids.get(0).size());
    assertEquals(grids.get(0), grids.get(1));
  }

  @Test
  void jsonIsReadBackAsResults(@TempDir Path directory) throws Exception {
    List<ScoredEdge> edges = ReportData.of("", NODES, SampleReports.edges(NODES, 2, 3)).edges();
    CircuitDrawing all = CircuitDrawing.of("all", NODES, edges, edges.size());
    Path file = Files.writeString(directory.resolve("edges.json"), CircuitFiles.json(all));
    JsonNode json = new ObjectMapper().readTree(file.toFile());
    assertEquals(edges.size(), json.size());
    ResultEdges read = ResultEdges.read(directory);
    assertEquals(edges, read.edges());
    assertEquals(read, ResultEdges.read(file));
    // the layers that follow from all edges are those of the model
    assertEquals(
        new HashSet<>(NODES), new HashSet<>(read.nodes()), "nodes and layers from edges alone");
    assertEquals(
        CircuitFiles.svg(CircuitDrawing.of("c", NODES, edges, 20)),
        CircuitFiles.svg(CircuitDrawing.of("c", read.nodes(), read.edges(), 20)));
  }

  @Test
  void numbersAreShort() {
    assertEquals("0.1", CircuitFiles.number(0.1f, ""));
    assertEquals("-5.384188", CircuitFiles.number(-5.384188f, ""));
    assertEquals("0.1", CircuitFiles.number(0.1, ""));
    assertEquals("0", CircuitFiles.number(-0.0, ""));
    assertEquals("1e-45", CircuitFiles.number(Float.MIN_VALUE, ""));
    assertEquals("3.4028235e+38", CircuitFiles.number(Float.MAX_VALUE, ""));
    assertEquals("-INF", CircuitFiles.number(Double.NEGATIVE_INFINITY, "INF"));
    assertEquals(0.1 + 0.2, Double.parseDouble(CircuitFiles.number(0.1 + 0.2, "")));
  }

  @Test
  void whatCannotBeDrawnIsRefused() {
    assertMessage(
        "edges=2 outside 0..1",
        () -> CircuitDrawing.of("t", NODES, List.of(edge("A0.1", "MLP 0", null, 1)), 2));
    assertMessage(
        "score of edge=A0.1->MLP 0 is NaN",
        () -> CircuitDrawing.of("t", NODES, List.of(edge("A0.1", "MLP 0", null, Double.NaN)), 1));
    assertMessage(
        "edge=A9.1->MLP 0 leads to no later layer",
        () -> CircuitDrawing.of("t", NODES, List.of(edge("A9.1", "MLP 0", null, 1)), 1));
  }

  private static void assertMessage(String part, org.junit.jupiter.api.function.Executable code) {
    String message = assertThrows(IllegalArgumentException.class, code).getMessage();
    assertTrue(message.startsWith(part), message);
  }

  /** What is left of a text that XML cannot hold. */
  private static String safe(String text) {
    return text.replace('\u0001', '\ufffd').replace('\ud800', '\ufffd');
  }

  private static Document xml(String text) throws Exception {
    DocumentBuilderFactory factory = DocumentBuilderFactory.newDefaultInstance();
    factory.setNamespaceAware(true);
    return factory
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
  }

  private static List<Element> children(Element parent) {
    List<Element> children = new ArrayList<>();
    for (int i = 0; i < parent.getChildNodes().getLength(); i++) {
      if (parent.getChildNodes().item(i) instanceof Element e) {
        children.add(e);
      }
    }
    return children;
  }
}
