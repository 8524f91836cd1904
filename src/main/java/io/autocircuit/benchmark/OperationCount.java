package io.autocircuit.benchmark;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.TransformerConfig;
import java.util.BitSet;

/**
 * What runs take by arithmetic: multiplications and additions, and numbers that must be held at
 * once. Both follow from the stages of the graph; {@code N = B·T} rows of the stream, D channels,
 * heads of W channels.
 *
 * <table>
 * <caption>Operations</caption>
 * <tr><td>a head</td><td>{@code 8·N·D·W + 4·N·T·W}: queries, keys, values, output; scores and
 * mixed values</td></tr>
 * <tr><td>an MLP</td><td>{@code 4·N·D·M}, gated {@code 6·N·D·M}</td></tr>
 * <tr><td>an edge</td><td>{@code 2·N·D}; of the end {@code 2·B·P·D}</td></tr>
 * <tr><td>logits</td><td>{@code 2·B·P·D·V}</td></tr>
 * </table>
 *
 * @param graph of the model
 * @param config of the model
 * @param batch prompts B
 * @param length tokens T
 * @param sliced positions P whose logits are looked at
 */
record OperationCount(
    ComputationGraph graph, TransformerConfig config, int batch, int length, int sliced) {

  private static final int QKV = 3;

  private double rows() {
    return (double) batch * length;
  }

  /** Products of a stage with weights. */
  private double projections(Stage stage) {
    double n = rows() * config.dModel();
    return switch (stage.kind()) {
      case EMBEDDING, RESIDUAL -> 0;
      case ATTENTION -> 2 * n * config.dHead() * (stage.parts() + stage.written());
      case MLP, LATENTS -> 2 * n * config.dMlp() * (config.gatedMlp() ? 3 : 2);
      case END -> 2.0 * batch * sliced * config.dModel() * config.outputs();
    };
  }

  /** Scores and mixed values of a stage's heads. */
  private double mixing(Stage stage) {
    return stage.kind() == Stage.Kind.ATTENTION
        ? 4 * rows() * length * config.dHead() * stage.written()
        : 0;
  }

  private double function(Stage stage) {
    return projections(stage) + mixing(stage);
  }

  /** Mask times Δ, or the gradient of the mask, of one edge into a stage. */
  private double edge(Stage stage) {
    return 2.0 * batch * (stage.kind() == Stage.Kind.END ? sliced : length) * config.dModel();
  }

  /** The unpatched forward pass. */
  double plain() {
    return graph.stages().stream().mapToDouble(this::function).sum();
  }

  /** Every edge once. */
  private double edges() {
    return graph.stages().stream().mapToDouble(s -> edge(s) * s.rows() * s.sources()).sum();
  }

  /** One evaluation with a mask on every edge. */
  double dense() {
    return plain() + edges();
  }

  /**
   * Edge attribution patching: two forward passes, one back (of attention five products for the
   * forward pass's two), and every edge's mask gradient. Logits are not counted: the answers' few
   * are needed.
   */
  double eap() {
    double sum = edges();
    for (Stage stage : graph.stages()) {
      if (stage.kind() != Stage.Kind.END) {
        sum += 3 * projections(stage) + 4.5 * mixing(stage);
      }
    }
    return sum;
  }

  /**
   * A circuit of which all before a stage is known.
   *
   * @param first the stage
   * @param kept the circuit's edges
   */
  double from(Stage first, BitSet kept) {
    double sum = 0;
    int copies = graph.positionCopies();
    for (Stage stage : graph.stages()) {
      if (stage.index() < first.index()) {
        continue;
      }
      sum += function(stage);
      for (DestModule m : stage.reads()) {
        int end = m.offset() + m.nodes().size() * m.sources() * copies;
        sum += edge(stage) / copies * kept.get(m.offset(), end).cardinality();
      }
    }
    return sum;
  }

  /** Numbers that a stage works on at once: what it reads, its function's, and what it writes. */
  private double working(Stage stage) {
    double stream = rows() * config.dModel();
    return switch (stage.kind()) {
      case EMBEDDING, RESIDUAL -> stream;
      case ATTENTION -> 3 * stream + rows() * config.dHead() * (stage.parts() + stage.written());
      case MLP, LATENTS -> 3 * stream + rows() * config.dMlp() * (config.gatedMlp() ? 3 : 2);
      case END -> (double) batch * sliced * (config.dModel() + config.outputs());
    };
  }

  /** Numbers of a plain forward pass. */
  double plainNumbers() {
    return graph.stages().stream().mapToDouble(this::working).max().orElse(0);
  }

  /** Numbers of a run with ablations and differences of every source. */
  double patchedNumbers() {
    return 2 * graph.sources().size() * rows() * config.dModel() + plainNumbers();
  }

  /**
   * Numbers of edge attribution patching: differences of every source, one input, queries, keys,
   * values and hidden layer of every block, and a gradient for every edge.
   */
  double eapNumbers() {
    double stream = rows() * config.dModel();
    double sum = graph.sources().size() * stream + graph.edgeCount();
    for (Stage stage : graph.stages()) {
      sum +=
          switch (stage.kind()) {
            case ATTENTION -> stream + rows() * config.dHead() * QKV * stage.written();
            case MLP, LATENTS -> stream + rows() * config.dMlp() * (config.gatedMlp() ? 2 : 1);
            case EMBEDDING, RESIDUAL, END -> 0;
          };
    }
    return sum + plainNumbers();
  }
}
