package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.GraphNodes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.PriorityQueue;

/**
 * How a circuit is chosen by its edges' scores. The rules, and pruning, are those of EAP-IG's
 * library (Hanna et al. 2024, arXiv:2403.17806: {@code apply_topn}, {@code apply_threshold}, {@code
 * apply_greedy}), with a fixed order of equal scores.
 *
 * @param rule which edges are taken
 * @param signed whether large scores go before small ones, rather than large |scores|
 * @param prune whether edges and nodes that are on no way through the model are taken out again;
 *     the circuit may then be smaller than asked for
 * @param thresholds of {@link Rule#THRESHOLD}, a circuit for each; else none
 */
public record CircuitSelection(Rule rule, boolean signed, boolean prune, List<Double> thresholds) {
  /** The edges of the largest |score|, as many as asked for. */
  public static final CircuitSelection TOP = new CircuitSelection(Rule.TOP, false, false);

  /**
   * Keeps an unmodifiable copy.
   *
   * @param rule which edges are taken
   * @param signed whether large scores go before small ones
   * @param prune whether edges and nodes that are on no way through the model are taken out again
   * @param thresholds of {@link Rule#THRESHOLD}, at least one; else none
   * @throws IllegalArgumentException if there are thresholds for another rule, or none for this
   *     one, or one is NaN
   */
  public CircuitSelection {
    thresholds = List.copyOf(thresholds);
    if (thresholds.isEmpty() == (rule == Rule.THRESHOLD)) {
      throw new IllegalArgumentException(
          rule == Rule.THRESHOLD
              ? "select=threshold has no thresholds; give --thresholds"
              : "thresholds="
                  + thresholds
                  + " go with select=threshold, not with "
                  + rule.key()
                  + "; leave them out");
    }
    if (thresholds.stream().anyMatch(t -> t.isNaN())) {
      throw new IllegalArgumentException("threshold=NaN is no number; give one");
    }
  }

  /**
   * Without thresholds.
   *
   * @param rule any but {@link Rule#THRESHOLD}
   * @param signed whether large scores go before small ones
   * @param prune whether edges and nodes that are on no way through the model are taken out again
   */
  public CircuitSelection(Rule rule, boolean signed, boolean prune) {
    this(rule, signed, prune, List.of());
  }

  /** Which edges are taken. */
  public enum Rule {
    /** The best, as many as asked for. */
    TOP,
    /** All whose score reaches a threshold. */
    THRESHOLD,
    /**
     * From the end of the stream backwards: of the edges that lead to what is in the circuit, again
     * and again the best. Of equal ones that goes first which could be taken earlier; of edges to
     * one node the one of the earlier source, then queries before keys before values. Every edge
     * has a way to the end.
     */
    GREEDY;

    /**
     * Its name in options and files.
     *
     * @return in lower case
     */
    public String key() {
      return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The rule of a key.
     *
     * @param key in any case
     * @return the rule
     * @throws IllegalArgumentException if there is none
     */
    public static Rule of(String key) {
      for (Rule rule : values()) {
        if (rule.key().equalsIgnoreCase(key)) {
          return rule;
        }
      }
      throw new IllegalArgumentException(
          "select=\"" + key + "\" is unknown; choose one of top, threshold, greedy");
    }
  }

  /**
   * A circuit, and what it was before pruning.
   *
   * @param chosen what the rule took
   * @param circuit what is left of it; the same where nothing is pruned
   */
  public record Selected(Circuit chosen, Circuit circuit) {}

  /**
   * In words: {@code top by |score|}, {@code greedy by score, pruned}.
   *
   * @return for people
   */
  public String title() {
    return rule.key() + (signed ? " by signed score" : " by |score|") + (prune ? ", pruned" : "");
  }

  /**
   * Edge indices from the best to the worst; equal ones by descending tie break, then in canonical
   * order.
   *
   * @param scores of a graph
   * @return all canonical edge indices
   */
  public int[] ranking(PruneScores scores) {
    return signed ? Ranking.signed(scores.values(), scores.tieBreaks()) : scores.ranking();
  }

