package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.ExperimentStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code results}: what it prints of a store, exports, and refuses. */
class ResultsCommandTest {
  @TempDir private Path folder;
  private Path store;

  /** Two tasks, two algorithms; the last cell failed, and one waits. */
  @BeforeEach
  void writeAStore() throws SQLException {
    store = folder.resolve("experiment");
    ExperimentStore.create(store, "two tasks").close();
    try (Connection c =
            DriverManager.getConnection("jdbc:sqlite:" + store.resolve("experiment.db"));
        Statement s = c.createStatement()) {
      s.executeUpdate("INSERT INTO metrics VALUES ('kl_div', 'KL', 'd', 1, 1, 1)");
      String[] tasks = {"induction", "reverse", "sort"};
      int id = 0;
      for (String task : tasks) {
        for (String algorithm : new String[] {"eap", "random"}) {
          id++;
          String status = id == 5 ? "failed" : id == 6 ? "waiting" : "done";
          s.executeUpdate(
              "INSERT INTO runs (id, run, cell, status, place, task, algorithm, label, ablation,"
                  + " patch_type, seed, edges, prompts, score_prompts, scores) VALUES (%d, 'run%d',"
                      .formatted(id, id)
                  + " 'cell%d', '%s', %d, '%s', '%s', '%s', 'zero', 'tree', 1, 100, 8, 8, 's')"
                      .formatted(id, status, id, task, algorithm, algorithm.toUpperCase()));
          for (int edges : new int[] {0, 10, 100}) {
            s.executeUpdate(
                "INSERT INTO measurements (run_id, metric, edges, value) VALUES (%d, 'kl_div', %d, %s)"
                    .formatted(id, edges, edges == 0 ? 2 : id * 0.25 * 10 / edges));
          }
          for (String what : new String[] {"plain", "score", "judge"}) {
            s.executeUpdate("INSERT INTO timings VALUES (%d, '%s', %d)".formatted(id, what, id));
          }
        }
      }
      s.executeUpdate(
          "INSERT INTO failures (run, cell, message, details, failed) VALUES ('run5',"
              + " 'sort, EAP', 'prompts=0', '', 'now')");
    }
  }

  private Ran results(Object... words) {
    Object[] all = new Object[words.length + 2];
    all[0] = "results";
    all[1] = store;
    System.arraycopy(words, 0, all, 2, words.length);
    return Ran.command(all);
  }

  private static void assertLines(Ran ran, String... lines) {
    assertEquals(0, ran.code(), ran::err);
    assertEquals("", ran.err());
    assertEquals(List.of(lines), ran.out().lines().toList());
  }

  @Test
  void aSummary() {
    assertLines(
        results(),
        "two tasks: 4 cells done, 1 failed, 1 waiting",
        "",
        "Area under the curve: KL divergence from the full model; lower is better",
        "algorithm  induction   reverse",
        "EAP           -1.403*  -0.9260*",
        "RANDOM        -1.102   -0.8010",
        "* best of its column",
        "",
        "failed",
        "  sort, EAP: prompts=0");
  }

  @Test
  void aTable() {
    assertLines(
        results("--table", "task,algorithm", "--metric", "kl_div", "--edges", 10),
        "KL divergence from the full model at 10 edges; lower is better",
        "task          EAP   RANDOM",
        "induction  0.2500*   0.500*",
        "reverse    0.7500    1.000",
        "* best of its column");
    assertLines(
        results("--metric", "seconds", "--only", "task=reverse", "--format", "markdown"),
        "Seconds to score; lower is better",
        "",
        "| algorithm |   reverse |",
        "|-----------|----------:|",
        "| EAP       | **3.000** |",
        "| RANDOM    |     4.000 |");
  }

  @Test
  void ranks() {
    assertLines(
        results("--ranks", "--metric", "kl_div", "--edges", 10),
        "Rank by KL divergence from the full model at 10 edges, the lowest first; equal",
        "  ones share the mean of their places; all tasks: the mean over 2; lower is",
        "  better; in brackets the 95 % interval over tasks",
        "algorithm  induction   reverse           all tasks",
        "EAP             1.00*     1.00*  1.00 [1.00, 1.00]*",
        "RANDOM          2.00      2.00   2.00 [2.00, 2.00]",
        "* best of its column");
    Ran ran = results("--ranks", "--table", "task");
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--table does not go with --ranks"), ran.err());
  }

  @Test
  void filesForOtherPrograms() throws java.io.IOException {
    Path csv = folder.resolve("all.csv");
    Path json = folder.resolve("all.json");
    assertLines(results("--csv", csv, "--json", json), "wrote " + csv, "wrote " + json);
    List<String> lines = Files.readAllLines(csv);
    assertEquals(13, lines.size());
    assertEquals(
        "run,task,algorithm,label,ablation,patch_type,seed,metric,edges,value", lines.get(0));
    assertEquals("run2,induction,random,RANDOM,zero,tree,1,kl_div,10,0.5", lines.get(5));
    assertTrue(Files.readString(json).contains("\"title\" : \"two tasks\""));
  }

  @Test
  void mistakesAreOneLine() {
    Ran none = Ran.command("results", folder);
    assertEquals(1, none.code());
    assertTrue(none.err().contains("holds no experiment.db"), none.err());
    for (String[] words :
        new String[][] {
          {"--table", "algoritm", "unknown axis \"algoritm\": did you mean \"algorithm\""},
          {"--metric", "kldiv", "unknown metric \"kldiv\": did you mean \"kl_div\""},
          {"--ablation", "zeros", "unknown ablation \"zeros\": did you mean \"zero\""},
          {"--only", "taks=x", "unknown axis \"taks\": did you mean \"task\""},
          {"--format", "latx", "\"latx\" is unknown; did you mean \"latex\""},
          {"--metric", "roc", "value=roc: none of the cells=4 has it"}
        }) {
      Ran ran = results(words[0], words[1]);
      assertEquals(2, ran.code(), ran::err);
      assertEquals(1, ran.err().lines().count(), ran::err);
      assertTrue(ran.err().contains(words[2]), ran::err);
      assertFalse(ran.out().contains("Exception"), ran::out);
    }
  }
}
