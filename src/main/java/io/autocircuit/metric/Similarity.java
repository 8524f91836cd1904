package io.autocircuit.metric;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;

/**
 * How far sets of scores agree on which edges matter most (AutoCircuit's "prune score similarity",
 * Miller 2024): of the N edges with the largest |score| of two sets, the share that both have.
 *
 * @param names of the score sets, in the order of rows and columns
 * @param tables one for each number of edges that was asked for, in that order
 */
public record Similarity(List<String> names, List<Table> tables) {
  /**
   * Keeps unmodifiable copies.
   *
   * @param names of the score sets
   * @param tables one for each number of edges
   */
  public Similarity {
    names = List.copyOf(names);
    tables = List.copyOf(tables);
  }

  /**
   * The agreement of every pair of score sets at one number of edges.
   *
   * @param edges N
   * @param rows a row for each score set, in it a share from 0 to 1 for each score set; symmetric,
   *     1 on the diagonal. NaN in row and column of a set of which no N edges can be told apart
   *     from the rest: the N-th and the next |score| are equal, or it has fewer than N edges
   */
  public record Table(int edges, List<List<Double>> rows) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param edges N
     * @param rows shares
     */
    public Table {
      rows = rows.stream().map(List::copyOf).toList();
    }

    /**
     * The agreement of two score sets.
     *
     * @param a index of the one
     * @param b index of the other
     * @return a share from 0 to 1, or NaN
     */
    public double share(int a, int b) {
      return rows.get(a).get(b);
    }
  }

  /**
   * Compares score sets of one graph.
   *
   * @param scores {@code [edges]} each, by name; the order of the map is that of rows and columns.
   *     A circuit takes part as 1 on its edges and 0 on the others
   * @param sizes numbers of edges N, positive
   * @return a table for each N
   * @throws IllegalArgumentException if score sets differ in length, one holds NaN, or an N is not
   *     positive
   */
  public static Similarity of(Map<String, float[]> scores, int... sizes) {
    int[] tooSmall = Arrays.stream(sizes).filter(n -> n < 1).toArray();
    if (tooSmall.length > 0) {
      throw new IllegalArgumentException("edges=" + tooSmall[0] + " must be 1 or more");
    }
    int length = -1;
    List<float[]> sorted = new ArrayList<>();
    for (Map.Entry<String, float[]> e : scores.entrySet()) {
      float[] values = e.getValue();
      if (length >= 0 && values.length != length) {
        throw new IllegalArgumentException(
            "scores of \""
                + e.getKey()
                + "\"="
                + values.length
                + " but others="
                + length
                + "; compare scores of one graph");
      }
      length = values.length;
      sorted.add(ascendingMagnitudes(e.getKey(), values));
    }
    List<float[]> all = List.copyOf(scores.values());
    List<Table> tables = new ArrayList<>();
    for (int n : sizes) {
      List<BitSet> best = new ArrayList<>();
      for (int i = 0; i < all.size(); i++) {
        best.add(best(all.get(i), sorted.get(i), n));
      }
      tables.add(new Table(n, shares(best, n)));
    }
    return new Similarity(List.copyOf(scores.keySet()), tables);
  }

  private static float[] ascendingMagnitudes(String name, float[] values) {
    float[] sorted = new float[values.length];
    for (int i = 0; i < sorted.length; i++) {
      if (Float.isNaN(values[i])) {
        throw new IllegalArgumentException(
            "score " + i + " of \"" + name + "\" is NaN; give numbers");
      }
      sorted[i] = Math.abs(values[i]);
    }
    Arrays.parallelSort(sorted);
    return sorted;
  }

  /** The edges whose |score| reaches the n-th largest; null unless they are n. */
  private static BitSet best(float[] values, float[] sorted, int n) {
    int first = sorted.length - n;
    if (first < 0 || (first > 0 && sorted[first - 1] == sorted[first])) {
      return null;
    }
    BitSet set = new BitSet(values.length);
    for (int i = 0; i < values.length; i++) {
      if (Math.abs(values[i]) >= sorted[first]) {
        set.set(i);
      }
    }
    return set;
  }

  private static List<List<Double>> shares(List<BitSet> best, int n) {
    List<List<Double>> rows = new ArrayList<>();
    for (BitSet a : best) {
      List<Double> row = new ArrayList<>();
      for (BitSet b : best) {
        if (a == null || b == null) {
          row.add(Double.NaN);
        } else {
          BitSet both = (BitSet) a.clone();
          both.and(b);
          row.add((double) both.cardinality() / n);
        }
      }
      rows.add(row);
    }
    return rows;
  }
}
