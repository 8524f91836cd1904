package io.autocircuit.experiment;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.CircuitSelection;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;

/** Writes the rows of a store. */
final class StoreRows {
  /** The tables that have rows of a cell, known by {@code run_id}. */
  static final List<String> OF_A_CELL =
      List.of(
          "settings",
          "measurements",
          "areas",
          "selections",
          "circuits",
          "roc_points",
          "completeness",
          "circuit_tests",
          "circuit_test_details",
          "similarity",
          "timings",
          "notices");

  /** The tables that have rows of a measurement, known by {@code measurement_id}. */
  static final List<String> OF_A_MEASUREMENT = List.of("prompt_measurements", "intervals");

  private StoreRows() {}

  static String now() {
    return Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
  }

  /** What stays the same of a cell between versions of the library. */
  static String cell(Cell cell, String key) {
    return cell.spec()
        .map(
            s ->
                Fingerprint.of(
                    s.identity()
                        .replaceFirst("\"version\":\"[^\"]*\"", "\"version\":\"\"")
                        .getBytes(StandardCharsets.UTF_8)))
        .orElse(key);
  }

  static void plan(Connection c, String key, Cell cell, int place) throws SQLException {
    Map<String, String> at = cell.coordinates();
    if (cell.spec().isPresent()) { // it may have been refused before
      StoreConnection.update(c, "DELETE FROM runs WHERE run = ?", Experiment.refused(cell));
    }
    StoreConnection.update(
        c,
        "INSERT INTO runs (run, cell, status, place, task, algorithm, label, ablation, patch_type,"
            + " seed, spec) VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO"
            + " UPDATE SET place = excluded.place, task = excluded.task, label = excluded.label",
        key,
        cell(cell, key),
        place,
        cell.task(),
        cell.algorithm(),
        cell.label(),
        at.get("ablation"),
        at.get("patch_type"),
        Long.parseLong(at.get("seed")),
        cell.spec().map(RunSpec::json).orElse(null));
  }

  static void finish(Connection c, String key, CellOutcome o, StoreAreas.Judged judged)
      throws SQLException {
    Discovery d = o.result().discovery();
    long machine = machine(c);
    Machine on = o.spec().machine().orElseThrow();
    long id = id(c, key);
    clear(c, id);
    StoreConnection.update(
        c,
        "UPDATE runs SET status = 'done', spec = ?, edges = ?, official_edges = ?, prompts = ?,"
            + " score_prompts = ?, verdict = ?, scores = ?, page = ?, machine = ?, device = ?,"
            + " kernels = ?, threads = ?, started = ?, finished = ? WHERE id = ?",
        o.spec().json(),
        o.result().fullSize(),
        d.official() == null ? null : o.result().officialSize(),
        d.prompts(),
        d.trainPrompts(),
        o.result().verdict().orElse(null),
        o.scores(),
        o.page().orElse(null),
        machine,
        on.device(),
        on.kernels(),
        on.threads(),
        o.started().truncatedTo(ChronoUnit.MILLIS).toString(),
        now(),
        id);
    settings(c, id, o.spec());
    measurements(c, id, o, judged);
    circuits(c, id, o.result());
    StoreAreas.write(c, id, o.result(), judged);
    rest(c, id, o);
  }

  /** Removes what a cell had, and the same cell by another version of the library. */
  static void clear(Connection c, long id) throws SQLException {
    for (String table : OF_A_CELL) {
      StoreConnection.update(c, "DELETE FROM " + table + " WHERE run_id = ?", id);
    }
    StoreConnection.update(c, "DELETE FROM similarity WHERE other_id = ?", id);
    StoreConnection.update(
        c,
        "DELETE FROM runs WHERE cell = (SELECT cell FROM runs WHERE id = ?) AND id <> ?",
        id,
        id);
  }

  /** What cells have in common, in place of what was known of it. */
  static void similarity(Connection c, List<ExperimentResults.SimilarityResult> all)
      throws SQLException {
    StoreConnection.update(c, "DELETE FROM similarity");
    try (PreparedStatement row =
        c.prepareStatement(
            "INSERT INTO similarity SELECT a.id, b.id, ?, ? FROM runs a, runs b WHERE a.run = ?"
                + " AND b.run = ?")) {
      for (ExperimentResults.SimilarityResult s : all) {
        StoreConnection.set(row, s.edges(), s.share(), s.run(), s.other());
        row.addBatch();
      }
      row.executeBatch();
    }
  }

