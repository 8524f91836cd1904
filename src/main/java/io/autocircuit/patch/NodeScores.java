package io.autocircuit.patch;

import io.autocircuit.graph.GraphNodes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * One score for each node: heads and MLPs, or their autoencoders' latents. A larger |score| means a
 * more important node.
 *
 * @param nodes the nodes
 * @param values by the index of the node
 * @param tieBreaks by the index of the node: of equal |scores| the larger comes first; or empty
 */
public record NodeScores(GraphNodes nodes, float[] values, float[] tieBreaks) {
  /**
   * Checks the lengths and that no number is NaN.
   *
   * @param nodes the nodes that are scored
   * @param values {@code [nodes]}, infinite ones permitted; kept, not copied
   * @param tieBreaks {@code [nodes]} or empty; kept, not copied
   * @throws IllegalArgumentException if a length does not fit, or a number is NaN
   */
  public NodeScores {
    if (values.length != nodes.size()
        || (tieBreaks.length != 0 && tieBreaks.length != values.length)) {
      throw new IllegalArgumentException(
          "scores=" + values.length + " but the graph has nodes=" + nodes.size());
    }
    for (int i = 0; i < values.length; i++) {
      if (Float.isNaN(values[i])) {
        throw new IllegalArgumentException(
            "score of node \"" + nodes.all().get(i) + "\" is NaN; check the model and the loss");
      }
    }
  }

  /**
   * The scores of groups that are the nodes'.
   *
   * @param nodes the nodes
   * @param scores of {@link GraphNodes#groups}
   * @return the scores
   */
  public static NodeScores of(GraphNodes nodes, GroupScores scores) {
    return new NodeScores(nodes, scores.values(), scores.tieBreaks());
  }

  /**
   * The scores that edges give their nodes: of what leaves a node, the largest by size. Undoes
   * {@link #edges}: of what leaves a node, the edge into the stream has its score.
   *
   * @param nodes the nodes
   * @param scores of their graph
   * @return the scores
   */
  public static NodeScores of(GraphNodes nodes, PruneScores scores) {
    return of(nodes, GroupScores.largest(nodes.groups(), scores));
  }

  /**
   * The scores of edges: each has that of its less important end, as in AutoCircuit's Tracr
   * experiment. The stream is more important than every node, and so +∞.
   *
   * @return scores of the graph's edges
   */
  public PruneScores edges() {
    int[] order = ranking();
    int[] rank = new int[order.length];
    for (int i = 0; i < order.length; i++) {
      rank[order[i]] = i;
    }
    int[] worse = nodes.worseEnds((a, b) -> Integer.compare(rank[a], rank[b]));
    float[] edges = new float[worse.length];
    float[] ties = new float[tieBreaks.length == 0 ? 0 : worse.length];
    Arrays.fill(ties, Float.POSITIVE_INFINITY);
    for (int e = 0; e < edges.length; e++) {
      edges[e] = worse[e] < 0 ? Float.POSITIVE_INFINITY : values[worse[e]];
      if (ties.length > 0 && worse[e] >= 0) {
        ties[e] = tieBreaks[worse[e]];
      }
    }
    return new PruneScores(nodes.graph(), edges, ties);
  }

  /**
   * Indices of nodes by descending |score|; equal scores by descending tie break, then as nodes are
   * ordered.
   *
   * @return all nodes
   */
  public int[] ranking() {
    return Ranking.of(values, tieBreaks);
  }

  /**
   * The nodes of the largest |score|.
   *
   * @param k how many, 0 to the number of nodes
   * @return their indices
   * @throws IllegalArgumentException if k lies outside 0..nodes
   */
  public BitSet best(int k) {
    requireCount(k);
    return new GroupScores(nodes.groups(), values, tieBreaks).best(k);
  }

  /**
   * The nodes whose |score| reaches the k-th largest, ties included.
   *
   * @param k their least number, 0 to the number of nodes
   * @return their indices
   * @throws IllegalArgumentException if k lies outside 0..nodes
   */
  public BitSet bestWithTies(int k) {
    requireCount(k);
    BitSet best = new BitSet(values.length);
    if (k > 0) {
      float threshold = Math.abs(values[ranking()[k - 1]]);
      for (int i = 0; i < values.length; i++) {
        best.set(i, Math.abs(values[i]) >= threshold);
      }
    }
    return best;
  }

  /**
   * The nodes of the largest scores, with their sign; of equal ones as in {@link #ranking}.
   *
   * @param k how many, 0 to the number of nodes
   * @return their indices
   * @throws IllegalArgumentException if k lies outside 0..nodes
   */
  public BitSet bestSigned(int k) {
    requireCount(k);
    BitSet best = new BitSet(values.length);
    Arrays.stream(Ranking.signed(values, tieBreaks)).limit(k).forEach(best::set);
    return best;
  }

  /**
   * The nodes whose score reaches a threshold.
   *
   * @param threshold the least score
   * @param signed whether scores are compared, rather than |scores|
   * @return their indices
   */
  public BitSet reaching(double threshold, boolean signed) {
    return CircuitSelection.reaching(values, threshold, signed);
  }

  /**
   * The circuit of some nodes.
   *
   * @param kept indices of nodes
   * @return all edges whose both ends are among them, or the stream
   */
  public Circuit circuit(BitSet kept) {
    return Circuit.of(nodes.graph(), nodes.edges(kept));
  }

  private void requireCount(int k) {
    if (k < 0 || k > values.length) {
      throw new IllegalArgumentException(
          "node count=" + k + " outside 0.." + values.length + "; choose a size in that range");
    }
  }

  /**
   * A scored node.
   *
   * @param node the node
   * @param score its score, with its sign
   */
  public record Scored(GraphNodes.Node node, float score) {}

  /**
   * All nodes with their scores, the most important first.
   *
   * @return a new list
   */
  public List<Scored> ranked() {
    List<Scored> all = new ArrayList<>(values.length);
    for (int i : ranking()) {
      all.add(new Scored(nodes.all().get(i), values[i]));
    }
    return all;
  }
}
