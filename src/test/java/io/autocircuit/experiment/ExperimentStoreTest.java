package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.files.DataException;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.Progress;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExperimentStoreTest {
  private static final Run.Means MEANS =
      new Run.Means(Optional.empty(), Optional.of(1), Optional.of(new MemoryBudget(1L << 30)));

  private static final String USUAL =
      "title: Usual\n"
          + "tasks: [induction]\n"
          + "algorithms: [ground-truth, eap, {algorithm: ig, samples: [3, 5]}]\n"
          + "random_baseline: false\n"
          + "edges: [3, 9, all]\n"
          + "ablations: [resample, tokenwise_mean_corrupt]\n"
          + "metrics: [kl_div, logit_diff_percent]\n";

  @TempDir Path folder;

  private static List<Cell> cells(String yaml) {
    return ExperimentSpec.parse(yaml, "test.yaml", Path.of(""))
        .cells(
            task -> {
              throw new DataException("task=" + task.key() + " wants a model that is not here");
            });
  }

  private Experiment.Summary run(String yaml) {
    return run(yaml, Experiment.Watcher.SILENT);
  }

  private Experiment.Summary run(String yaml, Experiment.Watcher watcher) {
    try (Experiment e = Experiment.open("Test", cells(yaml), folder, MEANS)) {
      return e.run(watcher);
    }
  }

  private ExperimentResults results() {
    try (ExperimentStore store = ExperimentStore.open(folder)) {
      return store.results();
    }
  }

  /** What runs share changes no bit: every cell is what its run gives alone. */
  @Test
  void everyCellIsWhatItsRunGivesAlone() {
    List<Cell> cells = cells(USUAL);
    // three algorithms, one of them with two settings, under two ablations
    assertEquals(8, cells.size());
    assertEquals(new Experiment.Summary(8, 0, 8, 0), run(USUAL));
    ExperimentResults results = results();
    assertEquals(8, results.cells().size());
    for (int i = 0; i < cells.size(); i++) {
      CellResult cell = results.cells().get(i);
      RunSpec spec = cells.get(i).spec().orElseThrow();
      try (Run run = Run.open(spec, MEANS)) {
        Discovery.Result alone = run.run(Progress.SILENT);
        assertEquals(run.spec().hash(), cell.run());
        assertEquals(cells.get(i).label(), cell.label());
        assertEquals(alone.liveEdges(), cell.liveEdges());
        assertEquals(alone.roc(), cell.roc());
        assertEquals(alone.verdict(), cell.verdict());
        assertEquals(alone.notices(), cell.notices());
        assertEquals(alone.measurements().size(), cell.series().size());
        for (int m = 0; m < alone.measurements().size(); m++) {
          Measurement measured = alone.measurements().get(m);
          List<Optional<Bootstrap.Interval>> intervals = measured.intervals(Bootstrap.USUAL);
          assertEquals(
              IntStream.range(0, intervals.size())
                  .mapToObj(k -> point(measured.points().get(k), intervals.get(k)))
                  .toList(),
              cell.series().get(m).points());
          promptsAre(measured, cell);
        }
        assertEquals(areas(alone), cell.areas());
        assertEquals(alone.selected(), cell.selected());
        scoresAre(alone, cell);
      }
    }
  }

  private static CellResult.Point point(
      Measurement.Point p, Optional<Bootstrap.Interval> interval) {
    return interval
        .map(i -> new CellResult.Point(p.edges(), p.value(), i.low(), i.high()))
        .orElseGet(() -> new CellResult.Point(p.edges(), p.value()));
  }

  private static List<CellResult.Area> areas(Discovery.Result alone) {
    Stream<CellResult.Area> faithfulness =
        alone.faithfulness().stream()
            .flatMap(
                f ->
                    f.areas().stream()
                        .map(a -> area(a.kind().key(), f.metric().key(), a.value(), a.interval())));
    Stream<CellResult.Area> auroc =
        alone.auroc().stream()
            .flatMap(
                a ->
                    Stream.of(
                        area("auroc", "", a.exact(), a.interval()),
                        area("auroc_mib", "", a.mib(), Optional.empty())))
            .filter(a -> !Double.isNaN(a.value()));
    return Stream.concat(faithfulness, auroc)
        .sorted(Comparator.comparing(CellResult.Area::metric).thenComparing(CellResult.Area::key))
        .toList();
  }

  private static CellResult.Area area(
      String key, String metric, double value, Optional<Bootstrap.Interval> interval) {
    return new CellResult.Area(
        key,
        metric,
        value,
        interval.map(Bootstrap.Interval::low).orElse(Double.NaN),
        interval.map(Bootstrap.Interval::high).orElse(Double.NaN));
  }

  private void promptsAre(Measurement measured, CellResult cell) {
    try (ExperimentStore store = ExperimentStore.open(folder)) {
      for (Measurement.Point p : measured.points()) {
        Map<Integer, Double> stored = store.prompts(cell.run(), measured.metric().key(), p.edges());
        assertEquals(
            p.prompts().stream().sorted().toList(), stored.values().stream().sorted().toList());
        assertEquals(64, stored.size());
      }
    }
  }

  private static void scoresAre(Discovery.Result alone, CellResult cell) {
    try (Safetensors in = Safetensors.open(cell.scores())) {
      for (String module : in.names()) {
        assertArrayEquals(
            alone.scores().module(alone.scores().graph().module(module)), in.floats(module));
      }
      assertEquals(Map.of("run", cell.run()), in.metadata());
    }
  }

  @Test
  void whatIsThereIsNotRunAgain() throws IOException {
    assertEquals(new Experiment.Summary(8, 0, 8, 0), run(USUAL));
    assertEquals(new Experiment.Summary(8, 8, 0, 0), run(USUAL));
    // a larger experiment runs what is new, in the same store
    String more = USUAL.replace("resample,", "resample, zero,");
    assertEquals(new Experiment.Summary(12, 8, 4, 0), run(more));
    // without its scores a cell is not there
    Files.delete(results().cells().get(2).scores());
    List<Integer> done = new ArrayList<>();
    Experiment.Watcher counting =
        new Experiment.Watcher() {
          @Override
          public Progress began(Cell cell, int finished, int total) {
            done.add(finished);
            return Progress.SILENT;
          }
        };
    assertEquals(new Experiment.Summary(12, 11, 1, 0), run(more, counting));
    assertEquals(List.of(11), done);
    // what is done of another experiment in the same store does not count for this one
    String other = USUAL.replace("[3, 9, all]", "[5]");
    done.clear();
    assertEquals(new Experiment.Summary(8, 0, 8, 0), run(other, counting));
    assertEquals(List.of(0, 1, 2, 3, 4, 5, 6, 7), done);
    assertEquals(20, results().cells().size());
  }

  @Test
  void aCellThatFailsIsRecordedAndTheSweepGoesOn() throws IOException {
    Path prompts = folder.resolve("prompts.json");
    String yaml =
        "tasks: [{model: "
            + folder
            + "/model, dataset: "
            + prompts
            + ", name: mine}, induction]\n"
            + "algorithms: [eap]\nedges: [3]\nmetrics: [kl_div]\n";
    Experiment.Summary first = run(yaml);
    assertEquals(new Experiment.Summary(4, 0, 4, 2), first);
    ExperimentResults results = results();
    assertEquals(2, results.cells().size());
    assertEquals(2, results.failures().size());
    ExperimentResults.Failure failure = results.failures().get(0);
    assertTrue(failure.cell().startsWith("mine, Edge attribution patching"), failure.cell());
    assertTrue(failure.message().contains("model"), failure.message());
    assertFalse(failure.message().contains("\n"));
    // the same command tries it again, and it is well when its files are there
    assertEquals(new Experiment.Summary(4, 2, 2, 2), run(yaml));
    Path model = io.autocircuit.task.EmbeddedTask.directory();
    Files.createDirectories(folder.resolve("model"));
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(model.resolve(file), folder.resolve("model").resolve(file));
    }
    Files.write(prompts, io.autocircuit.task.EmbeddedTask.promptBytes());
    assertEquals(new Experiment.Summary(4, 2, 2, 0), run(yaml));
    assertEquals(List.of(), results().failures());
  }

  @Test
  void cancellingGivesTheCellBack() {
    List<Cell> seen = new ArrayList<>();
    Experiment.Watcher impatient =
        new Experiment.Watcher() {
          @Override
          public Progress began(Cell cell, int done, int total) {
            seen.add(cell);
            return Progress.cancellable(Progress.SILENT, () -> seen.size() == 3);
          }
        };
    assertThrows(CancellationException.class, () -> run(USUAL, impatient));
    assertEquals(2, results().cells().size());
    assertEquals(6, results().waiting());
    assertEquals(new Experiment.Summary(8, 2, 6, 0), run(USUAL));
  }

  private void sql(String... statements) throws SQLException {
    try (Connection c =
            DriverManager.getConnection("jdbc:sqlite:" + folder.resolve(ExperimentStore.FILE));
        Statement s = c.createStatement()) {
      for (String statement : statements) {
        s.execute(statement);
      }
    }
  }

  @Test
  void claimsOfTheDeadExpireThoseOfTheLivingDoNot() throws Exception {
    List<Cell> cells = cells(USUAL);
    try (Experiment e = Experiment.open("Test", cells, folder, MEANS)) {
      List<String> keys = List.copyOf(e.cells().keySet());
      String now = Instant.now().toString();
      Process other = new ProcessBuilder("sleep", "60").start();
      try {
        String started = other.info().startInstant().orElseThrow().toString();
        String host = ThisMachine.host();
        sql(
            claim(keys.get(0), host, other.pid(), started, now),
            // its number is another process's now
            claim(keys.get(1), host, other.pid(), "2020-01-01T00:00:00Z", now),
            claim(keys.get(2), host, 999_999_999L, started, now),
            // another machine's that was last heard of an hour ago
            claim(
                keys.get(3), "elsewhere", 1, started, Instant.now().minusSeconds(3600).toString()));
        assertEquals(1, e.store().claimedByOthers());
        Instant since = Instant.now();
        assertFalse(e.store().claim(keys.get(0), since));
        assertTrue(e.store().claim(keys.get(1), since));
        assertTrue(e.store().claim(keys.get(2), since));
        assertTrue(e.store().claim(keys.get(3), since));
      } finally {
        other.destroyForcibly();
        other.waitFor(10, TimeUnit.SECONDS);
      }
      assertTrue(e.store().claim(keys.get(0), Instant.now()));
      sql(claim(keys.get(4), "elsewhere", 1, "", Instant.now().toString()));
      DataException refused =
          assertThrows(DataException.class, () -> e.store().claim(keys.get(5), Instant.now()));
      assertTrue(refused.getMessage().contains("host=elsewhere"), refused.getMessage());
      assertTrue(refused.getMessage().contains("Spark"), refused.getMessage());
    }
  }

  private static String claim(String key, String host, long pid, String started, String now) {
    return "INSERT INTO claims VALUES ('"
        + String.join("', '", key, host)
        + "', "
        + pid
        + ", '"
        + String.join("', '", started, now, now)
        + "')";
  }

  @Test
  void aStoreOfAnOlderVersionOpensAndItsCellsAreReplaced() throws SQLException {
    run(USUAL);
    sql(
        "UPDATE info SET value = '0.0.1' WHERE name = 'library'",
        "UPDATE runs SET run = replace(run, substr(run, 1, 4), 'old-')");
    assertEquals(8, results().cells().size());
    assertEquals(new Experiment.Summary(8, 0, 8, 0), run(USUAL));
    ExperimentResults now = results();
    assertEquals(8, now.cells().size());
    assertTrue(now.cells().stream().noneMatch(c -> c.run().startsWith("old-")));
  }

  /** Tables of this form that stores did not always have. */
  @Test
  void aStoreWithoutTheLaterTablesOpensRunsAndIsTaken() throws SQLException {
    String[] drop = {
      "DROP TABLE areas",
      "DROP TABLE intervals",
      "DROP TABLE selections",
      "DROP TABLE circuit_tests",
      "DROP TABLE circuit_test_details"
    };
    String small = USUAL.replace("ground-truth, eap, {algorithm: ig, samples: [3, 5]}", "eap");
    assertEquals(2, run(small).run());
    sql(drop);
    assertEquals(2, results().cells().size());
    assertEquals(List.of(), results().cells().get(0).areas());
    assertEquals(
        new Experiment.Summary(3, 2, 1, 0), run(small.replace("resample,", "resample, zero,")));
    assertFalse(results().cells().get(1).areas().isEmpty());
    sql(drop);
    try (ExperimentStore to = ExperimentStore.create(folder.resolve("to"), "Other")) {
      assertEquals(3, to.merge(folder).size());
      assertEquals(3, to.results().cells().size());
    }
  }

  @Test
  void anotherFormOfTheTablesSaysWhichVersionWroteIt() throws SQLException, IOException {
    run(USUAL.replace("[3, 9, all]", "[3]"));
    sql("UPDATE info SET value = '9.8.7' WHERE name = 'library'", "PRAGMA user_version = 7");
    DataException e = assertThrows(DataException.class, () -> ExperimentStore.open(folder));
    assertTrue(e.getMessage().contains("form=7"), e.getMessage());
    assertTrue(e.getMessage().contains("version=9.8.7"), e.getMessage());
    sql("PRAGMA user_version = 1", "PRAGMA application_id = 0");
    e = assertThrows(DataException.class, () -> ExperimentStore.open(folder));
    assertTrue(e.getMessage().contains("is no store of an experiment"), e.getMessage());
    Files.writeString(folder.resolve(ExperimentStore.FILE), "no database, but a text of 16 bytes");
    e = assertThrows(DataException.class, () -> ExperimentStore.open(folder));
    assertTrue(e.getMessage().contains("cannot be used"), e.getMessage());
    Path nothing = folder.resolve("nothing");
    e = assertThrows(DataException.class, () -> ExperimentStore.open(nothing));
    assertTrue(e.getMessage().contains("holds no experiment.db"), e.getMessage());
    assertFalse(Files.exists(nothing));
  }

  @Test
  void completenessIsMeasuredOfTheKnownCircuit() {
    ExperimentSpec spec =
        ExperimentSpec.parse(
            "tasks: [induction]\nalgorithms: [ground-truth]\nrandom_baseline: false\n"
                + "edges: [9]\nmetrics: [kl_div]\ncompleteness: {epochs: 3}\n",
            "test.yaml",
            folder);
    try (Experiment e =
        Experiment.open(
            "Test", spec.cells(task -> null), folder, MEANS, spec.checks(), Optional.empty())) {
      e.run(Experiment.Watcher.SILENT);
    }
    ExperimentResults results = results();
    assertEquals(1, results.completeness().size());
    ExperimentResults.CompletenessResult c = results.completeness().get(0);
    assertEquals(9, c.edges());
    assertEquals(results.cells().get(0).series().get(0).points().get(0).value(), c.normal(), 1e-9);
  }

  /** They are those of the command: kept, merged, and in tables. */
  @Test
  void circuitsAreTested() throws SQLException {
    ExperimentSpec spec =
        ExperimentSpec.parse(
            "tasks: [induction]\nalgorithms: [ground-truth, eap]\nrandom_baseline: false\n"
                + "edges: [9]\nmetrics: [kl_div]\ntrain: 8\ntest: 8\n"
                + "circuit_tests: {sizes: [3, 9, 81, 500], draws: 5, permutations: 19}\n",
            "test.yaml",
            folder);
    try (Experiment e =
        Experiment.open(
            "Test", spec.cells(t -> null), folder, MEANS, spec.checks(), Optional.empty())) {
      e.run(Experiment.Watcher.SILENT);
    }
    ExperimentResults results = results();
    assertEquals(
        List.of(3, 9, 3, 9), results.tests().stream().map(t -> t.tests().edges()).toList());
    CellResult known = results.cells().get(0);
    assertTrue(
        known.notices().stream().anyMatch(n -> n.startsWith("the circuit of 81 edges is not")),
        known.notices()::toString);
    assertTrue(
        known.notices().stream().anyMatch(n -> n.endsWith("is not tested: the graph has edges=81")),
        known.notices()::toString);
    TestedCircuit stored = results.tests().get(1).tests();
    assertEquals(known.run(), results.tests().get(1).run());
    try (Run run = Run.open(spec.cells(t -> null).get(0).spec().orElseThrow(), MEANS)) {
      Discovery.Result again = run.run(Progress.SILENT);
      CircuitTests.Settings how = spec.circuitTests().orElseThrow().settings();
      Discovery d = again.discovery();
      assertEquals(
          TestedCircuit.of(
              CircuitTests.of(
                  d.model(),
                  d.runs(),
                  d.test(),
                  again.circuit(9),
                  Metric.LOGIT_DIFF,
                  how,
                  Progress.SILENT),
              how,
              false),
          stored);
    }
    assertTrue(stored.pValue("equivalence").getAsDouble() > 0.05, stored::toString);
    assertEquals(1 / 6.0, stored.pValue("same_size").getAsDouble(), 1e-12);
    assertThrows(IllegalArgumentException.class, () -> stored.pValue("other"));
    try (ExperimentStore to = ExperimentStore.create(folder.resolve("to"), "Other")) {
      to.merge(folder);
      assertEquals(results.tests(), to.results().tests());
    }
    sql("UPDATE circuit_test_details SET details = replace(details, '\"matching\"', '\"m\"')");
    DataException e = assertThrows(DataException.class, this::results);
    assertTrue(e.getMessage().contains("matching=null is not text"), e.getMessage());
  }

  /** The queries of docs/results.md, by Python's own SQLite. */
  @Test
  void pythonReadsTheStoreAsThePageSays() throws Exception {
    assumeTrue(pythonReadsSqlite(), "no python3 with sqlite3 is on the PATH");
    run(USUAL);
    String page = Files.readString(Path.of("docs/results.md"));
    int begin = page.indexOf("python3 -c \"") + "python3 -c \"".length();
    String code =
        page.substring(begin, page.indexOf("\"\n```", begin))
            .replace("experiment/experiment.db", folder.resolve("experiment.db").toString());
    String printed = python(code);
    ExperimentResults results = results();
    String expected =
        results.cells().stream()
            .map(
                c ->
                    "('induction', '"
                        + c.label()
                        + "', 9, "
                        + c.series().get(1).points().stream()
                            .filter(p -> p.edges() == 9)
                            .findFirst()
                            .orElseThrow()
                            .value()
                        + ")")
            .collect(Collectors.joining("\n"));
    assertEquals(expected, printed.strip());
    // every table and column that the page names is there
    String tables =
        python(
            "import sqlite3\ndb = sqlite3.connect('"
                + folder.resolve("experiment.db")
                + "')\nfor (name,) in db.execute(\"SELECT name FROM sqlite_master WHERE type IN"
                + " ('table', 'view') AND name NOT LIKE 'sqlite%' ORDER BY name\"):\n  print(name,"
                + " *[c[1] for c in db.execute('PRAGMA table_info(' + name + ')')])");
    for (String line : tables.strip().split("\n")) {
      String[] words = line.split(" ");
      String row =
          page.lines()
              .filter(l -> l.startsWith("| `" + words[0] + "` |"))
              .findFirst()
              .orElseThrow(() -> new AssertionError("docs/results.md lacks " + words[0]));
      for (int i = 1; i < words.length && !words[0].equals("prompt_results"); i++) {
        String column = words[i];
        assertTrue(
            java.util.regex.Pattern.compile("[`, ]" + column + "[`, ]").matcher(row).find(),
            words[0] + " of docs/results.md lacks " + column);
      }
    }
  }

  private static boolean pythonReadsSqlite() throws InterruptedException {
    try {
      return new ProcessBuilder("python3", "-c", "import sqlite3").start().waitFor() == 0;
    } catch (IOException none) {
      return false;
    }
  }

  private String python(String code) throws IOException, InterruptedException {
    Process p = new ProcessBuilder("python3", "-c", code).redirectErrorStream(true).start();
    String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, p.waitFor(), out);
    return out;
  }
}
