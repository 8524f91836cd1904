package io.autocircuit.patch;

import io.autocircuit.graph.EdgeGroups;
import java.util.BitSet;

/**
 * One score for each group of edges that share a mask value.
 *
 * @param groups the groups
 * @param values {@code [groups]}; larger by size is more important
 * @param tieBreaks {@code [groups]}: of equal ones the larger comes first; or empty
 */
public record GroupScores(EdgeGroups groups, float[] values, float[] tieBreaks) {
  /**
   * Checks the lengths.
   *
   * @param groups the groups
   * @param values {@code [groups]}, infinite ones permitted; kept, not copied
   * @param tieBreaks {@code [groups]} or empty; kept, not copied
   * @throws IllegalArgumentException if a length does not fit
   */
  public GroupScores {
    if (values.length != groups.size()
        || (tieBreaks.length != 0 && tieBreaks.length != values.length)) {
      throw new IllegalArgumentException(
          "scores="
              + values.length
              + ", tie breaks="
              + tieBreaks.length
              + " but there are groups="
              + groups.size());
    }
  }

  /**
   * Scores without tie breaks.
   *
   * @param groups the groups
   * @param values {@code [groups]}; kept, not copied
   * @throws IllegalArgumentException if the length does not fit
   */
  public GroupScores(EdgeGroups groups, float[] values) {
    this(groups, values, new float[0]);
  }

  /**
   * The groups of the largest |score|; of equal ones those of the largest tie break, then the
   * first.
   *
   * @param k how many, 0 to the number of groups
   * @return their numbers
   * @throws IllegalArgumentException if k lies outside 0..groups
   */
  public BitSet best(int k) {
    if (k < 0 || k > values.length) {
      throw new IllegalArgumentException(
          "count=" + k + " outside 0.." + values.length + "; choose a size in that range");
    }
    BitSet best = new BitSet(values.length);
    int[] order = ranking();
    for (int i = 0; i < k; i++) {
      best.set(order[i]);
    }
    return best;
  }

  /**
   * All groups in the order of {@link #best}.
   *
   * @return their numbers, the best first
   */
  public int[] ranking() {
    return Ranking.of(values, tieBreaks);
  }

  /**
   * The scores of edges, where each is a group by itself ({@link EdgeGroups#each}).
   *
   * @return values and tie breaks are these, not copies
   * @throws IllegalArgumentException if there are fewer groups than edges
   */
  public PruneScores ofEdges() {
    return new PruneScores(groups.graph(), values, tieBreaks);
  }

  /**
   * The score of each group's edge of the largest |score|; of equal ones with the largest tie
   * break.
   *
   * @param groups the groups
   * @param scores of their graph
   * @return a score for each group
   */
  public static GroupScores largest(EdgeGroups groups, PruneScores scores) {
    boolean breaks = scores.tieBreaks().length > 0;
    float[] values = new float[groups.size()];
    float[] ties = new float[breaks ? values.length : 0];
    for (int g = 0; g < values.length; g++) {
      int[] best = {groups.first(g)};
      groups
          .edges(g)
          .forEach(
              e -> {
                int order =
                    Float.compare(Math.abs(scores.values()[e]), Math.abs(scores.values()[best[0]]));
                if (order > 0
                    || (order == 0
                        && breaks
                        && scores.tieBreaks()[e] > scores.tieBreaks()[best[0]])) {
                  best[0] = e;
                }
              });
      values[g] = scores.values()[best[0]];
      if (breaks) {
        ties[g] = scores.tieBreaks()[best[0]];
      }
    }
    return new GroupScores(groups, values, ties);
  }

  /**
   * The sum of each group's edges' scores: by the chain rule what a gradient of the edges' masks
   * says about the groups'.
   *
   * @param groups the groups
   * @param scores of their graph
   * @return a score for each group
   */
  public static GroupScores summed(EdgeGroups groups, PruneScores scores) {
    double[] sums = groups.sum(scores.values());
    float[] values = new float[sums.length];
    for (int g = 0; g < values.length; g++) {
      values[g] = (float) sums[g];
    }
    return new GroupScores(groups, values);
  }
}
