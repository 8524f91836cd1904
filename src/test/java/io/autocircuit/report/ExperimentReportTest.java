package io.autocircuit.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.files.DataException;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExperimentReportTest {
  private static final Pattern SCRIPT =
      Pattern.compile("<script([^>]*)>(.*?)</script>", Pattern.DOTALL);
  private static final Path HERE = Path.of("");

  private static Optional<float[]> noScores(CellResult cell) {
    return Optional.empty();
  }

  /** A cell of one metric; what is not given is the same for all. */
  private record Draft(
      String algorithm, String label, long seed, String ablation, Map<String, String> settings) {
    Draft(String algorithm, long seed) {
      this(algorithm, algorithm, seed, "resample", Map.of());
    }

    CellResult cell(double... points) {
      List<CellResult.Point> list =
          IntStream.range(0, points.length / 2)
              .mapToObj(i -> new CellResult.Point((int) points[2 * i], points[2 * i + 1]))
              .toList();
      return new CellResult(
          algorithm + label + seed + ablation + settings,
          "task",
          algorithm,
          label,
          ablation,
          "tree",
          seed,
          new TreeMap<>(settings),
          100,
          Optional.of(4),
          8,
          8,
          List.of(new CellResult.Series("logit_diff", list)),
          List.of(),
          new TreeMap<>(),
          List.of(),
          new CellResult.Cost(2, 1, 0.5),
          Optional.empty(),
          List.of(),
          Path.of("scores.safetensors"),
          Optional.empty());
    }
  }

  @Test
  void seedsAreAMeanWithTheLeastAndTheGreatest() throws Exception {
    JsonNode data =
        data(
            new Draft("eap", 1).cell(0, 1, 10, 4, 100, 8),
            new Draft("eap", 2).cell(0, 1, 10, 6, 100, 8),
            new Draft("random", 1).cell(0, 1, 100, 8));
    assertEquals(
        "[[0,1.0,1.0,1.0,2],[10,5.0,4.0,6.0,2],[100,8.0,8.0,8.0,2]]",
        line(data, 0).get("points").toString());
    assertEquals("[[0,1.0],[100,8.0]]", line(data, 1).get("points").toString());
    assertFalse(data.at("/labels/0/baseline").asBoolean());
    assertTrue(data.at("/labels/1/baseline").asBoolean());
  }

  @Test
  void sizesThatNotEverySeedHasAndValuesThatAreNotFiniteAreInNoMean() throws Exception {
    JsonNode data =
        data(
            new Draft("acdc", 1).cell(0, 1, 9, 3, 100, 8),
            new Draft("acdc", 2).cell(0, Double.NaN, 11, 5, 100, 1 / 0.0));
    JsonNode line = line(data, 0);
    assertEquals("[[0,1.0],[100,8.0]]", line.get("points").toString());
    assertEquals("[[9,3.0,1],[11,5.0,2]]", line.get("apart").toString());
    assertEquals("[[0,\"NaN\",2],[100,\"Infinity\",2]]", line.get("refused").toString());
    assertFalse(line.get("single").asBoolean());
  }

  @Test
  void anAlgorithmWithOneCircuitHasAMarkForEachSeed() throws Exception {
    JsonNode data =
        data(new Draft("ground-truth", 1).cell(4, 3), new Draft("ground-truth", 2).cell(4, 2));
    assertTrue(line(data, 0).get("single").asBoolean());
    assertEquals("[[4,3.0],[4,2.0]]", line(data, 0).get("points").toString());
    assertEquals("NaN", data.at("/cells/0/areas/0").asText());
  }

  /** Different ablations are never in one line, nor is anything else that divides equal cells. */
  @Test
  void cellsAreComparedWithinTheirAblationAndOtherSettings() throws Exception {
    List<CellResult> cells = new ArrayList<>();
    for (String ablation : List.of("resample", "zero")) {
      for (String positions : List.of("false", "true")) {
        Map<String, String> settings =
            Map.of("graph.token_positions", positions, "run.precision", "float32");
        cells.add(new Draft("eap", "EAP", 1, ablation, settings).cell(0, 1, 5, 2));
      }
    }
    JsonNode data = data(cells.toArray(CellResult[]::new));
    assertEquals(4, data.get("groups").size());
    data.get("groups").forEach(g -> assertEquals(1, g.get("lines").size()));
    assertEquals("graph.token_positions", data.at("/facets/2/key").asText());
    assertEquals(3, data.get("facets").size());
    assertEquals("[0,0,1]", data.at("/groups/1/values").toString());
  }

  @Test
  void aSettingThatTheLabelNamesDoesNotDivide() throws Exception {
    JsonNode data =
        data(
            new Draft("ig", "IG 5", 1, "zero", Map.of("algorithm.samples", "5")).cell(0, 1, 9, 2),
            new Draft("ig", "IG 50", 1, "zero", Map.of("algorithm.samples", "50")).cell(0, 1, 9, 3),
            new Draft("other", "IG 5", 1, "zero", Map.of()).cell(0, 1, 9, 4));
    assertEquals(2, data.get("facets").size());
    assertEquals(1, data.get("groups").size());
    assertEquals(
        "[\"IG 5 (ig)\",\"IG 50\",\"IG 5 (other)\"]",
        new ObjectMapper().valueToTree(data.get("labels").findValuesAsText("name")).toString());
  }

  @Test
  void areasAndCostsAreThoseOfTheLibrary() throws Exception {
    ExperimentResults results = SampleExperiments.usual();
    JsonNode data =
        data(ExperimentReport.render(results, ExperimentReportTest::noScores, Map.of(), HERE));
    assertEquals(results.cells().size(), data.get("cells").size());
    for (int i = 0; i < results.cells().size(); i++) {
      CellResult cell = results.cells().get(i);
      JsonNode shown = data.get("cells").get(i);
      assertEquals(cell.run(), shown.get("run").asText());
      assertEquals(cell.cost().plainPasses(), shown.get("passes").asDouble());
      if (cell.roc().isEmpty()) {
        assertTrue(shown.get("rocArea").isNull());
      } else {
        assertEquals(Roc.area(cell.roc()), shown.get("rocArea").asDouble(), 1e-15);
      }
      for (int m = 0; m < data.get("metrics").size(); m++) {
        String key = data.get("metrics").get(m).get("key").asText();
        Optional<Metric> metric = Metric.catalogue().find(key);
        if (metric.isPresent() && !cell.algorithm().equals("ground-truth")) {
          List<Measurement.Point> points =
              cell.series().stream()
                  .filter(s -> s.metric().equals(key))
                  .flatMap(s -> s.points().stream())
                  .map(p -> new Measurement.Point(p.edges(), p.value()))
                  .toList();
          assertEquals(
              AreaUnderCurve.of(metric.get()).of(points),
              shown.get("areas").get(m).asDouble(),
              1e-12,
              key);
        }
      }
    }
    JsonNode unknown = data.get("metrics").get(7);
    assertEquals("metric_of_another_jar", unknown.get("key").asText());
    assertFalse(unknown.get("logX").asBoolean() || unknown.get("logY").asBoolean());
    assertEquals("live_edges", data.get("metrics").get(8).get("key").asText());
  }

  @Test
  void similarityIsTheShareOfTheBestEdges() throws Exception {
    CellResult a = new Draft("a", 1).cell(0, 1, 10, 2);
    CellResult b = new Draft("b", 1).cell(0, 1, 10, 2);
    CellResult c = new Draft("c", 1).cell(0, 1, 10, 2);
    Function<CellResult, Optional<float[]>> scores =
        cell -> {
          float[] values = new float[100];
          for (int i = 0; i < 100; i++) {
            int shifted = cell.algorithm().equals("b") ? (i + 99) % 100 : i;
            values[i] = cell.algorithm().equals("c") ? 1 : (i % 2 == 0 ? -1 : 1) * (200 - shifted);
          }
          return Optional.of(values);
        };
    JsonNode tables =
        data(ExperimentReport.render(
                new ExperimentResults("t", List.of(a, b, c), List.of(), 0, List.of()),
                scores,
                Map.of(),
                HERE))
            .at("/groups/0/similarity");
    // the known circuit's size first, then the measured one; b's best edges are a's, moved by one
    assertEquals(2, tables.size());
    assertEquals(4, tables.get(0).get("edges").asInt());
    assertTrue(tables.get(0).get("known").asBoolean());
    assertEquals("[1.0,0.75,\"NaN\"]", tables.get(0).get("values").get(0).toString());
    assertEquals(10, tables.get(1).get("edges").asInt());
    assertEquals("[0.9,1.0,\"NaN\"]", tables.get(1).get("values").get(1).toString());
    assertEquals("[\"NaN\",\"NaN\",\"NaN\"]", tables.get(1).get("values").get(2).toString());
  }

  @Test
  void linksAreRelativePathsWhateverAFileIsCalled(@TempDir Path directory) throws Exception {
    CellResult usual = SampleExperiments.usual().cells().get(0);
    assertEquals(
        "./cells/" + usual.run() + "/report.html",
        link(usual, directory).at("/cells/0/page").asText());
    CellResult hostile = withPage(usual, Path.of("javascript:alert(1) #?%20é.html"));
    assertEquals(
        "./javascript:alert(1)%20%23%3F%2520é.html",
        link(hostile, directory).at("/cells/0/page").asText());
    CellResult absolute = withPage(usual, directory.resolve("a b/report.html").toAbsolutePath());
    assertEquals("./a%20b/report.html", link(absolute, directory).at("/cells/0/page").asText());
  }

  private static JsonNode link(CellResult cell, Path directory) throws IOException {
    return data(
        ExperimentReport.render(
            new ExperimentResults("t", List.of(cell), List.of(), 0, List.of()),
            ExperimentReportTest::noScores,
            Map.of(),
            directory));
  }

  private static CellResult withPage(CellResult c, Path page) {
    return new CellResult(
        c.run(),
        c.task(),
        c.algorithm(),
        c.label(),
        c.ablation(),
        c.patchType(),
        c.seed(),
        c.settings(),
        c.edges(),
        c.official(),
        c.prompts(),
        c.scorePrompts(),
        c.series(),
        c.roc(),
        c.liveEdges(),
        c.found(),
        c.cost(),
        c.verdict(),
        c.notices(),
        c.scores(),
        Optional.of(page));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "</script><script>alert(1)</script>",
        "\"' onload=alert(1) x='",
        "{{data}}{{script}}$1\\",
        "a\u2028b\u0000d\r\ne\ud800f",
        "日本語 🙂"
      })
  void textFromOutsideStaysText(String text) throws Exception {
    UnaryOperator<String> page =
        t ->
            ExperimentReport.render(
                SampleExperiments.hostile(t), ExperimentReportTest::noScores, Map.of(t, t), HERE);
    assertEquals(tags(page.apply("plain")), tags(page.apply(text)));
    assertEquals(text, data(page.apply(text)).get("title").asText());
    assertEquals(text, data(page.apply(text)).at("/failures/0/1").asText());
  }

  @Test
  void noAddressIsInThePage() {
    String html =
        ExperimentReport.render(
            SampleExperiments.usual(), ExperimentReportTest::noScores, Map.of(), HERE);
    String frame = SCRIPT.matcher(html).replaceAll("");
    assertFalse(frame.contains("http:") || frame.contains("https:"), "an address in the page");
    assertFalse(frame.contains("{{"), "a placeholder was left");
    assertTrue(html.contains("default-src 'none'; script-src 'sha256-"));
  }

  @Test
  void anExperimentWithoutACellIsAPage(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("report.html");
    ExperimentResults nothing =
        new ExperimentResults("nothing", List.of(), List.of(), 7, List.of());
    ExperimentReport.write(file, nothing, ExperimentReportTest::noScores, Map.of());
    assertEquals(7, data(Files.readString(file)).get("waiting").asInt());
    assertThrows(
        DataException.class,
        () ->
            ExperimentReport.write(
                directory.resolve("absent/report.html"),
                nothing,
                ExperimentReportTest::noScores,
                Map.of()));
  }

  @Test
  void aTableThatIsNotSquareIsRefused() {
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () -> new SimilarityTable(3, false, List.of("a", "b"), new double[2][1]))
            .getMessage()
            .startsWith("labels=2 but the table has rows=2 and columns=1"));
  }

  private static JsonNode line(JsonNode data, int index) {
    return data.get("groups").get(0).get("lines").get(index);
  }

  private static JsonNode data(CellResult... cells) throws IOException {
    return data(
        ExperimentReport.render(
            new ExperimentResults("t", List.of(cells), List.of(), 0, List.of()),
            ExperimentReportTest::noScores,
            Map.of(),
            HERE));
  }

  private static JsonNode data(String html) throws IOException {
    var scripts = SCRIPT.matcher(html);
    assertTrue(scripts.find());
    return new ObjectMapper().readTree(scripts.group(2));
  }

  private static List<String> tags(String html) {
    String frame = SCRIPT.matcher(html).replaceAll("<script$1></script>");
    return Pattern.compile("<!?/?[a-zA-Z-]+").matcher(frame).results().map(m -> m.group()).toList();
  }
}
