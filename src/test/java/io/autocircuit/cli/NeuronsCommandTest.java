package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code neurons}: scores of dimensions, and circuits of them. */
class NeuronsCommandTest {
  @TempDir static Path folder;

  private static Results run;

  @BeforeAll
  static void discover() throws IOException {
    run = Results.discover(folder.resolve("run"), "--edges", "0,9,all");
  }

  private static Ran neurons(Object... words) {
    List<Object> line = new ArrayList<>(List.of("neurons", run.directory()));
    line.addAll(List.of("--out", folder.resolve("neurons.safetensors")));
    line.addAll(List.of(words));
    return Ran.command(line.toArray());
  }

  /** The rows of the table: what, edges, left if pruned, weighted, metrics. */
  private static List<double[]> rows(Ran ran) {
    assertEquals(0, ran.code(), ran::err);
    List<double[]> rows = new ArrayList<>();
    for (String line : ran.out().lines().toList()) {
      if (line.strip().matches("[\\d,]+( +[-\\d.,e]+)+( +from .*)?")) {
        List<Double> row = new ArrayList<>();
        for (String word : line.replaceFirst("from", "").strip().split(" +")) {
          row.add(Double.parseDouble(word.replace(",", "")));
        }
        rows.add(row.stream().mapToDouble(d -> d).toArray());
      }
    }
    return rows;
  }

  @Test
  void circuitsGoFromNothingToTheModel() throws IOException {
    Ran ran = neurons("--best", 2, "--sizes", "0,40,all", "--prune", "--metrics", "logit_diff");
    assertTrue(ran.out().contains("circuits of neurons: top by |score|, pruned"), ran::out);
    List<double[]> rows = rows(ran);
    assertEquals(3, rows.size(), ran::out);
    long all;
    try (Safetensors file = Safetensors.open(folder.resolve("neurons.safetensors"))) {
      long[] shape = file.shape("neurons");
      all = shape[0] * shape[1];
    }
    double[] none = rows.get(0);
    double[] some = rows.get(1);
    double[] full = rows.get(2);
    assertEquals(List.of(0.0, 0.0, 0.0, 0.0), List.of(none[0], none[1], none[2], none[3]));
    assertEquals(
        List.of((double) all, 81.0, 81.0, 81.0), List.of(full[0], full[1], full[2], full[3]));
    close(run.metric("logit_diff").get(0), none[4]);
    close(run.metric("logit_diff").get(81), full[4]);
    assertEquals(40, some[0]);
    assertTrue(some[1] >= some[2] && some[2] > some[3] && some[3] > 0, ran::out);
  }

  private static void close(double want, double got) {
    assertEquals(want, got, 1e-3 * Math.abs(want));
  }

  @Test
  void nodesMayLeaveOutTheStartOfTheStream() {
    Ran ran = neurons("--best", 0, "--of", "nodes", "--sizes", "mib", "--signed");
    List<double[]> rows = rows(ran);
    assertTrue(ran.out().contains("circuits of nodes: top by signed score"), ran::out);
    double[] last = rows.get(rows.size() - 1);
    assertEquals(List.of(9.0, 81.0, 81.0), List.of(last[0], last[1], last[2]), "8 and the start");
    assertTrue(rows.get(0)[1] < rows.get(1)[1], ran::out);
    assertTrue(ran.out().contains("\nlogit_diff: CPR "), ran::out);
    assertTrue(ran.out().contains(", CMD "), ran::out);
  }

  @Test
  void thresholdsChooseToo() {
    Ran ran = neurons("--best", 1, "--select", "threshold", "--thresholds", "0.01,1");
    List<double[]> rows = rows(ran);
    assertEquals(2, rows.size(), ran::out);
    assertTrue(rows.get(0)[0] < rows.get(1)[0], "the larger threshold first");
    assertEquals(1, rows.get(0)[rows.get(0).length - 1], ran::out);
  }

  @Test
  void mistakesAreOneLine() {
    wrong("--select=greedy goes from edge to edge", "--select", "greedy", "--sizes", 3);
    wrong("give their --sizes too", "--prune");
    wrong("give their --sizes too", "--of", "nodes");
    wrong("--sizes does not go with --select threshold", "--sizes", 3, "--select", "threshold");
    wrong("are too many for a table", "--sizes", 3, "--metrics", "a,b,c,d");
    wrong("exceeds the graph's nodes=9", "--of", "nodes", "--sizes", 10);
  }

  private static void wrong(String why, Object... words) {
    Ran ran = neurons(words);
    assertEquals(2, ran.code(), ran::out);
    assertTrue(ran.err().contains(why), ran::err);
  }
}
