package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import java.util.Arrays;
import java.util.BitSet;

/**
 * What one copy of the prompts holds, and what it was computed from: lists of numbers that are
 * equal exactly if what was computed is. A list begins with how much was computed ({@link
 * CircuitPlan#SLICE}, {@link CircuitPlan#EVERYTHING}); the sources and their versions follow. Null
 * where nothing is known.
 */
final class Provenance {
  private final ComputationGraph graph;

  /** By [stage][part]. */
  private final long[][][] parts;

  private final long[][] partVersions;
  private final long[][] sources;
  private final long[] sourceVersions;

  /** What was carried to the stage after attention, by attention's stage. */
  private final long[][] carries;

  private long[] end;

  /**
   * Of an empty copy.
   *
   * @param embedding the version of the embedding, which is there
   */
  Provenance(ComputationGraph graph, long embedding) {
    this.graph = graph;
    int stages = graph.stages().size();
    parts = new long[stages][][];
    partVersions = new long[stages][];
    for (Stage stage : graph.stages()) {
      parts[stage.index()] = new long[stage.parts()][];
      partVersions[stage.index()] = new long[stage.parts()];
    }
    sources = new long[graph.sources().size()][];
    sourceVersions = new long[sources.length];
    sourceVersions[0] = embedding;
    carries = new long[stages][];
  }

  /** Forgets all but the embedding. */
  void forget() {
    for (long[][] stage : parts) {
      Arrays.fill(stage, null);
    }
    Arrays.fill(sources, null);
    Arrays.fill(carries, null);
    end = null;
  }

  /**
   * What a destination's input is computed from.
   *
   * @param need at how many positions
   * @param kept its sources, or those of them that count
   * @param edges the circuit's, where they differ by position, else null
   */
  long[] input(byte need, int[] kept, Stage stage, int row, BitSet edges) {
    int words = edges == null ? 0 : (graph.positions() + 63) / 64;
    long[] list = new long[1 + kept.length * (2 + words)];
    list[0] = need;
    int i = 1;
    for (int s : kept) {
      list[i++] = s;
      list[i++] = sourceVersions[s];
      if (edges != null) {
        int start = graph.index(stage.module(row), stage.node(row), s, 0);
        long[] bits = edges.get(start, start + graph.positions()).toLongArray();
        System.arraycopy(bits, 0, list, i, bits.length);
        i += words;
      }
    }
    return list;
  }

  /** What a head is computed from: its query, key and value. */
  long[] head(byte need, Stage stage, int head) {
    long[] versions = partVersions[stage.index()];
    int heads = stage.written();
    return new long[] {
      need,
      versions[head],
      versions[stage.shared(heads + head)],
      versions[stage.shared(2 * heads + head)]
    };
  }

  boolean partCovers(Stage stage, int part, long[] wanted) {
    return covers(parts[stage.index()][part], wanted);
  }

  boolean sourceCovers(int source, long[] wanted) {
    return covers(sources[source], wanted);
  }

  boolean carryCovers(Stage stage, long[] wanted) {
    return covers(carries[stage.index()], wanted);
  }

  boolean endIs(long[] wanted) {
    return Arrays.equals(end, wanted);
  }

  /** Whether what is there was made from the same inputs, for at least as many positions. */
  private static boolean covers(long[] made, long[] wanted) {
    return made != null
        && made[0] >= wanted[0]
        && Arrays.equals(made, 1, made.length, wanted, 1, wanted.length);
  }

  /** Whether two parts of a stage have the same input, at whatever positions. */
  boolean sameInput(Stage stage, int part, int other) {
    long[] x = parts[stage.index()][part];
    long[] y = parts[stage.index()][other];
    return x == null || y == null ? x == y : Arrays.equals(x, 1, x.length, y, 1, y.length);
  }

  void setPart(Stage stage, int part, long[] inputs, long version) {
    parts[stage.index()][part] = inputs;
    partVersions[stage.index()][part] = version;
  }

  void setSource(int source, long[] inputs) {
    sources[source] = inputs;
  }

  void setSourceVersion(int source, long version) {
    sourceVersions[source] = version;
  }

  void setCarry(Stage stage, long[] inputs) {
    carries[stage.index()] = inputs;
  }

  void setEnd(long[] inputs) {
    end = inputs;
  }
}
