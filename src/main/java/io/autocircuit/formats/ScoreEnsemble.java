package io.autocircuit.formats;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.Locale;

/**
 * One score for every edge from those that several algorithms, seeds or prompts gave it. Ties are
 * in canonical order.
 */
public enum ScoreEnsemble {
  /** The sum over the number of files. */
  MEAN,
  /** Of each edge the score of the smallest size, with its sign; of equal ones the first. */
  MIN,
  /** Of each edge the score of the largest size, with its sign; of equal ones the first. */
  MAX,
  /** The sum of scores times weights, over the sum of the weights. */
  WEIGHTED;

  /**
   * Its name on the command line.
   *
   * @return in lower case
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Combines scores. Infinite ones, of edges that are never removed, stay so in a mean.
   *
   * @param scores of one graph; at least one
   * @param weights one above 0 for each; empty unless {@link #WEIGHTED}
   * @return scores of that graph
   * @throws IllegalArgumentException if graphs differ, weights do not fit, or an edge has both +∞
   *     and −∞
   */
  public PruneScores of(List<PruneScores> scores, List<Double> weights) {
    if (scores.isEmpty()) {
      throw new IllegalArgumentException("scores=[] have nothing to combine; give at least one");
    }
    ComputationGraph graph = scores.get(0).graph();
    for (PruneScores s : scores) {
      if (!s.graph().equals(graph)) {
        throw new IllegalArgumentException(
            "scores are of the " + graph + " and of the " + s.graph() + "; give one graph's");
      }
    }
    if (weights.size() != (this == WEIGHTED ? scores.size() : 0)) {
      throw new IllegalArgumentException(
          "weights="
              + weights
              + (this == WEIGHTED
                  ? " are not one for each of the " + scores.size() + " scores"
                  : " do not go with how=" + key() + "; take how=weighted"));
    }
    double sum = 0;
    for (double w : weights) {
      if (!(w > 0 && Double.isFinite(w))) {
        throw new IllegalArgumentException(
            "weight=" + w + " is out of range; give a number above 0, or leave the scores out");
      }
      sum += w;
    }
    float[] values = new float[graph.edgeCount()];
    for (int e = 0; e < values.length; e++) {
      values[e] = edge(scores, weights, sum, e);
    }
    return new PruneScores(graph, values);
  }

  private float edge(List<PruneScores> scores, List<Double> weights, double sum, int e) {
    double total = 0;
    float chosen = scores.get(0).values()[e];
    for (int i = 0; i < scores.size(); i++) {
      float score = scores.get(i).values()[e];
      total += this == WEIGHTED ? weights.get(i) * score : score;
      int order = Float.compare(Math.abs(score), Math.abs(chosen));
      if (this == MAX && order > 0 || this == MIN && order < 0) {
        chosen = score;
      }
    }
    return switch (this) {
      case MEAN -> (float) (total / scores.size());
      case WEIGHTED -> (float) (total / sum);
      case MIN, MAX -> chosen;
    };
  }

  /**
   * Divides the score of every edge by the sum of |score| over all edges into its receiver (an
   * input of queries, keys or values of a head, of an MLP, or the end; with positions at each), so
   * that algorithms of different scale, and early and late receivers, count alike. Infinite scores
   * stay and are not in the sum; where the sum is 0, all stay.
   *
   * @param scores what is divided; left unchanged
   * @return scores whose |finite ones| into each receiver have the sum 1, or 0; without tie breaks
   */
  public static PruneScores perReceiver(PruneScores scores) {
    ComputationGraph graph = scores.graph();
    float[] values = scores.values().clone();
    for (DestModule m : graph.modules()) {
      for (int head = 0; head < m.nodes().size(); head++) {
        for (int t = 0; t < graph.positionCopies(); t++) {
          double sum = 0;
          for (int s = m.firstSource(); s < m.firstSource() + m.sources(); s++) {
            float value = values[graph.index(m, head, s, t)];
            sum += Float.isInfinite(value) ? 0 : Math.abs(value);
          }
          for (int s = m.firstSource(); sum > 0 && s < m.firstSource() + m.sources(); s++) {
            int e = graph.index(m, head, s, t);
            values[e] = (float) (values[e] / sum);
          }
        }
      }
    }
    return new PruneScores(graph, values);
  }
}
