package io.autocircuit.prune;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import org.apache.commons.statistics.distribution.TDistribution;

/**
 * What exact patching says of estimated scores: the effects of the best, one by one, and a bound on
 * the effect of each of the rest, by random subsets of them that are patched together (the
 * diagnostic of Kramár et al. 2024, arXiv:2403.00745; the form of the bound is ours).
 *
 * @param all how many edges, or nodes, there are
 * @param items those that were patched alone, by descending estimate
 * @param subsets how many random subsets of the rest were patched together; 0 if nothing is left
 * @param share how many of the rest are in each, as a share
 * @param confidence the least probability that {@code bound} holds
 * @param bound the largest effect that one of the rest may have; empty if nothing is left
 */
public record Verification(
    int all, List<Item> items, int subsets, double share, double confidence, OptionalDouble bound) {
  /** The fewest subsets of which a deviation is estimated. */
  static final int LEAST = 8;

  /** One of so many subsets has each of the rest. */
  private static final int ONE_IN = 4;

  /**
   * One that was patched alone.
   *
   * @param group its index among edges, or nodes
   * @param estimate its score before
   * @param exact its effect, which is its score now
   */
  public record Item(int group, double estimate, double exact) {}

  /**
   * Keeps an unmodifiable copy.
   *
   * @param all how many edges, or nodes, there are
   * @param items those that were patched alone
   * @param subsets how many random subsets were patched together
   * @param share how many of the rest are in each, as a share
   * @param confidence the least probability that {@code bound} holds
   * @param bound the largest effect that one of the rest may have
   */
  public Verification {
    items = List.copyOf(items);
  }

  /**
   * A sentence that says it.
   *
   * @param what was scored: {@code edges} or {@code nodes}
   * @return for notices
   */
  public String sentence(String what) {
    if (bound.isEmpty()) {
      return "all " + all + " " + what + " were verified by exact patching: every score is exact";
    }
    double largest = items.stream().mapToDouble(i -> Math.abs(i.exact())).max().orElse(0);
    return String.format(
        Locale.ROOT,
        "%d of %d %s were verified by exact patching (largest effect %.4g); of the other %d none"
            + " has an effect above %.4g at %s %% confidence, by %d random subsets, if effects add"
            + " up",
        items.size(),
        all,
        what,
        largest,
        all - items.size(),
        bound.getAsDouble(),
        String.format(Locale.ROOT, "%.4g", 100 * confidence).replaceAll("\\.?0+$", ""),
        subsets);
  }

  /**
   * How many subsets each of the rest is in.
   *
   * @param subsets how many there are, at least 2
   */
  static int inclusions(int subsets) {
    return Math.max(1, subsets / ONE_IN);
  }

  /**
   * Random subsets of some things, each of which is in as many subsets as every other.
   *
   * @param things how many
   * @param subsets how many sets
   * @param seed decides which
   * @return the things of each set
   */
  static List<BitSet> draw(int things, int subsets, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    List<BitSet> sets = new ArrayList<>();
    int[] order = new int[subsets];
    for (int i = 0; i < subsets; i++) {
      sets.add(new BitSet(things));
      order[i] = i;
    }
    int each = inclusions(subsets);
    for (int t = 0; t < things; t++) {
      for (int i = 0; i < each; i++) {
        int j = i + random.nextInt(subsets - i);
        int chosen = order[j];
        order[j] = order[i];
        order[i] = chosen;
        sets.get(chosen).set(t);
      }
    }
    return sets;
  }

  /**
   * An upper confidence bound of the largest mean of |effect| over prompts. Where effects add up,
   * of the subsets with a thing and those without the means differ by its effect; Student's t
   * bounds it for each prompt, at a level that is divided by their number. The largest of all
   * things' bounds bounds the largest effect at the same level, as it is at least that of the thing
   * that has it: no correction for the number of things is needed.
   *
   * @param sets the things of each set, as {@link #draw} makes them
   * @param things how many
   * @param effects of each set, by prompt, {@code [subsets][prompts]}; all prompts have one column
   *     where the |mean| is bounded
   * @param confidence between 0 and 1
   * @return not negative; 0 without things
   */
  static double bound(List<BitSet> sets, int things, double[][] effects, double confidence) {
    int n = effects.length;
    int prompts = effects[0].length;
    int each = inclusions(n);
    double t = TDistribution.of(n - 2).inverseSurvivalProbability((1 - confidence) / prompts);
    double[] total = new double[prompts];
    double[] squares = new double[prompts];
    for (double[] row : effects) {
      for (int x = 0; x < prompts; x++) {
        total[x] += row[x];
      }
    }
    for (double[] row : effects) { // in a second pass: less is lost
      for (int x = 0; x < prompts; x++) {
        double from = row[x] - total[x] / n;
        squares[x] += from * from;
      }
    }
    double[] with = new double[prompts];
    double largest = 0;
    for (int thing = 0; thing < things; thing++) {
      Arrays.fill(with, 0);
      for (int i = 0; i < n; i++) {
        if (sets.get(i).get(thing)) {
          for (int x = 0; x < prompts; x++) {
            with[x] += effects[i][x];
          }
        }
      }
      double sum = 0;
      for (int x = 0; x < prompts; x++) {
        double d = with[x] / each - (total[x] - with[x]) / (n - each);
        // the squares within both groups are all, less those between them
        double between = d * d * each * (n - each) / n;
        double within = Math.max(0, squares[x] - between) / (n - 2);
        sum += Math.abs(d) + t * Math.sqrt(within * n / ((double) each * (n - each)));
      }
      largest = Math.max(largest, sum / prompts);
    }
    return largest;
  }
}
