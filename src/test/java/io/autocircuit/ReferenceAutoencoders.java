package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.LatentActivations;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceRows;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.Safetensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** The reference cases with sparse autoencoders, of {@link ReferenceParityTest}. */
final class ReferenceAutoencoders {
  private ReferenceAutoencoders() {}

  /** The autoencoders of a case, where the model is; the caller closes them. */
  static Autoencoders of(JsonNode c, Safetensors tensors, Placement place) {
    List<Autoencoder> blocks = new ArrayList<>();
    for (JsonNode names : c.get("sae")) {
      Tensor bias = tensors.tensor(names.get("bias").asText());
      Tensor encode = tensors.tensor(names.get("encode_weight").asText());
      blocks.add(
          new Autoencoder(
              encode.t(),
              tensors.tensor(names.get("latent_bias").asText()),
              null,
              0,
              bias,
              tensors.tensor(names.get("decode_weight").asText()).t(),
              bias,
              Autoencoder.Scaling.NONE,
              IntStream.range(0, (int) encode.size(0)).toArray()));
    }
    return Autoencoders.of(blocks, false, place);
  }

  /** What every source writes, {@code [S,B,T,D]}. */
  static Tensor written(PatchableModel model, Tensor values) {
    SourceRows rows = model.sourceRows();
    TensorVector all = new TensorVector();
    for (SrcNode s : model.graph().sources()) {
      all.push_back(rows.written(values, s, model.model()));
    }
    return torch.stack(all, 0);
  }

  /** Compares the tables of a graph; what is wrong. */
  static List<String> graph(ComputationGraph graph, JsonNode c) {
    List<String> wrong = new ArrayList<>();
    expect(wrong, "n_edges", graph.edgeCount(), c.get("n_edges").asInt());
    List<String> mine = new ArrayList<>();
    List<String> want = new ArrayList<>();
    for (SrcNode s : graph.sources()) {
      mine.add(s.name() + " " + s.module() + " " + s.layer() + " " + s.index());
    }
    for (JsonNode s : c.get("srcs")) {
      want.add(text(s, "name", "module", "layer", "src_idx"));
    }
    expect(wrong, "srcs", mine, want);
    Set<String> dests = new TreeSet<>();
    Set<String> wantDests = new TreeSet<>();
    for (DestNode d : graph.destinations()) {
      dests.add(d.name() + " " + d.module() + " " + d.layer() + " " + d.sources());
    }
    for (JsonNode d : c.get("dests")) {
      wantDests.add(text(d, "name", "module", "layer", "n_in"));
    }
    expect(wrong, "dests", dests, wantDests);
    c.get("mask_shapes")
        .properties()
        .forEach(
            e -> {
              long[] shape = graph.maskShape(graph.module(e.getKey()));
              expect(wrong, e.getKey(), Arrays.toString(shape), axes(e.getValue()));
            });
    int i = 0;
    for (JsonNode e : c.get("edges_in_canonical_order")) {
      Edge edge = graph.edge(i++);
      int position = e.get(1).isNull() ? -1 : e.get(1).asInt();
      expect(
          wrong,
          "edge " + (i - 1),
          edge.name() + "@" + edge.position(),
          e.get(0).asText() + "@" + position);
    }
    return wrong;
  }

  private static String text(JsonNode node, String... fields) {
    return String.join(" ", Arrays.stream(fields).map(f -> node.get(f).asText()).toList());
  }

  private static String axes(JsonNode shape) {
    List<Integer> axes = new ArrayList<>();
    shape.forEach(n -> axes.add(n.asInt()));
    return axes.toString();
  }

  private static void expect(List<String> wrong, String what, Object mine, Object want) {
    if (!mine.equals(want)) {
      wrong.add(what + " is " + mine + " but should be " + want);
    }
  }

  /** What a pruned model gives. */
  record Pruned(List<double[]> totals, List<int[]> kept, Tensor logits) {}

  /** Prunes a model's latents to those that the clean prompts activate. */
  static Pruned pruned(Transformer model, List<PromptBatch> batches, JsonNode c) {
    LatentActivations found =
        LatentActivations.of(model, batches.stream().map(PromptBatch::clean).toList());
    List<int[]> kept = found.largest(c.path("max_latents").asInt(0));
    Transformer base = model;
    Autoencoders fewer = base.autoencoders().keeping(kept);
    Transformer small = base.withAutoencoders(fewer);
    TensorVector logits = new TensorVector();
    for (PromptBatch b : batches) {
      logits.push_back(small.logits(b.clean(), OutputSlice.ALL));
    }
    fewer.close();
    return new Pruned(found.totals(), kept, torch.cat(logits, 0));
  }

  /** The lists of kept latents of a case. */
  static List<String> kept(JsonNode lists) {
    List<String> all = new ArrayList<>();
    lists.forEach(l -> all.add(axes(l)));
    return all;
  }
}
