package io.autocircuit.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import io.autocircuit.experiment.ExperimentResults.TestResult;
import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.graph.UnknownNameException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Hypothesis tests of circuits in tables and files. */
class ResultTestsTest {
  private static final CellResult CELL = SampleResults.plain().cells().get(0);

  private static ExperimentResults tested(int... sizes) {
    return new ExperimentResults(
        "t",
        SampleResults.plain().cells(),
        List.of(),
        0,
        List.of(),
        List.of(),
        IntStream.of(sizes)
            .mapToObj(n -> new TestResult(CELL.run(), SampleTests.tested(n)))
            .toList());
  }

  private static ResultValue value(ExperimentResults results, String test, String edges) {
    return ResultValue.of(results, test, Optional.empty(), Optional.ofNullable(edges));
  }

  @Test
  void everyTestHasItsP() {
    double[] p = {0.6, 0.01, 2e-9, 1 / 21.0, 4 / 21.0};
    for (int i = 0; i < p.length; i++) {
      String test = TestedCircuit.TESTS.get(i);
      for (String edges : new String[] {null, "10", "official"}) {
        ResultValue value = value(tested(10), test, edges);
        assertEquals(p[i], value.of().apply(CELL).getAsDouble(), test);
        assertTrue(value.of().apply(SampleResults.plain().cells().get(1)).isEmpty());
        assertEquals(i > 2, value.lowerIsBetter(), test);
      }
    }
    assertEquals("capacity@10", value(tested(10), "capacity", "10").name());
  }

  @Test
  void aSizeIsChosenWhereThereAreSeveral() {
    assertEquals(
        "metric=minimality was tested at several sizes; choose one with --edges (3, 10, or"
            + " official)",
        assertThrows(IllegalArgumentException.class, () -> value(tested(3, 10), "minimality", null))
            .getMessage());
    assertEquals(
        "edges=4 was tested in no cell; tested: 3, 10",
        assertThrows(IllegalArgumentException.class, () -> value(tested(3, 10), "minimality", "4"))
            .getMessage());
  }

  @Test
  void asLines() {
    assertEquals("", ResultTests.summary(tested(), Map.of(), 80));
    assertEquals(
        """
        Tests of circuits: p of each hypothesis; × where it is rejected (good of the
          last two)
        algorithm         task       edges  equiv.   indep.   minimal     size
        Edge attribution  induction  10      0.600   ×0.010   ×<0.001   ×0.048

        algorithm         task       edges   cap.
        Edge attribution  induction  10     0.190
        """,
        ResultTests.summary(tested(10), Map.of(), 80));
    assertEquals(
        ResultTests.summary(tested(10), Map.of(), 80),
        ResultTests.summary(tested(10), Map.of("task", CELL.task()), 80));
    assertThrows(
        UnknownNameException.class,
        () -> ResultTests.summary(tested(10), Map.of("task", "other"), 80));
  }

  @Test
  void asJsonTheyComeBack() throws IOException {
    JsonNode all = new ObjectMapper().readTree(ResultExport.json(tested(10)));
    JsonNode one = all.get("tests").get(0);
    assertEquals(CELL.run(), one.get("run").asText());
    assertEquals(SampleTests.tested(10), TestedCircuit.read(one.get("test"), "x"));
    assertFalse(one.get("test").get("minimality").get("edges").get(1).get("seq_idx").isNull());
  }
}
