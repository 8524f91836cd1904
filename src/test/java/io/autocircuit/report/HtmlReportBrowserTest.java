package io.autocircuit.report;

import static io.autocircuit.report.SampleReports.curve;
import static io.autocircuit.report.SampleReports.edge;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.HeadAttention;
import io.autocircuit.experiment.SourceActivations;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.AttentionScore.Contribution;
import io.autocircuit.patch.AttentionScore.Pair;
import io.autocircuit.patch.PatchType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Loads real pages in headless Chromium and looks at what they became. Skipped where there is no
 * browser. Set the system property {@code report.screenshots} to a folder to keep pictures.
 */
@Tag("slow")
class HtmlReportBrowserTest {
  private static final String READY = "document.documentElement?.dataset.ready === 'true'";
  private static final String LINKS = "document.querySelectorAll('#circuit .link').length";

  @TempDir static Path folder;
  private static Path downloads;
  private static Browser browser;

  @BeforeAll
  static void start() throws Exception {
    Optional<Path> executable = Browser.find();
    if (executable.isEmpty()) {
      System.out.println(
          "HtmlReportBrowserTest skipped: no chromium on the PATH (Debian: apt install chromium)");
    }
    Assumptions.assumeTrue(executable.isPresent(), "no chromium on the PATH");
    downloads = Files.createDirectory(folder.resolve("downloads"));
    browser = new Browser(executable.orElseThrow(), downloads);
  }

  @AfterAll
  static void stop() throws Exception {
    if (browser != null) {
      browser.close();
    }
  }

  @BeforeEach
  void desktop() {
    browser.screen(1280, 900, false);
  }

  @Test
  void drawsEveryPlotAndAsManyLinksAsTheSliderSays() throws Exception {
    show(SampleReports.usual(), "");
    assertEquals(4, integer("document.querySelectorAll('#plots .plot svg').length"));
    assertTrue(bool("document.querySelectorAll('#plots svg path').length > 40"));
    assertEquals(50, integer("Number(document.getElementById('edge-count').value)"));
    assertEquals(50, integer(LINKS));
    assertEquals(50, integer("document.querySelectorAll('#edges tr.in-circuit').length"));
    assertClean();
  }

  @Test
  void sliderNumberBoxAndAddressRedraw() throws Exception {
    show(SampleReports.usual(), "#edges=7");
    assertEquals(7, integer(LINKS));
    browser.evaluate("document.getElementById('edge-slider').focus()");
    browser.key("ArrowRight", 39);
    browser.await(LINKS + " === 8");
    assertEquals("#edges=8", text("location.hash"));
    assertEquals("8", text("document.getElementById('edge-count').value"));
    browser.key("End", 35);
    browser.await(LINKS + " === 2461");
    input("edge-count", "123");
    browser.await(LINKS + " === 123");
    assertEquals("#edges=123", text("location.hash"));
    input("edge-count", "99999");
    browser.await(LINKS + " === 2461");
    browser.evaluate("location.hash = '#edges=3'");
    browser.await(LINKS + " === 3");
    assertTrue(text("document.getElementById('readout').textContent").contains("|score| ≥ "));
    assertClean();
  }

  @Test
  void coloursFollowTheSignAndWidthsTheMagnitude() throws Exception {
    List<NodeInfo> nodes =
        List.of(
            new NodeInfo("Resid Start", 0), new NodeInfo("A0.0", 1), new NodeInfo("Resid End", 2));
    show(
        ReportData.of(
            "signs",
            nodes,
            List.of(
                edge("Resid Start", "A0.0.Q", null, 4),
                edge("Resid Start", "A0.0.K", null, -1),
                edge("Resid Start", "A0.0.V", null, 0),
                edge("A0.0", "Resid End", null, -2))),
        "");
    assertEquals(1, integer("document.querySelectorAll('#circuit .positive').length"));
    assertEquals(2, integer("document.querySelectorAll('#circuit .negative').length"));
    assertFalse(bool("document.getElementById('key-zero').hidden"));
    // The three parallel links into one head keep their own widths.
    String widths =
        "[...document.querySelectorAll('#circuit .link')].map((p) => Number("
            + "p.getAttribute('stroke-width')))";
    JsonNode drawn = browser.evaluate(widths);
    assertEquals(0.5, drawn.get(1).asDouble() / drawn.get(0).asDouble(), 0.01);
    assertEquals(0.25, drawn.get(2).asDouble() / drawn.get(0).asDouble(), 0.01);
    assertTrue(drawn.get(3).asDouble() < 1.1, "a score of 0 keeps a hair");
    // a sign is never told by colour alone
    assertTrue(
        text("getComputedStyle(document.querySelector('#circuit .negative.wide')).stroke")
            .contains("#hatch"));
    assertEquals(
        "AQKV",
        text(
            "(() => { const t = document.querySelector('#circuit .attention text');"
                + " return t.textContent[0] + t.querySelector('.inputs').textContent; })()"));
    assertEquals(
        "Embed Unembed",
        text(
            "['.start', '.end'].map((k) => document.querySelector('#circuit ' + k + ' text')"
                + ".textContent).join(' ')"));
    assertClean();
  }

