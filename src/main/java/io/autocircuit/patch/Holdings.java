package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What all copies of the prompts hold, and what of it circuits need computed again. Whoever asks
 * what is stale is expected to compute it: it is noted as held from then on.
 */
final class Holdings {
  private final ComputationGraph graph;
  private final Provenance[] held;
  private long clock;

  /** Of so many empty copies. */
  Holdings(ComputationGraph graph, int count) {
    this.graph = graph;
    held =
        IntStream.range(0, count)
            .mapToObj(c -> new Provenance(graph, ++clock))
            .toArray(Provenance[]::new);
  }

  /** Number of copies. */
  int count() {
    return held.length;
  }

  /** Forgets all but the embedding. */
  void forget() {
    for (Provenance p : held) {
      p.forget();
    }
  }

  /** What a destination's input is computed from: how much, its sources and their versions. */
  private long[] inputs(CircuitBatch g, int copy, Stage stage, int row, byte need) {
    return held[copy].input(need, g.kept(copy, stage, row), stage, row, g.edges(copy));
  }

  /**
   * What has to be computed again, and for which copies.
   *
   * @param which parts or heads of a stage
   */
  record Stale(List<Integer> which, CopyRange copies) {}

  /** The parts that are read as {@code need} says, in the circuit that reads most of them. */
  Stale staleParts(CircuitBatch g, Stage stage, byte need) {
    int heads = stage.written();
    List<Integer> which = new ArrayList<>();
    CopyRange range = CopyRange.NONE;
    for (int h = 0; h < heads; h++) {
      for (int part = h; part < stage.parts(); part += heads) {
        boolean query = part < heads;
        int row = stage.row(part);
        byte most = g.need(stage, row);
        if (stage.shared(part) != part
            || most == CircuitPlan.NOTHING
            || (query ? most : CircuitPlan.EVERYTHING) != need) {
          continue;
        }
        CopyRange stale = CopyRange.NONE;
        for (int c = 0; c < g.size(); c++) {
          byte own = g.need(c, stage, row);
          byte at = query || own == CircuitPlan.NOTHING ? own : CircuitPlan.EVERYTHING;
          if (at != CircuitPlan.NOTHING
              && !held[c].partCovers(stage, part, inputs(g, c, stage, row, at))) {
            stale = stale.with(c);
          }
        }
        if (!stale.isEmpty()) {
          which.add(part);
          range = range.with(stale);
        }
      }
    }
    for (int part : which) {
      int row = stage.row(part);
      for (int c = range.first(); c < range.end(); c++) {
        boolean unread = g.need(c, stage, row) == CircuitPlan.NOTHING;
        held[c].setPart(stage, part, unread ? null : inputs(g, c, stage, row, need), ++clock);
      }
    }
    return new Stale(which, range);
  }

  Stale staleHeads(CircuitBatch g, Stage stage, byte need) {
    List<Integer> which = new ArrayList<>();
    CopyRange range = CopyRange.NONE;
    for (int h = 0; h < stage.written(); h++) {
      int source = stage.firstWritten() + h;
      if (g.need(source) != need) {
        continue;
      }
      CopyRange stale = CopyRange.NONE;
      for (int c = 0; c < g.size(); c++) {
        byte own = g.need(c, source);
        if (own != CircuitPlan.NOTHING
            && !held[c].sourceCovers(source, held[c].head(own, stage, h))) {
          stale = stale.with(c);
        }
      }
      if (!stale.isEmpty()) {
        which.add(h);
        range = range.with(stale);
      }
    }
    for (int h : which) {
      int source = stage.firstWritten() + h;
      for (int c = range.first(); c < range.end(); c++) {
        boolean unread = g.need(c, source) == CircuitPlan.NOTHING;
        held[c].setSource(source, unread ? null : held[c].head(need, stage, h));
      }
    }
    return new Stale(which, range);
  }

