package io.autocircuit.graph;

import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Stage.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The nodes and stages of a factorized graph. Here, and in {@link UnfactorizedGraph}, stands how
 * blocks are numbered, and nowhere else.
 */
final class FactorizedGraph {
  private FactorizedGraph() {}

  /** The stages, whose modules have no offsets yet. */
  static List<Stage> stages(GraphShape shape) {
    List<Stage> stages = new ArrayList<>();
    boolean parallel = shape.wiring() == Wiring.PARALLEL;
    int layer = 0;
    int sources = 1;
    stages.add(embedding());
    layer++;
    for (int b = 0; b < shape.blocks(); b++) {
      int before = sources;
      SrcModule heads = heads(shape, b, layer, sources);
      stages.add(
          new Stage(
              stages.size(),
              Kind.ATTENTION,
              b,
              layer,
              attention(shape, b, layer, sources),
              heads,
              parallel));
      sources += heads.size();
      layer += parallel ? 0 : 1;
      if (shape.wiring() != Wiring.ATTENTION_ONLY) {
        SrcModule mlp =
            shape.latent(b) ? latents(shape, b, layer, sources) : mlp(b, layer, sources);
        DestModule input =
            single(
                "MLP " + b,
                "blocks." + b + ".hook_mlp_in",
                Input.MLP,
                layer,
                0,
                parallel ? before : sources,
                b);
        stages.add(
            new Stage(
                stages.size(),
                shape.latent(b) ? Kind.LATENTS : Kind.MLP,
                b,
                layer,
                List.of(input),
                mlp,
                false));
        sources += mlp.size();
        layer++;
      }
    }
    DestModule end =
        single(
            "Resid End",
            "blocks." + (shape.blocks() - 1) + ".hook_resid_post",
            Input.END,
            layer,
            0,
            sources,
            shape.blocks());
    stages.add(
        new Stage(stages.size(), Kind.END, shape.blocks(), layer, List.of(end), null, false));
    return stages;
  }

  /** The stage that writes the start of the residual stream. */
  static Stage embedding() {
    SrcNode start = new SrcNode("Resid Start", "blocks.0.hook_resid_pre", 0, 0, -1, -1);
    return new Stage(
        0, Kind.EMBEDDING, 0, 0, List.of(), new SrcModule(start.module(), List.of(start)), false);
  }

  /** What an MLP writes. */
  static SrcModule mlp(int block, int layer, int index) {
    String module = "blocks." + block + ".hook_mlp_out";
    return new SrcModule(
        module, List.of(new SrcNode("MLP " + block, module, layer, index, block, -1)));
  }

  /** What an MLP's autoencoder writes: a source for each latent, and for what it leaves over. */
  private static SrcModule latents(GraphShape shape, int block, int layer, int first) {
    String module = "blocks." + block + ".hook_mlp_out.latent_outs";
    List<SrcNode> nodes = new ArrayList<>();
    for (int latent : shape.latents().of(block)) {
      String name = "MLP " + block + " Latent " + latent;
      nodes.add(new SrcNode(name, module, layer, first + nodes.size(), block, -1));
    }
    if (shape.latents().errorTerm()) {
      String error = "blocks." + block + ".hook_mlp_out.error";
      nodes.add(
          new SrcNode("MLP " + block + " Error", error, layer, first + nodes.size(), block, -1));
    }
    return new SrcModule(module, nodes);
  }

  /** What the heads of a block write. */
  static SrcModule heads(GraphShape shape, int block, int layer, int first) {
    String module = "blocks." + block + ".attn.hook_result";
    return new SrcModule(
        module,
        IntStream.range(0, shape.heads())
            .mapToObj(h -> new SrcNode("A" + block + "." + h, module, layer, first + h, block, h))
            .toList());
  }

  private static List<DestModule> attention(GraphShape shape, int block, int layer, int sources) {
    if (!shape.separateQkv()) {
      return List.of(
          perHead(Input.ATTENTION, "hook_attn_in", "", shape.heads(), block, layer, sources));
    }
    int shared = shape.keyValueHeads();
    return List.of(
        perHead(Input.Q, "hook_q_input", ".Q", shape.heads(), block, layer, sources),
        perHead(Input.K, "hook_k_input", ".K", shared, block, layer, sources),
        perHead(Input.V, "hook_v_input", ".V", shared, block, layer, sources));
  }

  private static DestModule perHead(
      Input input, String hook, String suffix, int heads, int block, int layer, int sources) {
    String module = "blocks." + block + "." + hook;
    List<DestNode> nodes =
        IntStream.range(0, heads)
            .mapToObj(
                h ->
                    new DestNode(
                        "A" + block + "." + h + suffix, module, input, layer, 0, sources, block, h))
            .toList();
    return new DestModule(module, nodes, 0, sources, 0, true);
  }

  /** A destination alone in its module. */
  static DestModule single(
      String name, String module, Input input, int layer, int firstSource, int sources, int block) {
    DestNode node = new DestNode(name, module, input, layer, firstSource, sources, block, -1);
    return new DestModule(module, List.of(node), firstSource, sources, 0, false);
  }
}
