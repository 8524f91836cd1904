package io.autocircuit.task.dataset;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.task.dataset.TokenAlignment.Column;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class TokenAlignmentTest {
  private static String shown(int[] clean, int[] corrupt) {
    return TokenAlignment.of(clean, corrupt).stream()
        .map(
            c ->
                (c.clean() == TokenAlignment.GAP ? "-" : clean[c.clean()])
                    + (c.same() ? "=" : "/")
                    + (c.corrupt() == TokenAlignment.GAP ? "-" : corrupt[c.corrupt()]))
        .collect(Collectors.joining(" "));
  }

  @Test
  void promptsOfOneLengthLiePositionByPosition() {
    assertEquals("1=1 2/3 3/2 4=4", shown(new int[] {1, 2, 3, 4}, new int[] {1, 3, 2, 4}));
    assertEquals("", shown(new int[0], new int[0]));
  }

  @Test
  void ofOthersTheExtraTokensStandBesideGaps() {
    assertEquals("1=1 2/- 3=3 4=4", shown(new int[] {1, 2, 3, 4}, new int[] {1, 3, 4}));
    assertEquals("1=1 -/9 -/8 2=2", shown(new int[] {1, 2}, new int[] {1, 9, 8, 2}));
    assertEquals(
        "1=1 2/- -/7 3=3 -/7 4=4", shown(new int[] {1, 2, 3, 4}, new int[] {1, 7, 3, 7, 4}));
    assertEquals("5/- 5/-", shown(new int[] {5, 5}, new int[0]));
  }

  @Test
  void everyPositionIsThereOnceAndInOrder() {
    Random random = new Random(5);
    for (int trial = 0; trial < 300; trial++) {
      int[] clean = random.ints(random.nextInt(9), 0, 3).toArray();
      int[] corrupt = random.ints(random.nextInt(9), 0, 3).toArray();
      List<Column> columns = TokenAlignment.of(clean, corrupt);
      int a = 0;
      int b = 0;
      for (Column c : columns) {
        assertEquals(c.clean() == TokenAlignment.GAP ? TokenAlignment.GAP : a++, c.clean());
        assertEquals(c.corrupt() == TokenAlignment.GAP ? TokenAlignment.GAP : b++, c.corrupt());
        boolean both = c.clean() != TokenAlignment.GAP && c.corrupt() != TokenAlignment.GAP;
        assertEquals(both && clean[c.clean()] == corrupt[c.corrupt()], c.same());
      }
      assertEquals(clean.length, a);
      assertEquals(corrupt.length, b);
      if (clean.length != corrupt.length) {
        long same = columns.stream().filter(Column::same).count();
        assertEquals(longest(clean, 0, corrupt, 0), same, "as many equal tokens as possible");
      }
    }
  }

  /** The longest common subsequence, by trying everything. */
  private static int longest(int[] a, int i, int[] b, int j) {
    if (i == a.length || j == b.length) {
      return 0;
    }
    return a[i] == b[j]
        ? 1 + longest(a, i + 1, b, j + 1)
        : Math.max(longest(a, i + 1, b, j), longest(a, i, b, j + 1));
  }
}
