package io.autocircuit.graph;

import io.autocircuit.graph.ComputationGraph.Shape;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Stage.Kind;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Makes the nodes and stages of a factorized graph. Here alone stands how blocks are numbered.
 *
 * @param stages in the order of a run
 * @param modules in canonical order: layer descending, then name
 * @param edgeCount positions counted
 */
record FactorizedGraph(List<Stage> stages, List<DestModule> modules, int edgeCount) {

  /**
   * Makes a graph.
   *
   * @throws IllegalArgumentException if there are too many edges
   */
  static FactorizedGraph of(Shape shape) {
    List<Stage> planned = planned(shape);
    List<DestModule> canonical =
        planned.stream()
            .flatMap(s -> s.reads().stream())
            .sorted(
                Comparator.comparingInt((DestModule m) -> -m.nodes().get(0).layer())
                    .thenComparing(DestModule::name))
            .toList();
    Map<String, DestModule> placed = new HashMap<>();
    List<DestModule> modules = new ArrayList<>();
    long offset = 0;
    for (DestModule m : canonical) {
      DestModule at = new DestModule(m.name(), m.nodes(), m.sources(), (int) offset, m.perHead());
      modules.add(at);
      placed.put(m.name(), at);
      offset += (long) m.nodes().size() * m.sources() * shape.positionCopies();
      if (offset > Integer.MAX_VALUE - 8) {
        throw new IllegalArgumentException(
            "the graph has more than 2^31 edges: blocks="
                + shape.blocks()
                + ", heads="
                + shape.heads()
                + ", positions="
                + shape.positions()
                + "; use one mask for all positions or joint Q/K/V inputs");
      }
    }
    List<Stage> stages =
        planned.stream()
            .map(
                s ->
                    new Stage(
                        s.index(),
                        s.kind(),
                        s.block(),
                        s.layer(),
                        s.reads().stream().map(m -> placed.get(m.name())).toList(),
                        s.writes(),
                        s.streamReadAgain()))
            .toList();
    return new FactorizedGraph(stages, List.copyOf(modules), (int) offset);
  }

  /** The stages, whose modules have no offsets yet. */
  private static List<Stage> planned(Shape shape) {
    List<Stage> stages = new ArrayList<>();
    boolean parallel = shape.wiring() == Wiring.PARALLEL;
    int layer = 0;
    int sources = 1;
    SrcNode start = new SrcNode("Resid Start", "blocks.0.hook_resid_pre", layer++, 0, -1, -1);
    stages.add(
        new Stage(
            0,
            Kind.EMBEDDING,
            0,
            start.layer(),
            List.of(),
            new SrcModule(start.module(), List.of(start)),
            false));
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
        SrcNode mlp =
            new SrcNode("MLP " + b, "blocks." + b + ".hook_mlp_out", layer, sources, b, -1);
        DestModule input =
            single(
                "MLP " + b,
                "blocks." + b + ".hook_mlp_in",
                Input.MLP,
                layer,
                parallel ? before : sources,
                b);
        stages.add(
            new Stage(
                stages.size(),
                Kind.MLP,
                b,
                layer,
                List.of(input),
                new SrcModule(mlp.module(), List.of(mlp)),
                false));
        sources++;
        layer++;
      }
    }
    DestModule end =
        single(
            "Resid End",
            "blocks." + (shape.blocks() - 1) + ".hook_resid_post",
            Input.END,
            layer,
            sources,
            shape.blocks());
    stages.add(
        new Stage(stages.size(), Kind.END, shape.blocks(), layer, List.of(end), null, false));
    return stages;
  }

  private static SrcModule heads(Shape shape, int block, int layer, int first) {
    String module = "blocks." + block + ".attn.hook_result";
    return new SrcModule(
        module,
        IntStream.range(0, shape.heads())
            .mapToObj(h -> new SrcNode("A" + block + "." + h, module, layer, first + h, block, h))
            .toList());
  }

  private static List<DestModule> attention(Shape shape, int block, int layer, int sources) {
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
                        "A" + block + "." + h + suffix, module, input, layer, sources, block, h))
            .toList();
    return new DestModule(module, nodes, sources, 0, true);
  }

  private static DestModule single(
      String name, String module, Input input, int layer, int sources, int block) {
    DestNode node = new DestNode(name, module, input, layer, sources, block, -1);
    return new DestModule(module, List.of(node), sources, 0, false);
  }
}
