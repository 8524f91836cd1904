package io.autocircuit.benchmark;

import io.autocircuit.graph.ComputationGraph;
import java.util.BitSet;
import java.util.function.BiConsumer;

/**
 * Trials of ACDC (Conmy et al. 2023, "Towards automated circuit discovery for mechanistic
 * interpretability", arXiv:2304.14997) on edges drawn evenly from the canonical order: before each
 * edge, about nine tenths have been removed.
 *
 * @param graph the graph
 * @param count how many trials
 */
record AcdcTrials(ComputationGraph graph, int count) {

  /** At most so many. */
  static AcdcTrials of(ComputationGraph graph, int most) {
    return new AcdcTrials(graph, Math.min(most, graph.edgeCount()));
  }

  /**
   * Visits the trials in order.
   *
   * @param visit is given the edge that is tried, and the edges that are left without it; reads
   *     them while it is called
   */
  void forEach(BiConsumer<Integer, BitSet> visit) {
    BitSet kept = new BitSet(graph.edgeCount());
    kept.set(0, graph.edgeCount());
    int done = 0;
    for (int i = 0; i < count; i++) {
      int e = (int) ((long) i * graph.edgeCount() / count);
      for (; done < e; done++) {
        kept.set(done, done % 10 == 0);
      }
      kept.clear(e);
      visit.accept(e, kept);
    }
  }
}
