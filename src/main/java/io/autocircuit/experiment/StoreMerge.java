package io.autocircuit.experiment;

import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Takes the cells of one store into another: files first, then all rows in one transaction. A cell
 * that is done there already stays as it is, so that the same store may be taken any number of
 * times. Rows are copied column by column, as the tables say, and get numbers of their own.
 */
final class StoreMerge {
  private final Path to;
  private final Path from;
  private final StoreConnection source;
  private final Map<String, ExperimentStore.Status> there;
  private final StoreClaims claims;

  /**
   * For a pair of stores.
   *
   * @param to the directory of the store that takes
   * @param there what it has
   * @param claims who works on it
   * @param from the directory of the other
   * @param source its connection
   */
  StoreMerge(
      Path to,
      Map<String, ExperimentStore.Status> there,
      StoreClaims claims,
      Path from,
      StoreConnection source) {
    this.to = to;
    this.there = there;
    this.claims = claims;
    this.from = from;
    this.source = source;
  }

  /** A cell of the other store. */
  private record Row(
      long id, String run, boolean done, String scores, String page, double seconds) {}

  /**
   * Takes what is new.
   *
   * @return what was taken, in the order of the other store
   */
  List<ExperimentStore.Taken> into(StoreConnection target) {
    return source.read(
        s -> {
          List<Row> rows = new ArrayList<>();
          for (Row row : rows(s)) {
            requireOwnNames(row);
            if (there.get(row.run()) != ExperimentStore.Status.DONE) {
              rows.add(row);
            }
          }
          for (Row row : rows) {
            files(row);
          }
          List<ExperimentStore.Taken> taken = new ArrayList<>();
          target.write(
              t -> {
                for (Row row : rows) {
                  one(s, t, row).ifPresent(taken::add);
                }
              });
          return taken;
        });
  }

  private static List<Row> rows(Connection s) throws SQLException {
    List<Row> rows = new ArrayList<>();
    try (ResultSet r =
        StoreConnection.query(
            s,
            "SELECT id, run, status, scores, page, (SELECT seconds FROM timings WHERE run_id = id"
                + " AND what = 'total') FROM runs WHERE status <> 'waiting' ORDER BY place, id")) {
      while (r.next()) {
        rows.add(
            new Row(
                r.getLong(1),
                r.getString(2),
                "done".equals(r.getString(3)),
                r.getString(4),
                r.getString(5),
                r.getDouble(6)));
      }
    }
    return rows;
  }

  /**
   * Refuses a row that names other files than those of its cell; the other store may have been
   * written by anybody.
   */
  private void requireOwnNames(Row row) {
    String run = String.valueOf(row.run());
    if (!run.matches("[0-9a-f]{64}")) {
      throw new DataException(
          "run="
              + DataException.quote(run)
              + " of "
              + from
              + " is no hash of 64 digits; make the store again");
    }
    if (!row.done()) {
      return;
    }
    String scores = ExperimentStore.SCORES + "/" + run + ".safetensors";
    String digits = run.substring(0, ExperimentStore.PAGE_DIGITS);
    boolean page =
        row.page() == null
            || row.page().equals(ExperimentStore.CIRCUITS + "/" + digits + ".html")
                && there.keySet().stream().noneMatch(r -> r.startsWith(digits) && !r.equals(run));
    if (!scores.equals(row.scores()) || !page) {
      throw new DataException(
          "run="
              + run
              + " of "
              + from
              + " names "
              + (page ? "scores" : "page")
              + "="
              + DataException.quote(String.valueOf(page ? row.scores() : row.page()))
              + ", which is not its own file; run it again");
    }
  }

  private void files(Row row) {
    if (!row.done()) {
      return;
    }
    file(row.scores());
    if (row.page() != null) {
      file(row.page());
    }
    String prompts = ExperimentStore.PROMPTS + "/" + row.run();
    if (Files.isDirectory(from.resolve(prompts))) {
      try (Stream<Path> all = Files.list(from.resolve(prompts))) {
        all.map(p -> prompts + "/" + p.getFileName()).sorted().forEach(this::file);
      } catch (IOException e) {
        throw new DataException(
            "directory=" + from.resolve(prompts) + " cannot be read: " + e.getMessage(), e);
      }
    }
  }

