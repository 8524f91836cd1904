package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import java.util.BitSet;
import java.util.List;

/**
 * The circuits of one run; each in the copy of its index.
 *
 * @param plans one for each circuit
 * @param edges their edges where these differ by position, else null
 */
record CircuitBatch(List<CircuitPlan> plans, List<BitSet> edges) {
  private static final int[] NO_SOURCES = {};

  /**
   * Plans circuits.
   *
   * @param constantsAreAblations whether a node that keeps nothing outputs its ablation value
   * @param sliceIsLast whether only the last position's logits are wanted
   */
  static CircuitBatch of(
      List<Circuit> circuits, boolean constantsAreAblations, boolean sliceIsLast) {
    boolean byPosition = circuits.get(0).graph().positions() > 0;
    return new CircuitBatch(
        circuits.stream().map(c -> CircuitPlan.of(c, constantsAreAblations, sliceIsLast)).toList(),
        byPosition ? circuits.stream().map(Circuit::edgeSet).toList() : null);
  }

  int size() {
    return plans.size();
  }

  /** How much of a source's output a circuit reads. */
  byte need(int copy, int source) {
    return plans.get(copy).need(source);
  }

  /** How much of a source's output any of the circuits reads. */
  byte need(int source) {
    byte most = CircuitPlan.NOTHING;
    for (CircuitPlan p : plans) {
      most = (byte) Math.max(most, p.need(source));
    }
    return most;
  }

  /** How much a circuit reads of the sources that depend on a destination. */
  byte need(int copy, Stage stage, int row) {
    return plans.get(copy).need(stage, row);
  }

  /** How much any of the circuits reads of the sources that depend on a destination. */
  byte need(Stage stage, int row) {
    byte most = CircuitPlan.NOTHING;
    for (CircuitPlan p : plans) {
      most = (byte) Math.max(most, p.need(stage, row));
    }
    return most;
  }

  /** The kept sources of a destination; none if nobody reads the node it belongs to. */
  int[] kept(int copy, Stage stage, int row) {
    CircuitPlan p = plans.get(copy);
    return p.read(stage, row) ? p.kept(stage, row) : NO_SOURCES;
  }

  /** How many leading sources some copies need to hold all that a destination keeps. */
  int used(CopyRange r, Stage stage, int row) {
    int used = 0;
    for (int c = r.first(); c < r.end(); c++) {
      int[] kept = kept(c, stage, row);
      used = kept.length == 0 ? used : Math.max(used, kept[kept.length - 1] + 1);
    }
    return used;
  }

  /** As {@link #used}, counting only the first {@code limit} sources. */
  int usedBelow(CopyRange r, Stage stage, int row, int limit) {
    int used = 0;
    for (int c = r.first(); c < r.end(); c++) {
      for (int s : kept(c, stage, row)) {
        used = s < limit ? Math.max(used, s + 1) : used;
      }
    }
    return used;
  }

  /** A circuit's edges where they differ by position, else null. */
  BitSet edges(int copy) {
    return edges == null ? null : edges.get(copy);
  }
}
