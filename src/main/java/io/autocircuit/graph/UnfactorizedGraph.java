package io.autocircuit.graph;

import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Stage.Kind;
import java.util.ArrayList;
import java.util.List;

/**
 * The nodes and stages of an unfactorized graph, numbered as AutoCircuit numbers them: the start,
 * then for each block its heads, the sum behind them, its MLP, the sum behind that.
 */
final class UnfactorizedGraph {
  private final GraphShape shape;
  private final List<Stage> stages = new ArrayList<>();
  private int layer;
  private int sources;

  /** The index of the last sum, or of the start. */
  private int residual;

  private UnfactorizedGraph(GraphShape shape) {
    this.shape = shape;
  }

  /** The stages, whose modules have no offsets yet. */
  static List<Stage> stages(GraphShape shape) {
    UnfactorizedGraph graph = new UnfactorizedGraph(shape);
    graph.add(FactorizedGraph.embedding());
    for (int b = 0; b < shape.blocks(); b++) {
      graph.block(b);
    }
    return graph.stages;
  }

  private void add(Stage stage) {
    stages.add(stage);
    sources += stage.written();
  }

  private void block(int b) {
    add(
        new Stage(
            stages.size(),
            Kind.ATTENTION,
            b,
            layer,
            List.of(),
            FactorizedGraph.heads(shape, b, layer, sources),
            false));
    if (shape.wiring() != Wiring.ATTENTION_ONLY) {
      sum("Resid Mid " + b, "blocks." + b + ".hook_resid_mid", b);
      add(
          new Stage(
              stages.size(),
              Kind.MLP,
              b,
              layer,
              List.of(),
              FactorizedGraph.mlp(b, layer, sources),
              false));
    }
    String module = "blocks." + b + ".hook_resid_post";
    if (b + 1 < shape.blocks()) {
      sum("Resid Post " + b, module, b);
    } else {
      layer++;
      DestModule end =
          FactorizedGraph.single(
              "Resid End", module, Input.END, layer, residual, sources - residual, b + 1);
      add(new Stage(stages.size(), Kind.END, b + 1, layer, List.of(end), null, false));
    }
  }

  /** A sum of the stream: reads what was written since the one before, and is a source. */
  private void sum(String name, String module, int block) {
    layer++;
    DestModule read =
        FactorizedGraph.single(
            name, module, Input.RESIDUAL, layer, residual, sources - residual, block);
    residual = sources;
    SrcNode written = new SrcNode(name, module, layer, sources, block, -1);
    add(
        new Stage(
            stages.size(),
            Kind.RESIDUAL,
            block,
            layer,
            List.of(read),
            new SrcModule(module, List.of(written)),
            false));
  }
}
