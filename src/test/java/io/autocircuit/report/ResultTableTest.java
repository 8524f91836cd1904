package io.autocircuit.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Tables of results: what stands where, and how each format writes it. */
class ResultTableTest {
  private static final ExperimentResults PLAIN = SampleResults.plain();
  private static final ExperimentResults GRID = SampleResults.grid();
  private static final Map<String, String> ALL = Map.of();

  private static ResultValue value(ExperimentResults results, String name) {
    int at = name.indexOf('@');
    return ResultValue.of(
        results,
        at < 0 ? name : name.substring(0, at),
        Optional.empty(),
        at < 0 ? Optional.empty() : Optional.of(name.substring(at + 1)));
  }

  private static String written(
      ExperimentResults results, String axes, String value, TableFormat format, int width) {
    List<ResultTable> tables =
        ResultTable.of(results, List.of(axes.split(",", -1)), value(results, value), ALL);
    return format.of(tables, width);
  }

  private static String lines(String... lines) {
    return String.join("\n", lines) + "\n";
  }

  @Test
  void text() {
    assertEquals(
        lines(
            "Area under the curve: KL divergence from the full model; lower is better",
            "algorithm         induction   tracr_reverse",
            "Edge attribution     -1.452*        -0.6365",
            "Random               -1.162         -0.6554*",
            "* best of its column"),
        written(PLAIN, "algorithm,task", "auc", TableFormat.TEXT, 80));
  }

  @Test
  void textOfSeveralSeedsAndTables() {
    assertEquals(
        lines(
            "KL divergence from the full model at 10 edges; lower is better;",
            "  ablation=resample; mean ± standard deviation of 2 seeds",
            "algorithm             induction",
            "EAP               0.650 ± 0.071",
            "IG, samples 5     0.430 ± 0.014",
            "IG, samples 50  0.4030 ± 0.0014*",
            "* best of its column",
            "",
            "KL divergence from the full model at 10 edges; lower is better; ablation=zero;",
            "  mean ± standard deviation of 2 seeds",
            "algorithm             induction",
            "EAP               0.850 ± 0.071",
            "IG, samples 5     0.470 ± 0.014",
            "IG, samples 50  0.4070 ± 0.0014*",
            "* best of its column"),
        written(GRID, "algorithm,task", "kl_div@10", TableFormat.TEXT, 80));
  }

  @Test
  void wideTextIsBroken() {
    List<ResultTable> tables =
        ResultTable.of(
            GRID, List.of("ablation", "algorithm"), value(GRID, "kl_div@10"), Map.of("Seed", "1"));
    assertEquals(
        lines(
            "KL divergence from the full model at 10",
            "  edges; lower is better; seed=1",
            "ablation     EAP   IG, samples 5",
            "resample  0.6000*         0.4200*",
            "zero      0.8000          0.4600",
            "",
            "ablation  IG, samples 50",
            "resample          0.4020*",
            "zero              0.4060",
            "* best of its column"),
        TableFormat.TEXT.of(tables, 40));
  }

  @Test
  void markdown() {
    assertEquals(
        lines(
            "KL divergence from the full model at 10 edges; lower is better; mean ± standard"
                + " deviation of 2 seeds",
            "",
            "| algorithm key | algorithm.samples |   ablation=resample |       ablation=zero |",
            "|---------------|-------------------|--------------------:|--------------------:|",
            "| eap           | –                 |       0.650 ± 0.071 |       0.850 ± 0.071 |",
            "| ig            | 5                 |       0.430 ± 0.014 |       0.470 ± 0.014 |",
            "| ig            | 50                | **0.4030** ± 0.0014 | **0.4070** ± 0.0014 |"),
        written(GRID, "algorithm_key,samples,ablation", "kl_div@10", TableFormat.MARKDOWN, 80));
  }

