package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.ExperimentStore;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Experiments in processes that are killed, or that share a store. */
@Tag("alone")
class ExperimentProcessesTest {
  /** How often a sweep is killed; {@code -Dautocircuit.test.kills=100} for more. */
  private static final int KILLS = Integer.getInteger("autocircuit.test.kills", 8);

  private static final long SECONDS = 120;
  private static final Pattern FINISHED = Pattern.compile("\\d+/\\d+ .*: \\d+\\.\\d\\d s.*");

  @TempDir static Path folder;

  private static List<String> undisturbed;

  @BeforeAll
  static void anUndisturbedSweep() throws Exception {
    Files.writeString(
        folder.resolve("sweep.yaml"),
        "title: Sweep\n"
            + "tasks: [induction]\n"
            + "algorithms: [random, eap]\n"
            + "edges: [3, 9, all]\n"
            + "metrics: [kl_div, logit_diff]\n"
            + "train: 16\n"
            + "test: 16\n"
            + "seeds: ["
            + numbers(30)
            + "]\n");
    assertEquals(0, start("alone").waitFor());
    undisturbed = rows("alone");
    assertEquals(2 * 3 * 60, undisturbed.size());
  }

  private static String numbers(int count) {
    List<String> all = new ArrayList<>();
    for (int i = 1; i <= count; i++) {
      all.add(String.valueOf(i));
    }
    return String.join(", ", all);
  }

  /**
   * Whenever a sweep is killed, at most the cell in flight is lost, and the numbers are the same.
   */
  @Test
  void killsLoseAtMostTheCellInFlight() throws Exception {
    Random random = new Random(11);
    int stores = 0;
    int mostAtOnce = 0;
    for (int kill = 0; kill < KILLS; stores++) {
      String store = "killed" + stores;
      boolean ended = false;
      while (!ended && kill < KILLS) {
        int before = done(store);
        int printed = killed(store, random.nextInt(7), random.nextInt(60));
        int after = done(store);
        assertTrue(
            after >= before + printed,
            "finished cells=" + printed + " were printed, there are " + (after - before) + " more");
        mostAtOnce = Math.max(mostAtOnce, after - before);
        ended = after == 60;
        kill++;
      }
      assertEquals(0, start(store).waitFor());
      assertEquals(undisturbed, rows(store), store);
    }
    assertTrue(mostAtOnce > 0, "some cells were finished before a kill");
    System.out.println(
        "kills=" + KILLS + " in stores=" + stores + ", at most " + mostAtOnce + " cells between");
  }

  /** Starts a sweep and kills it some time after so many cells; how many cells it printed. */
  private static int killed(String store, int cells, int afterMillis) throws Exception {
    Process process = start(store);
    int printed = 0;
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line = out.readLine();
      assertTrue(line != null && line.startsWith("Sweep: "), "first line: " + line);
      while (printed < cells && (line = out.readLine()) != null) {
        printed += FINISHED.matcher(line).matches() ? 1 : 0;
      }
      Thread.sleep(afterMillis);
      process.toHandle().destroyForcibly(); // leaves what it has printed readable
      while ((line = out.readLine()) != null) {
        printed += FINISHED.matcher(line).matches() ? 1 : 0;
      }
    }
    assertTrue(process.waitFor(SECONDS, TimeUnit.SECONDS));
    return printed;
  }

  /** Two processes that nobody told of each other share the cells of a store. */
  @Test
  void twoProcessesShareAStore() throws Exception {
    Process first = start("shared");
    Process second = start("shared");
    List<String> cells = new ArrayList<>(finished(first));
    int ofFirst = cells.size();
    cells.addAll(finished(second));
    assertEquals(0, first.waitFor());
    assertEquals(0, second.waitFor());
    assertEquals(60, cells.size(), "each cell once");
    assertEquals(60, new HashSet<>(cells).size(), "each cell once");
    assertTrue(ofFirst > 0 && ofFirst < 60, "both work: cells of the first=" + ofFirst);
    assertEquals(undisturbed, rows("shared"));
  }

  /** {@code --workers 2} starts the second process itself. */
  @Test
  void workersShareAStore() throws Exception {
    Process process = start("workers", "--workers", "2");
    List<String> cells = finished(process);
    assertEquals(0, process.waitFor());
    assertEquals(60, new HashSet<>(cells).size(), "lines of both processes");
    assertEquals(undisturbed, rows("workers"));
  }

  /** The names of the cells that a process says it has finished. */
  private static List<String> finished(Process process) throws IOException {
    List<String> cells = new ArrayList<>();
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line;
      while ((line = out.readLine()) != null) {
        if (FINISHED.matcher(line).matches()) {
          cells.add(line.substring(line.indexOf(' ') + 1, line.lastIndexOf(':')));
        }
      }
    }
    return cells;
  }

  private static Process start(String store, String... more) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                DiscoverKillTest.classPath(),
                Main.class.getName(),
                "experiment",
                "sweep.yaml",
                "--out",
                store,
                "--no-pages",
                "--threads",
                "1",
                "--memory",
                "1g"));
    command.addAll(List.of(more));
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.redirectError(folder.resolve("errors.txt").toFile());
    return builder.start();
  }

  private static int done(String store) throws SQLException {
    if (!Files.exists(folder.resolve(store).resolve(ExperimentStore.FILE))) {
      return 0;
    }
    return Integer.parseInt(query(store, "SELECT count(*) FROM runs WHERE status = 'done'").get(0));
  }

  /** Everything that was measured, with the bits of the numbers; nothing is left half. */
  private static List<String> rows(String store) throws SQLException {
    assertEquals(List.of("ok"), query(store, "PRAGMA integrity_check"));
    assertEquals(List.of(), query(store, "SELECT run FROM claims"));
    assertEquals(List.of(), query(store, "SELECT run FROM failures"));
    assertEquals(
        List.of("0"),
        query(
            store,
            "SELECT count(*) FROM measurements m WHERE 16 <> (SELECT count(*) FROM"
                + " prompt_measurements p WHERE p.measurement_id = m.id)"));
    return query(
        store,
        "SELECT run || ' ' || metric || ' ' || edges || ' ' || printf('%.17g', value) FROM results"
            + " ORDER BY run, metric, edges");
  }

  private static List<String> query(String store, String sql) throws SQLException {
    Path file = folder.resolve(store).resolve(ExperimentStore.FILE);
    try (Connection c = DriverManager.getConnection("jdbc:sqlite:" + file);
        Statement s = c.createStatement();
        ResultSet r = s.executeQuery(sql)) {
      List<String> rows = new ArrayList<>();
      while (r.next()) {
        rows.add(r.getString(1));
      }
      return rows;
    }
  }
}
