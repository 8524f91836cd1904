package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.RunSpec.Graph;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.KeyValues;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * How a model is seen as a graph, as a tree of JSON, and back. What there was before there was a
 * choice is not written, so that runs from then mean the same, and have the same hash.
 */
final class GraphJson {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  /** How many inputs keys and values have; per-query where it is missing. */
  static final String KV = "kv";

  private GraphJson() {}

  /**
   * The tree of a graph.
   *
   * @param places whether it says where files lie
   */
  static ObjectNode tree(Graph graph, boolean places) {
    ObjectNode node =
        NODES
            .objectNode()
            .put("separate_qkv", graph.separateQkv())
            .put("token_positions", graph.tokenPositions());
    if (graph.keyValues() != KeyValues.PER_QUERY) {
      node.put(KV, graph.keyValues().key());
    }
    if (graph.spans()) {
      node.put("spans", true);
    }
    if (graph.form() != Form.FACTORIZED) {
      node.put("form", graph.form().key());
    }
    if (graph.level() != Level.EDGE) {
      node.put("level", graph.level().key());
    }
    graph.autoencoders().ifPresent(a -> node.set(AutoencoderSource.FIELD, autoencoders(a, places)));
    return node;
  }

  private static ObjectNode autoencoders(AutoencoderSource a, boolean places) {
    ObjectNode node = NODES.objectNode();
    if (places) {
      node.put("path", RunSpecJson.place(a.directory()));
    }
    return node.put("sha256", a.sha256().orElse(null))
        .put(AutoencoderSource.MAX_LATENTS, a.maxLatents())
        .put(AutoencoderSource.ERROR_TERM, a.errorTerm());
  }

  /**
   * The graph of a run's tree.
   *
   * @param folder where relative paths begin
   */
  static Graph read(JsonFields run, Path folder) {
    JsonFields node =
        run.object(
            "graph",
            List.of("separate_qkv", "token_positions"),
            List.of(KV, "spans", "form", "level", AutoencoderSource.FIELD));
    return new Graph(
        node.flag("separate_qkv"),
        node.has(KV) ? node.constant(KV, KeyValues.values(), KeyValues::key) : KeyValues.PER_QUERY,
        node.flag("token_positions"),
        node.has("spans") && node.flag("spans"),
        node.has("form") ? node.constant("form", Form.values()) : Form.FACTORIZED,
        node.has("level") ? node.constant("level", Level.values()) : Level.EDGE,
        node.has(AutoencoderSource.FIELD)
            ? Optional.of(autoencoders(node, folder))
            : Optional.empty());
  }

  private static AutoencoderSource autoencoders(JsonFields graph, Path folder) {
    JsonFields node =
        graph.object(
            AutoencoderSource.FIELD,
            "path",
            "sha256",
            AutoencoderSource.MAX_LATENTS,
            AutoencoderSource.ERROR_TERM);
    return new AutoencoderSource(
        node.path("path", folder),
        node.sha256("sha256"),
        node.whole(AutoencoderSource.MAX_LATENTS, 0),
        node.flag(AutoencoderSource.ERROR_TERM));
  }
}
