package io.autocircuit.benchmark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.benchmark.BenchmarkComparison.Row;
import io.autocircuit.benchmark.BenchmarkComparison.Verdict;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BenchmarkComparisonTest {
  private static final double THRESHOLD = 0.1;
  private static final Path KEPT = Path.of(System.getProperty("basedir", ""), "benchmarks/results");

  private static BenchmarkFigures figures(String json, String source) {
    return BenchmarkFigures.of(JsonFiles.parse(json, source), source);
  }

  private static BenchmarkComparison compare(String before, String after) {
    return BenchmarkComparison.of(figures(before, "old"), figures(after, "new"), THRESHOLD);
  }

  /** A bench file with two figures; {@code eap} is 4.0 ± 0. */
  private static String bench(double dense, double spread) {
    return String.format(
        Locale.ROOT,
        "{\"shape\":\"tiny\",\"batch\":2,\"threads\":1,\"plain_ms\":3.5,"
            + "\"ratios\":{\"dense\":%s,\"eap\":4.0},\"spreads\":{\"dense\":%s,\"eap\":0.0}}",
        dense,
        spread);
  }

  /** One JMH result in microseconds for an operation. */
  private static String jmh(String method, double score, double error) {
    return jmh(
        method, "SMALL", "avgt", score, Double.isNaN(error) ? "\"NaN\"" : "" + error, "us/op");
  }

  private static String jmh(
      String method, String shape, String mode, double score, String error, String unit) {
    return String.format(
        Locale.ROOT,
        "{\"benchmark\":\"io.autocircuit.benchmarks.E.%s\",\"mode\":\"%s\",\"threads\":1,"
            + "\"params\":{\"shape\":\"%s\"},\"primaryMetric\":{\"score\":%s,\"scoreError\":%s,"
            + "\"scoreUnit\":\"%s\",\"rawData\":[[%s]]}}",
        method,
        mode,
        shape,
        score,
        error,
        unit,
        score);
  }

  private static String file(String... results) {
    return Stream.of(results).collect(Collectors.joining(",", "[", "]"));
  }

  private static Row row(BenchmarkComparison c, String name) {
    return c.rows().stream().filter(r -> r.name().equals(name)).findFirst().orElseThrow();
  }

  // ---- bench

  @Test
  void equalFilesHaveNoChange() {
    BenchmarkComparison c = compare(bench(1.2, 0.05), bench(1.2, 0.05));
    assertEquals(List.of("dense", "eap"), c.names(Verdict.SAME));
    assertEquals(2, c.rows().size());
    c.rows().forEach(r -> assertEquals(0, r.change()));
    assertEquals(List.of(), c.notes());
  }

  @Test
  void aRegressionIsNoticedAndNothingElse() {
    BenchmarkComparison c = compare(bench(1.2, 0.05), bench(1.5, 0.05));
    assertEquals(List.of("dense"), c.names(Verdict.REGRESSION));
    assertEquals(List.of("eap"), c.names(Verdict.SAME));
    assertEquals(0.25, row(c, "dense").change(), 1e-9);
  }

  @Test
  void anImprovementIsNoRegression() {
    BenchmarkComparison c = compare(bench(1.5, 0.05), bench(1.2, 0.05));
    assertEquals(List.of("dense"), c.names(Verdict.BETTER));
    assertEquals(List.of(), c.names(Verdict.REGRESSION));
  }

  @Test
  void growthUpToTheThresholdIsAccepted() {
    assertEquals(Verdict.SAME, row(compare(bench(1, 0), bench(1.09, 0)), "dense").verdict());
    assertEquals(Verdict.REGRESSION, row(compare(bench(1, 0), bench(1.11, 0)), "dense").verdict());
    BenchmarkComparison lenient =
        BenchmarkComparison.of(figures(bench(1, 0), "old"), figures(bench(1.11, 0), "new"), 0.2);
    assertEquals(Verdict.SAME, row(lenient, "dense").verdict());
  }

  /** Intervals of ± half the spread: 1 ± 0.2 and 1.3 ± 0.195 overlap, 1 ± 0.05 and that do not. */
  @Test
  void noiseInEitherFileAllowsForAChange() {
    assertEquals(
        Verdict.WITHIN_ERROR, row(compare(bench(1, 0.4), bench(1.3, 0.3)), "dense").verdict());
    assertEquals(
        Verdict.WITHIN_ERROR, row(compare(bench(1, 0), bench(1.3, 0.5)), "dense").verdict());
    assertEquals(
        Verdict.WITHIN_ERROR, row(compare(bench(1.3, 0.5), bench(1, 0)), "dense").verdict());
    assertEquals(
        Verdict.REGRESSION, row(compare(bench(1, 0.1), bench(1.3, 0.3)), "dense").verdict());
  }

  @Test
  void aRatioRoundedToZeroIsCompared() {
    assertEquals(Verdict.SAME, row(compare(bench(0, 0), bench(0, 0)), "dense").verdict());
    Row rounding = row(compare(bench(0, 0), bench(0.0001, 0)), "dense");
    assertEquals(Verdict.WITHIN_ERROR, rounding.verdict());
    Row worse = row(compare(bench(0, 0), bench(0.01, 0)), "dense");
    assertEquals(Verdict.REGRESSION, worse.verdict());
    assertTrue(Double.isInfinite(worse.change()));
  }

  @Test
  void missingAndNewFiguresAreNamed() {
    String fewer = "{\"shape\":\"tiny\",\"batch\":2,\"threads\":1,\"ratios\":{\"dense\":1.2}}";
    BenchmarkComparison c = compare(bench(1.2, 0), fewer);
    assertEquals(List.of("eap"), c.names(Verdict.MISSING));
    assertNull(row(c, "eap").after());
    assertEquals(List.of("eap"), compare(fewer, bench(1.2, 0)).names(Verdict.NEW));
  }

  @Test
  void withoutSpreadsTheThresholdDecidesAndANoteSaysSo() {
    String bare = "{\"ratios\":{\"dense\":2.0}}";
    BenchmarkComparison c = compare("{\"ratios\":{\"dense\":1.0}}", bare);
    assertEquals(List.of("dense"), c.names(Verdict.REGRESSION));
    assertTrue(c.notes().toString().contains("no error known for figures=1"), c.notes()::toString);
  }

  @Test
  void otherCircumstancesAreNotedAndOtherSubjectsRefused() {
    String old = bench(1, 0);
    BenchmarkComparison c = compare(old, old.replace("\"threads\":1", "\"threads\":2"));
    assertEquals(List.of("threads differs: \"1\", then \"2\""), c.notes());
    refused(old, old.replace("tiny", "gpt2-small"), "shape=\"tiny\"", "shape=\"gpt2-small\"");
    refused(old, old.replace("\"batch\":2", "\"batch\":3"), "batch=\"2\"", "batch=\"3\"");
  }

  // ---- JMH

  @Test
  void jmhResultsAreComparedByTheirRatioToTheYardstick() {
    String old = file(jmh("plain", 100, 1), jmh("dense", 120, 1));
    // the machine has become three times slower
    BenchmarkComparison same = compare(old, file(jmh("plain", 300, 3), jmh("dense", 360, 3)));
    assertEquals(List.of("E.dense shape=SMALL"), same.names(Verdict.SAME));
    assertEquals(List.of("E.plain shape=SMALL"), same.names(Verdict.YARDSTICK));
    assertFalse(row(same, "E.dense shape=SMALL").seconds());
    assertEquals(1.2, row(same, "E.dense shape=SMALL").after().value(), 1e-12);
    assertEquals(List.of(), same.notes());
    // three times faster, but the figure has not become so
    BenchmarkComparison worse = compare(old, file(jmh("plain", 33, 0.3), jmh("dense", 120, 1)));
    assertEquals(List.of("E.dense shape=SMALL"), worse.names(Verdict.REGRESSION));
  }

  @Test
  void aYardstickOfOtherParametersIsNone() {
    String other = jmh("plain", "LARGE", "avgt", 100, "1.0", "us/op");
    BenchmarkComparison c =
        compare(file(other, jmh("dense", 120, 1)), file(other, jmh("dense", 160, 1)));
    Row dense = row(c, "E.dense shape=SMALL");
    assertTrue(dense.seconds());
    assertEquals(Verdict.REGRESSION, dense.verdict());
    assertTrue(
        c.notes().toString().contains("raw times compared for figures=1"), c.notes()::toString);
  }

  @Test
  void aYardstickInOneFileAloneMeansRawTimes() {
    BenchmarkComparison c =
        compare(file(jmh("plain", 100, 1), jmh("dense", 120, 1)), file(jmh("dense", 121, 1)));
    assertTrue(row(c, "E.dense shape=SMALL").seconds());
    assertEquals(Verdict.SAME, row(c, "E.dense shape=SMALL").verdict());
    assertEquals(List.of("E.plain shape=SMALL"), c.names(Verdict.MISSING));
    assertEquals(1, c.notes().size());
  }

  @Test
  void errorsOfFigureAndYardstickAddUp() {
    String old = file(jmh("plain", 100, 0), jmh("dense", 100, 0));
    BenchmarkComparison c = compare(old, file(jmh("plain", 100, 15), jmh("dense", 120, 18)));
    // 1.2 × √(0.15² + 0.15²)
    assertEquals(0.2545, row(c, "E.dense shape=SMALL").after().error(), 1e-4);
    assertEquals(List.of("E.dense shape=SMALL"), c.names(Verdict.WITHIN_ERROR));
  }

  @Test
  void unitsAndRatesAreConverted() {
    String old = file(jmh("dense", "SMALL", "avgt", 120, "1.0", "us/op"));
    BenchmarkComparison c =
        compare(old, file(jmh("dense", "SMALL", "avgt", 0.12, "0.001", "ms/op")));
    assertEquals(0, row(c, "E.dense shape=SMALL").change(), 1e-9);
    String rate = file(jmh("dense", "SMALL", "thrpt", 10, "0.1", "ops/ms"));
    String slower = file(jmh("dense", "SMALL", "thrpt", 5, "0.05", "ops/ms"));
    Row r = row(compare(rate, slower), "E.dense shape=SMALL mode=thrpt");
    assertEquals(Verdict.REGRESSION, r.verdict());
    assertEquals(1e-4, r.before().value(), 1e-12);
    assertEquals(1e-6, r.before().error(), 1e-12);
    assertEquals(1, r.change(), 1e-9);
  }

  @Test
  void theErrorOfFewIterationsIsHalfTheirRange() {
    String two = jmh("dense", 120, Double.NaN).replace("[[120.0]]", "[[110.0],[130.0]]");
    BenchmarkComparison c = compare(file(two), file(jmh("dense", 135, Double.NaN)));
    assertEquals(1e-5, row(c, "E.dense shape=SMALL").before().error(), 1e-12);
    assertTrue(Double.isNaN(row(c, "E.dense shape=SMALL").after().error()));
    assertEquals(List.of("E.dense shape=SMALL"), c.names(Verdict.REGRESSION));
    assertTrue(c.notes().toString().contains("no error known for figures=1"), c.notes()::toString);
  }

  // ---- what is refused

  private static void refused(String before, String after, String... parts) {
    DataException e = assertThrows(DataException.class, () -> compare(before, after));
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
  }

  @Test
  void filesOfTwoKinds() {
    refused(
        bench(1, 0), file(jmh("dense", 1, 0)), "file=old", "bench command", "file=new", "JMH's");
  }

  @Test
  void filesWithNothingInCommon() {
    refused(file(jmh("dense", 1, 0)), file(jmh("eap", 1, 0)), "no figure in common");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[] | no figures",
        "{\"ratios\":{}} | no figures",
        "{} | neither JMH's results",
        "3 | neither JMH's results",
        "{\"ratios\":[1]} | neither JMH's results",
        "{\"ratios\":{\"dense\":\"1\"}} | ratios.dense=",
        "{\"ratios\":{\"dense\":-1}} | ratios.dense=",
        "{\"ratios\":{\"dense\":1e300}} | ratios.dense=",
        "{\"ratios\":{\"dense\":null}} | ratios.dense=",
        "{\"ratios\":{\"dense\":1},\"spreads\":{\"dense\":\"x\"}} | spreads.dense=",
        "[3] | [0] has no text \"benchmark\"",
        "[{\"benchmark\":\"a.b\"}] | [0] has no text \"mode\"",
        "[{\"benchmark\":\"a.b\",\"mode\":\"avgt\"}] | [0].primaryMetric has no text \"scoreUnit\"",
      })
  void filesOfTheWrongForm(String json, String part) {
    refused(json, json, "file=old", part);
  }

  @Test
  void jmhResultsOfTheWrongForm() {
    String ok = jmh("dense", 120, 1);
    refused(file(ok, ok), file(ok), "[1] is a second result of E.dense shape=SMALL");
    refused(file(ok.replace("us/op", "bananas/op")), file(ok), "scoreUnit=\"bananas/op\"");
    refused(file(ok.replace("us/op", "\\u001b[31m")), file(ok), "scoreUnit=\"\\u001b[31m\"");
    refused(file(ok.replace("\"score\":120.0", "\"score\":0")), file(ok), "score=\"0\"");
    refused(
        file(ok.replace("\"score\":120.0", "\"score\":\"NaN\"")),
        file(ok),
        "[0].primaryMetric.score=");
    refused(file(ok.replace("\"score\":120.0,", "")), file(ok), "score=nothing");
    refused(file(ok.replace("\"scoreError\":1.0", "\"scoreError\":-1")), file(ok), "scoreError=");
  }

  @Test
  void namesFromAFileCannotWriteToTheTerminal() {
    String evil = "{\"ratios\":{\"\\u001b[2Jdense\\n\":1}}";
    assertEquals("\"\\u001b[2Jdense\\n\"", compare(evil, evil).rows().get(0).name());
  }

  @Test
  void tooManyFigures() {
    String many =
        Stream.iterate(0, i -> i + 1)
            .limit(10_001)
            .map(i -> "\"f" + i + "\":1")
            .collect(Collectors.joining(",", "{\"ratios\":{", "}}"));
    refused(many, many, "figures=10001", "limit=10000");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void aThresholdThatIsNone(double threshold) {
    BenchmarkFigures f = figures(bench(1, 0), "f");
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> BenchmarkComparison.of(f, f, threshold));
    assertTrue(e.getMessage().startsWith("threshold=" + threshold), e.getMessage());
  }

  @Test
  void everyKeptResultIsUnderstoodAndEqualsItself() throws IOException {
    List<Path> kept;
    try (Stream<Path> files = Files.list(KEPT)) {
      kept =
          files
              .filter(f -> f.toString().endsWith(".json"))
              .filter(f -> !f.getFileName().toString().startsWith("grid-"))
              .sorted()
              .toList();
    }
    assertFalse(kept.isEmpty(), () -> "no results in " + KEPT);
    for (Path f : kept) {
      BenchmarkComparison c =
          BenchmarkComparison.of(BenchmarkFigures.read(f), BenchmarkFigures.read(f), 0);
      assertEquals(
          c.rows().size(),
          c.names(Verdict.SAME).size() + c.names(Verdict.YARDSTICK).size(),
          f::toString);
    }
  }
}
