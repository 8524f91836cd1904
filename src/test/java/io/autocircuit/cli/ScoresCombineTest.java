package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.formats.ScoreEnsemble;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.Edge;
import io.autocircuit.patch.PruneScores;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code scores combine}. */
class ScoresCombineTest {
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(1, 2, Wiring.SEQUENTIAL, true, 2);

  @TempDir Path folder;

  private static PruneScores scores(float first, float second) {
    float[] values = new float[GRAPH.edgeCount()];
    for (int e = 0; e < values.length; e++) {
      values[e] = e % 2 == 0 ? first : second * e;
    }
    return new PruneScores(GRAPH, values);
  }

  private float[] combined(Object... more) {
    Path a = folder.resolve("a.safetensors");
    Path b = folder.resolve("b.safetensors");
    Path out = folder.resolve("out.safetensors");
    scores(4, 1).write(a, Map.of());
    scores(-6, 0.5f).write(b, Map.of());
    Object[] words = new Object[more.length + 6];
    System.arraycopy(new Object[] {"scores", "combine", a, b, "--out", out}, 0, words, 0, 6);
    System.arraycopy(more, 0, words, 6, more.length);
    Ran ran = Ran.command(words);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().endsWith(" of 2, " + GRAPH.edgeCount() + " edges: " + out + "\n"));
    assertTrue(PruneScores.metadata(out).get("algorithm").endsWith(" of 2"));
    return PruneScores.read(out, GRAPH).values();
  }

  @Test
  void eachWayOfCombining() {
    assertArrayEquals(scores(-1, 0.75f).values(), combined());
    assertArrayEquals(scores(-6, 1).values(), combined("--how", "max"));
    assertArrayEquals(scores(4, 0.5f).values(), combined("--how", "min"));
    assertArrayEquals(
        scores(-3.5f, 0.625f).values(), combined("--how", "weighted", "--weights", "1,3"));
  }

  @Test
  void sizesIntoEveryInputHaveTheSumOne() {
    float[] normal = combined("--how", "max", "--normalize", "receiver");
    float[] a = ScoreEnsemble.perReceiver(scores(4, 1)).values();
    float[] b = ScoreEnsemble.perReceiver(scores(-6, 0.5f)).values();
    Map<String, Double> sums = new HashMap<>();
    for (int e = 0; e < a.length; e++) {
      Edge edge = GRAPH.edge(e);
      sums.merge(edge.destination() + "@" + edge.position(), (double) Math.abs(a[e]), Double::sum);
      assertEquals(Math.signum(scores(4, 1).values()[e]), Math.signum(a[e]));
      assertEquals(Math.abs(a[e]) >= Math.abs(b[e]) ? a[e] : b[e], normal[e]);
    }
    assertTrue(sums.size() > 8);
    sums.forEach((input, sum) -> assertEquals(1, sum, 1e-6, input));
  }

  @Test
  void infiniteScoresAndZerosStay() {
    float[] values = new float[GRAPH.edgeCount()];
    values[0] = Float.POSITIVE_INFINITY;
    PruneScores one = new PruneScores(GRAPH, values);
    assertArrayEquals(values, ScoreEnsemble.perReceiver(one).values());
    assertArrayEquals(
        values, ScoreEnsemble.MEAN.of(List.of(one, one, scores(0, 0)), List.of()).values());
  }

  @Test
  void whatDoesNotFitIsRefused() {
    ComputationGraph graph = ComputationGraph.factorized(1, 1, Wiring.SEQUENTIAL, true, 0);
    PruneScores other = new PruneScores(graph, new float[graph.edgeCount()]);
    assertThrows(
        IllegalArgumentException.class,
        () -> ScoreEnsemble.MEAN.of(List.of(scores(1, 1), other), List.of()));
    Path a = folder.resolve("a.safetensors");
    scores(1, 1).write(a, Map.of());
    Path out = folder.resolve("out.safetensors");
    for (String[] wrong :
        new String[][] {
          {"--how=weighted", "--weights=1", "weights=[1.0] are not one for each of the 2"},
          {"--how=mean", "--weights=1,2", "do not go with how=mean"},
          {"--how=weighted", "--weights=1,0", "weight=0.0 is out of range"}
        }) {
      Ran ran = Ran.command("scores", "combine", a, a, "--out", out, wrong[0], wrong[1]);
      assertEquals(2, ran.code());
      assertTrue(ran.err().contains(wrong[2]), ran.err());
    }
  }
}
