package io.autocircuit.formats;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PruneScores;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * A graph of EAP-IG's library (hannamw/EAP-IG 2.0.0, also MIB's): scores of edges, nodes and
 * neurons, and what of each is in the circuit. Matrices are {@code [rows][columns]}: rows are what
 * edges come from ({@code input}, then the heads and the MLP of each block), columns what they lead
 * to (query, key and value of each head, and the MLP, of each block; then {@code logits}).
 *
 * @param cfg the model's sizes
 * @param scores {@code [rows · columns]}; 0 where there is no edge
 * @param edges the cells of edges that are in the graph
 * @param nodes the rows that are in the graph
 * @param nodeScores {@code [rows]}, NaN where there is none; null without
 * @param neurons the cells of {@code [rows · dModel]} that are in the graph; null without
 * @param neuronScores {@code [rows · dModel]}; null without
 */
public record EapIgGraph(
    Cfg cfg,
    float[] scores,
    BitSet edges,
    BitSet nodes,
    float[] nodeScores,
    BitSet neurons,
    float[] neuronScores) {
  private static final int QKV = 3;
  private static final int MOST_CELLS = 1 << 28;

  /** What a file of any size may ask for; beyond, so many cells for each of its bytes. */
  private static final long FREE_CELLS = 1 << 20;

  private static final long CELLS_PER_BYTE = 64;

  /**
   * The sizes of a model.
   *
   * @param blocks blocks
   * @param heads query heads of each block
   * @param parallel whether attention and MLP of a block read the same stream
   * @param dModel channels of the stream
   */
  public record Cfg(int blocks, int heads, boolean parallel, int dModel) {
    /**
     * Checks that matrices can be held.
     *
     * @param blocks blocks
     * @param heads query heads of each block
     * @param parallel whether attention and MLP of a block read the same stream
     * @param dModel channels of the stream
     * @throws IllegalArgumentException if one is below 1, or together they are beyond any model
     */
    public Cfg {
      double rows = 1 + (double) blocks * (heads + 1.0);
      if (blocks < 1
          || heads < 1
          || dModel < 1
          || rows * (QKV * rows) > MOST_CELLS
          || rows * dModel > MOST_CELLS) {
        throw new IllegalArgumentException(
            "n_layers=" + blocks + ", n_heads=" + heads + ", d_model=" + dModel + " out of range");
      }
    }

    /** {@return the number of rows, {@code 1 + blocks · (heads + 1)}} */
    public int rows() {
      return 1 + blocks * (heads + 1);
    }

    /** {@return the number of columns, {@code blocks · (3 · heads + 1) + 1}} */
    public int columns() {
      return blocks * (QKV * heads + 1) + 1;
    }

    /** The row of a head, or for {@code head == heads} of the MLP. */
    int row(int block, int head) {
      return 1 + block * (heads + 1) + head;
    }

    /** The column of an input of a head (0 to 2), or for {@code input == 3} of the MLP. */
    int column(int block, int input, int head) {
      return block * (QKV * heads + 1) + input * heads + head;
    }

    /** The block of a column; the number of blocks for {@code logits}. */
    int block(int column) {
      return column / (QKV * heads + 1);
    }

    /** Whether a column is an MLP's. */
    boolean isMlp(int column) {
      return column < columns() - 1 && column % (QKV * heads + 1) == QKV * heads;
    }

    /** How many rows a column reads: the first ones. */
    int reads(int column) {
      int block = block(column);
      return 1 + block * (heads + 1) + (isMlp(column) && !parallel ? heads : 0);
    }

    /**
     * The name of a row.
     *
     * @param row its number
     * @return {@code input}, {@code a0.h1} or {@code m0}
     */
    public String rowName(int row) {
      if (row == 0) {
        return "input";
      }
      int block = (row - 1) / (heads + 1);
      int head = (row - 1) % (heads + 1);
      return head == heads ? "m" + block : "a" + block + ".h" + head;
    }

    /**
     * The name of a column.
     *
     * @param column its number
     * @return {@code a0.h1<q>}, {@code m0} or {@code logits}
     */
    public String columnName(int column) {
      if (column == columns() - 1) {
        return "logits";
      }
      int block = block(column);
      int at = column % (QKV * heads + 1);
      return at == QKV * heads
          ? "m" + block
          : "a" + block + ".h" + at % heads + "<" + "qkv".charAt(at / heads) + ">";
    }

    /** Whether a cell is an edge. */
    boolean isEdge(int row, int column) {
      return row < reads(column);
    }

    /** How many edges there are. */
    private int count() {
      int count = 0;
      for (int column = 0; column < columns(); column++) {
        count += reads(column);
      }
      return count;
    }

    /**
     * Refuses a matrix {@code [rows][width]} that a file is much too small for, before it is made.
     *
     * @throws DataException if there are more than 64 cells for each of the file's bytes
     */
    void requireIn(Path file, int width) {
      long most;
      try {
        most = Math.max(FREE_CELLS, CELLS_PER_BYTE * Files.size(file));
      } catch (IOException e) {
        throw JsonFiles.unreadable(file, e);
      }
      long cells = (long) rows() * width;
      if (cells > most) {
        throw new DataException(
            "file="
                + file
                + ": cfg: n_layers="
                + blocks
                + ", n_heads="
                + heads
                + ", d_model="
                + dModel
                + " needs cells="
                + cells
                + ", but a file of this size has at most "
                + most
                + "; write the graph whole, with EAP-IG's to_json or to_pt");
      }
    }

    /** All edges as cells, in the library's order. */
    int[] cells() {
      int[] cells = new int[count()];
      int columns = columns();
      int at = 0;
      for (int block = 0; block < blocks; block++) {
        int before = row(block, 0);
        int mlp = column(block, QKV, 0);
        for (int row = 0; row < before; row++) {
          for (int head = 0; head < heads; head++) {
            for (int input = 0; input < QKV; input++) {
              cells[at++] = row * columns + column(block, input, head);
            }
          }
          if (parallel) {
            cells[at++] = row * columns + mlp;
          }
        }
        for (int row = 0; !parallel && row < before + heads; row++) {
          cells[at++] = row * columns + mlp;
        }
      }
      for (int row = 0; row < rows(); row++) {
        cells[at++] = row * columns + columns - 1;
      }
      return cells;
    }

    /** The name of an edge. */
    String name(int cell) {
      return rowName(cell / columns()) + "->" + columnName(cell % columns());
    }

    /** The graph: with separate inputs of queries, keys and values for every head. */
    ComputationGraph graph() {
      return ComputationGraph.factorized(
          blocks, heads, parallel ? Wiring.PARALLEL : Wiring.SEQUENTIAL, true, 0);
    }
  }

  /**
   * A graph with scores and a circuit of edges.
   *
   * @param scores of a factorized graph without positions, with separate inputs of heads
   * @param circuit of the same graph; null for none
   * @param dModel channels of the stream
   * @return its nodes are those of the circuit's edges
   * @throws IllegalArgumentException if EAP-IG has no such graph
   */
  public static EapIgGraph of(PruneScores scores, Circuit circuit, int dModel) {
    ComputationGraph graph = scores.graph();
    requirePlain(graph);
    Cfg cfg = new Cfg(graph.blocks(), graph.heads(), graph.wiring() == Wiring.PARALLEL, dModel);
    float[] matrix = new float[cfg.rows() * cfg.columns()];
    BitSet edges = new BitSet();
    BitSet nodes = new BitSet();
    visit(
        graph,
        cfg,
        (cell, edge) -> {
          matrix[cell] = scores.values()[edge];
          if (circuit != null && circuit.contains(edge)) {
            edges.set(cell);
            nodes.set(cell / cfg.columns());
            int column = cell % cfg.columns();
            if (cfg.isMlp(column)) {
              nodes.set(cfg.row(cfg.block(column), cfg.heads()));
            } else if (column < cfg.columns() - 1) {
              nodes.set(cfg.row(cfg.block(column), column % (QKV * cfg.heads() + 1) % cfg.heads()));
            }
          }
        });
    return new EapIgGraph(cfg, matrix, edges, nodes, null, null, null);
  }

  private static void requirePlain(ComputationGraph graph) {
    String no =
        !graph.factorized()
            ? "an unfactorized graph"
            : graph.positions() > 0
                ? "edges for each position"
                : !graph.separateQkv()
                    ? "heads with one input"
                    : graph.latents() != null ? "latents of autoencoders" : null;
    if (no != null) {
      throw new IllegalArgumentException(
          "EAP-IG's format has no "
              + no
              + "; score a graph with --separate-qkv, without --token-positions, spans and"
              + " autoencoders");
    }
  }

  /**
   * The number of edges.
   *
   * @return of cells that are an edge
   */
  public int edgeCount() {
    return cfg.count();
  }

  /**
   * How many edges have no score.
   *
   * @return those whose score is NaN
   */
  public int unscoredEdges() {
    return (int) Arrays.stream(cfg.cells()).filter(cell -> Float.isNaN(scores[cell])).count();
  }

  /**
   * Whether there is anything of nodes or neurons that scores of edges do not say.
   *
   * @return true with scores of nodes, or with neurons
   */
  public boolean hasMore() {
    return nodeScores != null || neurons != null || neuronScores != null;
  }

  /**
   * The same scores, of edges, nodes and neurons, with another circuit.
   *
   * @param circuit of the graph with separate inputs for every head
   * @return its nodes are those of the circuit's edges; its neurons are as they were
   */
  public EapIgGraph with(Circuit circuit) {
    PruneScores none = new PruneScores(circuit.graph(), new float[circuit.graph().edgeCount()]);
    EapIgGraph made = of(none, circuit, cfg.dModel());
    return new EapIgGraph(cfg, scores, made.edges, made.nodes, nodeScores, neurons, neuronScores);
  }

  /** Takes a cell and the edge that it is. */
  private interface Cell {
    void accept(int cell, int edge);
  }

  /** Visits the edges of a graph; those into a group of heads once for each of its heads. */
  private static void visit(ComputationGraph graph, Cfg cfg, Cell to) {
    List<SrcNode> sources = graph.sources();
    for (DestModule module : graph.modules()) {
      for (DestNode node : module.nodes()) {
        int head = Math.max(0, node.head());
        int share =
            node.input() == DestNode.Input.K || node.input() == DestNode.Input.V
                ? graph.heads() / graph.keyValueHeads()
                : 1;
        for (int s = 0; s < module.sources(); s++) {
          SrcNode source = sources.get(s);
          int row =
              source.block() < 0 || source.name().equals("Resid Start")
                  ? 0
                  : cfg.row(source.block(), source.head() < 0 ? cfg.heads() : source.head());
          for (int h = head * share; h < (head + 1) * share; h++) {
            int column =
                switch (node.input()) {
                  case Q -> cfg.column(node.block(), 0, h);
                  case K -> cfg.column(node.block(), 1, h);
                  case V -> cfg.column(node.block(), 2, h);
                  case MLP -> cfg.column(node.block(), QKV, 0);
                  default -> cfg.columns() - 1;
                };
            to.accept(row * cfg.columns() + column, graph.index(module, head, s, 0));
          }
        }
      }
    }
  }

  /**
   * The scores of edges.
   *
   * @param file for messages
   * @return of the graph with separate inputs for every head
   * @throws DataException if one is NaN
   */
  public PruneScores pruneScores(Path file) {
    ComputationGraph graph = cfg.graph();
    float[] values = new float[graph.edgeCount()];
    visit(
        graph,
        cfg,
        (cell, edge) -> {
          if (Float.isNaN(scores[cell])) {
            throw new DataException(
                "file="
                    + file
                    + ": score of edge "
                    + DataException.quote(cfg.name(cell))
                    + " is NaN; score it again (EAP-IG's information flow routes give NaN where no"
                    + " source is near: 0 is meant there)");
          }
          values[edge] = scores[cell];
        });
    return new PruneScores(graph, values);
  }

  /**
   * The edges that are in the graph, by EAP-IG's names.
   *
   * @return in the library's order
   */
  public List<String> edgeNames() {
    return Arrays.stream(cfg.cells()).filter(edges::get).mapToObj(cfg::name).toList();
  }

  /**
   * The circuit: the edges that are in the graph.
   *
   * @return of the graph with separate inputs for every head
   */
  public Circuit circuit() {
    ComputationGraph graph = cfg.graph();
    BitSet set = new BitSet();
    visit(
        graph,
        cfg,
        (cell, edge) -> {
          if (edges.get(cell)) {
            set.set(edge);
          }
        });
    return Circuit.of(graph, set);
  }
}
