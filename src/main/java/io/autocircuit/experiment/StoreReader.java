package io.autocircuit.experiment;

import io.autocircuit.experiment.ExperimentResults.CompletenessResult;
import io.autocircuit.experiment.ExperimentResults.Failure;
import io.autocircuit.experiment.ExperimentResults.SimilarityResult;
import io.autocircuit.metric.Roc;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** Reads the rows of a store. */
final class StoreReader {
  private StoreReader() {}

  /** Makes something of a row. */
  interface Row<R> {
    R of(ResultSet row) throws SQLException;
  }

  static <R> List<R> list(Connection c, Row<R> row, String sql, Object... values)
      throws SQLException {
    List<R> all = new ArrayList<>();
    try (ResultSet r = StoreConnection.query(c, sql, values)) {
      while (r.next()) {
        all.add(row.of(r));
      }
    }
    return all;
  }

  static int count(Connection c, String sql) throws SQLException {
    return list(c, r -> r.getInt(1), sql).get(0);
  }

  static Optional<String> info(Connection c, String name) throws SQLException {
    return list(c, r -> r.getString(1), "SELECT value FROM info WHERE name = ?", name).stream()
        .findFirst();
  }

  static List<CellResult> cells(Connection c, Path directory) throws SQLException {
    List<CellResult> cells = new ArrayList<>();
    for (long id :
        list(c, r -> r.getLong(1), "SELECT id FROM runs WHERE status = 'done' ORDER BY place")) {
      cells.add(cell(c, id, directory));
    }
    return cells;
  }

  private static CellResult cell(Connection c, long id, Path directory) throws SQLException {
    SortedMap<String, String> settings = new TreeMap<>();
    list(
        c,
        r -> settings.put(r.getString(1) + "." + r.getString(2), r.getString(3)),
        "SELECT scope, name, value FROM settings WHERE run_id = ?",
        id);
    SortedMap<Integer, Integer> live = new TreeMap<>();
    List<CellResult.Found> found = new ArrayList<>();
    list(
        c,
        r -> {
          live.put(r.getInt(1), r.getInt(2));
          if (r.getString(3) != null) {
            found.add(new CellResult.Found(r.getString(3), r.getInt(1)));
          }
          return null;
        },
        "SELECT edges, live_edges, found FROM circuits WHERE run_id = ? ORDER BY edges",
        id);
    Map<String, Double> seconds = new TreeMap<>();
    list(
        c,
        r -> seconds.put(r.getString(1), r.getDouble(2)),
        "SELECT what, seconds FROM timings WHERE run_id = ?",
        id);
    List<Roc.Point> roc =
        list(
            c,
            r -> new Roc.Point(r.getDouble(1), r.getDouble(2)),
            "SELECT false_positive_rate, true_positive_rate FROM roc_points WHERE run_id = ?"
                + " ORDER BY point",
            id);
    List<String> notices =
        list(c, r -> r.getString(1), "SELECT text FROM notices WHERE run_id = ? ORDER BY line", id);
    List<CellResult.Series> series = series(c, id);
    List<CellResult.Area> areas = StoreAreas.areas(c, id);
    List<Discovery.Selected> selected = StoreAreas.selected(c, id);
    return list(
            c,
            r ->
                new CellResult(
                    r.getString("run"),
                    r.getString("task"),
                    r.getString("algorithm"),
                    r.getString("label"),
                    r.getString("ablation"),
                    r.getString("patch_type"),
                    r.getLong("seed"),
                    settings,
                    r.getInt("edges"),
                    Optional.ofNullable((Integer) r.getObject("official_edges")),
                    r.getInt("prompts"),
                    r.getInt("score_prompts"),
                    series,
                    roc,
                    live,
                    found,
                    new CellResult.Cost(
                        seconds.get("score"), seconds.get("judge"), seconds.get("plain")),
                    Optional.ofNullable(r.getString("verdict")),
                    notices,
                    directory.resolve(r.getString("scores")),
                    Optional.ofNullable(r.getString("page")).map(directory::resolve),
                    areas,
                    selected),
            "SELECT * FROM runs WHERE id = ?",
            id)
        .get(0);
  }

  private static List<CellResult.Series> series(Connection c, long id) throws SQLException {
    Map<String, List<CellResult.Point>> points = new java.util.LinkedHashMap<>();
    list(
        c,
        r ->
            points
                .computeIfAbsent(r.getString(1), m -> new ArrayList<>())
                .add(new CellResult.Point(r.getInt(2), number(r, 3), number(r, 4), number(r, 5))),
        "SELECT m.metric, m.edges, m.value, i.low, i.high FROM measurements m LEFT JOIN intervals"
            + " i ON i.measurement_id = m.id WHERE m.run_id = ? ORDER BY m.id",
        id);
    return points.entrySet().stream()
        .map(e -> new CellResult.Series(e.getKey(), e.getValue()))
        .toList();
  }

  static double number(ResultSet r, int column) throws SQLException {
    double value = r.getDouble(column);
    return r.wasNull() ? Double.NaN : value;
  }

  /** The latest failure of each cell that is failed now. */
  static List<Failure> failures(Connection c) throws SQLException {
    return list(
        c,
        r -> new Failure(r.getString(1), r.getString(2), r.getString(3)),
        "SELECT f.run, f.cell, f.message FROM failures f JOIN runs r ON r.run = f.run WHERE"
            + " r.status = 'failed' AND f.id = (SELECT max(id) FROM failures WHERE run = f.run)"
            + " ORDER BY r.place");
  }

  static List<CompletenessResult> completeness(Connection c) throws SQLException {
    return list(
        c,
        r ->
            new CompletenessResult(
                r.getString(1), r.getInt(2), r.getInt(3), number(r, 4), number(r, 5)),
        "SELECT r.run, k.edges, k.knocked_out, k.normal, k.knockout FROM completeness k JOIN runs"
            + " r ON r.id = k.run_id WHERE r.status = 'done' ORDER BY r.place, k.edges");
  }

  static List<SimilarityResult> similarity(Connection c) throws SQLException {
    return list(
        c,
        r -> new SimilarityResult(r.getString(1), r.getString(2), r.getInt(3), number(r, 4)),
        "SELECT a.run, b.run, s.edges, s.share FROM similarity s JOIN runs a ON a.id = s.run_id"
            + " JOIN runs b ON b.id = s.other_id WHERE a.status = 'done' AND b.status = 'done'"
            + " ORDER BY a.place, b.place, s.edges");
  }

  static List<String> specs(Connection c, String run) throws SQLException {
    return list(
        c,
        r -> r.getString(1),
        "SELECT spec FROM runs WHERE substr(run, 1, length(?)) = ? AND spec IS NOT NULL",
        run,
        run);
  }

  static Map<Integer, Double> prompts(Connection c, String run, String metric, int edges)
      throws SQLException {
    Map<Integer, Double> values = new TreeMap<>();
    list(
        c,
        r -> values.put(r.getInt(1), number(r, 2)),
        "SELECT p.prompt, p.value FROM prompt_measurements p JOIN measurements m ON m.id ="
            + " p.measurement_id JOIN runs r ON r.id = m.run_id WHERE r.run = ? AND m.metric = ?"
            + " AND m.edges = ?",
        run,
        metric,
        edges);
    return values;
  }
}