  /**
   * The circuits of as many edges, by {@link Rule#TOP} or {@link Rule#GREEDY}.
   *
   * @param scores of a graph
   * @param counts how many edges the rule takes, each from 0 to the graph's number
   * @return one for each; greedy ones have fewer where no more edges can be reached
   * @throws IllegalArgumentException if a count is out of range, or the graph cannot be pruned
   * @throws IllegalStateException if the rule takes no number of edges
   */
  public List<Selected> ofCounts(PruneScores scores, int... counts) {
    if (rule == Rule.THRESHOLD) {
      throw new IllegalStateException("select=threshold takes no number of edges");
    }
    int most = Arrays.stream(counts).max().orElse(0);
    int edges = scores.graph().edgeCount();
    for (int k : counts) {
      if (k < 0 || k > edges) {
        throw new IllegalArgumentException(
            "edge count=" + k + " outside 0.." + edges + "; choose a size in that range");
      }
    }
    int[] order = rule == Rule.GREEDY ? greedy(scores, most) : ranking(scores);
    List<Selected> all = new ArrayList<>();
    for (int k : counts) {
      BitSet set = new BitSet(edges);
      for (int i = 0; i < Math.min(k, order.length); i++) {
        set.set(order[i]);
      }
      all.add(selected(Circuit.of(scores.graph(), set)));
    }
    return all;
  }

  /**
   * The circuits of all edges whose score, or |score|, is at least a threshold.
   *
   * @param scores of a graph
   * @return one for each of the thresholds
   * @throws IllegalArgumentException if the graph cannot be pruned
   */
  public List<Selected> ofThresholds(PruneScores scores) {
    List<Selected> all = new ArrayList<>();
    for (double t : thresholds) {
      all.add(selected(Circuit.of(scores.graph(), reaching(scores.values(), t, signed))));
    }
    return all;
  }

  /** Whose score, or |score|, is at least a threshold. */
  static BitSet reaching(float[] scores, double threshold, boolean signed) {
    BitSet set = new BitSet();
    for (int i = 0; i < scores.length; i++) {
      float score = signed ? scores[i] : Math.abs(scores[i]);
      set.set(i, score >= (float) threshold); // as scores are stored
    }
    return set;
  }

  private Selected selected(Circuit chosen) {
    return new Selected(chosen, prune ? pruned(chosen) : chosen);
  }

  /**
   * A circuit without the edges and nodes that are on no way through the model ({@link
   * GraphNodes#connected}). Under resampling these change nothing.
   *
   * @param circuit of a factorized graph
   * @return a part of it; maybe the empty circuit
   * @throws IllegalArgumentException if the graph is unfactorized
   */
  public static Circuit pruned(Circuit circuit) {
    return Circuit.of(circuit.graph(), circuit.graph().nodes().connected(circuit.edgeSet()));
  }

  /** A candidate of the greedy rule; the first found goes first where scores are equal. */
  private record Candidate(int edge, float score, float tieBreak, int found)
      implements Comparable<Candidate> {
    @Override
    public int compareTo(Candidate o) {
      int order = Float.compare(o.score, score);
      order = order != 0 ? order : Float.compare(o.tieBreak, tieBreak);
      return order != 0 ? order : Integer.compare(found, o.found);
    }
  }

  /** The edges in the order in which they are taken, at most so many. */
  private int[] greedy(PruneScores scores, int most) {
    ComputationGraph graph = scores.graph();
    if (!graph.factorized()) {
      throw new IllegalArgumentException(
          "select=greedy goes from edge to edge, but heads and MLPs of graph=unfactorized have none"
              + " to read; choose select=top, or graph=factorized");
    }
    GraphNodes nodes = graph.nodes();
    float[] values = scores.values();
    float[] breaks = scores.tieBreaks();
    int copies = graph.positionCopies();
    BitSet known = new BitSet(graph.sources().size() * copies);
    BitSet offered = new BitSet(values.length); // inputs that heads share are found once
    PriorityQueue<Candidate> candidates = new PriorityQueue<>();
    int[] taken = new int[most];
    int n = 0;
    int found = 0;
    int at = -1; // the end is read at every position
    for (int node = graph.sources().size(); ; ) {
      for (int e : node < 0 ? new int[0] : nodes.into(node, at)) {
        if (!offered.get(e)) {
          float score = (signed ? values[e] : Math.abs(values[e])) + 0f; // -0 equals 0
          float tieBreak = breaks.length == 0 ? 0 : breaks[e];
          candidates.add(new Candidate(e, score, tieBreak, found++));
          offered.set(e);
        }
      }
      Candidate best = n == most ? null : candidates.poll();
      if (best == null) {
        return Arrays.copyOf(taken, n);
      }
      taken[n++] = best.edge();
      Edge edge = graph.edge(best.edge());
      int source = edge.source().index();
      at = edge.position();
      int place = source * copies + Math.max(0, at);
      node = known.get(place) ? -1 : source;
      known.set(place);
    }
  }
}
