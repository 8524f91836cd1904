package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Stage;
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

  private static final int[] NO_SOURCES = {};

  private final ComputationGraph graph;

  /** The kept sources of each destination, by [stage][row]; ascending. */
  private final int[][][] kept;

  /** How much of each source is read. */
  private final byte[] need;

  /** Whether what a head writes depends on the inputs of all heads of its block. */
  private final boolean coupled;

  private CircuitPlan(ComputationGraph graph, int[][][] kept, byte[] need, boolean coupled) {
    this.graph = graph;
    this.kept = kept;
    this.need = need;
    this.coupled = coupled;
  }

  /**
   * Plans a circuit.
   *
   * @param constantsAreAblations whether a node that keeps nothing outputs its ablation value
   * @param sliceIsLast whether only the last position's logits are wanted
   */
  static CircuitPlan of(Circuit circuit, boolean constantsAreAblations, boolean sliceIsLast) {
    return of(circuit, constantsAreAblations, sliceIsLast, false);
  }

  /**
   * Plans a circuit.
   *
   * @param coupled whether what a head writes depends on the inputs of all heads of its block
   */
  static CircuitPlan of(
      Circuit circuit, boolean constantsAreAblations, boolean sliceIsLast, boolean coupled) {
    ComputationGraph graph = circuit.graph();
    BitSet edges = circuit.edgeSet();
    int[][][] kept = new int[graph.stages().size()][][];
    for (Stage stage : graph.stages()) {
      kept[stage.index()] = new int[stage.rows()][];
      int row = 0;
      for (DestModule module : stage.reads()) {
        for (int node = 0; node < module.nodes().size(); node++) {
          kept[stage.index()][row++] = kept(graph, edges, module, node);
        }
      }
    }
    CircuitPlan all = new CircuitPlan(graph, kept, new byte[graph.sources().size()], coupled);
    if (constantsAreAblations) {
      all.dropConstants();
    }
    all.spreadNeed(sliceIsLast ? SLICE : EVERYTHING);
    return all;
  }

  private static int[] kept(ComputationGraph graph, BitSet edges, DestModule module, int node) {
    int copies = graph.positionCopies();
    int start = graph.index(module, node, module.firstSource(), 0);
    int end = start + module.sources() * copies;
    int[] list = new int[module.sources()];
    int n = 0;
    for (int e = edges.nextSetBit(start); e >= 0 && e < end; ) {
      int within = (e - start) / copies;
      list[n++] = module.firstSource() + within;
      e = edges.nextSetBit(start + (within + 1) * copies);
    }
    return n == 0 ? NO_SOURCES : Arrays.copyOf(list, n);
  }

  private void dropConstants() {
    boolean[] varies = new boolean[graph.sources().size()];
    for (Stage stage : graph.stages()) {
      if (stage.kind() == Stage.Kind.EMBEDDING) {
        Arrays.fill(varies, stage.firstWritten(), stage.firstWritten() + stage.written(), true);
      }
      if (stage.readsStream()) {
        boolean read = varies[Sums.before(graph, stage)];
        Arrays.fill(varies, stage.firstWritten(), stage.firstWritten() + stage.written(), read);
      }
      int[][] rows = kept[stage.index()];
      for (int row = 0; row < rows.length; row++) {
        rows[row] = those(varies, rows[row]);
        if (rows[row].length > 0) {
          Arrays.fill(varies, firstFed(stage, row), endFed(stage, row), true);
        }
      }
    }
  }

  /** Those sources that vary; the same array if all do. */
  private static int[] those(boolean[] varies, int[] sources) {
    int n = 0;
    for (int s : sources) {
      n += varies[s] ? 1 : 0;
    }
    if (n == sources.length) {
      return sources;
    }
    int[] some = new int[n];
    n = 0;
    for (int s : sources) {
      if (varies[s]) {
        some[n++] = s;
      }
    }
    return some;
  }

  private void spreadNeed(byte end) {
    for (int i = graph.stages().size() - 1; i >= 0; i--) {
      Stage stage = graph.stages().get(i);
      if (stage.readsStream()) {
        byte own = written(stage);
        boolean everywhere = stage.kind() == Stage.Kind.ATTENTION && own != NOTHING;
        raise(new int[] {Sums.before(graph, stage)}, everywhere ? EVERYTHING : own);
      }
      for (int row = 0; row < kept[i].length; row++) {
        byte own = stage.kind() == Stage.Kind.END ? end : need(stage, row);
        if (own != NOTHING) {
          raise(kept[i][row], stage.readEverywhere(row) ? EVERYTHING : own);
        }
      }
    }
  }

  private void raise(int[] sources, byte to) {
    for (int s : sources) {
      need[s] = (byte) Math.max(need[s], to);
    }
  }

  /** How much is read of the sources that depend on a destination. */
  byte need(Stage stage, int row) {
    return need(stage.firstFed(row), stage.fed(row));
  }

  /** How much is read of what a stage writes. */
  private byte written(Stage stage) {
    return need(stage.firstWritten(), stage.written());
  }

  private byte need(int first, int count) {
    byte most = NOTHING;
    for (int s = first; s < first + count; s++) {
      most = (byte) Math.max(most, need[s]);
    }
    return most;
  }

  /** The first source that depends on a row. */
  private int firstFed(Stage stage, int row) {
    return coupled ? stage.firstWritten() : stage.firstFed(row);
  }

  /** Behind the last source that depends on a row. */
  private int endFed(Stage stage, int row) {
    return coupled ? stage.firstWritten() + stage.written() : stage.firstFed(row) + stage.fed(row);
  }

  /** The sources kept for a destination. */
  int[] kept(Stage stage, int row) {
    return kept[stage.index()][row];
  }

  /** Whether anybody reads the node that a destination belongs to; the end is always read. */
  boolean read(Stage stage, int row) {
    return stage.kind() == Stage.Kind.END || need(stage, row) != NOTHING;
  }

  /**
   * Whether the node that an edge leads to is read.
   *
   * @param edge canonical index of an edge of the graph
   */
  boolean reads(int edge) {
    DestNode destination = graph.edge(edge).destination();
    Stage stage = graph.stage(graph.module(destination.module()));
    return read(stage, stage.row(destination));
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
    for (Stage stage : graph.stages()) {
      for (int row = 0; row < stage.rows(); row++) {
        if (read(stage, row)) {
          for (int s : kept(stage, row)) {
            int start = graph.index(stage.module(row), stage.node(row), s, 0);
            live.set(start, start + copies);
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
    double live = 0;
    for (Stage stage : graph.stages()) {
      if (stage.readsStream()) {
        for (int s = stage.firstWritten(); s < stage.firstWritten() + stage.written(); s++) {
          double own = need[s] == NOTHING ? 0 : need[s] == EVERYTHING ? all : few;
          live +=
              stage.kind() == Stage.Kind.MLP
                  ? own * mlp
                  : (own == 0 ? 0 : all) * 2 * head + own * (2 * head + mix);
        }
      }
      for (int row = 0; row < stage.rows(); row++) {
        int count = kept(stage, row).length;
        if (stage.kind() == Stage.Kind.END) {
          live += count == 0 ? 0 : unembed + 2 * few * c.dModel() * count;
          continue;
        }
        byte n = need(stage, row);
        if (n == NOTHING) {
          continue;
        }
        DestNode.Input input = stage.module(row).input();
        boolean everywhere =
            n == EVERYTHING || input == DestNode.Input.K || input == DestNode.Input.V;
        double rows = everywhere ? all : few;
        live += 2 * rows * c.dModel() * count;
        double own = n == EVERYTHING ? all : few;
        live +=
            switch (input) {
              case Q -> rows * head + own * (mix + head);
              case K, V -> rows * head;
              case ATTENTION -> all * 2 * head + own * (2 * head + mix);
              case MLP -> own * mlp;
              case RESIDUAL, END -> 0;
            };
      }
    }
    return live / plain;
  }
}
