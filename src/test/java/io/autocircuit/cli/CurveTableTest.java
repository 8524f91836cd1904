package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CurveTableTest {
  private static Measurement curve(Metric metric, int count, IntToDoubleFunction value) {
    return new Measurement(
        metric,
        IntStream.range(0, count)
            .mapToObj(i -> new Measurement.Point(i, value.applyAsDouble(i)))
            .toList());
  }

  @Test
  void everyLineFitsWhateverIsMeasured() {
    List<Measurement> all =
        Metric.standard().stream().map(m -> curve(m, 300, i -> -1.23456e-5 * i * i)).toList();
    List<String> lines = new CurveTable(all, Map.of(7, 3), List.of()).lines();
    for (String line : lines) {
      assertTrue(line.length() <= CurveTable.WIDTH, line);
    }
    for (Metric m : Metric.standard()) {
      // a key stands in one column, cut at its underscores
      assertEquals(m.key(), String.join("", CurveTable.wrapped(m.key())));
      assertTrue(CurveTable.wrapped(m.key()).stream().allMatch(w -> w.length() <= 10), m.key());
    }
    assertTrue(lines.stream().anyMatch(l -> l.matches(" +edges +live .*")), lines::toString);
  }

  @Test
  void aShortCurveIsShownWhole() {
    CurveTable table =
        new CurveTable(List.of(curve(Metric.KL_DIV, 20, i -> 20.0 - i)), Map.of(), List.of());
    assertEquals(20, table.rows().length);
    assertEquals(21, table.lines().size());
  }

  @Test
  void rowsFollowWhereTheCurveChanges() {
    // flat, a step at 700, flat
    CurveTable table =
        new CurveTable(
            List.of(curve(Metric.LOGIT_DIFF, 1000, i -> i < 700 ? 0 : 100)), Map.of(), List.of());
    List<Integer> rows = IntStream.of(table.rows()).boxed().toList();
    assertTrue(rows.containsAll(List.of(0, 699, 700, 999)), rows::toString);
    assertTrue(rows.size() <= CurveTable.MOST_ROWS, rows::toString);
    assertTrue(
        table.lines().get(table.lines().size() - 1).contains("of 1000 sizes"),
        table.lines()::toString);
  }

  @Test
  void aLongCurveThatNeverRestsHasTheMostRowsAndNoMore() {
    CurveTable table =
        new CurveTable(
            List.of(curve(Metric.LOGIT_DIFF, 500, i -> Math.sin(i))), Map.of(), List.of(123));
    assertEquals(CurveTable.MOST_ROWS, table.rows().length);
    assertTrue(IntStream.of(table.rows()).anyMatch(i -> i == 123), "a size asked for");
  }

  @Test
  void liveEdgesStandBesideTheCount() {
    CurveTable table =
        new CurveTable(
            List.of(curve(Metric.KL_DIV, 3, i -> i)), Map.of(0, 0, 1, 0, 2, 2), List.of());
    assertEquals("       1       0      1.0000", table.lines().get(2));
    assertEquals("       2       2      2.0000", table.lines().get(3));
  }

  @Test
  void valuesThatAreNotFiniteDoNotSpoilTheChoice() {
    CurveTable table =
        new CurveTable(
            List.of(
                curve(
                    Metric.LOGIT_DIFF,
                    100,
                    i -> i == 50 ? Double.NaN : i == 51 ? Double.POSITIVE_INFINITY : i)),
            Map.of(),
            List.of());
    assertTrue(table.rows().length <= CurveTable.MOST_ROWS);
    assertTrue(table.lines().size() > 3);
  }
}
