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
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * How far the circuits of single prompts are one circuit: for the k edges with the largest |mean
 * score|, in how many prompts' own k best edges each is, how its scores spread, and whether other
 * prompts of the kind would have given the same k.
 *
 * @param size k
 * @param overlap the mean over all pairs of prompts of the Jaccard index of their k best edges
 *     (shared edges over edges that either has); NaN with one prompt
 * @param rows the k edges, in the order of the mean scores
 * @param circuits each prompt's k best edges by canonical index, best first
 * @param redrawn how much of the k edges is left when prompts are drawn again
 * @param templates how far the templates of the prompts agree; empty where there are not two
 */
public record EdgeStability(
    int size,
    double overlap,
    List<Row> rows,
    List<int[]> circuits,
    Redrawn redrawn,
    Optional<TemplateOverlap> templates) {
  private static final int DRAWS = 100;
  private static final double LEVEL = 0.95;

  /**
   * The bootstrap of a circuit: as many prompts are drawn from those that scored, with replacement,
   * and the k edges with the largest |mean score| over them are compared with those of all prompts
   * by the Jaccard index; {@value #DRAWS} times, of the seed 0.
   *
   * @param overlap the mean of the indices; NaN with one prompt
   * @param low below it lie 2.5 % of them
   * @param high above it lie 2.5 % of them
   */
  public record Redrawn(double overlap, double low, double high) {}

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
   * @param redrawn how much of the k edges is left when prompts are drawn again
   * @param templates how far the templates of the prompts agree
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
    return new EdgeStability(
        size, overlap(circuits), rows, circuits, redrawn(scores, size), Optional.empty());
  }

  /**
   * The same with what templates have in common.
   *
   * @param scores of each prompt
   * @param names the template of each prompt, in the order of the scores; empty for none
   * @return a copy
   */
  public EdgeStability withTemplates(PromptScores scores, List<String> names) {
    return new EdgeStability(
        size, overlap, rows, circuits, redrawn, TemplateOverlap.of(scores, names, size));
  }

  private static Redrawn redrawn(PromptScores scores, int size) {
    int prompts = scores.prompts();
    if (prompts == 1) {
      return new Redrawn(Double.NaN, Double.NaN, Double.NaN);
    }
    BitSet all = scores.mean().top(size).edgeSet();
    SplittableRandom random = new SplittableRandom(0);
    double[] overlaps = new double[DRAWS];
    for (int d = 0; d < DRAWS; d++) {
      List<float[]> drawn =
          IntStream.range(0, prompts)
              .mapToObj(i -> scores.values().get(random.nextInt(prompts)))
              .toList();
      overlaps[d] =
          jaccard(all, new PromptScores(scores.graph(), drawn).mean().top(size).edgeSet());
    }
    double mean = Arrays.stream(overlaps).average().orElse(Double.NaN);
    Bootstrap.Interval ends = new Bootstrap(DRAWS, LEVEL, 0).percentiles(overlaps);
    return new Redrawn(mean, ends.low(), ends.high());
  }

  /** Shared edges over edges that either has. */
  static double jaccard(BitSet a, BitSet b) {
    BitSet both = (BitSet) a.clone();
    both.and(b);
    int shared = both.cardinality();
    return (double) shared / (a.cardinality() + b.cardinality() - shared);
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
        sum += jaccard(sets.get(a), sets.get(b));
      }
    }
    return pairs == 0 ? Double.NaN : sum / pairs;
  }
}