  @Test
  void hoveringALinkLeavesItsPathsBright() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(2, 2);
    show(
        ReportData.of(
            "paths",
            nodes,
            List.of(
                edge("Resid Start", "A0.0.Q", null, 9),
                edge("A0.0", "A1.0.K", null, 8),
                edge("A1.0", "Resid End", null, 7),
                edge("Resid Start", "A0.1.Q", null, 6),
                edge("A0.1", "A1.1.K", null, 5),
                edge("A1.1", "MLP 1", null, 4),
                edge("MLP 1", "Resid End", null, 3))),
        "");
    assertEquals(7, integer(LINKS));
    JsonNode point = middleOfLink(3);
    browser.hover(point.get("x").asDouble(), point.get("y").asDouble());
    browser.await("document.querySelectorAll('#circuit .dim .link.on').length === 4");
    assertEquals(7, integer(LINKS));
    assertTrue(text("document.querySelector('#circuit .tip').textContent").contains("A0.1.Q"));
    // its own ends stand out of the path
    assertEquals(
        "Embed A0.1",
        text(
            "[...document.querySelectorAll('#circuit .node.near text')].map((t) =>"
                + " t.firstChild.data).join(' ')"));
    assertClean();
  }

  @Test
  void infiniteAndNanScoresAreNamed() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(1, 2);
    show(
        ReportData.of(
            "infinite",
            nodes,
            List.of(
                edge("Resid Start", "A0.0.Q", null, Double.POSITIVE_INFINITY),
                edge("A0.0", "MLP 0", null, 0.5),
                edge("A0.1", "MLP 0", null, Double.NaN),
                edge("MLP 0", "Resid End", null, Double.POSITIVE_INFINITY))),
        "");
    assertEquals(3, integer(LINKS));
    assertEquals("3", text("document.getElementById('edge-count').max"));
    assertFalse(bool("document.getElementById('key-infinite').hidden"));
    String note = text("document.getElementById('edges-note').textContent");
    assertTrue(note.contains("1 edge with the score NaN"), note);
    assertEquals("∞", text("document.querySelector('#edges tbody tr td:last-child').textContent"));
    assertClean();
  }

  @Test
  void positionsCanBeSelected() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(2, 2);
    ReportData data =
        ReportData.of("positions", nodes, SampleReports.edges(nodes, 3, 5))
            .withPositionLabels(List.of("When", " Mary", " and"));
    show(data, "#edges=40&position=all");
    assertEquals(40, integer(LINKS));
    assertEquals(1, integer("document.querySelectorAll('#circuit .panel').length"));
    long expected = data.edges().subList(0, 40).stream().filter(edge -> edge.seqIdx() == 1).count();
    assertTrue(expected > 0 && expected < 40);
    browser.evaluate(
        "(() => { const s = document.getElementById('position'); s.value = '1';"
            + " s.dispatchEvent(new Event('change')); })()");
    browser.await(LINKS + " === " + expected);
    assertEquals("#edges=40&position=1", text("location.hash"));
    assertTrue(text("document.getElementById('readout').textContent").contains("1 “ Mary”"));
    assertClean();
  }

  /** As AutoCircuit draws token graphs: a picture for each position, the first on top. */
  @Test
  void eachPositionHasAPictureOfItsOwn() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(2, 2);
    ReportData data =
        ReportData.of("positions", nodes, SampleReports.edges(nodes, 4, 5))
            .withPositionLabels(List.of("When", " Mary", " and"));
    show(data, "#edges=40");
    assertEquals(40, integer(LINKS));
    JsonNode panels =
        browser.evaluate(
            "[...document.querySelectorAll('#circuit .panel')].map((p) => ["
                + "p.querySelector('b').textContent, p.querySelectorAll('.link').length])");
    List<Integer> positions =
        data.edges().subList(0, 40).stream().map(ScoredEdge::seqIdx).distinct().sorted().toList();
    assertEquals(positions.size(), panels.size());
    List<String> names = List.of("0 “When”", "1 “ Mary”", "2 “ and”", "3");
    for (int i = 0; i < positions.size(); i++) {
      int p = positions.get(i);
      assertEquals("Position " + names.get(p), panels.get(i).get(0).asText());
      assertEquals(
          data.edges().subList(0, 40).stream().filter(e -> e.seqIdx() == p).count(),
          panels.get(i).get(1).asLong());
    }
    browser.evaluate("document.getElementById('save-svg').click()");
    assertEquals(
        CircuitFiles.svgByPosition(
            CircuitDrawing.of("positions, 40 edges", nodes, data.edges(), 40)
                .withPositionLabels(data.positionLabels())),
        downloaded("positions-40.svg"));
    assertClean();
    picture("positions", 1280, 2600);
  }

  @Test
  void aThresholdSaysHowManyEdgesAreDrawn() throws Exception {
    ReportData data = SampleReports.usual();
    show(data, "#edges=7");
    double seventh = Math.abs(data.edges().get(6).score());
    assertEquals(
        seventh, Double.parseDouble(text("document.getElementById('threshold').value")), 1e-4);
    browser.evaluate("document.getElementById('threshold').dispatchEvent(new Event('change'))");
    assertEquals(7, integer(LINKS), "its own threshold keeps the last edge");
    input("threshold", "0.5");
    long expected = data.edges().stream().filter(e -> Math.abs(e.score()) >= 0.5).count();
    browser.await(LINKS + " === " + expected);
    assertEquals("#edges=" + expected, text("location.hash"));
    input("threshold", "1e9");
    browser.await(LINKS + " === 0");
    assertTrue(
        text("document.getElementById('readout').textContent").startsWith("No edge has so great"));
    input("edge-count", "3");
    browser.await(LINKS + " === 3");
    assertClean();
  }

  /** Bars and numbers of intervals, areas, stability over prompts, tests of circuits. */
  @Test
  void whatIsSaidOfCircuitsAsAWhole() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(1, 2);
    List<ScoredEdge> edges = SampleReports.edges(nodes, 0, 6);
    Curve curve =
        new Curve(
            "KL",
            "eap",
            "Circuit edges",
            "KL",
            true,
            true,
            true,
            List.of(
                new Curve.Point(0, 2, 1.5, 2.5),
                new Curve.Point(3, 0.5, 0.25, 0.75),
                new Curve.Point(6, 0)));
    ReportData data =
        ReportData.of("whole", nodes, edges)
            .withCurves(List.of(curve))
            .withDetails(
                new ReportData.Details(
                    PatchType.TREE_PATCH,
                    null,
                    List.of(),
                    List.of(
                        new CellResult.Area("cmd", "kl_div", 0.25, 0.125, 0.5),
                        new CellResult.Area("auroc", "", 0.75, Double.NaN, Double.NaN)),
                    "top by |score|",
                    null,
                    List.of(SampleTests.tested(2))));
    show(data, "");
    assertEquals(
        2, integer("document.querySelectorAll('#plots path[stroke-opacity=\"0.7\"]').length"));
    browser.evaluate("document.querySelector('#plots .numbers-of summary').click()");
    browser.await("document.querySelectorAll('#plots .numbers-of tbody tr').length === 3");
    String row =
        "[...document.querySelectorAll('#plots .numbers-of tbody tr')].map(r => r.textContent)[1]";
    assertEquals("30.50.250.75", text(row));
    String areas = text("document.getElementById('areas').textContent");
    assertTrue(areas.contains("Circuits: top by |score|."), areas);
    assertTrue(areas.contains("lower0.250.125 to 0.5"), areas);
    assertTrue(areas.contains("AUROChigher0.75–"), areas);
    assertTrue(bool("document.getElementById('stability').hidden"));
    String tests = text("document.getElementById('tests-table').textContent");
    assertTrue(tests.contains("equivalence0.600keptabove the model on 14 prompts"), tests);
    assertTrue(tests.contains("minimality2.0e−9rejected1 of 2 edges no better"), tests);
    assertTrue(tests.contains("capacity0.190kept3 of 20 as near"), tests);
    // twenty random edges and two; two times twenty random circuits and one
    assertEquals(
        64, integer("document.querySelectorAll('#tests-plots svg path[transform]').length"));
    assertClean();
  }

  @Test
  void ablatedEdgesAreShownWhenAsked() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(1, 2);
    ReportData data = ReportData.of("ablated", nodes, SampleReports.edges(nodes, 0, 6));
    String dotted = "document.querySelectorAll('#circuit path.ablated').length";
    show(
        data.withDetails(new ReportData.Details(PatchType.TREE_PATCH, null, List.of())),
        "#edges=6");
    assertEquals(0, integer(dotted));
    browser.evaluate("document.getElementById('ablated').click()");
    browser.await(dotted + " > 0");
    List<ScoredEdge> circuit = data.edges().subList(0, 6);
    List<String> drawn =
        circuit.stream()
            .flatMap(e -> List.of(e.source(), head(e.destination())).stream())
            .distinct()
            .toList();
    long others =
        data.edges().stream()
            .skip(6)
            .filter(e -> drawn.contains(e.source()) && drawn.contains(head(e.destination())))
            .count();
    assertEquals(others, integer(dotted));
    assertFalse(bool("document.getElementById('key-ablated').hidden"));
    assertEquals("#edges=6&ablated=shown", text("location.hash"));
    show(
        data.withDetails(new ReportData.Details(PatchType.EDGE_PATCH, null, List.of())),
        "#edges=6&ablated=shown");
    assertEquals(6, integer(dotted), "edge patching ablates the circuit itself");
    assertClean();
  }

  private static String head(String name) {
    return name.startsWith("A") ? name.substring(0, name.lastIndexOf('.')) : name;
  }

  @Test
  void keysFollowEdgesAndListThem() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(2, 2);
    SourceActivations activations =
        new SourceActivations(
            "resample",
            "clean",
            4,
            List.of("When", " Mary"),
            List.of(
                new SourceActivations.Source(
                    "A0.0",
                    null,
                    3,
                    2,
                    4.5,
                    1,
                    List.of(new SourceActivations.Channel(5, 0.25, -1)))),
            List.of(
                new SourceActivations.Pattern("A0.0", List.of(List.of(1.0), List.of(0.25, 0.75)))),
            List.of(
                new HeadAttention(
                    "A0.0",
                    1,
                    0,
                    0.75,
                    1.5,
                    2.5,
                    List.of(new Contribution("Resid Start token", 2.25)),
                    List.of(new Contribution("bias of A0.0.K", -0.5)),
                    List.of(new Pair("Resid Start token", "bias of A0.0.K", 0.125)))));
    show(
        ReportData.of(
                "keys",
                nodes,
                List.of(
                    edge("Resid Start", "A0.0.Q", null, 9),
                    edge("A0.0", "A1.0.K", null, -8),
                    edge("A1.0", "Resid End", null, 7),
                    edge("Resid Start", "A0.1.Q", null, 6),
                    edge("A0.1", "A1.0.K", null, 5)))
            .withDetails(new ReportData.Details(null, activations, List.of())),
        "");
    assertEquals(1, integer("document.querySelectorAll('#circuit .node[tabindex=\"0\"]').length"));
    browser.evaluate("document.querySelector('#circuit .node[tabindex=\"0\"]').focus()");
    String focused = "document.activeElement.getAttribute('aria-label')";
    assertTrue(text(focused).startsWith("Embed, embedding. Reads 0 edges."), text(focused));
    browser.key("ArrowRight", 39);
    assertEquals(
        "A0.0, attention head. Reads 1 edge, first Embed into its Q with score 9. Read by 1 edge,"
            + " first A1.0 into its K with score −8.",
        text(focused));
    // up and down to the other head of the layer and back
    boolean last =
        bool(
            "document.activeElement.getBoundingClientRect().y > [...document.querySelectorAll("
                + "'#circuit .node')].find((n) => n.getAttribute('aria-label').startsWith('A0.1,'))"
                + ".getBoundingClientRect().y");
    browser.key(last ? "ArrowUp" : "ArrowDown", last ? 38 : 40);
    assertTrue(text(focused).startsWith("A0.1, "), text(focused));
    browser.key(last ? "ArrowDown" : "ArrowUp", last ? 40 : 38);
    browser.key("Enter", 13);
    browser.await("!document.getElementById('detail').hidden");
    assertEquals("true", text("document.activeElement.getAttribute('aria-pressed')"));
    assertEquals(2, integer("document.querySelectorAll('#detail-table tbody tr').length"));
    String said = text("document.getElementById('detail-text').textContent");
    assertTrue(
        said.contains("norm 3 in the clean prompts")
            && said.contains("norm 2 (resample)")
            && said.contains("Δ has norm 4.5")
            && said.contains("at position 1 “ Mary”, where its Δ is greatest")
            && said.contains("[5] 0.25 → −1"),
        said);
    assertEquals(
        "1 “ Mary”1 “ Mary”,0.75",
        text(
            "(() => { const cell = document.querySelector('#detail-pattern rect:last-of-type');"
                + " return cell.textContent.replace(/ looks at |: /g, (m) => m === ': ' ? ',' : '')"
                + " })()"));
    assertEquals(
        "Why A0.0 attends: 1 “ Mary” looks at 0 “When” (0.75 of its attention)",
        text("document.querySelector('#detail-why h4').textContent"));
    assertEquals(
        "Resid Start token2.25|bias of A0.0.K−0.5|Resid Start token × bias of A0.0.K0.125",
        text(
            "[...document.querySelectorAll('#detail-why tbody tr')].map((r) => r.textContent)"
                + ".join('|')"));
    browser.key("Escape", 27);
    browser.await("document.getElementById('detail').hidden");
    JsonNode point = middleOfLink(1);
    browser.hover(point.get("x").asDouble(), point.get("y").asDouble());
    browser.await("!!document.querySelector('#circuit .floating .tip')");
    String tip = text("document.querySelector('#circuit .tip').textContent");
    assertTrue(tip.contains("its source writes 3, ablated 2, Δ 4.5[5] 0.25 → −1"), tip);
    assertClean();
  }

  @Test
  void theCurveAgainstAKnownCircuitIsDrawn() throws Exception {
    show(
        SampleReports.usual()
            .withDetails(
                new ReportData.Details(
                    null,
                    null,
                    List.of(
                        new Roc.Point(0, 0),
                        new Roc.Point(0, 0.5),
                        new Roc.Point(0.25, 1),
                        new Roc.Point(1, 1)))),
        "");
    assertEquals(5, integer("document.querySelectorAll('#plots .plot svg').length"));
    assertTrue(
        text("document.querySelector('#plots figure:last-child .plot').getAttribute('aria-label')")
            .contains("0.5 at 0, 1 at 0.25"));
    assertClean();
  }

  /** Graphs of residual sums, and of latents, have nodes of further kinds. */
  @Test
  void nodesOfEveryKindAreNamed() throws Exception {
    List<NodeInfo> nodes =
        List.of(
            new NodeInfo("Resid Start", 0),
            new NodeInfo("A0.0", 0),
            new NodeInfo("Resid Mid 0", 1),
            new NodeInfo("MLP 0 Latent 17", 1),
            new NodeInfo("Resid End", 2));
    show(
        ReportData.of(
            "kinds",
            nodes,
            List.of(
                edge("Resid Start", "Resid Mid 0", null, 3),
                edge("A0.0", "Resid Mid 0", null, 2),
                edge("MLP 0 Latent 17", "Resid End", null, 1),
                edge("Resid Mid 0", "Resid End", null, 1))),
        "");
    assertEquals(
        "embedding and end,attention head,residual stream,latent",
        text(
            "['embedding and end', 'attention head', 'residual stream', 'latent'].filter((k) =>"
                + " [...document.querySelectorAll('#key-nodes li')].some((l) =>"
                + " l.textContent === k)).join()"));
    assertEquals("MLP 0·17", text("document.querySelector('#circuit .latent text').textContent"));
    assertClean();
  }

  @Test
  void tableSortsFiltersAndDownloads() throws Exception {
    ReportData data = SampleReports.usual();
    show(data, "");
    input("edge-filter", "->a4.2.v");
    long expected = data.edges().stream().filter(edge -> edge.name().endsWith("->A4.2.V")).count();
    assertEquals(expected, integer("document.querySelectorAll('#edges tbody tr').length"));
    input("edge-filter", "");
    browser.evaluate("document.querySelector('#edges thead th:last-child button').click()");
    double highest = data.edges().stream().mapToDouble(ScoredEdge::score).max().orElseThrow();
    String first = text("document.querySelector('#edges tbody tr td:last-child').textContent");
    assertEquals(highest, Double.parseDouble(first), 1e-3);
    assertEquals(
        "descending",
        text("document.querySelector('#edges thead th:last-child').getAttribute('aria-sort')"));
    browser.evaluate("document.getElementById('download-json').click()");
    JsonNode json = new ObjectMapper().readTree(downloaded("edges.json"));
    assertEquals(data.edges().size(), json.size());
    assertEquals(data.edges().get(0).name(), json.get(0).get("name").asText());
    assertEquals(data.edges().get(0).score(), json.get(0).get("score").asDouble());
    assertTrue(json.get(0).get("seq_idx").isNull());
    browser.evaluate("document.getElementById('download-csv').click()");
    List<String> csv = downloaded("edges.csv").lines().toList();
    assertEquals(data.edges().size() + 1, csv.size());
    assertTrue(csv.get(1).startsWith("1,\"" + data.edges().get(0).name() + "\","), csv.get(1));
    assertClean();
  }

  /** What the page saves is what the library writes, byte for byte. */
  @Test
  void theCircuitIsSavedForOtherPrograms() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(3, 4);
    List<ScoredEdge> edges = new ArrayList<>(SampleReports.edges(nodes, 2, 8));
    edges.add(edge("Resid Start", "MLP 2", 0, Double.POSITIVE_INFINITY));
    edges.add(edge("Resid Start", "Resid End", 1, (float) 1e9 / 3));
    edges.add(edge("A0.0", "Resid End", null, (float) 1e-9 / 7));
    SourceActivations activations =
        new SourceActivations(
            "zero",
            "clean",
            2,
            List.of("One"),
            List.of(
                new SourceActivations.Source("A0.0", 0, 1.25, 0, 1.25, 0, List.of()),
                new SourceActivations.Source("Resid Start", 1, 1e-7, 3e8, 3e8, 1, List.of())),
            List.of(),
            List.of());
    ReportData data =
        ReportData.of("A <b>\"bold\"</b> \\ title & é", nodes, edges)
            .withPositionLabels(List.of("<\"One\">"))
            .withDetails(new ReportData.Details(PatchType.TREE_PATCH, activations, List.of()));
    for (int size : new int[] {5, edges.size()}) {
      show(data, "#edges=" + size);
      CircuitDrawing drawing =
          CircuitDrawing.of(data.title() + ", " + size + " edges", nodes, data.edges(), size)
              .withPositionLabels(data.positionLabels())
              .withActivations(activations);
      String name = "a-b-bold-b-title-" + size;
      browser.evaluate("document.getElementById('save-dot').click()");
      assertEquals(CircuitFiles.dot(drawing), downloaded(name + ".dot"));
      browser.evaluate("document.getElementById('save-graphml').click()");
      assertEquals(CircuitFiles.graphml(drawing), downloaded(name + ".graphml"));
      browser.evaluate("document.getElementById('save-svg').click()");
      assertEquals(CircuitFiles.svgByPosition(drawing), downloaded(name + ".svg"));
      assertClean();
      show(data, "#edges=" + size + "&position=all");
      Files.delete(saved(name + ".svg"));
      browser.evaluate("document.getElementById('save-svg').click()");
      assertEquals(CircuitFiles.svg(drawing), downloaded(name + ".svg"));
      assertClean();
    }
    browser.evaluate("document.getElementById('save-png').click()");
    var image = ImageIO.read(saved("a-b-bold-b-title-" + edges.size() + ".png").toFile());
    assertTrue(image.getWidth() >= 920, "width=" + image.getWidth());
  }

  /** An edge into a key or value that heads share is one edge with a line into each of them. */
  @Test
  void sharedKeysAndValuesEnterAllTheirHeads() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(2, 12);
    String start = "Resid Start";
    List<ScoredEdge> edges =
        List.of(
            new ScoredEdge(
                start + "->A1.1.K", start, "A1.1.K", null, 4, List.of(6, 7, 8, 9, 10, 11)),
            edge("A0.0", "A1.1.Q", null, 3),
            new ScoredEdge("MLP 0->A1.0.V", "MLP 0", "A1.0.V", null, -2, List.of(0, 1, 2, 3, 4, 5)),
            edge("A1.7", "Resid End", null, 1));
    ReportData data = ReportData.of("groups", nodes, edges);
    show(data, "#edges=4");
    assertEquals("4", text("document.getElementById('circuit').dataset.links"));
    CircuitDrawing drawing = CircuitDrawing.of("groups, 4 edges", nodes, data.edges(), 4);
    assertEquals(14, drawing.links().size());
    assertEquals(4, drawing.edges().size());
    assertEquals(4, drawing.count(CircuitDrawing.Side.ONLY));
    assertEquals(14, drawing.perQuery().edges().size());
    browser.evaluate("document.getElementById('save-dot').click()");
    assertEquals(CircuitFiles.dot(drawing), downloaded("groups-4.dot"));
    browser.evaluate("document.getElementById('save-graphml').click()");
    assertEquals(CircuitFiles.graphml(drawing), downloaded("groups-4.graphml"));
    browser.evaluate("document.getElementById('save-svg').click()");
    assertEquals(CircuitFiles.svg(drawing), downloaded("groups-4.svg"));
    browser.evaluate("document.getElementById('download-json').click()");
    JsonNode json = new ObjectMapper().readTree(downloaded("edges.json"));
    Files.delete(saved("edges.json"));
    assertEquals(new ObjectMapper().readTree(CircuitFiles.json(drawing)), json);
    assertEquals("[6,7,8,9,10,11]", json.get(0).get("heads").toString());
    Path file = Files.writeString(folder.resolve("shared.json"), CircuitFiles.json(drawing));
    assertEquals(drawing.links(), ResultEdges.read(file).drawing("groups, 4 edges", 4).links());
    assertClean();
  }

  @Test
  void anotherCircuitIsComparedOnThePage() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(3, 4);
    ReportData data = ReportData.of("ours", nodes, SampleReports.edges(nodes, 0, 8));
    ReportData theirs = ReportData.of("theirs", nodes, SampleReports.edges(nodes, 0, 9));
    long both =
        data.edges().subList(0, 20).stream()
            .filter(
                e ->
                    theirs.edges().subList(0, 20).stream().anyMatch(o -> o.name().equals(e.name())))
            .count();
    CircuitDrawing drawing =
        CircuitDrawing.of(
            "ours (first) and other.json (second), 20 edges each",
            nodes,
            data.edges(),
            theirs.edges(),
            20);
    assertEquals(both, drawing.count(CircuitDrawing.Side.BOTH));
    show(data, "#edges=20");
    String list = CircuitFiles.json(CircuitDrawing.of("t", nodes, theirs.edges(), 60));
    browser.evaluate(
        "(() => { const files = new DataTransfer(); files.items.add(new File(["
            + new ObjectMapper().writeValueAsString(list)
            + "], 'other.json')); const box = document.getElementById('other');"
            + " box.files = files.files; box.dispatchEvent(new Event('change')); })()");
    browser.await("!document.getElementById('comparison').hidden");
    String note = text("document.getElementById('comparison-note').textContent");
    assertTrue(note.startsWith("20 edges each: " + both + " in both, "), note);
    assertEquals(
        20 + 20 - both, integer("document.querySelectorAll('#comparison-table tbody tr').length"));
    browser.evaluate("document.querySelector('#comparison-tools button').click()");
    assertEquals(CircuitFiles.svg(drawing), downloaded("compared-circuits.svg"));
    input("edge-count", "30");
    browser.await(
        "document.getElementById('comparison-note').textContent.startsWith('30 edges each')");
    assertClean();
  }

  @Test
  void hostileTextIsShownAndNeverRun() throws Exception {
    String hostile =
        "</script><script>window.hit=1</script><img src=x onerror=window.hit=2>{{data}}";
    show(HtmlReportTest.hostile(hostile), "");
    assertTrue(bool("window.hit === undefined"));
    assertEquals(hostile, text("document.querySelector('h1').textContent"));
    assertEquals(hostile, text("document.title"));
    assertEquals(0, integer("document.querySelectorAll('img').length"));
    assertEquals(1, integer(LINKS));
    JsonNode box = middleOfLink(0);
    browser.hover(box.get("x").asDouble(), box.get("y").asDouble());
    browser.await("!!document.querySelector('#circuit .tip')");
    assertTrue(text("document.querySelector('#circuit .tip').textContent").contains(hostile));
    assertEquals(0, integer("document.querySelectorAll('img').length"));
    assertClean();
  }

  @Test
  void unusualValuesOfMetricsAreDrawnOrWrittenDown() throws Exception {
    show(
        ReportData.of("values", List.of(), List.of())
            .withCurves(
                List.of(
                    curve("signs", "a", true, true, 0, -2, 1, 0, 10, 0.01, 100, 3),
                    curve("noise", "a", true, true, 0, 4, 10, 1, 100, 3e-13),
                    curve("holes", "a", false, false, 0, 1, 5, Double.NaN, 9, 1 / 0.0, 20, 2),
                    curve("nothing", "a", true, true, 3, Double.NaN),
                    curve("zeros", "a", true, true, 0, 0, 1, 0),
                    curve("one", "a", true, true, 7, 0.5),
                    curve("none", "a", true, true))),
        "");
    assertEquals(5, integer("document.querySelectorAll('#plots .plot svg').length"));
    String all = text("document.getElementById('plots').textContent");
    assertTrue(all.contains("linear between ±0.01: 2 of 4 values are zero or negative."), all);
    assertTrue(
        all.contains("Not drawn: at 5 edges the value is NaN; at 9 edges the value is ∞."), all);
    assertTrue(all.contains("Nothing was measured."), all);
    assertTrue(text("document.getElementById('readout').textContent").contains("No edge"));
    // Zero edges are drawn, and the tick says 0.
    assertTrue(
        bool(
            "[...document.querySelectorAll('#plots .plot')[0].querySelectorAll('text')]"
                + ".some((t) => t.textContent === '0')"));
    assertClean();
  }

  @Test
  void furtherMetricsAreFoldedAwayAndDrawnWhenOpened() throws Exception {
    List<Curve> curves = new ArrayList<>();
    for (int i = 0; i < 11; i++) {
      curves.add(curve("metric " + i, "a", false, false, 0, 1, 5, 2, 20, 3));
    }
    show(ReportData.of("many", List.of(), List.of()).withCurves(curves), "");
    assertEquals(8, integer("document.querySelectorAll('#plots .plot svg').length"));
    assertEquals(
        "3 further metrics", text("document.querySelector('#further summary').textContent"));
    assertFalse(bool("document.getElementById('further').open"));
    browser.evaluate("document.querySelector('#further summary').click()");
    browser.await(
        "[...document.querySelectorAll('#further svg')].filter((s) =>"
            + " s.getBoundingClientRect().width > 200 && s.querySelectorAll('path').length > 3)"
            + ".length === 3");
    assertClean();
    show(SampleReports.usual(), "");
    assertTrue(bool("document.getElementById('further').hidden"));
  }

  @Test
  void largeGraphsStayUsable() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(12, 12);
    List<ScoredEdge> edges = SampleReports.edges(nodes, 0, 3);
    assertEquals(32_491, edges.size());
    show(ReportData.of("GPT-2 small", nodes, edges), "");
    String note = text("document.getElementById('edges-note').textContent");
    assertTrue(note.contains("5,000 edges with the greatest |score| of 32,491"), note);
    long before = System.nanoTime();
    input("edge-count", "5000");
    browser.await(LINKS + " === 5000");
    System.out.printf("5000 links drawn in %d ms%n", (System.nanoTime() - before) / 1_000_000);
    assertClean();
    picture("gpt2", 1280, 1500);
  }

  @Test
  void fitsNarrowScreensAndDarkOnes() throws Exception {
    for (int width : new int[] {360, 768, 1280}) {
      for (boolean dark : new boolean[] {false, true}) {
        browser.screen(width, 800, dark);
        show(SampleReports.usual(), "#edges=30");
        int overflow = integer("document.documentElement.scrollWidth");
        assertTrue(overflow <= width, () -> "page is wider than the window: " + overflow);
        assertEquals(30, integer("Number(document.getElementById('circuit').dataset.links)"));
        double light =
            browser
                .evaluate(
                    "getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
                        + ".map(Number).reduce((a, b) => a + b) / 3")
                .asDouble();
        assertEquals(dark, light < 128);
        assertClean();
        picture("usual-" + width + (dark ? "-dark" : ""), width, width < 640 ? 3200 : 1700);
      }
    }
  }

  /** The checks above can fail: this page breaks the rules they hold. */
  @Test
  void theHarnessSeesErrorsAndRequests() throws Exception {
    Path page = folder.resolve("bad.html");
    Files.writeString(
        page,
        "<!DOCTYPE html><html data-ready='true'><img src='http://127.0.0.1:9/pixel.png'>"
            + "<script>console.error('oh'); throw new Error('no')</script></html>");
    browser.open(page.toUri().toString(), READY);
    browser.await("document.readyState === 'complete'");
    assertEquals(List.of("http://127.0.0.1:9/pixel.png"), browser.requests());
    String console = String.join(" ", browser.console());
    assertTrue(console.contains("oh") && console.contains("Error: no"), console);
  }

  private static void show(ReportData data, String hash) throws Exception {
    Path page = folder.resolve("report.html");
    HtmlReport.write(page, data);
    browser.open(page.toUri() + hash, READY);
  }

  /** Scrolls to the diagram; the centre of its link {@code index} in the window. */
  private static JsonNode middleOfLink(int index) {
    browser.evaluate("document.getElementById('circuit').scrollIntoView({block: 'start'})");
    return browser.evaluate(
        "(() => { const p = document.querySelectorAll('#circuit .link')["
            + index
            + "]; const m = p.getPointAtLength(p.getTotalLength() / 2).matrixTransform("
            + "p.getScreenCTM()); return {x: m.x, y: m.y}; })()");
  }

  private static void assertClean() {
    assertEquals(List.of(), browser.console());
    assertEquals(List.of(), browser.requests());
    assertTrue(bool("document.getElementById('alert').hidden"));
    assertEquals(0, integer("performance.getEntriesByType('resource').length"));
  }

  private static void input(String id, String value) {
    browser.evaluate(
        "(() => { const e = document.getElementById('%s'); e.value = '%s';".formatted(id, value)
            + " e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); })()");
  }

  private static String downloaded(String name) throws Exception {
    return Files.readString(saved(name), StandardCharsets.UTF_8);
  }

  private static Path saved(String name) throws Exception {
    Path file = downloads.resolve(name);
    for (int i = 0; i < 500 && !Files.exists(file); i++) {
      Thread.sleep(20);
    }
    return file;
  }

  private static void picture(String name, int width, int height) throws Exception {
    String target = System.getProperty("report.screenshots");
    if (target != null) {
      Path to = Files.createDirectories(Path.of(target)).resolve(name + ".png");
      int full = integer("document.documentElement.scrollHeight");
      Files.write(to, browser.screenshot(width, Math.min(height, full)));
    }
  }

  private static int integer(String expression) {
    return browser.evaluate(expression).asInt();
  }

  private static boolean bool(String expression) {
    return browser.evaluate(expression).asBoolean();
  }

  private static String text(String expression) {
    return browser.evaluate(expression).asText();
  }
}