  /** Copies a file of a cell. */
  private void file(String name) {
    Path source = from.resolve(name);
    Path target = to.resolve(name);
    try {
      Files.createDirectories(target.getParent());
    } catch (IOException e) {
      throw new DataException(
          "directory=" + target.getParent() + " cannot be made: " + e.getMessage(), e);
    }
    AtomicFile.write(target, out -> Files.copy(source, out));
  }

  private Optional<ExperimentStore.Taken> one(Connection s, Connection t, Row row)
      throws SQLException {
    if (!row.done() && claims.others(t, row.run())) { // who is about to know better
      return Optional.empty();
    }
    Optional<Long> known = id(t, row.run());
    if (known.isEmpty()) {
      if (count(
              t,
              "SELECT count(*) FROM runs WHERE status = 'done' AND cell = ?",
              row(s, t, "runs", "id", row.id()).get(0).get("cell"))
          > 0) { // by another version of the library
        return Optional.empty();
      }
      insert(s, t, row);
    } else if (row.done()) {
      StoreRows.clear(t, known.get());
      replace(s, t, row, known.get());
    } else {
      StoreConnection.update(t, "UPDATE runs SET status = 'failed' WHERE id = ?", known.get());
    }
    long id = id(t, row.run()).orElseThrow();
    if (row.done()) {
      for (String table : StoreRows.OF_A_CELL) {
        if (!table.equals("measurements") && !table.equals("similarity")) {
          copy(s, t, table, "run_id", row.id(), Map.of("run_id", id));
        }
      }
      measurements(s, t, row.id(), id);
    }
    Optional<String> failure = failures(s, t, row.run());
    StoreConnection.update(t, "DELETE FROM claims WHERE run = ?", row.run());
    return Optional.of(
        new ExperimentStore.Taken(
            row.run(), row.done() ? Optional.empty() : failure, row.seconds()));
  }

  private static Optional<Long> id(Connection t, String run) throws SQLException {
    try (ResultSet r = StoreConnection.query(t, "SELECT id FROM runs WHERE run = ?", run)) {
      return r.next() ? Optional.of(r.getLong(1)) : Optional.empty();
    }
  }

  private static long count(Connection t, String sql, Object... values) throws SQLException {
    try (ResultSet r = StoreConnection.query(t, sql, values)) {
      r.next();
      return r.getLong(1);
    }
  }

  /** The row of a cell that was not planned here: it is the last one. */
  private static void insert(Connection s, Connection t, Row row) throws SQLException {
    Map<String, Object> values = row(s, t, "runs", "id", row.id()).get(0);
    values.remove("id");
    values.put("place", count(t, "SELECT coalesce(max(place), -1) + 1 FROM runs"));
    values.put("machine", machine(s, t, values.get("machine")));
    write(t, "INSERT", "runs", values);
  }

  /** What came out, in the row of a cell that is known here, with its place and names. */
  private static void replace(Connection s, Connection t, Row row, long id) throws SQLException {
    Map<String, Object> values = row(s, t, "runs", "id", row.id()).get(0);
    values.put("machine", machine(s, t, values.get("machine")));
    for (String ours :
        List.of(
            "id",
            "run",
            "cell",
            "place",
            "task",
            "algorithm",
            "label",
            "ablation",
            "patch_type",
            "seed")) {
      values.remove(ours);
    }
    List<Object> all = new ArrayList<>(values.values());
    all.add(id);
    StoreConnection.update(
        t,
        "UPDATE runs SET "
            + values.keySet().stream().map(c -> c + " = ?").collect(Collectors.joining(", "))
            + " WHERE id = ?",
        all.toArray());
  }

  private static Object machine(Connection s, Connection t, Object id) throws SQLException {
    if (id == null) {
      return null;
    }
    Map<String, Object> values = row(s, t, "machines", "id", id).get(0);
    values.remove("id");
    write(t, "INSERT OR IGNORE", "machines", values);
    try (ResultSet r =
        StoreConnection.query(
            t,
            "SELECT id FROM machines WHERE "
                + values.keySet().stream()
                    .map(c -> c + " = ?")
                    .collect(Collectors.joining(" AND ")),
            values.values().toArray())) {
      r.next();
      return r.getLong(1);
    }
  }