  @Test
  void latex() {
    assertEquals(
        lines(
            "% \\usepackage{booktabs}",
            "\\begin{table}",
            "  \\centering",
            "  \\caption{Area under the curve: KL divergence from the full model; lower is better}",
            "  \\begin{tabular}{lrr}",
            "    \\toprule",
            "    algorithm & induction & tracr\\_reverse \\\\",
            "    \\midrule",
            "    Edge attribution & \\textbf{$-$1.452} & $-$0.6365 \\\\",
            "    Random & $-$1.162 & \\textbf{$-$0.6554} \\\\",
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}"),
        written(PLAIN, "algorithm,task", "auc", TableFormat.LATEX, 80));
    assertTrue(
        written(GRID, "algorithm,ablation", "kl_div@10", TableFormat.LATEX, 80)
            .contains("    IG, samples 50 & \\textbf{0.4030} $\\pm$ 0.0014 & "));
  }

  @Test
  void csv() {
    assertEquals(
        lines(
            "ablation,algorithm,task,value,mean,standard_deviation,low,high,seeds,best",
            "resample,EAP,induction,kl_div@10,0.6499999999999999,0.07071067811865474,,,2,false",
            "resample,\"IG, samples 5\",induction,kl_div@10,0.43000000000000005,"
                + "0.014142135623730925,,,2,false",
            "resample,\"IG, samples 50\",induction,kl_div@10,0.403,0.0014142135623730963,,,2,true",
            "zero,EAP,induction,kl_div@10,0.8500000000000001,0.07071067811865474,,,2,false",
            "zero,\"IG, samples 5\",induction,kl_div@10,0.47000000000000003,"
                + "0.014142135623730963,,,2,false",
            "zero,\"IG, samples 50\",induction,kl_div@10,0.40700000000000003,"
                + "0.0014142135623730963,,,2,true"),
        written(GRID, "algorithm,task", "kl_div@10", TableFormat.CSV, 80));
  }

  @Test
  void json() throws IOException {
    JsonNode tables =
        new ObjectMapper()
            .readTree(written(GRID, "algorithm,task", "kl_div@10", TableFormat.JSON, 80));
    assertEquals(2, tables.size());
    assertEquals("{\"ablation\":\"zero\"}", tables.get(1).get("where").toString());
    assertTrue(tables.get(0).get("lower_is_better").asBoolean());
    assertEquals(
        "{\"algorithm\":\"IG, samples 50\",\"task\":\"induction\",\"mean\":0.403,"
            + "\"standard_deviation\":0.0014142135623730963,\"seeds\":2,\"best\":true,"
            + "\"values\":[0.402,0.404]}",
        tables.get(0).get("cells").get(2).toString());
  }

  @Test
  void areasAreOnTheMetricsOwnAxes() {
    List<Measurement.Point> points =
        List.of(
            new Measurement.Point(0, 2),
            new Measurement.Point(10, 0.5),
            new Measurement.Point(100, 0.01));
    double byHand = ((Math.log10(0.5) - Math.log10(2)) + (-2 - Math.log10(2))) / 2;
    assertEquals(byHand, AreaUnderCurve.of(Metric.KL_DIV).of(points), 1e-12);
    ResultTable table =
        ResultTable.of(PLAIN, List.of("algorithm", "task"), value(PLAIN, "auc"), ALL).get(0);
    assertEquals(byHand, table.cells().get(0).get(0).mean(), 1e-12);
    ResultValue other = ResultValue.of(PLAIN, "auc", Optional.of("logit_diff"), Optional.empty());
    assertEquals("Area under the curve: Logit difference", other.title());
    assertEquals((1.5 + 1.99) / 2, other.of().apply(PLAIN.cells().get(0)).getAsDouble(), 1e-12);
  }

  @Test
  void everyValue() {
    CellResult cell = PLAIN.cells().get(0);
    Map<String, Double> want = new LinkedHashMap<>();
    want.put("roc", 0.76);
    want.put("seconds", 0.75);
    want.put("judge_seconds", 2.0);
    want.put("plain_passes", 1.5);
    want.put("completeness", 0.4);
    want.put("completeness@10", 0.4);
    want.put("completeness@official", 0.4);
    want.put("kl_div@100", 0.01);
    want.put("kl_div@official", 0.5);
    want.forEach(
        (name, number) ->
            assertEquals(number, value(PLAIN, name).of().apply(cell).orElseThrow(), 1e-12, name));
    // the other task has no known circuit
    assertTrue(value(PLAIN, "roc").of().apply(PLAIN.cells().get(2)).isEmpty());
    assertTrue(value(PLAIN, "kl_div@official").of().apply(PLAIN.cells().get(2)).isEmpty());
    assertEquals(
        List.of(
            "kl_div",
            "logit_diff",
            "auc",
            "roc",
            "cpr",
            "cmd",
            "exact_cpr",
            "exact_cmd",
            "auroc",
            "auroc_mib",
            "seconds",
            "judge_seconds",
            "plain_passes",
            "completeness",
            "similarity",
            "equivalence",
            "independence",
            "minimality",
            "same_size",
            "capacity"),
        ResultValue.names(PLAIN));
  }

