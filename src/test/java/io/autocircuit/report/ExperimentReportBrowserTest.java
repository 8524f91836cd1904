package io.autocircuit.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Loads pages of experiments in headless Chromium. Skipped where there is no browser. Set the
 * system property {@code report.screenshots} to a folder to keep pictures.
 */
@Tag("slow")
class ExperimentReportBrowserTest {
  private static final String READY = "document.documentElement?.dataset.ready === 'true'";
  private static final String DRAWN = "document.querySelectorAll('.plot[data-drawn] svg').length";

  @TempDir static Path folder;
  private static Path downloads;
  private static Browser browser;

  @BeforeAll
  static void start() throws Exception {
    Optional<Path> executable = Browser.find();
    if (executable.isEmpty()) {
      System.out.println(
          "ExperimentReportBrowserTest skipped: no chromium on the PATH"
              + " (Debian: apt install chromium)");
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
  void tall() {
    browser.screen(1400, 12_000, false);
  }

  @Test
  void everyPlotHasALineForEachAlgorithm() throws Exception {
    show(SampleExperiments.usual(), "");
    drawAll();
    // five algorithms have a line and, over three seeds, a band; the sixth has one circuit
    assertEquals(5, lines());
    assertEquals(5, paths("p.getAttribute('fill-opacity') === '0.15'"));
    assertEquals(1, paths("p.getAttribute('d') === 'M-1 -1L1 1M1 -1L-1 1'"));
    assertEquals(6, integer("document.querySelectorAll('#task-0 .plots')[0].children.length"));
    String first = text("document.getElementById('task-0').textContent");
    assertTrue(first.contains("2,461 edges in the graph · 42 in the known circuit"), first);
    assertTrue(first.contains("ROC against the known circuit"), first);
    assertTrue(first.contains("Completeness"), first);
    String second = text("document.getElementById('task-1').textContent");
    assertFalse(second.contains("ROC against") || second.contains("Completeness"), second);
    assertTrue(text("document.getElementById('unfinished').textContent").startsWith("2 cells"));
    assertEquals(2, integer("document.querySelectorAll('#failures tbody tr').length"));
    assertEquals(1, integer("document.querySelectorAll('#notices li').length"));
    assertClean();
  }

  @Test
  void anAblationIsChosenAndKeptInTheAddress() throws Exception {
    show(SampleExperiments.usual(), "");
    String before = text("document.querySelector('#overview tbody td:nth-child(2)').textContent");
    browser.evaluate(
        "(() => { const s = document.getElementById('facet-0'); s.value = '1';"
            + " s.dispatchEvent(new Event('change')); })()");
    assertEquals("#ablation=zero", text("location.hash"));
    String after = text("document.querySelector('#overview tbody td:nth-child(2)').textContent");
    assertFalse(before.equals(after), after);
    assertFalse(text("document.getElementById('task-0').textContent").contains("Completeness"));
    show(SampleExperiments.usual(), "#ablation=zero");
    assertEquals(
        after, text("document.querySelector('#overview tbody td:nth-child(2)').textContent"));
    drawAll();
    assertEquals(5, lines());
    assertClean();
  }

  /** Each tested circuit has a line in the table, and a row in both plots. */
  @Test
  void circuitsAreTested() throws Exception {
    ExperimentResults usual = SampleExperiments.usual();
    List<ExperimentResults.TestResult> tests =
        usual.cells().stream()
            .limit(2)
            .map(c -> new ExperimentResults.TestResult(c.run(), SampleTests.tested(9)))
            .toList();
    show(
        new ExperimentResults(
            usual.title(),
            usual.cells(),
            usual.failures(),
            usual.waiting(),
            usual.completeness(),
            usual.similarity(),
            tests),
        "");
    drawAll();
    String first = text("document.getElementById('task-0').textContent");
    assertTrue(first.contains("Tests of circuits"), first);
    assertTrue(first.contains("0.600kept0.010rejected2.0e−9rejected0.048rejected0.190kept"), first);
    String second = text("document.getElementById('task-1').textContent");
    assertFalse(second.contains("Tests of circuits"), second);
    assertClean();
  }

  /** Of each task the area relative to the random baseline's, greater where it is better. */
  @Test
  void areasAreAveragedOverTasks() throws Exception {
    show(SampleExperiments.usual(), "");
    assertEquals(0, integer("document.querySelectorAll('#overview .plot').length"), "ROC of one");
    for (int choice : new int[] {1, 2}) {
      browser.evaluate(
          "(() => { const s = document.querySelector('#overview-body select'); s.value = '"
              + choice
              + "'; s.dispatchEvent(new Event('change')); })()");
      boolean lower =
          text("document.querySelector('#overview-body > .note').textContent").startsWith("Lower");
      JsonNode rows =
          browser.evaluate(
              "[...document.querySelectorAll('#overview tbody tr')].map((r) => [...r.children]"
                  + ".map((d, i) => (i ? (d.firstChild.firstChild || d.firstChild).data"
                  + ".replaceAll('−', '-').replaceAll(',', '') : d.textContent)))");
      JsonNode random = null;
      for (JsonNode row : rows) {
        random = row.get(0).asText().equals("Random") ? row : random;
      }
      JsonNode first = rows.get(0);
      double sum = 0;
      for (int task = 1; task <= 2; task++) {
        double own = Double.parseDouble(first.get(task).asText());
        double chance = Double.parseDouble(random.get(task).asText());
        sum += 1 + (lower ? chance - own : own - chance) / Math.abs(chance);
      }
      String words = text("document.querySelector('#overview .plot').getAttribute('aria-label')");
      String value =
          words.substring(words.indexOf(first.get(0).asText() + ": ")).split(": |\\. ", -1)[1];
      double found = Double.parseDouble(value.replace('−', '-').replace(",", ""));
      assertEquals(sum / 2, found, 0.01 * Math.abs(found), words);
      assertEquals(1, integer("document.querySelectorAll('#overview .plot').length"));
    }
    assertClean();
  }

  @Test
  void anAlgorithmCanBeHidden() throws Exception {
    show(SampleExperiments.usual(), "");
    browser.evaluate("document.querySelectorAll('#legend input')[1].click()");
    drawAll();
    assertEquals(4, lines());
    browser.evaluate("document.querySelectorAll('#legend input')[1].click()");
    drawAll();
    assertEquals(5, lines());
    assertClean();
  }

  @Test
  void algorithmsDifferByMoreThanColour() throws Exception {
    show(SampleExperiments.usual(), "");
    assertEquals(
        6,
        integer(
            "new Set([...document.querySelectorAll('#legend svg')].map((s) => s.innerHTML)).size"));
  }

  @Test
  void picturesAndTablesAreSaved() throws Exception {
    show(SampleExperiments.usual(), "");
    browser.evaluate("document.querySelector('#task-0 figure .save button').click()");
    Path svg = downloaded("logit-difference-recovered-indirect-object-identification.svg");
    var root =
        DocumentBuilderFactory.newDefaultInstance()
            .newDocumentBuilder()
            .parse(svg.toFile())
            .getDocumentElement();
    assertEquals("svg", root.getTagName());
    assertTrue(root.getTextContent().contains("Integrated gradients (10 samples)"), "a legend");
    int plots = integer("document.querySelectorAll('.plot').length");
    assertTrue(plots > 20, "plots=" + plots);
    assertEquals(2 * plots, integer("document.querySelectorAll('figure .save button').length"));
    browser.evaluate(
        "[...document.querySelectorAll('#task-0 figure .save button')].filter((b) =>"
            + " b.textContent === 'PNG' && /Cost/.test(b.getAttribute('aria-label')))[0].click()");
    Path png = downloaded("cost-beside-quality-indirect-object-identification.png");
    var image = ImageIO.read(new ByteArrayInputStream(Files.readAllBytes(png)));
    assertEquals(1280, image.getWidth());
    assertEquals(0xffffffff, image.getRGB(1, 1));
    assertTrue(colours(image) > 20, "colours=" + colours(image));
    keep(png);
    keep(svg);
    browser.evaluate("document.querySelector('#cells .table-tools button').click()");
    List<String> csv = Files.readAllLines(downloaded("cells.csv"), StandardCharsets.UTF_8);
    assertEquals(SampleExperiments.usual().cells().size() + 1, csv.size());
    assertTrue(csv.get(1).contains("\"Edge attribution patching\",\"resample\",\"tree\",1,"));
    browser.evaluate("document.querySelector('#task-0 figure summary').click()");
    browser.await("!!document.querySelector('#task-0 figure details .table-tools button')");
    browser.evaluate(
        "document.querySelector('#task-0 figure details .table-tools button').click()");
    List<String> numbers =
        Files.readAllLines(
            downloaded("logit-difference-recovered-indirect-object-identification.csv"),
            StandardCharsets.UTF_8);
    assertEquals(1 + 5 * 12 + 1, numbers.size());
    assertClean();
  }

  @Test
  void plotsAreDrawnWhenTheyComeIntoView() throws Exception {
    browser.screen(1400, 900, false);
    ExperimentResults large = SampleExperiments.large(20, 4);
    long before = System.nanoTime();
    show(large, "");
    System.out.printf(
        "page of %d cells ready in %d ms%n",
        large.cells().size(), (System.nanoTime() - before) / 1_000_000);
    assertTrue(integer("document.querySelectorAll('.plot').length") > 200);
    assertTrue(integer(DRAWN) < 12);
    browser.evaluate("document.getElementById('task-19').scrollIntoView()");
    browser.await("!!document.querySelector('#task-19 .plot[data-drawn] svg')");
    assertTrue(integer(DRAWN) < 60);
    assertEquals(50, integer("document.querySelectorAll('#cells tbody tr').length"));
    browser.evaluate(
        "(() => { const e = document.querySelector('#cells input'); e.value = 'task-7';"
            + " e.dispatchEvent(new Event('input')); })()");
    assertEquals(24, integer("document.querySelectorAll('#cells tbody tr').length"));
    CellResult cell =
        large.cells().stream().filter(c -> c.task().equals("task-7")).findFirst().get();
    assertEquals(
        "./cells/" + cell.run() + "/report.html",
        text("document.querySelector('#cells tbody a').getAttribute('href')"));
    assertClean();
  }

  @Test
  void hostileTextIsShownAndNeverRun() throws Exception {
    String hostile = "</script><script>window.hit=1</script><img src=x onerror=window.hit=2>";
    show(SampleExperiments.hostile(hostile), "");
    drawAll();
    assertTrue(bool("window.hit === undefined"));
    assertEquals(0, integer("document.querySelectorAll('img').length"));
    assertEquals(hostile, text("document.querySelector('h1').textContent"));
    assertTrue(text("document.getElementById('legend').textContent").contains(hostile));
    assertClean();
  }

  @Test
  void anExperimentWithoutACellIsShown() throws Exception {
    show(new ExperimentResults("nothing", List.of(), List.of(), 3, List.of()), "");
    assertTrue(
        text("document.getElementById('unfinished').textContent").startsWith("3 cells not run"));
    assertClean();
  }

  @Test
  void fitsNarrowScreensAndDarkOnesAndCanBeRead() throws Exception {
    for (int width : new int[] {360, 700, 1400}) {
      for (boolean dark : new boolean[] {false, true}) {
        browser.screen(width, 20_000, dark);
        show(SampleExperiments.usual(), "");
        drawAll();
        int wide = integer("document.documentElement.scrollWidth");
        assertTrue(wide <= width, () -> "page is wider than the window: " + wide);
        assertTrue(contrast("text", "card") > 7, "text");
        assertTrue(contrast("muted", "card") > 4.5, "muted");
        assertTrue(contrast("accent", "card") > 4.5, "links");
        for (int i = 0; i < 7; i++) {
          int colour = i;
          double seen = contrast("series:" + i, "card");
          assertTrue(seen > 3, () -> "colour " + colour + " has contrast " + seen);
        }
        assertEquals(
            0,
            integer(
                "[...document.querySelectorAll('.plot')].filter((p) =>"
                    + " p.getAttribute('aria-label').length < 30).length"));
        assertClean();
        String name = "experiment-" + width + (dark ? "-dark" : "") + ".png";
        int full = integer("Math.ceil(document.body.getBoundingClientRect().bottom)");
        if (System.getProperty("report.screenshots") != null) {
          keep(Files.write(folder.resolve(name), browser.screenshot(width, full)));
        }
      }
    }
  }

  /** The contrast of two colours of the page, as WCAG defines it. */
  private static double contrast(String a, String b) {
    return browser
        .evaluate(
            "((...names) => { const style = getComputedStyle(document.documentElement);"
                + " const light = (name) => { const [key, i] = name.split(':');"
                + " const hex = style.getPropertyValue('--' + key).trim().split(' ')[i || 0];"
                + " return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)"
                + ".map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)"
                + ".reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0.05); };"
                + " const [x, y] = names.map(light); return Math.max(x / y, y / x);"
                + " })('"
                + a
                + "', '"
                + b
                + "')")
        .asDouble();
  }

  private static long colours(java.awt.image.BufferedImage image) {
    return java.util.Arrays.stream(
            image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth()))
        .distinct()
        .count();
  }

  private static void drawAll() throws Exception {
    browser.await(DRAWN + " === document.querySelectorAll('.plot').length");
  }

  /** How many lines the first plot has. */
  private static int lines() {
    return paths(
        "p.getAttribute('stroke-width') >= 1.7 && p.getAttribute('fill') === 'transparent'"
            + " && p.getBBox().width > 100");
  }

  private static int paths(String condition) {
    return integer(
        "[...document.querySelector('#task-0 .plot').querySelectorAll('path')].filter((p) => "
            + condition
            + ").length");
  }

  private static Path downloaded(String name) throws Exception {
    Path file = downloads.resolve(name);
    for (int i = 0; i < 500 && !Files.exists(file); i++) {
      Thread.sleep(20);
    }
    return file;
  }

  private static void keep(Path file) throws Exception {
    String target = System.getProperty("report.screenshots");
    if (target != null) {
      Path to = Files.createDirectories(Path.of(target)).resolve(file.getFileName());
      Files.write(to, Files.readAllBytes(file));
    }
  }

  private static void assertClean() {
    assertEquals(List.of(), browser.console());
    assertEquals(List.of(), browser.requests());
    assertTrue(bool("document.getElementById('alert').hidden"));
  }

  private static void show(ExperimentResults results, String hash) throws Exception {
    Path page = folder.resolve("report.html");
    ExperimentReport.write(page, results, SampleExperiments.scores(), Map.of());
    browser.open(page.toUri() + hash, READY);
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
