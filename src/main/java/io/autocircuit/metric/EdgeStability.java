package io.autocircuit.metric;

import io.autocircuit.graph.Edge;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How far the circuits of single prompts are one circuit: for the k edges with the largest |mean
 * score|, in how many prompts' own k best edges each is, and how its scores spread.
 *
 * @param size k
 * @param overlap the mean over all pairs of prompts of the Jaccard index of their k best edges
 *     (shared edges over edges that either has); NaN with one prompt
 * @param rows the k edges, in the order of the mean scores
 * @param circuits each prompt's k best edges by canonical index, best first
 */
public record EdgeStability(int size, double overlap, List<Row> rows, List<int[]> circuits) {
  /**
   * An edge.
   *
   * @param edge the edge
   * @param share the share of prompts that have it among their k best edges
   * @param mean of its scores over prompts
   * @param deviation the standard deviation of its scores (n − 1); NaN with one prompt
   * @param agreement the share of prompts whose score has the sign of the mean
   */
  public record Row(Edge edge, double share, double mean, double deviation, double agreement) {}

  /**
   * Keeps unmodifiable copies.
   *
   * @param size k
   * @param overlap the mean over all pairs of prompts of the Jaccard index of their k best edges
   * @param rows the k edges, in the order of the mean scores
   * @param circuits each prompt's k best edges by canonical index, best first
   */
  public EdgeStability {
    rows = List.copyOf(rows);
    circuits = List.copyOf(circuits);
  }

  /**
   * Compares prompts.
   *
   * @param scores of each prompt
   * @param size k, 1 to the number of edges
   * @return the table
   * @throws IllegalArgumentException if there are not so many edges
   */
  public static EdgeStability of(PromptScores scores, int size) {
    if (size < 1 || size > scores.graph().edgeCount()) {
      throw new IllegalArgumentException(
          "edges="
              + size
              + " of each prompt outside 1.."
              + scores.graph().edgeCount()
              + "; choose a number in that range");
    }
    List<int[]> circuits = new ArrayList<>();
    int[] prompts = new int[scores.graph().edgeCount()];
    for (int i = 0; i < scores.prompts(); i++) {
      int[] best = Arrays.copyOf(scores.of(i).ranking(), size);
      circuits.add(best);
      for (int e : best) {
        prompts[e]++;
      }
    }
    List<Row> rows = new ArrayList<>();
    for (PruneScores.Scored best : scores.mean().best(size)) {
      rows.add(row(scores, best.edge(), prompts[best.edge().index()]));
    }
    return new EdgeStability(size, overlap(circuits), rows, circuits);
  }

  private static Row row(PromptScores scores, Edge edge, int having) {
    int n = scores.prompts();
    double sum = 0;
    for (float[] row : scores.values()) {
      sum += row[edge.index()];
    }
    double mean = sum / n;
    double squares = 0;
    int same = 0;
    for (float[] row : scores.values()) {
      double score = row[edge.index()];
      squares += (score - mean) * (score - mean);
      same += Math.signum(score) == Math.signum(mean) ? 1 : 0;
    }
    double deviation = n == 1 ? Double.NaN : Math.sqrt(squares / (n - 1));
    return new Row(edge, (double) having / n, mean, deviation, (double) same / n);
  }

  /** The edges that occur are numbered anew, so that sets are small. */
  private static double overlap(List<int[]> circuits) {
    Map<Integer, Integer> numbers = new HashMap<>();
    List<BitSet> sets = new ArrayList<>();
    for (int[] circuit : circuits) {
      BitSet set = new BitSet();
      for (int e : circuit) {
        set.set(numbers.computeIfAbsent(e, key -> numbers.size()));
      }
      sets.add(set);
    }
    double sum = 0;
    long pairs = 0;
    for (int a = 0; a < sets.size(); a++) {
      for (int b = a + 1; b < sets.size(); b++, pairs++) {
        BitSet both = (BitSet) sets.get(a).clone();
        both.and(sets.get(b));
        int shared = both.cardinality();
        int either = sets.get(a).cardinality() + sets.get(b).cardinality() - shared;
        sum += (double) shared / either;
      }
    }
    return pairs == 0 ? Double.NaN : sum / pairs;
  }
}