  @Test
  void cellsWithoutTheValueAreCounted() {
    assertEquals(
        lines(
            "Area under the ROC curve; higher is better; without 2 cells that have no such value",
            "algorithm            roc",
            "Edge attribution  0.7600*",
            "Random            0.5000",
            "* best of its column"),
        written(PLAIN, "algorithm", "roc", TableFormat.TEXT, 90));
  }

  @Test
  void placesWithoutACell() {
    List<CellResult> cells = new ArrayList<>(PLAIN.cells());
    cells.remove(2);
    ExperimentResults holes = SampleResults.of(cells);
    assertEquals(
        lines(
            "Seconds to score; lower is better",
            "algorithm         induction   tracr_reverse",
            "Edge attribution      0.750*              -",
            "Random                1.500           1.500",
            "* best of its column"),
        written(holes, "algorithm,task", "seconds", TableFormat.TEXT, 80));
    assertTrue(
        written(holes, "algorithm,task", "seconds", TableFormat.LATEX, 80).contains("& -- \\\\"));
  }

  @Test
  void seedsOfDifferentNumber() {
    List<CellResult> cells = new ArrayList<>(GRID.cells().subList(0, 4));
    assertEquals(
        lines(
            "KL divergence from the full model at 10 edges; lower is better; mean ± standard"
                + " deviation (number of seeds)",
            "algorithm               induction",
            "EAP             0.650 ± 0.071 (2)",
            "IG, samples 5          0.4200 (1)",
            "IG, samples 50         0.4020 (1)*",
            "* best of its column"),
        written(SampleResults.of(cells), "algorithm,task", "kl_div@10", TableFormat.TEXT, 200));
  }

  @Test
  void numbersThatAreNone() {
    Map<String, String> none = Map.of();
    ExperimentResults odd =
        SampleResults.of(
            List.of(
                SampleResults.cell("induction", "a", "A", "zero", 1, none, Double.NaN),
                SampleResults.cell(
                    "induction", "b", "B_{x} & |y| τ", "zero", 1, none, Double.POSITIVE_INFINITY),
                SampleResults.cell("induction", "c", "C", "zero", 1, none, 123456.7),
                SampleResults.cell("induction", "d", "D", "zero", 1, none, -0.0000123),
                SampleResults.cell("induction", "e", "E", "zero", 1, none, 0)));
    assertEquals(
        lines(
            "KL divergence from the full model at 0 edges; lower is better",
            "algorithm      kl_div@0",
            "A                   NaN",
            "B_{x} & |y| τ         ∞",
            "C                123457",
            "D              -1.2e-05*",
            "E                     0",
            "* best of its column"),
        written(odd, "algorithm", "kl_div@0", TableFormat.TEXT, 80));
    String latex = written(odd, "algorithm", "kl_div@0", TableFormat.LATEX, 80);
    assertTrue(latex.contains("    B\\_\\{x\\} \\& |y| $\\tau$ & $\\infty$ \\\\\n"), latex);
    assertTrue(latex.contains("    algorithm & kl\\_div@0 \\\\\n"), latex);
    String markdown = written(odd, "algorithm", "kl_div@0", TableFormat.MARKDOWN, 80);
    assertTrue(markdown.contains("| B_{x} & \\|y\\| τ |"), markdown);
    assertTrue(latex.contains("    D & \\textbf{$-$1.2$\\times10^{-5}$} \\\\\n"), latex);
    assertTrue(
        written(odd, "algorithm", "kl_div@0", TableFormat.JSON, 80).contains("\"mean\" : \"NaN\""));
  }

