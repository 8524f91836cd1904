package io.autocircuit.experiment;

import io.autocircuit.metric.Bootstrap;
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
   * @param areas of all circuits together
   */
  record Judged(List<List<Optional<Bootstrap.Interval>>> intervals, List<CellResult.Area> areas) {}

  /** Computes it. */
  static Judged of(Discovery.Result result) {
    return new Judged(
        result.measurements().stream().map(m -> m.intervals(Bootstrap.USUAL)).toList(),
        CellResult.Area.of(result));
  }

  /** Writes the numbers of a run, and how its circuits were chosen. */
  static void write(Connection c, long id, Discovery.Result result, Judged judged)
      throws SQLException {
    for (CellResult.Area a : judged.areas()) {
      StoreConnection.update(
          c,
          "INSERT INTO areas VALUES (?, ?, ?, ?, ?, ?)",
          id,
          a.key(),
          a.metric(),
          a.value(),
          a.low(),
          a.high());
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
