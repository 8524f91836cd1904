package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.model.TransformerConfig;
import java.util.Arrays;
import java.util.BitSet;

/**
 * What must be evaluated of a circuit whose complement is ablated ({@link PatchType#TREE_PATCH}).
 *
 * <p>A destination reads its base input (all sources ablated) plus {@code c − p} of the sources
 * that the circuit keeps for it. So a source that no live destination keeps need not be computed,
 * and a node is needed at the last position alone unless somebody reads it through keys or values,
 * which look at every position. Under resampling a node that keeps nothing has its ablation value
 * as its output, so edges from it change nothing and are dropped.
 */
final class CircuitPlan {
  /** How much of a source's output is read. */
  static final byte NOTHING = 0;

  /** Only the output slice's positions. */
  static final byte SLICE = 1;

  /** Every position. */
  static final byte EVERYTHING = 2;

  private final ComputationGraph graph;

  /** The kept sources of each destination, by [module][head]; ascending. */
  private final int[][][] kept;

  /** How much of each source is read. */
  private final byte[] need;

  private CircuitPlan(ComputationGraph graph, int[][][] kept, byte[] need) {
    this.graph = graph;
    this.kept = kept;
    this.need = need;
  }

  /**
   * Plans a circuit.
   *
   * @param constantsAreAblations whether a node that keeps nothing outputs its ablation value
   * @param sliceIsLast whether only the last position's logits are wanted
   */
  static CircuitPlan of(Circuit circuit, boolean constantsAreAblations, boolean sliceIsLast) {
    ComputationGraph graph = circuit.graph();
    BitSet edges = circuit.edgeSet();
    int copies = graph.positionCopies();
    int modules = graph.modules().size();
    int[][][] kept = new int[modules][][];
    for (int m = 0; m < modules; m++) {
      DestModule module = graph.modules().get(m);
      int heads = module.nodes().size();
      kept[m] = new int[heads][];
      for (int h = 0; h < heads; h++) {
        int start = module.offset() + h * module.sources() * copies;
        int end = start + module.sources() * copies;
        int[] list = new int[module.sources()];
        int n = 0;
        for (int e = edges.nextSetBit(start); e >= 0 && e < end; ) {
          int s = (e - start) / copies;
          list[n++] = s;
          e = edges.nextSetBit(start + (s + 1) * copies);
        }
        kept[m][h] = Arrays.copyOf(list, n);
      }
    }
    CircuitPlan all = new CircuitPlan(graph, kept, new byte[graph.sources().size()]);
    if (constantsAreAblations) {
      all.dropConstants();
    }
    all.spreadNeed(sliceIsLast ? SLICE : EVERYTHING);
    return all;
  }

  private void dropConstants() {
    boolean[] varies = new boolean[graph.sources().size()];
    varies[0] = true;
    // forward: modules from the last in canonical order to the first, attention before the MLP
    for (int b = 0; b < graph.blocks(); b++) {
      for (boolean mlp : new boolean[] {false, true}) {
        for (int m = 0; m < kept.length; m++) {
          DestModule module = graph.modules().get(m);
          if (module.block() != b || (module.input() == Input.MLP) != mlp) {
            continue;
          }
          for (int h = 0; h < kept[m].length; h++) {
            kept[m][h] = Arrays.stream(kept[m][h]).filter(s -> varies[s]).toArray();
            if (kept[m][h].length > 0) {
              varies[sourceOf(module, h)] = true;
            }
          }
        }
      }
    }
    int end = 0;
    kept[end][0] = Arrays.stream(kept[end][0]).filter(s -> varies[s]).toArray();
  }

  /** The source index of the node that a destination belongs to. */
  int sourceOf(DestModule module, int head) {
    int perBlock =
        graph.heads() + (graph.wiring() == ComputationGraph.Wiring.ATTENTION_ONLY ? 0 : 1);
    int first = 1 + module.block() * perBlock;
    return module.input() == Input.MLP ? first + graph.heads() : first + head;
  }

