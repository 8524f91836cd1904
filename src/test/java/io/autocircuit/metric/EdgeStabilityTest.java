package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.PromptScores;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The table by hand. */
class EdgeStabilityTest {
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(1, 1, ComputationGraph.Wiring.ATTENTION_ONLY, false, 0);

  private static float[] row(float... values) {
    return Arrays.copyOf(values, GRAPH.edgeCount());
  }

  @Test
  void countsPromptsAndSigns() {
    assertEquals(3, GRAPH.edgeCount());
    EdgeStability s =
        EdgeStability.of(
            new PromptScores(GRAPH, List.of(row(3, -2, 1), row(5, 0.5f, -1), row(-1, 2, 3))), 2);
    assertEquals(2, s.size());
    // best two edges: {0,1}, {0,2}, {2,1}; each pair shares one of three
    assertArrayEquals(new int[] {0, 1}, s.circuits().get(0));
    assertArrayEquals(new int[] {0, 2}, s.circuits().get(1));
    assertArrayEquals(new int[] {2, 1}, s.circuits().get(2));
    assertEquals(1 / 3.0, s.overlap(), 1e-12);
    EdgeStability.Row first = s.rows().get(0);
    assertEquals(0, first.edge().index());
    assertEquals(2 / 3.0, first.share(), 1e-12);
    assertEquals(7 / 3.0, first.mean(), 1e-12);
    // squares of 2/3, 8/3, -10/3 sum to 168/9
    assertEquals(Math.sqrt(168 / 9.0 / 2), first.deviation(), 1e-12);
    assertEquals(2 / 3.0, first.agreement(), 1e-12);
    EdgeStability.Row second = s.rows().get(1);
    assertEquals(2, second.edge().index());
    assertEquals(1, second.mean(), 1e-12);
    assertEquals(2 / 3.0, second.agreement(), 1e-12);
  }

  @Test
  void onePromptLeavesSpreadUndefined() {
    EdgeStability s = EdgeStability.of(new PromptScores(GRAPH, List.of(row(1, 2, 3))), 3);
    assertTrue(Double.isNaN(s.overlap()));
    assertTrue(Double.isNaN(s.redrawn().overlap()));
    assertTrue(Double.isNaN(s.rows().get(0).deviation()));
    assertEquals(1, s.rows().get(0).share());
    assertEquals(1, s.rows().get(0).agreement());
  }

  @Test
  void promptsAreDrawnAgain() {
    float[] one = row(3, 2, 0);
    EdgeStability same = EdgeStability.of(new PromptScores(GRAPH, List.of(one, one, one)), 2);
    assertEquals(new EdgeStability.Redrawn(1, 1, 1), same.redrawn());
    EdgeStability s =
        EdgeStability.of(new PromptScores(GRAPH, List.of(row(3, 0, 0), row(1, 2, 0))), 1);
    assertEquals(0, s.redrawn().low());
    assertEquals(1, s.redrawn().high());
    // edge 1 is the best only where the second prompt is drawn twice: a chance of 1/4
    assertEquals(0.75, s.redrawn().overlap(), 0.13);
  }

  @Test
  void sizesOutsideTheGraphAreRefused() {
    PromptScores scores = new PromptScores(GRAPH, List.of(row(1, 2, 3)));
    for (int k : new int[] {0, 4}) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> EdgeStability.of(scores, k));
      assertTrue(e.getMessage().contains("1..3"), e::getMessage);
    }
  }
}
