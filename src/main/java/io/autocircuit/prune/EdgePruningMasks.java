package io.autocircuit.prune;

import io.autocircuit.graph.EdgeGroups;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * The masks of {@link EdgePruning}: one for each group of edges (for each edge, at level edge), and
 * one for each node that writes. What is kept of an edge is its own mask times that of the node
 * that it leaves; edges that leave the stream have their own alone.
 *
 * <p>Numbers of all masks stand in one array: those of the groups, then those of the nodes.
 */
final class EdgePruningMasks {
  private final HardConcrete function;
  private final EdgeGroups own;
  private final int nodes;

  /** The node that each group leaves; −1 for none. */
  private final int[] writers;

  /**
   * Masks.
   *
   * @param function their distribution
   * @param own which edges share a mask
   * @param nodes the edges that leave each node; null for no masks of nodes
   */
  EdgePruningMasks(HardConcrete function, EdgeGroups own, EdgeGroups nodes) {
    this.function = function;
    this.own = own;
    this.nodes = nodes == null ? 0 : nodes.size();
    writers = new int[own.size()];
    Arrays.setAll(writers, g -> nodes == null ? -1 : nodes.group(own.first(g)));
  }

  /** The number of masks. */
  int size() {
    return writers.length + nodes;
  }

  /** The number of groups, whose masks come first. */
  int groups() {
    return writers.length;
  }

  /** The number of masks of nodes, which come last. */
  int nodes() {
    return nodes;
  }

  /** A uniform sample for each mask. */
  double[] uniform(SplittableRandom random) {
    double[] u = new double[size()];
    Arrays.setAll(u, i -> MaskFunction.uniform(random));
    return u;
  }

  /** What decides between scores that round to one number: the smaller θ of both masks. */
  float[] order(double[] theta) {
    float[] order = new float[writers.length];
    for (int g = 0; g < order.length; g++) {
      order[g] =
          (float)
              (writers[g] < 0 ? theta[g] : Math.min(theta[g], theta[writers.length + writers[g]]));
    }
    return order;
  }

  /** The masks. */
  double[] values(double[] theta, double[] uniform) {
    double[] m = new double[theta.length];
    Arrays.setAll(m, i -> function.value(theta[i], uniform[i]));
    return m;
  }

  /** What is kept of each edge, {@code [edges]} by canonical index; 0 for edges of no group. */
  float[] kept(double[] masks) {
    float[] kept = new float[writers.length];
    for (int g = 0; g < kept.length; g++) {
      kept[g] = (float) (masks[g] * writer(masks, g));
    }
    return own.spread(kept);
  }

  /** What the writer of a group has of some numbers of all masks; 1 for the stream. */
  private double writer(double[] all, int group) {
    return writers[group] < 0 ? 1 : all[writers.length + writers[group]];
  }

  /**
   * The chain rule: from a gradient with respect to what is kept to one with respect to θ.
   *
   * @param ofKept {@code [edges]}
   * @param masks {@link #values}
   * @return of every θ
   */
  double[] gradient(float[] ofKept, double[] masks) {
    double[] ofGroups = own.sum(ofKept);
    double[] gradient = new double[size()];
    for (int g = 0; g < writers.length; g++) {
      gradient[g] = ofGroups[g] * writer(masks, g);
      if (writers[g] >= 0) {
        gradient[writers.length + writers[g]] += ofGroups[g] * masks[g];
      }
    }
    for (int i = 0; i < gradient.length; i++) {
      gradient[i] *= function.derivativeAt(masks[i]);
    }
    return gradient;
  }

  /** The expected share of groups of which nothing is kept: 1 − Σ P(own > 0) P(writer > 0) / n. */
  double sparsity(double[] theta) {
    double[] open = open(theta);
    double sum = 0;
    for (int g = 0; g < writers.length; g++) {
      sum += open[g] * writer(open, g);
    }
    return 1 - sum / writers.length;
  }

  /** The expected share of nodes whose mask is 0; 0 without masks of nodes. */
  double nodeSparsity(double[] theta) {
    double sum = 0;
    for (int i = writers.length; i < theta.length; i++) {
      sum += function.open(theta[i]);
    }
    return nodes == 0 ? 0 : 1 - sum / nodes;
  }

  /** Adds a factor times the gradient of {@link #sparsity}. */
  void addSparsity(double[] theta, double factor, double[] gradient) {
    double[] open = open(theta);
    double each = -factor / writers.length;
    for (int g = 0; g < writers.length; g++) {
      gradient[g] += each * function.openSlope(theta[g]) * writer(open, g);
      if (writers[g] >= 0) {
        int node = writers.length + writers[g];
        gradient[node] += each * open[g] * function.openSlope(theta[node]);
      }
    }
  }

  /** Adds a factor times the gradient of {@link #nodeSparsity}. */
  void addNodeSparsity(double[] theta, double factor, double[] gradient) {
    for (int i = writers.length; i < theta.length; i++) {
      gradient[i] -= factor / nodes * function.openSlope(theta[i]);
    }
  }

  private double[] open(double[] theta) {
    double[] open = new double[theta.length];
    Arrays.setAll(open, i -> function.open(theta[i]));
    return open;
  }

  /** The score of each group: P(own > 0) P(writer > 0). */
  float[] scores(double[] theta) {
    double[] open = open(theta);
    float[] scores = new float[writers.length];
    for (int g = 0; g < scores.length; g++) {
      scores[g] = (float) (open[g] * writer(open, g));
    }
    return scores;
  }
}