  /** ROC, timings, notices, completeness, tests. */
  private static void rest(Connection c, long id, CellOutcome o) throws SQLException {
    int i = 0;
    for (Roc.Point p : o.result().roc()) {
      StoreConnection.update(
          c,
          "INSERT INTO roc_points VALUES (?, ?, ?, ?)",
          id,
          i++,
          p.falsePositiveRate(),
          p.truePositiveRate());
    }
    Map<String, Double> timings =
        Map.of(
            "plain",
            o.cost().plainSeconds(),
            "score",
            o.cost().scoreSeconds(),
            "judge",
            o.cost().judgeSeconds(),
            "total",
            o.totalSeconds());
    for (Map.Entry<String, Double> t : timings.entrySet()) {
      StoreConnection.update(
          c, "INSERT INTO timings VALUES (?, ?, ?)", id, t.getKey(), t.getValue());
    }
    int line = 0;
    for (String notice :
        Stream.concat(o.result().notices().stream(), o.tests().notices().stream()).toList()) {
      StoreConnection.update(c, "INSERT INTO notices VALUES (?, ?, ?)", id, line++, notice);
    }
    for (ExperimentResults.CompletenessResult r : o.completeness()) {
      StoreConnection.update(
          c,
          "INSERT INTO completeness VALUES (?, ?, ?, ?, ?)",
          id,
          r.edges(),
          r.knockedOut(),
          r.normal(),
          r.knockout());
    }
    StoreTests.write(c, id, o.tests().tests());
  }

  private static long id(Connection c, String key) throws SQLException {
    try (ResultSet r = StoreConnection.query(c, "SELECT id FROM runs WHERE run = ?", key)) {
      if (!r.next()) {
        throw new IllegalStateException("cell=" + key + " was not planned");
      }
      return r.getLong(1);
    }
  }

  /** Everything that was set, by scope and name. */
  static Map<String, String> settings(RunSpec spec) {
    Map<String, String> all = new TreeMap<>();
    if (spec.scoring() instanceof RunSpec.Algorithm a) {
      a.settings()
          .values()
          .forEach((name, value) -> all.put("algorithm." + name, Setting.text(value)));
      a.avoid().ifPresent(avoid -> all.put("algorithm.avoid", avoid.text()));
    }
    all.put("graph.separate_qkv", String.valueOf(spec.graph().separateQkv()));
    if (spec.graph().keyValues() != KeyValues.PER_QUERY) { // as in a spec's JSON
      all.put("graph.kv", spec.graph().keyValues().key());
    }
    all.put("graph.token_positions", String.valueOf(spec.graph().tokenPositions()));
    if (spec.graph().spans()) {
      all.put("graph.spans", "true");
    }
    if (spec.graph().form() != Form.FACTORIZED) {
      all.put("graph.form", spec.graph().form().key());
    }
    if (spec.graph().level() != Level.EDGE) {
      all.put("graph.level", spec.graph().level().key());
    }
    spec.graph().autoencoders().ifPresent(a -> all.put("graph.autoencoders", a.text()));
    RunJudging judging = spec.judging();
    all.put("run.edges", String.join(", ", judging.sizes().texts()));
    all.put("run.ties", String.valueOf(judging.ties()));
    if (!judging.selection().equals(CircuitSelection.TOP)) { // as in a spec's JSON
      all.put("run.selection", judging.selection().title());
    }
    all.put("run.slice", judging.slice().key());
    all.put("run.reverse_clean_corrupt", String.valueOf(judging.runs().reverseCleanCorrupt()));
    all.put("run.precision", spec.numbers().precision().key());
    if (spec.numbers().weights() != WeightType.FLOAT32) { // as in a spec's JSON
      all.put("run.weights", spec.numbers().weights().key());
    }
    all.put("run.processing", spec.processing().map(p -> String.join(", ", p.steps())).orElse(""));
    RunPrompts prompts = spec.prompts();
    all.put("run.batch_size", String.valueOf(prompts.batchSize()));
    all.put("run.pad", String.valueOf(prompts.padded()));
    all.put("run.train", String.valueOf(prompts.split().train()));
    all.put("run.test", String.valueOf(prompts.split().test()));
    all.put("run.shuffle", String.valueOf(prompts.split().shuffle()));
    all.put("run.version", spec.version());
    return all;
  }

