package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stores that take cells of others, and experiments whose cells are run elsewhere. */
class StoreMergeTest {
  private static final Run.Means MEANS =
      new Run.Means(Optional.empty(), Optional.of(1), Optional.of(new MemoryBudget(1L << 30)));

  private static final String USUAL =
      "title: Usual\n"
          + "tasks: [induction]\n"
          + "algorithms: [ground-truth, eap]\n"
          + "random_baseline: false\n"
          + "edges: [3, 9, all]\n"
          + "ablations: [resample, zero]\n"
          + "metrics: [kl_div, logit_diff_percent]\n";

  /** Everything that does not say when, where and how fast. */
  private static final List<String> TABLES =
      List.of(
          "SELECT run, cell, status, place, task, algorithm, label, ablation, patch_type, seed,"
              + " spec, edges, official_edges, prompts, score_prompts, verdict, scores, page, device,"
              + " kernels, threads FROM runs ORDER BY place",
          "SELECT run, scope, name, s.value FROM settings s JOIN runs r ON r.id = run_id"
              + " ORDER BY 1, 2, 3",
          "SELECT * FROM results",
          "SELECT * FROM prompt_results ORDER BY run, metric, edges, prompt",
          "SELECT run, c.edges, live_edges, found FROM circuits c JOIN runs r ON r.id = run_id"
              + " ORDER BY 1, 2",
          "SELECT run, point, false_positive_rate, true_positive_rate FROM roc_points JOIN runs r"
              + " ON r.id = run_id ORDER BY 1, 2",
          "SELECT a.run, b.run, s.edges, share FROM similarity s JOIN runs a ON a.id = run_id"
              + " JOIN runs b ON b.id = other_id ORDER BY 1, 2, 3",
          "SELECT run, what FROM timings JOIN runs r ON r.id = run_id ORDER BY 1, 2",
          "SELECT run, line, text FROM notices JOIN runs r ON r.id = run_id ORDER BY 1, 2",
          "SELECT run, area, metric, a.value, low, high FROM areas a JOIN runs r ON r.id = run_id"
              + " ORDER BY 1, 2, 3",
          "SELECT run, s.place, threshold, chosen, s.edges FROM selections s JOIN runs r ON r.id ="
              + " run_id ORDER BY 1, 2",
          "SELECT run, metric, m.edges, low, high FROM intervals JOIN measurements m ON m.id ="
              + " measurement_id JOIN runs r ON r.id = run_id ORDER BY 1, 2, 3",
          "SELECT * FROM metrics ORDER BY 1",
          "SELECT host, system, processor, cores, java, library, libtorch FROM machines");

  @TempDir Path folder;

  private static List<Cell> cells(String yaml) {
    return ExperimentSpec.parse(yaml, "test.yaml", Path.of("")).cells(task -> null);
  }

  private static Experiment open(List<Cell> cells, Path directory) {
    return Experiment.open("Test", cells, directory, MEANS);
  }

