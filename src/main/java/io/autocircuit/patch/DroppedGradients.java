package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * Gradients where nothing is ablated, of each prompt, that leave out one block in turn. All of them
 * go back together: down to the block that it leaves out each is the true gradient, from which it
 * parts there. So L gradients take one run, and (L + 1) / 2 times the way back.
 */
final class DroppedGradients {
  private final RunInputs in;
  private final MaskedRun masked;
  private final Restarts restarts;
  private final ComputationGraph graph;
  private final int edges;

  DroppedGradients(RunInputs in, MaskedRun masked, Restarts restarts) {
    this.in = in;
    this.masked = masked;
    this.restarts = restarts;
    this.graph = in.graph();
    this.edges = graph.edgeCount();
  }

  /**
   * Takes them; in the current scope, with Δ of the unpatched run, frozen.
   *
   * @param run runs with nothing ablated
   */
  void visit(
      boolean drop,
      boolean patterns,
      GradientOf of,
      Function<GradientOf, GradientRuns.Ran> run,
      GradientTerms terms) {
    PatternEffects effects = patterns ? new PatternEffects(in, masked, of.rules()) : null;
    BackwardRules rules = patterns ? effects : of.rules();
    PatchMask none = PatchMask.zeros(graph, in.batch());
    GradientRuns.Ran ran = run.apply(of);
    MaskedRun.Way way = new MaskedRun.Way(rules, none, ran.kept(), 0, null, null, null);
    List<MaskGradients> out = new ArrayList<>(List.of(new MaskGradients(none, in)));
    List<MaskedBackward> ways = new ArrayList<>(List.of(masked.steps(way, out.get(0))));
    ways.get(0).end(ran.unembedded());
    for (int b = graph.blocks() - 1; b >= 0; b--) {
      int through = ways.size();
      if (drop) {
        out.add(new MaskGradients(none, in));
        ways.add(ways.get(0).copy(out.get(through)));
      }
      try (TensorScope scope = new TensorScope()) {
        for (int i = 0; i < through; i++) {
          ways.get(i).block(b);
        }
        if (drop) {
          ways.get(through).skip(b);
        }
        if (patterns) {
          effects.take(restarts.unpatched(b));
        }
      }
    }
    float[] whole = read(out.get(0), effects, 0);
    if (!drop) {
      terms.term(-1, whole);
      return;
    }
    for (int b = 0; b < graph.blocks(); b++) {
      int i = graph.blocks() - b;
      terms.term(b, joined(b, whole, read(out.get(i), effects, i)));
    }
  }

  private static float[] read(MaskGradients out, PatternEffects effects, int way) {
    float[] values = out.read();
    if (effects != null) {
      effects.put(way, values);
    }
    return values;
  }

  /**
   * What leaves out a block: behind it the true gradient.
   *
   * @param own from the block on; becomes the whole
   */
  private float[] joined(int block, float[] whole, float[] own) {
    for (DestModule m : graph.modules()) {
      int count = m.nodes().size() * m.sources() * graph.positionCopies();
      for (int base = m.offset(); base < own.length && m.block() > block; base += edges) {
        System.arraycopy(whole, base, own, base, count);
      }
    }
    for (Stage stage : graph.stages(block)) {
      for (int e = 0; e < edges && stage.readsStream(); e++) {
        int source = graph.edge(e).source().index() - stage.firstWritten();
        boolean constant = source >= 0 && source < stage.written();
        for (int i = e; i < own.length && constant; i += edges) {
          own[i] = 0;
        }
      }
    }
    return own;
  }
}