  private static void settings(Connection c, long id, RunSpec spec) throws SQLException {
    for (Map.Entry<String, String> e : settings(spec).entrySet()) {
      int dot = e.getKey().indexOf('.');
      StoreConnection.update(
          c,
          "INSERT INTO settings VALUES (?, ?, ?, ?)",
          id,
          e.getKey().substring(0, dot),
          e.getKey().substring(dot + 1),
          e.getValue());
    }
  }

  private static void measurements(Connection c, long id, CellOutcome o, StoreAreas.Judged judged)
      throws SQLException {
    try (PreparedStatement prompts =
        c.prepareStatement("INSERT INTO prompt_measurements VALUES (?, ?, ?)")) {
      int series = 0;
      for (Measurement m : o.result().measurements()) {
        metric(c, m.metric());
        List<Optional<Bootstrap.Interval>> intervals = judged.intervals().get(series++);
        int place = 0;
        for (Measurement.Point p : m.points()) {
          StoreConnection.update(
              c,
              "INSERT INTO measurements (run_id, metric, edges, value) VALUES (?, ?, ?, ?)",
              id,
              m.metric().key(),
              p.edges(),
              p.value());
          long measurement = last(c);
          StoreAreas.interval(c, measurement, intervals.get(place++));
          for (int i = 0; i < p.prompts().size(); i++) {
            StoreConnection.set(prompts, measurement, o.prompts()[i], p.prompts().get(i));
            prompts.addBatch();
          }
        }
      }
      prompts.executeBatch();
    }
  }

  private static void metric(Connection c, Metric m) throws SQLException {
    StoreConnection.update(
        c,
        "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?)",
        m.key(),
        m.title(),
        m.description(),
        m.lowerIsBetter() ? 1 : 0,
        m.logX() ? 1 : 0,
        m.logY() ? 1 : 0);
  }

  private static long last(Connection c) throws SQLException {
    try (ResultSet r = StoreConnection.query(c, "SELECT last_insert_rowid()")) {
      r.next();
      return r.getLong(1);
    }
  }

  private static void circuits(Connection c, long id, Discovery.Result result) throws SQLException {
    Map<Integer, String> found = new TreeMap<>();
    result.found().forEach(f -> found.merge(f.size(), f.description(), (a, b) -> a + "; " + b));
    for (Map.Entry<Integer, Integer> e : result.liveEdges().entrySet()) {
      StoreConnection.update(
          c,
          "INSERT INTO circuits VALUES (?, ?, ?, ?)",
          id,
          e.getKey(),
          e.getValue(),
          found.get(e.getKey()));
    }
  }

  static void fail(Connection c, String key, String cell, String message, String details)
      throws SQLException {
    StoreConnection.update(c, "UPDATE runs SET status = 'failed' WHERE run = ?", key);
    StoreConnection.update(
        c,
        "INSERT INTO failures (run, cell, message, details, machine, failed) VALUES (?, ?, ?, ?, ?,"
            + " ?)",
        key,
        cell,
        message,
        details,
        machine(c),
        now());
  }

  private static String libtorch() {
    try {
      return String.valueOf(Loader.getVersion("org.bytedeco", "pytorch"));
    } catch (IOException e) {
      return "unknown";
    }
  }

  /** The row of this machine. */
  private static long machine(Connection c) throws SQLException {
    Object[] values = {
      ThisMachine.host(),
      ThisMachine.system(),
      ThisMachine.processor(),
      Runtime.getRuntime().availableProcessors(),
      System.getProperty("java.version"),
      RunSpec.libraryVersion(),
      libtorch()
    };
    StoreConnection.update(
        c,
        "INSERT OR IGNORE INTO machines (host, system, processor, cores, java, library, libtorch)"
            + " VALUES (?, ?, ?, ?, ?, ?, ?)",
        values);
    try (ResultSet r =
        StoreConnection.query(
            c,
            "SELECT id FROM machines WHERE host = ? AND system = ? AND processor = ? AND cores = ?"
                + " AND java = ? AND library = ? AND libtorch = ?",
            values)) {
      r.next();
      return r.getLong(1);
    }
  }
}