  /** A store as text, without what differs between two runs of the same. */
  private static List<String> rows(Path store) throws SQLException {
    List<String> all = new ArrayList<>();
    try (Connection c =
            DriverManager.getConnection("jdbc:sqlite:" + store.resolve(ExperimentStore.FILE));
        Statement s = c.createStatement()) {
      for (String table : TABLES) {
        try (ResultSet r = s.executeQuery(table)) {
          while (r.next()) {
            StringBuilder row = new StringBuilder();
            for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) {
              row.append(r.getObject(i)).append('|');
            }
            all.add(row.toString());
          }
        }
      }
    }
    return all;
  }

  /** Each cell in a store of its own, one of them twice, in any order: the same as at once. */
  @Test
  void cellsThatAreRunElsewhereMakeTheSameStore() throws SQLException, IOException {
    Path here = folder.resolve("here");
    Path parts = folder.resolve("parts");
    try (Experiment e = open(cells(USUAL), here)) {
      assertEquals(4, e.run(Experiment.Watcher.SILENT).run());
    }
    Path there = folder.resolve("there");
    List<ExperimentStore.Taken> taken = new ArrayList<>();
    try (RunResources shared = new RunResources();
        Experiment e = open(cells(USUAL), there)) {
      Experiment.Summary summary =
          e.run(
              left -> {
                assertEquals(e.cells(), left);
                List<String> keys = new ArrayList<>(left.keySet());
                java.util.Collections.reverse(keys);
                for (String key : keys) {
                  // as it travels: text
                  Cell cell = left.get(key);
                  RunSpec spec = RunSpec.parse(cell.spec().orElseThrow().json(), "a cell");
                  Cell sent =
                      new Cell(
                          cell.task(),
                          cell.algorithm(),
                          cell.label(),
                          cell.coordinates(),
                          Optional.of(spec),
                          Optional.empty());
                  Path part = parts.resolve(key);
                  try (Experiment one =
                      Experiment.open(
                          "Part",
                          List.of(sent),
                          part,
                          MEANS,
                          ExperimentSpec.Checks.NONE,
                          Optional.empty(),
                          shared)) {
                    assertEquals(List.of(key), List.copyOf(one.cells().keySet()));
                    one.run(Experiment.Watcher.SILENT);
                  }
                  taken.addAll(e.store().merge(part));
                  assertEquals(List.of(), e.store().merge(part), "a second time");
                }
              },
              Experiment.Watcher.SILENT);
      assertEquals(new Experiment.Summary(4, 0, 4, 0), summary);
      assertEquals(4, taken.size());
      assertTrue(taken.stream().allMatch(t -> t.failure().isEmpty() && t.seconds() > 0));
    }
    assertEquals(rows(here), rows(there));
    try (Stream<Path> scores = Files.list(here.resolve(ExperimentStore.SCORES))) {
      for (Path file : scores.toList()) {
        assertArrayEquals(
            Files.readAllBytes(file),
            Files.readAllBytes(there.resolve(ExperimentStore.SCORES).resolve(file.getFileName())));
      }
    }
    // and nothing is left to be run, here or elsewhere
    try (Experiment e = open(cells(USUAL), there)) {
      assertEquals(
          new Experiment.Summary(4, 4, 0, 0),
          e.run(left -> assertEquals(Map.of(), left), Experiment.Watcher.SILENT));
    }
  }

  @Test
  void aStoreTakesCellsThatItDidNotPlan() throws SQLException {
    Path one = folder.resolve("one");
    Path two = folder.resolve("two");
    String other = USUAL.replace("[resample, zero]", "[zero, tokenwise_mean_corrupt]");
    for (Map.Entry<Path, String> e : Map.of(one, USUAL, two, other).entrySet()) {
      try (Experiment experiment = open(cells(e.getValue()), e.getKey())) {
        experiment.run(Experiment.Watcher.SILENT);
      }
    }
    try (ExperimentStore store = ExperimentStore.open(one)) {
      assertEquals(2, store.merge(two).size());
      store.compare();
      ExperimentResults results = store.results();
      assertEquals(
          List.of(
              "resample",
              "zero",
              "resample",
              "zero",
              "tokenwise_mean_corrupt",
              "tokenwise_mean_corrupt"),
          results.cells().stream().map(CellResult::ablation).toList());
      // of each pair of one ablation
      assertEquals(3, results.similarity().stream().filter(s -> s.edges() == 9).count());
      assertTrue(results.cells().get(5).edgeScores().isPresent());
    }
  }

  /** What fails elsewhere fails here, once; a file that is another there is a failure. */
  @Test
  void failuresAreTakenOnce() throws IOException {
    Path model = Files.createDirectories(folder.resolve("model"));
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(io.autocircuit.task.EmbeddedTask.directory().resolve(file), model.resolve(file));
    }
    Path prompts = folder.resolve("prompts.json");
    byte[] bytes = io.autocircuit.task.EmbeddedTask.promptBytes();
    Files.write(prompts, bytes);
    String yaml =
        "tasks: [{model: "
            + model
            + ", dataset: "
            + prompts
            + ", name: mine}]\n"
            + "algorithms: [eap]\nrandom_baseline: false\nedges: [3]\nmetrics: [kl_div]\n";
    Path part = folder.resolve("part");
    try (Experiment e = open(cells(yaml), folder.resolve("store"))) {
      Experiment.Elsewhere elsewhere =
          left -> {
            try (Experiment one = open(List.copyOf(left.values()), part)) {
              assertEquals(left.keySet(), one.cells().keySet());
              one.run(Experiment.Watcher.SILENT);
            }
            assertEquals(1, e.store().merge(part).size());
            e.store().merge(part);
          };
      Files.writeString(prompts, "\n", java.nio.file.StandardOpenOption.APPEND);
      assertEquals(1, e.run(elsewhere, Experiment.Watcher.SILENT).failed());
      List<ExperimentResults.Failure> failures = e.store().results().failures();
      assertEquals(1, failures.size());
      assertTrue(failures.get(0).message().contains("prompts=" + prompts), failures.toString());
      Files.write(prompts, bytes);
      assertEquals(0, e.run(elsewhere, Experiment.Watcher.SILENT).failed());
      assertEquals(1, e.store().results().cells().size());
    }
  }

  /** A store that anybody wrote replaces no file of another cell, nor the database. */
  @Test
  void aStoreNamesNoFilesButItsOwn() throws SQLException, IOException {
    Path from = folder.resolve("from");
    try (Experiment e = open(cells(USUAL.replace("[resample, zero]", "[zero]")), from)) {
      e.run(Experiment.Watcher.SILENT);
    }
    Path to = folder.resolve("to");
    String run;
    try (Experiment e = open(cells(USUAL.replace("[resample, zero]", "[resample]")), to)) {
      e.run(Experiment.Watcher.SILENT);
      run = e.cells().keySet().iterator().next();
    }
    Path scores = to.resolve("scores").resolve(run + ".safetensors");
    byte[] before = Files.readAllBytes(scores);
    Files.copy(scores, from.resolve("scores").resolve(run + ".safetensors"));
    Files.createDirectories(from.resolve("circuits"));
    Files.writeString(from.resolve("circuits").resolve(run.substring(0, 16) + ".html"), "x");
    Files.writeString(folder.resolve("secret"), "x");
    refused(from, to, "scores", "scores/../../secret");
    refused(from, to, "scores", "experiment.db");
    refused(from, to, "scores", "scores/" + run + ".safetensors");
    refused(from, to, "page", "scores/" + run + ".safetensors");
    refused(from, to, "page", "circuits/" + run.substring(0, 16) + ".html");
    refused(from, to, "run", "../" + run.substring(3));
    assertArrayEquals(before, Files.readAllBytes(scores));
    // columns of its own have no say
    sql(from, "ALTER TABLE runs ADD COLUMN \"x) VALUES (1); --\" TEXT");
    try (ExperimentStore store = ExperimentStore.open(to)) {
      assertEquals(2, store.merge(from).size());
      assertThrows(DataException.class, () -> store.merge(folder.resolve("nothing")));
    }
  }

  private static void refused(Path from, Path to, String column, String value) throws SQLException {
    String id = "(SELECT min(id) FROM runs)";
    String was;
    try (Connection c =
            DriverManager.getConnection("jdbc:sqlite:" + from.resolve(ExperimentStore.FILE));
        Statement s = c.createStatement();
        ResultSet r = s.executeQuery("SELECT " + column + " FROM runs WHERE id = " + id)) {
      was = r.getString(1);
    }
    sql(from, "UPDATE runs SET " + column + " = '" + value + "' WHERE id = " + id);
    try (ExperimentStore store = ExperimentStore.open(to)) {
      DataException e = assertThrows(DataException.class, () -> store.merge(from));
      assertTrue(e.getMessage().contains(column + "=\"" + value + "\""), e.getMessage());
      assertEquals(2, store.results().cells().size());
    }
    sql(
        from,
        "UPDATE runs SET "
            + column
            + " = "
            + (was == null ? "NULL" : "'" + was + "'")
            + " WHERE id = "
            + id);
  }

  private static void sql(Path store, String... statements) throws SQLException {
    try (Connection c =
            DriverManager.getConnection("jdbc:sqlite:" + store.resolve(ExperimentStore.FILE));
        Statement s = c.createStatement()) {
      for (String statement : statements) {
        s.execute(statement);
      }
    }
  }

  /** What failed elsewhere is not taken while another process has the cell. */
  @Test
  void aFailureLeavesAClaimedCellAlone() throws Exception {
    Path from = folder.resolve("from");
    Path to = folder.resolve("to");
    List<Cell> cells = cells(USUAL.replace("[resample, zero]", "[zero]"));
    Process other = new ProcessBuilder("sleep", "60").start();
    try (Experiment there = open(cells, from);
        Experiment here = open(cells, to)) {
      List<String> keys = List.copyOf(here.cells().keySet());
      for (String key : keys) {
        there.store().fail(key, "a cell", "out of luck", "");
      }
      sql(
          to,
          "INSERT INTO claims VALUES ('"
              + keys.get(0)
              + "', '"
              + ThisMachine.host()
              + "', "
              + other.pid()
              + ", '"
              + other.info().startInstant().orElseThrow()
              + "', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z')");
      assertEquals(
          List.of(keys.get(1)),
          here.store().merge(from).stream().map(ExperimentStore.Taken::run).toList());
      assertEquals(1, here.store().claimedByOthers());
      assertEquals(ExperimentStore.Status.WAITING, here.store().statuses().get(keys.get(0)));
      assertEquals(1, here.store().results().failures().size());
    } finally {
      other.destroyForcibly();
      other.waitFor(10, java.util.concurrent.TimeUnit.SECONDS);
    }
  }

  /** A cell that cannot be run at all is recorded where it is, and is not sent. */
  @Test
  void refusedCellsAreNotSent() {
    String yaml =
        "tasks: [ioi, induction]\nalgorithms: [eap]\nrandom_baseline: false\nedges: [3]\n";
    List<Cell> cells =
        ExperimentSpec.parse(yaml, "test.yaml", Path.of(""))
            .cells(
                task -> {
                  throw new DataException("no model for task=" + task.key());
                });
    List<String> failed = new ArrayList<>();
    Experiment.Watcher watcher =
        new Experiment.Watcher() {
          @Override
          public Progress began(Cell cell, int done, int total) {
            throw new AssertionError("nothing is run here");
          }

          @Override
          public void failed(Cell cell, String message) {
            failed.add(message);
          }
        };
    try (Experiment e = open(cells, folder)) {
      List<Integer> sent = new ArrayList<>();
      Experiment.Summary summary = e.run(left -> sent.add(left.size()), watcher);
      assertEquals(List.of(1), sent);
      assertEquals(List.of("no model for task=ioi"), failed);
      assertEquals(1, summary.failed());
      // what was not brought is not done: the next time it is sent again
      assertEquals(1, e.store().results().waiting());
    }
  }
}