  /** Notes that some heads of a stage have new outputs. */
  void wroteHeads(Stage stage, int[] heads, CopyRange r) {
    for (int h : heads) {
      for (int c = r.first(); c < r.end(); c++) {
        held[c].setSourceVersion(stage.firstWritten() + h, ++clock);
      }
    }
  }

  /** The copies in which a stage with one input and one output has to be computed again. */
  CopyRange staleOutput(CircuitBatch g, Stage stage) {
    int source = stage.firstWritten();
    CopyRange r = CopyRange.NONE;
    for (int c = 0; c < g.size(); c++) {
      byte own = g.need(c, source);
      if (own != CircuitPlan.NOTHING
          && !held[c].sourceCovers(source, inputs(g, c, stage, 0, own))) {
        r = r.with(c);
      }
    }
    return r;
  }

  /** Notes that such a stage has a new output. */
  void wroteOutput(CircuitBatch g, Stage stage, byte need, CopyRange r) {
    int source = stage.firstWritten();
    for (int c = r.first(); c < r.end(); c++) {
      boolean unread = g.need(c, source) == CircuitPlan.NOTHING;
      held[c].setSource(source, unread ? null : inputs(g, c, stage, 0, need));
      held[c].setSourceVersion(source, ++clock);
    }
  }

  /** The copies whose logits have to be computed again; those that keep nothing are not asked. */
  CopyRange staleEnd(CircuitBatch g) {
    Stage end = graph.end();
    CopyRange stale = CopyRange.NONE;
    for (int c = 0; c < g.size(); c++) {
      if (g.kept(c, end, 0).length > 0 && !held[c].endIs(inputs(g, c, end, 0, CircuitPlan.SLICE))) {
        stale = stale.with(c);
      }
    }
    return stale;
  }

  /** Notes that a copy's logits are those of its circuit. */
  void wroteEnd(CircuitBatch g, int copy) {
    held[copy].setEnd(inputs(g, copy, graph.end(), 0, CircuitPlan.SLICE));
  }

  /** The stage that reads what attention reads and what it has written; null if there is none. */
  Stage follower(Stage attention) {
    Stage next = graph.stages().get(attention.index() + 1);
    return next.kind() == Stage.Kind.MLP && !attention.streamReadAgain() ? next : null;
  }

  /**
   * What the follower of a stage reads in some copies from the sources that attention reads too.
   *
   * @return one list for each copy; null if nothing in any of them
   */
  long[][] carried(CircuitBatch g, CopyRange r, Stage attention) {
    Stage next = follower(attention);
    byte need = next == null ? CircuitPlan.NOTHING : g.need(next.firstWritten());
    if (need == CircuitPlan.NOTHING) {
      return null;
    }
    long[][] lists = new long[r.size()][];
    boolean any = false;
    for (int i = 0; i < lists.length; i++) {
      int c = r.first() + i;
      int[] early =
          Arrays.stream(g.kept(c, next, 0)).filter(s -> s < attention.sources()).toArray();
      any |= early.length > 0;
      lists[i] = held[c].input(need, early, next, 0, g.edges(c));
    }
    return any ? lists : null;
  }

  boolean carriesCover(Stage attention, CopyRange r, long[][] early) {
    for (int i = 0; i < early.length; i++) {
      if (!held[r.first() + i].carryCovers(attention, early[i])) {
        return false;
      }
    }
    return true;
  }

  /** Whether two parts have the same inputs in all of some copies. */
  boolean sameInputs(Stage stage, int part, int other, CopyRange r) {
    for (int c = r.first(); c < r.end(); c++) {
      if (!held[c].sameInput(stage, part, other)) {
        return false;
      }
    }
    return true;
  }

  /** Notes what was carried from a stage. */
  void wroteCarry(Stage attention, CopyRange r, long[][] early) {
    for (int i = 0; i < early.length; i++) {
      held[r.first() + i].setCarry(attention, early[i]);
    }
  }
}