  private static void measurements(Connection s, Connection t, long from, long to)
      throws SQLException {
    for (Map<String, Object> values : row(s, t, "measurements", "run_id", from)) {
      copy(s, t, "INSERT OR REPLACE", "metrics", "metric", values.get("metric"), Map.of());
      Object measurement = values.remove("id");
      values.put("run_id", to);
      write(t, "INSERT", "measurements", values);
      long id = count(t, "SELECT last_insert_rowid()");
      for (String table : StoreRows.OF_A_MEASUREMENT) {
        copy(s, t, table, "measurement_id", measurement, Map.of("measurement_id", id));
      }
    }
  }

  /**
   * The failures of a cell, each of which is there once however often it is taken.
   *
   * @return the latest message
   */
  private static Optional<String> failures(Connection s, Connection t, String run)
      throws SQLException {
    Optional<String> last = Optional.empty();
    for (Map<String, Object> values : row(s, t, "failures", "run", run)) {
      values.remove("id");
      values.put("machine", machine(s, t, values.get("machine")));
      last = Optional.of(String.valueOf(values.get("message")));
      boolean known =
          count(
                  t,
                  "SELECT count(*) FROM failures WHERE run = ? AND failed = ? AND message = ?",
                  run,
                  values.get("failed"),
                  values.get("message"))
              > 0;
      if (!known) {
        write(t, "INSERT", "failures", values);
      }
    }
    return last;
  }

  private static void copy(
      Connection s, Connection t, String table, String key, Object of, Map<String, Object> instead)
      throws SQLException {
    copy(s, t, "INSERT", table, key, of, instead);
  }

  private static void copy(
      Connection s,
      Connection t,
      String verb,
      String table,
      String key,
      Object of,
      Map<String, Object> instead)
      throws SQLException {
    List<String> columns = columns(t, table);
    try (PreparedStatement insert = t.prepareStatement(insertion(verb, table, columns));
        ResultSet r = select(s, table, columns, key, of)) {
      while (r.next()) {
        Object[] values = new Object[columns.size()];
        for (int i = 0; i < values.length; i++) {
          Object other = instead.get(columns.get(i));
          values[i] = other == null ? r.getObject(i + 1) : other;
        }
        StoreConnection.set(insert, values);
        insert.addBatch();
      }
      insert.executeBatch();
    }
  }

  /** Rows as values by column, in the order of their first column. */
  private static List<Map<String, Object>> row(
      Connection s, Connection t, String table, String key, Object of) throws SQLException {
    List<String> columns = columns(t, table); // the other store's may be named as anybody likes
    List<Map<String, Object>> rows = new ArrayList<>();
    try (ResultSet r = select(s, table, columns, key, of)) {
      while (r.next()) {
        Map<String, Object> values = new LinkedHashMap<>();
        for (int i = 0; i < columns.size(); i++) {
          values.put(columns.get(i), r.getObject(i + 1));
        }
        rows.add(values);
      }
    }
    return rows;
  }

  private static ResultSet select(
      Connection s, String table, List<String> columns, String key, Object of) throws SQLException {
    return StoreConnection.query(
        s,
        "SELECT "
            + String.join(", ", columns)
            + " FROM "
            + table
            + " WHERE "
            + key
            + " = ? ORDER BY 1",
        of);
  }

  private static void write(Connection t, String verb, String table, Map<String, Object> values)
      throws SQLException {
    StoreConnection.update(t, insertion(verb, table, values.keySet()), values.values().toArray());
  }

  private static String insertion(String verb, String table, Collection<String> columns) {
    return verb
        + " INTO "
        + table
        + " ("
        + String.join(", ", columns)
        + ") VALUES ("
        + columns.stream().map(c -> "?").collect(Collectors.joining(", "))
        + ")";
  }

  private static List<String> columns(Connection c, String table) throws SQLException {
    List<String> names = new ArrayList<>();
    try (ResultSet r =
        StoreConnection.query(c, "SELECT name FROM pragma_table_info(?) ORDER BY cid", table)) {
      while (r.next()) {
        names.add(r.getString(1));
      }
    }
    return names;
  }
}
