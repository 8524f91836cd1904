package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The share of best edges that score sets have in common. */
class SimilarityTest {
  private static final float[] FALLING = {-9, 8, 7, -6, 5, 4};
  private static final float[] SWAPPED = {8, 1, 7, 6, -9, 0};
  private static final float[] TIED = {3, 3, 2, 2, 2, 1};
  private static final float[] INFINITE = {
    Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 1, 0, 0.5f, 0.25f
  };

  private static Map<String, float[]> sets() {
    Map<String, float[]> sets = new LinkedHashMap<>();
    sets.put("falling", FALLING);
    sets.put("swapped", SWAPPED);
    sets.put("tied", TIED);
    sets.put("infinite", INFINITE);
    return sets;
  }

  @Test
  void sharesByHand() {
    Similarity found = Similarity.of(sets(), 1, 2, 4, 6);
    assertEquals(List.of("falling", "swapped", "tied", "infinite"), found.names());
    assertEquals(List.of(1, 2, 4, 6), found.tables().stream().map(t -> t.edges()).toList());
    double none = Double.NaN;
    // the best are 0, then 0 1, then 0 1 2 3 of "falling"; 4, then 4 0, then 4 0 2 3 of "swapped"
    assertEquals(
        List.of(
            List.of(1.0, 0.0, none, none),
            List.of(0.0, 1.0, none, none),
            List.of(none, none, none, none),
            List.of(none, none, none, none)),
        found.tables().get(0).rows());
    assertEquals(
        List.of(
            List.of(1.0, 0.5, 1.0, 1.0),
            List.of(0.5, 1.0, 0.5, 0.5),
            List.of(1.0, 0.5, 1.0, 1.0),
            List.of(1.0, 0.5, 1.0, 1.0)),
        found.tables().get(1).rows());
    // the third to fifth of "tied" cannot be told apart
    assertEquals(
        List.of(
            List.of(1.0, 0.75, none, 0.75),
            List.of(0.75, 1.0, none, 0.75),
            List.of(none, none, none, none),
            List.of(0.75, 0.75, none, 1.0)),
        found.tables().get(2).rows());
    assertTrue(found.tables().get(3).rows().stream().flatMap(List::stream).allMatch(s -> s == 1.0));
    assertEquals(0.5, found.tables().get(1).share(0, 1));
  }

  @Test
  void moreEdgesThanThereAreCannotBeCompared() {
    assertTrue(
        Similarity.of(sets(), 7).tables().get(0).rows().stream()
            .flatMap(List::stream)
            .allMatch(s -> Double.isNaN(s)));
  }

  @Test
  void aCircuitTakesPartAsZerosAndOnes() {
    Map<String, float[]> sets = new LinkedHashMap<>();
    sets.put("official", new float[] {1, 0, 1, 1, 0, 0});
    sets.put("falling", FALLING);
    assertEquals(2 / 3.0, Similarity.of(sets, 3).tables().get(0).share(0, 1));
    assertTrue(Double.isNaN(Similarity.of(sets, 2).tables().get(0).share(0, 1)));
  }

  @Test
  void mistakesAreNamed() {
    Map<String, float[]> longer = sets();
    longer.put("longer", new float[7]);
    Map<String, float[]> damaged = sets();
    damaged.put("damaged", new float[] {1, Float.NaN, 1, 1, 1, 1});
    assertEquals(
        List.of(
            "scores of \"longer\"=7 but others=6; compare scores of one graph",
            "score 1 of \"damaged\" is NaN; give numbers",
            "edges=0 must be 1 or more"),
        Stream.<org.junit.jupiter.api.function.Executable>of(
                () -> Similarity.of(longer, 1),
                () -> Similarity.of(damaged, 1),
                () -> Similarity.of(sets(), 1, 0))
            .map(call -> assertThrows(IllegalArgumentException.class, call).getMessage())
            .toList());
  }
}
