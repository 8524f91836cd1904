package io.autocircuit.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.EdgeCounts.Mode;
import io.autocircuit.graph.EdgeCounts.Value;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class EdgeCountsTest {
  private static final EdgeCounts NEITHER = new EdgeCounts(Mode.GROUPS, List.of(), false, false);

  private static float[] distinct(int n) {
    float[] scores = new float[n];
    for (int i = 0; i < n; i++) {
      scores[i] = i - n / 3f;
    }
    return scores;
  }

  private static float[] padded(float... first) {
    return java.util.Arrays.copyOf(first, 10);
  }

  @Test
  void fewEdgesAreAllCounted() {
    int[] all = IntStream.rangeClosed(0, 150).toArray();
    assertArrayEquals(all, EdgeCounts.AUTO.resolve(150, null, -1));
    assertArrayEquals(all, EdgeCounts.AUTO.resolve(150, distinct(150), -1));
  }

  @Test
  void manyEdgesAreCountedLogarithmically() {
    int[] expected =
        IntStream.concat(
                IntStream.rangeClosed(0, 9),
                IntStream.concat(
                    IntStream.rangeClosed(1, 9).map(k -> 10 * k),
                    IntStream.concat(
                        IntStream.rangeClosed(1, 10).map(k -> 100 * k), IntStream.of(1281))))
            .toArray();
    assertArrayEquals(expected, EdgeCounts.AUTO.resolve(1281, null, -1));
    assertArrayEquals(expected, EdgeCounts.AUTO.resolve(1281, distinct(1281), -1));
  }

  @Test
  void logarithmicStepsEndBelowTheNumberOfEdges() {
    int[] sizes = EdgeCounts.of(Mode.LOGARITHMIC).resolve(Integer.MAX_VALUE, null, -1);
    assertEquals(0, sizes[0]);
    assertEquals(Integer.MAX_VALUE, sizes[sizes.length - 1]);
    assertEquals(2_000_000_000, sizes[sizes.length - 2]);
    assertArrayEquals(
        new int[] {1, 2},
        new EdgeCounts(Mode.LOGARITHMIC, List.of(), false, false).resolve(3, null, -1));
  }

  @Test
  void listsOfNumbersAndShares() {
    EdgeCounts list =
        new EdgeCounts(
            Mode.LIST,
            List.of(
                new Value(0, true), new Value(0.25, true), new Value(3, false), new Value(1, true)),
            null,
            null);
    assertArrayEquals(new int[] {0, 2, 3, 10}, list.resolve(10, null, -1));
    assertArrayEquals(
        new int[] {0, 4, 7, 10}, EdgeCounts.exactly(10, 7, 4, 0).resolve(10, null, -1));
  }

  /** The automatic sizes and the benchmark's shares, each where the other lacks it. */
  @Test
  void automaticSizesAndTheBenchmarks() {
    EdgeCounts both = EdgeCounts.parse(List.of("auto+mib"));
    assertEquals(List.of("auto+mib"), both.texts());
    float[] binary = new float[1000];
    java.util.Arrays.fill(binary, 0, 23, 1f);
    assertArrayEquals(
        new int[] {0, 1, 2, 5, 10, 20, 23, 50, 100, 200, 500, 1000},
        both.resolve(1000, binary, -1));
    float[] all = new float[1000];
    for (int i = 0; i < all.length; i++) {
      all[i] = i;
    }
    assertArrayEquals(
        EdgeCounts.parse(List.of("log")).resolve(1000, all, 42), both.resolve(1000, all, 42));
    refused("\"auto+mib\" stands alone; only numbers and all may be mixed", "1", "auto+mib");
  }

  @Test
  void halfOfAnOddNumberIsTruncated() {
    EdgeCounts list =
        new EdgeCounts(
            Mode.LIST,
            List.of(new Value(0, true), new Value(0.5, true), new Value(1, true)),
            null,
            null);
    assertArrayEquals(new int[] {0, 23, 47}, list.resolve(47, null, -1));
  }

  @Test
  void groupsOfEqualScores() {
    assertArrayEquals(new int[] {}, NEITHER.resolve(10, padded(), -1));
    assertArrayEquals(new int[] {1}, NEITHER.resolve(10, padded(1), -1));
    assertArrayEquals(new int[] {2}, NEITHER.resolve(10, padded(1, -1), -1));
    assertArrayEquals(new int[] {1, 3}, NEITHER.resolve(10, padded(1, 1, 2), -1));
    assertArrayEquals(new int[] {2, 3}, NEITHER.resolve(10, padded(1, 2, -2), -1));
    assertArrayEquals(
        new int[] {0, 10},
        new EdgeCounts(Mode.GROUPS, List.of(), true, true).resolve(10, padded(), -1));
  }

  @Test
  void aBinaryCircuitHasOneSize() {
    float[] scores = new float[100];
    java.util.Arrays.fill(scores, 17, 40, 1f);
    assertArrayEquals(new int[] {23}, EdgeCounts.AUTO.resolve(100, scores, -1));
  }

  @Test
  void infiniteScoresAreAGroup() {
    float inf = Float.POSITIVE_INFINITY;
    assertArrayEquals(
        new int[] {0, 3, 4, 10}, EdgeCounts.AUTO.resolve(10, padded(inf, 2, inf, inf), -1));
  }

  @Test
  void theOfficialSizeIsAdded() {
    assertArrayEquals(new int[] {2, 5}, EdgeCounts.exactly(5).resolve(10, null, 2));
    assertArrayEquals(new int[] {5}, EdgeCounts.exactly(5).resolve(10, null, 5));
  }

  @Test
  void flagsAddAndRemoveTheLimits() {
    EdgeCounts without = new EdgeCounts(Mode.ALL, List.of(), false, false);
    assertArrayEquals(new int[] {1, 2, 3}, without.resolve(4, null, -1));
    EdgeCounts with = new EdgeCounts(Mode.LIST, List.of(new Value(2, false)), true, true);
    assertArrayEquals(new int[] {0, 2, 4}, with.resolve(4, null, -1));
  }

  @Test
  void sizesOutsideTheGraphAreRefused() {
    for (int k : new int[] {-1, 11}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> EdgeCounts.exactly(k).resolve(10, null, -1));
      assertTrue(e.getMessage().contains("0..10"), e.getMessage());
    }
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new EdgeCounts(Mode.LIST, List.of(new Value(2.5, false)), null, null)
                .resolve(10, null, -1));
    assertThrows(
        IllegalArgumentException.class, () -> EdgeCounts.of(Mode.GROUPS).resolve(10, null, -1));
  }

  @Test
  void aWordAddsTheEmptyAndTheFullCircuit() {
    for (String word : List.of("auto", "all", "log", "groups", "AUTO")) {
      EdgeCounts sizes = EdgeCounts.parse(List.of(word));
      assertEquals(true, sizes.zeroEdges(), word);
      assertEquals(true, sizes.allEdges(), word);
      assertEquals(List.of(word.toLowerCase(java.util.Locale.ROOT)), sizes.texts());
    }
    assertArrayEquals(
        new int[] {0, 1, 2, 3}, EdgeCounts.parse(List.of("all")).resolve(3, null, -1));
  }

  @Test
  void aListHoldsNumbersSharesAndAll() {
    EdgeCounts sizes = EdgeCounts.parse(List.of("7", "0.25", "all", "0", "1e1"));
    assertArrayEquals(new int[] {0, 7, 10, 20, 80}, sizes.resolve(80, null, -1));
    assertEquals(sizes, EdgeCounts.parse(sizes.texts()));
    assertArrayEquals(
        new int[] {80}, EdgeCounts.listed(List.of("all")).resolve(80, null, -1), "not every size");
    assertEquals(
        EdgeCounts.listed(List.of("all")),
        EdgeCounts.parse(EdgeCounts.listed(List.of("all")).texts()));
    assertArrayEquals(new int[] {80}, EdgeCounts.parse(List.of("1.0")).resolve(80, null, -1));
    assertEquals(EdgeCounts.parse(List.of("0", "1")), EdgeCounts.parse(List.of("-0", "1")));
  }

  @Test
  void whatIsNoSizeIsNamed() {
    refused("size=1.5 is neither a whole number from 0 nor a share", "1.5");
    refused("size=-1 is neither", "3", "-1");
    refused("\"some\" is neither a number nor all, log, groups, mib, auto or auto+mib", "some");
    refused("\"log\" stands alone", "3", "log");
    refused("size=3e9 exceeds the edges of every graph", "3e9");
    refused("sizes=[] is empty");
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> EdgeCounts.parse(List.of("0.5", "81", "82")).requireWithin(81));
    assertTrue(e.getMessage().contains("size=82 exceeds the graph's edges=81"), e.getMessage());
  }

  private static void refused(String part, String... texts) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> EdgeCounts.parse(List.of(texts)));
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  @Test
  void whatNoTextMakesHasNone() {
    assertThrows(IllegalStateException.class, () -> EdgeCounts.AUTO.texts());
    assertThrows(IllegalStateException.class, () -> NEITHER.texts());
  }
}
