package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.ExperimentResults.SimilarityResult;
import io.autocircuit.files.DataException;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.report.ResultValue;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the cells of a store have in common, against the scores beside it. */
class StoredSimilarityTest {
  private static final Run.Means MEANS =
      new Run.Means(Optional.empty(), Optional.of(1), Optional.of(new MemoryBudget(1L << 30)));
  private static final String FILE =
      "tasks: [induction]\n"
          + "algorithms: [ground-truth, activation-magnitude, random, eap]\n"
          + "edges: [3, 20]\n"
          + "seeds: [1, 2]\n"
          + "metrics: kl_div\n";

  @TempDir Path folder;

  private ExperimentResults run() {
    List<Cell> cells =
        ExperimentSpec.parse(FILE, "test.yaml", Path.of(""))
            .cells(
                task -> {
                  throw new DataException("no model");
                });
    try (Experiment e = Experiment.open("Test", cells, folder, MEANS)) {
      assertEquals(5, e.run(Experiment.Watcher.SILENT).cells());
    }
    try (ExperimentStore store = ExperimentStore.open(folder)) {
      return store.results();
    }
  }

  private static Set<Integer> best(float[] scores, int n) {
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted((a, b) -> Float.compare(Math.abs(scores[b]), Math.abs(scores[a])))
        .limit(n)
        .collect(Collectors.toSet());
  }

  private static CellResult cell(ExperimentResults results, String run) {
    return results.cells().stream().filter(c -> c.run().equals(run)).findFirst().orElseThrow();
  }

  private static CellResult renamed(CellResult c, String run) {
    return new CellResult(
        run,
        c.task(),
        c.algorithm(),
        c.label(),
        c.ablation(),
        c.patchType(),
        c.seed(),
        c.settings(),
        c.edges(),
        c.official(),
        c.prompts(),
        c.scorePrompts(),
        c.series(),
        c.roc(),
        c.liveEdges(),
        c.found(),
        c.cost(),
        c.verdict(),
        c.notices(),
        c.scores(),
        c.page());
  }

  /** Pairs grow with the square of the cells. */
  private static void assertLargeGroupsAreNotCompared(CellResult cell) {
    for (int count : new int[] {200, 201}) {
      List<CellResult> cells =
          IntStream.range(0, count).mapToObj(i -> renamed(cell, "run " + i)).toList();
      int pairs = count * (count - 1) / 2;
      assertEquals(count == 200 ? 3 * pairs : 0, StoredSimilarity.of(cells).size());
    }
  }

  @Test
  void everyPairOfASeedIsCompared() throws SQLException {
    ExperimentResults results = run();
    // of the first seed six pairs, and random scores of both; at 9 (the known circuit), 3 and 20
    assertEquals(7 * 3, results.similarity().size());
    int shares = 0;
    for (SimilarityResult s : results.similarity()) {
      CellResult a = cell(results, s.run());
      CellResult b = cell(results, s.other());
      boolean known = a.algorithm().equals("ground-truth") || b.algorithm().equals("ground-truth");
      boolean tied = List.of(a.algorithm(), b.algorithm()).contains("activation-magnitude");
      if (tied || (known && s.edges() != 9)) { // its scores are those of sources; a circuit's, 0, 1
        assertTrue(Double.isNaN(s.share()), s::toString);
        continue;
      }
      Set<Integer> both = new HashSet<>(best(a.edgeScores().orElseThrow(), s.edges()));
      both.retainAll(best(b.edgeScores().orElseThrow(), s.edges()));
      assertEquals((double) both.size() / s.edges(), s.share(), 1e-12);
      shares++;
    }
    assertEquals(2 + 2 * 3, shares);
    ResultValue eap =
        ResultValue.of(results, "similarity", Optional.of("EAP"), Optional.of("official"));
    CellResult known =
        results.cells().stream()
            .filter(c -> c.algorithm().equals("ground-truth"))
            .findFirst()
            .orElseThrow();
    assertEquals(
        results.similarity().stream()
            .filter(s -> s.edges() == 9)
            .filter(s -> s.run().equals(known.run()))
            .filter(s -> cell(results, s.other()).algorithm().equals("eap"))
            .mapToDouble(SimilarityResult::share)
            .sum(),
        eap.of().apply(known).getAsDouble());
    assertMistakes(results);
    assertLargeGroupsAreNotCompared(known);
    // a store that was made before it had the table gets it
    try (Connection c =
            DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("experiment.db"));
        Statement s = c.createStatement()) {
      s.executeUpdate("DROP TABLE similarity");
    }
    assertEquals(results.similarity().toString(), run().similarity().toString());
  }

  private static void assertMistakes(ExperimentResults results) {
    for (String[] wrong :
        new String[][] {
          {null, "9", "metric=similarity compares with an algorithm; name it with --of"},
          {"eapp", "9", "unknown algorithm \"eapp\": did you mean \"eap\""},
          {
            "eap", null, "metric=similarity has a value at each size; choose one with --edges (3, 9"
          },
          {"eap", "4", "edges=4: cells were not compared at this size; compared: 3, 9, 20"}
        }) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      ResultValue.of(
                          results,
                          "similarity",
                          Optional.ofNullable(wrong[0]),
                          Optional.ofNullable(wrong[1])),
                  () -> Arrays.toString(wrong))
              .getMessage();
      assertTrue(message.contains(wrong[2]), message);
    }
  }
}
