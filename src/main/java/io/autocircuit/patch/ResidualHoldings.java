package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import java.util.Arrays;

/** What {@link ResidualCircuits} holds of each source, and what it was computed from. */
final class ResidualHoldings {
  private final ComputationGraph graph;

  /** What each source was computed from; null where it is not known. */
  private final long[][] made;

  /** Changes whenever a source is computed. */
  private final long[] version;

  /** How much of each is there. */
  private final byte[] covered;

  private long[] end;
  private long clock;

  /** Nothing but the embedding. */
  ResidualHoldings(ComputationGraph graph) {
    this.graph = graph;
    int sources = graph.sources().size();
    made = new long[sources][];
    version = new long[sources];
    covered = new byte[sources];
  }

  void forget() {
    Arrays.fill(made, null);
    end = null;
  }

  /** What a sum, or the end, is computed from: sources, their versions, the positions. */
  long[] sum(CircuitBatch g, Stage stage) {
    int[] kept = g.kept(0, stage, 0);
    long[] places = {};
    if (g.edges(0) != null) {
      DestModule m = stage.reads().get(0);
      int count = m.sources() * graph.positionCopies();
      places = g.edges(0).get(m.offset(), m.offset() + count).toLongArray();
    }
    long[] from = new long[1 + 2 * kept.length + places.length];
    from[0] = kept.length;
    for (int i = 0; i < kept.length; i++) {
      from[1 + 2 * i] = kept[i];
      from[2 + 2 * i] = version[kept[i]];
    }
    System.arraycopy(places, 0, from, 1 + 2 * kept.length, places.length);
    return from;
  }

  /** What heads and MLPs are computed from: a version of the stream. */
  long[] function(Stage stage) {
    return new long[] {version[Sums.before(graph, stage)]};
  }

  /** Whether a source computed from that is there, at as many positions. */
  boolean covers(int source, long[] from, byte need) {
    return covered[source] >= need && Arrays.equals(made[source], from);
  }

  void wrote(int source, long[] from, byte need) {
    made[source] = from;
    version[source] = ++clock;
    covered[source] = need;
  }

  /** What the logits were computed from; null if they are not known. */
  long[] end() {
    return end;
  }

  void wroteEnd(long[] from) {
    end = from;
  }
}
