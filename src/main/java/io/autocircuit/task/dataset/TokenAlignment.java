package io.autocircuit.task.dataset;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The tokens of two prompts side by side. Prompts of one length are laid position by position, as a
 * run compares them. Of others as many equal tokens as possible stand side by side (the longest
 * common subsequence), and what one of them has alone stands beside a gap.
 */
public final class TokenAlignment {
  /** What stands for a gap. */
  public static final int GAP = -1;

  /** Above so many pairs of tokens, prompts of different length are laid from their beginning. */
  private static final long MOST = 4_000_000;

  private TokenAlignment() {}

  /**
   * Two positions side by side.
   *
   * @param clean a position of the clean prompt, or {@link #GAP}
   * @param corrupt a position of the corrupt prompt, or {@link #GAP}
   * @param same whether both have the same token
   */
  public record Column(int clean, int corrupt, boolean same) {}

  /**
   * Lays two prompts side by side.
   *
   * @param clean token ids
   * @param corrupt token ids
   * @return every position of both once, in order
   */
  public static List<Column> of(int[] clean, int[] corrupt) {
    int begin = 0;
    int shorter = Math.min(clean.length, corrupt.length);
    while (begin < shorter && clean[begin] == corrupt[begin]) {
      begin++;
    }
    int end = 0;
    while (end < shorter - begin
        && clean[clean.length - 1 - end] == corrupt[corrupt.length - 1 - end]) {
      end++;
    }
    long inner = (long) (clean.length - begin - end) * (corrupt.length - begin - end);
    boolean straight = clean.length == corrupt.length || inner > MOST;
    List<Column> columns = new ArrayList<>();
    if (straight) {
      for (int t = 0; t < Math.max(clean.length, corrupt.length); t++) {
        int a = t < clean.length ? t : GAP;
        int b = t < corrupt.length ? t : GAP;
        columns.add(new Column(a, b, a == b && clean[a] == corrupt[b]));
      }
      return Collections.unmodifiableList(columns);
    }
    for (int t = 0; t < begin; t++) {
      columns.add(new Column(t, t, true));
    }
    between(clean, corrupt, begin, end, columns);
    for (int t = end; t > 0; t--) {
      columns.add(new Column(clean.length - t, corrupt.length - t, true));
    }
    return Collections.unmodifiableList(columns);
  }

  /** What lies between the common beginning and the common end. */
  private static void between(
      int[] clean, int[] corrupt, int begin, int end, List<Column> columns) {
    int n = clean.length - end;
    int m = corrupt.length - end;
    // longest common subsequence of what is left from (a, b) on
    int[][] common = new int[n - begin + 1][m - begin + 1];
    for (int a = n - 1; a >= begin; a--) {
      for (int b = m - 1; b >= begin; b--) {
        common[a - begin][b - begin] =
            clean[a] == corrupt[b]
                ? 1 + common[a - begin + 1][b - begin + 1]
                : Math.max(common[a - begin + 1][b - begin], common[a - begin][b - begin + 1]);
      }
    }
    int a = begin;
    int b = begin;
    while (a < n || b < m) {
      if (a < n && b < m && clean[a] == corrupt[b]) {
        columns.add(new Column(a++, b++, true));
      } else if (b == m
          || a < n && common[a - begin + 1][b - begin] >= common[a - begin][b - begin + 1]) {
        columns.add(new Column(a++, GAP, false));
      } else {
        columns.add(new Column(GAP, b++, false));
      }
    }
  }
}
