package io.autocircuit.report;

import static io.autocircuit.report.SampleReports.curve;
import static io.autocircuit.report.SampleReports.edge;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
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
  private static final String FILLS =
      "(fill) => [...document.querySelectorAll('#circuit svg path')]"
          + ".filter((p) => p.getAttribute('fill') === fill"
          + " && p.getAttribute('fill-opacity') === '0.3').length";
  private static final String LINKS =
      "((count) => count('rgb(0,0,255)') + count('rgb(255,0,0)'))(" + FILLS + ")";

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
    assertEquals(1, integer("(" + FILLS + ")('rgb(0,0,255)')"));
    assertEquals(2, integer("(" + FILLS + ")('rgb(255,0,0)')"));
    assertFalse(bool("document.getElementById('key-zero').hidden"));
    // The three parallel links into one head keep their own widths: 4 and 1 of 5 units.
    String height =
        "(fill) => Math.max(...[...document.querySelectorAll('#circuit svg path')].filter((p) =>"
            + " p.getAttribute('fill') === fill && p.getAttribute('fill-opacity') === '0.3')"
            + ".map((p) => p.getBBox().height))";
    double blue = browser.evaluate("(" + height + ")('rgb(0,0,255)')").asDouble();
    double drawn =
        browser
            .evaluate("document.querySelector('#circuit svg').getBoundingClientRect().height")
            .asDouble();
    assertTrue(blue > 0.6 * drawn, () -> "link of score 4 is " + blue + " of " + drawn);
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
    browser.await(LINKS + " === 4");
    assertTrue(text("document.querySelector('#circuit .tip').textContent").contains("A0.1.Q"));
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
    show(data, "#edges=40");
    assertEquals(40, integer(LINKS));
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
    ReportData data = ReportData.of("A <b>\"bold\"</b> \\ title & é", nodes, edges);
    for (int size : new int[] {5, edges.size()}) {
      show(data, "#edges=" + size);
      CircuitDrawing drawing =
          CircuitDrawing.of(data.title() + ", " + size + " edges", nodes, data.edges(), size);
      String name = "a-b-bold-b-title-" + size;
      browser.evaluate("document.getElementById('save-dot').click()");
      assertEquals(CircuitFiles.dot(drawing), downloaded(name + ".dot"));
      browser.evaluate("document.getElementById('save-graphml').click()");
      assertEquals(CircuitFiles.graphml(drawing), downloaded(name + ".graphml"));
      browser.evaluate("document.getElementById('save-svg').click()");
      assertEquals(CircuitFiles.svg(drawing), downloaded(name + ".svg"));
      assertClean();
    }
    browser.evaluate("document.getElementById('save-png').click()");
    var image = ImageIO.read(saved("a-b-bold-b-title-" + edges.size() + ".png").toFile());
    assertTrue(image.getWidth() >= 920, "width=" + image.getWidth());
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
        "(() => { const r = [...document.querySelectorAll('#circuit svg path')].filter((p) =>"
            + " p.getAttribute('fill-opacity') === '0.3')["
            + index
            + "].getBoundingClientRect(); return {x: r.x + r.width / 2, y: r.y + r.height / 2};"
            + " })()");
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
