package io.autocircuit.experiment;

import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Roc;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/** Writes and reads what a store holds of circuits as a whole: areas, selections, intervals. */
final class StoreAreas {
  private StoreAreas() {}

  /**
   * What is computed of a result for the store.
   *
   * @param intervals of each metric, at each size
   * @param auroc against the known circuit
   */
  record Judged(List<List<Optional<Bootstrap.Interval>>> intervals, Optional<Roc.Areas> auroc) {}

  /** Computes it. */
  static Judged of(Discovery.Result result) {
    return new Judged(
        result.measurements().stream().map(m -> m.intervals(Bootstrap.USUAL)).toList(),
        result.auroc());
  }

  /** Writes the numbers of a run, and how its circuits were chosen. */
  static void write(Connection c, long id, Discovery.Result result, Judged judged)
      throws SQLException {
    for (Faithfulness f : result.faithfulness()) {
      for (Faithfulness.Area a : f.areas()) {
        area(c, id, a.kind().key(), f.metric().key(), a.value(), a.interval());
      }
    }
    if (judged.auroc().isPresent()) {
      Roc.Areas auroc = judged.auroc().get();
      area(c, id, "auroc", "", auroc.exact(), auroc.interval());
      if (!Double.isNaN(auroc.mib())) {
        area(c, id, "auroc_mib", "", auroc.mib(), Optional.empty());
      }
    }
    int place = 0;
    for (Discovery.Selected s : result.selected()) {
      StoreConnection.update(
          c,
          "INSERT INTO selections VALUES (?, ?, ?, ?, ?)",
          id,
          place++,
          s.threshold().isPresent() ? s.threshold().getAsDouble() : null,
          s.chosen(),
          s.left());
    }
  }

  private static void area(
      Connection c,
      long id,
      String key,
      String metric,
      double value,
      Optional<Bootstrap.Interval> interval)
      throws SQLException {
    StoreConnection.update(
        c,
        "INSERT INTO areas VALUES (?, ?, ?, ?, ?, ?)",
        id,
        key,
        metric,
        value,
        interval.map(Bootstrap.Interval::low).orElse(null),
        interval.map(Bootstrap.Interval::high).orElse(null));
  }

  /** Writes where a measurement would lie on other prompts, where values of prompts were kept. */
  static void interval(Connection c, long measurement, Optional<Bootstrap.Interval> interval)
      throws SQLException {
    if (interval.isPresent()) {
      StoreConnection.update(
          c,
          "INSERT INTO intervals VALUES (?, ?, ?)",
          measurement,
          interval.get().low(),
          interval.get().high());
    }
  }

  /** The numbers of a run. */
  static List<CellResult.Area> areas(Connection c, long id) throws SQLException {
    return StoreReader.list(
        c,
        r ->
            new CellResult.Area(
                r.getString(1),
                r.getString(2),
                r.getDouble(3),
                StoreReader.number(r, 4),
                StoreReader.number(r, 5)),
        "SELECT area, metric, value, low, high FROM areas WHERE run_id = ? ORDER BY metric, area",
        id);
  }

  /** How the circuits of a run were chosen. */
  static List<Discovery.Selected> selected(Connection c, long id) throws SQLException {
    return StoreReader.list(
        c,
        r -> {
          double threshold = StoreReader.number(r, 1);
          return new Discovery.Selected(
              Double.isNaN(threshold) ? OptionalDouble.empty() : OptionalDouble.of(threshold),
              r.getInt(2),
              r.getInt(3));
        },
        "SELECT threshold, chosen, edges FROM selections WHERE run_id = ? ORDER BY place",
        id);
  }
}