  @Test
  void equalRowsHaveNoBest() {
    assertTrue(!written(GRID, "algorithm,task", "roc", TableFormat.TEXT, 80).contains("*"));
  }

  private static String mistake(ExperimentResults results, String axes, String value) {
    return assertThrows(
            IllegalArgumentException.class,
            () -> written(results, axes, value, TableFormat.TEXT, 80))
        .getMessage();
  }

  @Test
  void mistakesAreNamedWithTheNearestName() {
    assertEquals(
        "unknown axis \"algoritm\": did you mean \"algorithm\"?",
        mistake(GRID, "algoritm,task", "auc"));
    assertEquals("axis=task is given twice; give each once", mistake(PLAIN, "task,Task", "auc"));
    assertEquals(
        "unknown metric \"kl_dv\": did you mean \"kl_div\"?", mistake(PLAIN, "task", "kl_dv"));
    assertEquals(
        "metric=kl_div has a value at each size; choose one with --edges (0, 10, 100, or"
            + " official), or take --metric auc --of kl_div",
        mistake(PLAIN, "task", "kl_div"));
    assertEquals(
        "edges=50 was measured in no cell; measured: 0, 10, 100",
        mistake(PLAIN, "task", "kl_div@50"));
    assertEquals(
        "edges=\"few\" is no size; give a whole number, or official for the known circuit's",
        mistake(PLAIN, "task", "kl_div@few"));
    assertEquals(
        "edges=10: metric=roc has no size; leave it out, or name a metric that was measured"
            + " (kl_div, logit_diff)",
        mistake(PLAIN, "task", "roc@10"));
    assertEquals(
        "no cell is finished yet; there is nothing to show",
        mistake(SampleResults.of(List.of()), "task", "seconds"));
    assertEquals(
        "value=completeness: none of the cells=12 has it; choose another --metric, or other cells",
        mistake(
            new ExperimentResults("t", GRID.cells(), List.of(), 0, List.of()),
            "task",
            "completeness"));
    assertEquals(
        "edges=11 was measured in no cell; measured: 10",
        mistake(PLAIN, "task", "completeness@11"));
    ExperimentResults sizes =
        new ExperimentResults(
            "t",
            PLAIN.cells(),
            List.of(),
            0,
            List.of(
                new ExperimentResults.CompletenessResult("induction-eap-resample-1", 10, 2, 0, 1),
                new ExperimentResults.CompletenessResult("induction-eap-resample-1", 20, 2, 0, 2)));
    assertEquals(
        "metric=completeness was measured at several sizes; choose one with --edges (10, 20, or"
            + " official)",
        mistake(sizes, "task", "completeness"));
    assertEquals(2, value(sizes, "completeness@20").of().apply(PLAIN.cells().get(0)).orElseThrow());
    assertEquals(
        "unknown ablation \"zeros\": did you mean \"zero\"?",
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    ResultTable.of(
                        GRID, List.of("task"), value(GRID, "auc"), Map.of("ablation", "zeros")))
            .getMessage());
  }

  @Test
  void severalPlaces() {
    ResultTable table =
        ResultTable.of(
                GRID,
                List.of("algorithm", "ablation"),
                value(GRID, "roc"),
                Map.of("algorithm", "*50|eap"))
            .get(0);
    assertEquals(List.of(List.of("EAP"), List.of("IG, samples 50")), table.rows());
    assertEquals(
        "unknown algorithm \"eapp\": did you mean \"eap\" or \"EAP\"?",
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    ResultTable.of(
                        GRID, List.of("task"), value(GRID, "roc"), Map.of("algorithm", "ig|eapp")))
            .getMessage());
  }

  @Test
  void cellsAreChosenByLabelOrKey() {
    for (String place : List.of("ig", "IG", "ig, samples 50", "i*", "*50")) {
      ResultTable table =
          ResultTable.of(
                  GRID,
                  List.of("algorithm", "ablation"),
                  value(GRID, "roc"),
                  Map.of("algorithm", place))
              .get(0);
      assertEquals(
          place.contains("50")
              ? List.of(List.of("IG, samples 50"))
              : List.of(List.of("IG, samples 5"), List.of("IG, samples 50")),
          table.rows());
    }
  }
}