  private void spreadNeed(byte end) {
    raise(kept[0][0], end);
    for (int b = graph.blocks() - 1; b >= 0; b--) {
      // an MLP may read the heads of its own block, so it comes first
      for (boolean mlp : new boolean[] {true, false}) {
        for (int m = 0; m < kept.length; m++) {
          DestModule module = graph.modules().get(m);
          if (module.block() != b || (module.input() == Input.MLP) != mlp) {
            continue;
          }
          for (int h = 0; h < kept[m].length; h++) {
            byte own = need[sourceOf(module, h)];
            if (own != NOTHING) {
              boolean local = module.input() == Input.Q || module.input() == Input.MLP;
              raise(kept[m][h], local ? own : EVERYTHING);
            }
          }
        }
      }
    }
  }

  private void raise(int[] sources, byte to) {
    for (int s : sources) {
      need[s] = (byte) Math.max(need[s], to);
    }
  }

  /** The sources kept for a destination. */
  int[] kept(int module, int head) {
    return kept[module][head];
  }

  /** Whether anybody reads the node that a destination belongs to; the end is always read. */
  boolean read(int module, int head) {
    DestModule m = graph.modules().get(module);
    return m.input() == Input.END || need[sourceOf(m, head)] != NOTHING;
  }

  /**
   * Whether the node that an edge leads to is read.
   *
   * @param edge canonical index of an edge of the graph
   */
  boolean reads(int edge) {
    for (int m = graph.modules().size() - 1; m >= 0; m--) {
      DestModule module = graph.modules().get(m);
      if (module.offset() <= edge) {
        return read(m, (edge - module.offset()) / (module.sources() * graph.positionCopies()));
      }
    }
    throw new IllegalArgumentException("edge index=" + edge + " is negative");
  }

  /**
   * Those of some edges that lead, at any position, to a destination that is read, from a source
   * that is kept for it.
   *
   * @param edges canonical indices of edges of the planned circuit
   */
  BitSet live(BitSet edges) {
    BitSet live = new BitSet();
    int copies = graph.positionCopies();
    for (int m = 0; m < kept.length; m++) {
      DestModule module = graph.modules().get(m);
      for (int h = 0; h < kept[m].length; h++) {
        if (read(m, h)) {
          int row = module.offset() + h * module.sources() * copies;
          for (int s : kept[m][h]) {
            live.set(row + s * copies, row + (s + 1) * copies);
          }
        }
      }
    }
    live.and(edges);
    return live;
  }

  /** How much of a source is read. */
  byte need(int source) {
    return need[source];
  }

  /**
   * The operations of this plan over those of the plain forward pass.
   *
   * @param batch number of prompts
   * @param length number of positions
   * @param prefix leading positions that are not computed
   * @param sliced number of positions whose logits are wanted
   */
  double share(TransformerConfig c, int batch, int length, int prefix, int sliced) {
    double full = (double) batch * length;
    double all = (double) batch * (length - prefix);
    double few = (double) batch * sliced;
    double head = 2.0 * c.dModel() * c.dHead();
    double mix = 4.0 * length * c.dHead();
    double mlp = 2.0 * c.dModel() * c.dMlp() * (c.gatedMlp() ? 3 : 2);
    double unembed = 2.0 * few * c.dModel() * c.outputs();
    double plain = c.blocks() * full * (c.heads() * (4 * head + mix) + mlp) + unembed;
    double live = kept[0][0].length == 0 ? 0 : unembed + 2 * few * c.dModel() * kept[0][0].length;
    for (int m = 1; m < kept.length; m++) {
      DestModule module = graph.modules().get(m);
      for (int h = 0; h < kept[m].length; h++) {
        byte n = need[sourceOf(module, h)];
        if (n == NOTHING) {
          continue;
        }
        boolean everywhere =
            n == EVERYTHING || module.input() == Input.K || module.input() == Input.V;
        double rows = everywhere ? all : few;
        live += 2 * rows * c.dModel() * kept[m][h].length;
        double own = n == EVERYTHING ? all : few;
        live +=
            switch (module.input()) {
              case Q -> rows * head + own * (mix + head);
              case K, V -> rows * head;
              case ATTENTION -> all * 2 * head + own * (2 * head + mix);
              case MLP -> own * mlp;
              case END -> 0;
            };
      }
    }
    return live / plain;
  }
}
