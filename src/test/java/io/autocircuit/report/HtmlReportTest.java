package io.autocircuit.report;

import static io.autocircuit.report.SampleReports.curve;
import static io.autocircuit.report.SampleReports.edge;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HtmlReportTest {
  private static final Pattern SCRIPT =
      Pattern.compile("<script([^>]*)>(.*?)</script>", Pattern.DOTALL);

  /** The same text everywhere that text can stand. */
  static ReportData hostile(String text) {
    return ReportData.of(
            text,
            List.of(new NodeInfo(text, 0), new NodeInfo(text + "end", 1)),
            List.of(new ScoredEdge(text, text, text + "end", 0, 1)))
        .withVerdict(text)
        .withSummary(Map.of(text, text))
        .withSettings(Map.of(text, text))
        .withPositionLabels(List.of(text))
        .withCurves(
            List.of(
                new Curve(
                    text,
                    text,
                    text,
                    text,
                    true,
                    true,
                    true,
                    List.of(new Curve.Point(0, 1), new Curve.Point(2, 2)))));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "\"' onload=alert(1) x='",
        "{{data}}{{script}}$1\\",
        "a\u2028b\u2029c\u0000d\r\ne\ud800f",
        "]]>&amp;&lt;",
        "日本語 🙂",
        ""
      })
  void textFromOutsideStaysText(String text) throws Exception {
    String plain = HtmlReport.render(hostile("plain"));
    String html = HtmlReport.render(hostile(text));
    assertEquals(scripts(plain).size(), scripts(html).size());
    assertEquals(3, scripts(html).size());
    // Outside the library, the page's elements are those of the harmless page.
    assertEquals(tags(plain), tags(html));
    JsonNode data = data(html);
    assertEquals(text, data.get("title").asText());
    assertEquals(text, data.at("/edges/0/0").asText());
    assertEquals(text, data.at("/plots/0/series/0/name").asText());
    assertEquals(text, data.at("/positionLabels/0").asText());
  }

  @Test
  void noAddressCanBeLoadedAndOnlyOurScriptsRun() throws Exception {
    String html = HtmlReport.render(SampleReports.usual());
    Matcher policy =
        Pattern.compile("Content-Security-Policy\" content=\"([^\"]*)\"").matcher(html);
    assertTrue(policy.find());
    assertTrue(policy.group(1).startsWith("default-src 'none'; script-src 'sha256-"));
    List<String> scripts = scripts(html);
    for (String script : scripts.subList(1, 3)) {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(script.getBytes(StandardCharsets.UTF_8));
      assertTrue(policy.group(1).contains(Base64.getEncoder().encodeToString(digest)));
    }
    String frame = html;
    for (String script : scripts) {
      frame = frame.replace(script, "");
    }
    assertFalse(frame.contains("http:") || frame.contains("https:"), "an address in the page");
    assertFalse(frame.contains("{{"), "a placeholder was left");
    // namespaces of the files that the page saves; they are names and load nothing
    String script =
        scripts
            .get(2)
            .replace("http://graphml.graphdrawing.org/xmlns", "")
            .replaceAll("http://www\\.w3\\.org/(2000/svg|2001/XMLSchema-instance)", "");
    assertFalse(script.contains("http"), "an address in the script");
  }

  @Test
  void dataIsJsonWithAllNumbers() throws Exception {
    List<NodeInfo> nodes =
        List.of(
            new NodeInfo("Resid Start", 0),
            new NodeInfo("A0.1.Q", 1),
            new NodeInfo("A0.1.K", 1),
            new NodeInfo("Resid End", 2));
    ReportData report =
        ReportData.of(
                "t",
                nodes,
                List.of(
                    edge("A0.1", "Resid End", 2, Double.NaN),
                    edge("Resid Start", "A0.1.Q", 2, -0.25),
                    edge("Resid Start", "A0.1.K", 3, Double.POSITIVE_INFINITY)))
            .withCurves(
                List.of(
                    curve("kl", "a", true, true, 5, 1 / 0.0, 0, 1.5),
                    curve("kl", "b", true, true, 0, Double.NaN)));
    JsonNode data = data(HtmlReport.render(report));
    assertEquals(
        "[[\"Resid Start->A0.1.K\",0,1,\"Resid Start\",\"A0.1.K\",3,\"Infinity\"],"
            + "[\"Resid Start->A0.1.Q\",0,1,\"Resid Start\",\"A0.1.Q\",2,-0.25],"
            + "[\"A0.1->Resid End\",1,2,\"A0.1\",\"Resid End\",2,\"NaN\"]]",
        data.get("edges").toString());
    assertEquals(
        "[[\"Resid Start\",0],[\"A0.1\",1],[\"Resid End\",2]]", data.get("nodes").toString());
    assertEquals(1, data.get("plots").size());
    assertEquals(
        "[{\"name\":\"a\",\"points\":[[0.0,1.5],[5.0,\"Infinity\"]]},"
            + "{\"name\":\"b\",\"points\":[[0.0,\"NaN\"]]}]",
        data.at("/plots/0/series").toString());
  }

  @Test
  void largeGraphsAreCutToTheBestEdges() throws Exception {
    List<NodeInfo> nodes = SampleReports.nodes(12, 12);
    List<ScoredEdge> edges = SampleReports.edges(nodes, 0, 2);
    ReportData report = ReportData.of("t", nodes, edges).withTotalEdges(1_000_000);
    String html = HtmlReport.render(report);
    JsonNode data = data(html);
    assertEquals(HtmlReport.MAX_EDGES, data.get("edges").size());
    assertEquals(1_000_000, data.get("totalEdges").asLong());
    double best = edges.stream().mapToDouble(e -> Math.abs(e.score())).max().orElseThrow();
    assertEquals(best, Math.abs(data.at("/edges/0/6").asDouble()));
    double last = Math.abs(data.at("/edges/4999/6").asDouble());
    assertEquals(
        HtmlReport.MAX_EDGES, edges.stream().filter(e -> Math.abs(e.score()) >= last).count());
    assertTrue(html.length() < 1_700_000, () -> "page has " + html.length() + " characters");
  }

  @Test
  void edgesAreSortedByMagnitudeTiesInTheGivenOrder() {
    List<NodeInfo> nodes = SampleReports.nodes(1, 3);
    List<ScoredEdge> edges = new ArrayList<>();
    double[] scores = {-1, 2, 1, Double.NaN, Double.NEGATIVE_INFINITY, -2};
    for (int i = 0; i < scores.length; i++) {
      edges.add(new ScoredEdge("e" + i, "Resid Start", "MLP 0", i, scores[i]));
    }
    ReportData report = ReportData.of("t", nodes, edges);
    assertEquals(
        List.of("e4", "e1", "e5", "e0", "e2", "e3"),
        report.edges().stream().map(ScoredEdge::name).toList());
  }

  @Test
  void settingsKeepTheirOrder() {
    Map<String, String> settings = new LinkedHashMap<>();
    List.of("zebra", "apple", "mango").forEach(name -> settings.put(name, "of " + name));
    String html =
        HtmlReport.render(ReportData.of("t", List.of(), List.of()).withSettings(settings));
    int zebra = html.indexOf(">zebra</th><td>of zebra</td>");
    assertTrue(zebra > 0);
    assertTrue(zebra < html.indexOf(">apple</th>"));
    assertTrue(html.indexOf(">apple</th>") < html.indexOf(">mango</th>"));
  }

  @Test
  void anEmptyReportIsAPage() throws Exception {
    String html = HtmlReport.render(ReportData.of("", List.of(), List.of()));
    assertEquals(0, data(html).get("edges").size());
    assertTrue(html.contains("No settings were recorded."));
    assertFalse(html.contains("class=\"verdict\""));
    assertNull(ReportData.of("", List.of(), List.of()).verdict());
  }

  @Test
  void partsThatDoNotFitAreRefusedWithACure() {
    List<NodeInfo> nodes = SampleReports.nodes(1, 2);
    assertMessage(
        "node=A7.0.Q of edge=Resid Start->A7.0.Q is not among the nodes: add a NodeInfo",
        () -> ReportData.of("t", nodes, List.of(edge("Resid Start", "A7.0.Q", null, 1))));
    assertMessage(
        "leads from layer=2 to layer=1",
        () -> ReportData.of("t", nodes, List.of(edge("MLP 0", "A0.1.V", null, 1))));
    assertMessage(
        "totalEdges=0 is less than edges.size=1",
        () -> ReportData.of("t", nodes, List.of(edge("A0.0", "MLP 0", null, 1))).withTotalEdges(0));
    assertMessage(
        "node=n has layer=1 and layer=2",
        () -> ReportData.of("t", List.of(new NodeInfo("n", 1), new NodeInfo("n", 2)), List.of()));
    ReportData empty = ReportData.of("t", List.of(), List.of());
    assertMessage(
        "different labels or axes",
        () ->
            empty.withCurves(
                List.of(curve("kl", "a", true, true, 0, 1), curve("kl", "b", false, true, 0, 1))));
    assertMessage(
        "series=a twice",
        () ->
            empty.withCurves(
                List.of(curve("kl", "a", true, true, 0, 1), curve("kl", "a", true, true, 0, 2))));
    assertMessage("edges=3.0 occurs twice", () -> curve("kl", "a", true, true, 3, 1, 3, 2));
    assertMessage("edges=-1.0", () -> new Curve.Point(-1, 0));
    assertMessage("edges=NaN", () -> new Curve.Point(Double.NaN, 0));
    assertMessage("seqIdx=-1 of edge=a->b", () -> edge("a", "b", -1, 0));
  }

  @Test
  void writingReplacesTheWholeFileOrNothing(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("report.html");
    Files.writeString(file, "old");
    ReportData report = ReportData.of("new title", List.of(), List.of());
    HtmlReport.write(file, report);
    assertEquals(HtmlReport.render(report), Files.readString(file));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(file), files.toList());
    }
    if (file.getFileSystem().supportedFileAttributeViews().contains("posix")) {
      Path plain = Files.writeString(folder.resolve("plain"), "");
      assertEquals(
          Files.getPosixFilePermissions(plain).contains(PosixFilePermission.GROUP_READ),
          Files.getPosixFilePermissions(file).contains(PosixFilePermission.GROUP_READ));
    }
    assertThrows(
        IOException.class, () -> HtmlReport.write(folder.resolve("absent/report.html"), report));
    Path occupied = Files.createDirectories(folder.resolve("taken.html/inside")).getParent();
    assertThrows(IOException.class, () -> HtmlReport.write(occupied, report));
    try (Stream<Path> files = Files.list(folder)) {
      assertTrue(files.noneMatch(f -> f.getFileName().toString().startsWith(".")));
    }
  }

  private static void assertMessage(String part, org.junit.jupiter.api.function.Executable code) {
    String message = assertThrows(IllegalArgumentException.class, code).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static List<String> scripts(String html) {
    return SCRIPT.matcher(html).results().map(match -> match.group(2)).toList();
  }

  private static List<String> tags(String html) {
    String frame = SCRIPT.matcher(html).replaceAll("<script$1></script>");
    return Pattern.compile("<!?/?[a-zA-Z-]+").matcher(frame).results().map(m -> m.group()).toList();
  }

  private static JsonNode data(String html) throws IOException {
    return new ObjectMapper().readTree(scripts(html).get(0));
  }
}
