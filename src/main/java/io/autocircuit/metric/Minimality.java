package io.autocircuit.metric;

import io.autocircuit.graph.Edge;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.commons.statistics.distribution.BinomialDistribution;

/**
 * Whether every edge of a circuit is needed (Shi et al. 2024, arXiv:2410.13032, section 3.3). The
 * effect of an edge is the mean over prompts of the squared change of the score when it is knocked
 * out,
 *
 * <p>δ(e, C) = E (s(C) − s(C without e))².
 *
 * <p>What it is compared with are edges that nobody needs: the circuit is <em>inflated</em> by a
 * random path, and one of the path's edges is knocked out again. The null hypothesis for an edge is
 * that its effect exceeds that of a random one with a probability of at least q; of t random
 * effects out of n that are smaller, p = P(Binomial(n, q) ≤ t). As every edge is tested, p is
 * adjusted by Holm's method (1979), which keeps the chance of any false rejection below the level
 * and rejects all that Bonferroni's, the paper's, does. A rejected edge has no more effect than
 * those that nobody needs: the circuit is not minimal.
 *
 * @param rows the edges, in the order given
 * @param random the effects of the random edges
 * @param quantile q
 */
public record Minimality(List<Row> rows, List<Double> random, double quantile) {
  /**
   * An edge.
   *
   * @param edge the edge
   * @param effect δ, in the square of the score's unit
   * @param larger than how many random effects, t
   * @param pValue p
   * @param adjusted p by Holm's method
   */
  public record Row(Edge edge, double effect, int larger, double pValue, double adjusted) {}

  /**
   * Keeps unmodifiable copies.
   *
   * @param rows the edges, in the order given
   * @param random the effects of the random edges
   * @param quantile q
   */
  public Minimality {
    rows = List.copyOf(rows);
    random = List.copyOf(random);
  }

  /**
   * Tests edges.
   *
   * @param edges of the circuit
   * @param effects δ of each
   * @param random the effects of random edges of inflated circuits, at least one
   * @param quantile q, between 0 and 1; the paper's is 0.9
   * @return the test
   * @throws IllegalArgumentException if numbers do not fit each other or are out of range
   */
  public static Minimality of(
      List<Edge> edges, double[] effects, double[] random, double quantile) {
    if (effects.length != edges.size() || random.length == 0 || !(quantile > 0 && quantile < 1)) {
      throw new IllegalArgumentException(
          "edges="
              + edges.size()
              + ", effects="
              + effects.length
              + ", random effects="
              + random.length
              + ", quantile="
              + quantile
              + "; give an effect for each edge, a random one, and a quantile between 0 and 1");
    }
    BinomialDistribution of = BinomialDistribution.of(random.length, quantile);
    int[] larger = new int[effects.length];
    double[] p = new double[effects.length];
    for (int e = 0; e < effects.length; e++) {
      double effect = effects[e];
      larger[e] = (int) Arrays.stream(random).filter(r -> effect > r).count();
      p[e] = of.cumulativeProbability(larger[e]);
    }
    double[] adjusted = holm(p);
    List<Row> rows = new ArrayList<>();
    for (int e = 0; e < effects.length; e++) {
      rows.add(new Row(edges.get(e), effects[e], larger[e], p[e], adjusted[e]));
    }
    return new Minimality(rows, Arrays.stream(random).boxed().toList(), quantile);
  }

  /**
   * The edges that are no more needed than random ones.
   *
   * @param level the chance of a false rejection that is accepted, such as 0.05
   * @return those whose adjusted p is below it
   */
  public List<Edge> redundant(double level) {
    return rows.stream().filter(r -> r.adjusted() < level).map(Row::edge).toList();
  }

  /**
   * Adjusts p-values by Holm's method: the i-th smallest of m (from 0) times m − i, at least what
   * the one before became, and at most 1.
   */
  static double[] holm(double[] p) {
    int[] order =
        IntStream.range(0, p.length)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> p[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    double[] adjusted = new double[p.length];
    double least = 0;
    for (int i = 0; i < order.length; i++) {
      least = Math.min(1, Math.max(least, p[order[i]] * (p.length - i)));
      adjusted[order[i]] = least;
    }
    return adjusted;
  }
}
