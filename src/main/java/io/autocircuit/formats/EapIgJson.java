package io.autocircuit.formats;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.formats.EapIgGraph.Cfg;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntFunction;

/** EAP-IG's graphs in JSON ({@code Graph.to_json}), as MIB's submissions have them. */
final class EapIgJson {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String IN_GRAPH = "in_graph";
  private static final String NEURONS = "neurons";
  private static final String NEURON_SCORES = "neurons_scores";

  private final Path file;
  private final JsonNode json;
  private final Cfg cfg;

  /** By name; made after the file's size was found to be enough for them. */
  private final Map<String, Integer> rows;

  private EapIgJson(Path file, JsonNode json) {
    this.file = file;
    this.json = json;
    JsonNode sizes = json.path("cfg");
    try {
      this.cfg =
          new Cfg(
              sizes.path("n_layers").asInt(),
              sizes.path("n_heads").asInt(),
              sizes.path("parallel_attn_mlp").asBoolean(),
              sizes.path("d_model").asInt());
    } catch (IllegalArgumentException e) {
      throw error("cfg: " + e.getMessage());
    }
    cfg.requireIn(file, cfg.columns());
    this.rows = numbers(cfg.rows(), cfg::rowName);
  }

  /** Whether a JSON value is such a graph. */
  static boolean isOne(JsonNode json) {
    return json.path("edges").isObject() && json.path("cfg").isObject();
  }

  /**
   * Reads a graph. Edges that the file does not list have score 0 and are not in it; a neuron list
   * of a head is its own, or that of all heads of its block.
   *
   * @throws DataException if it names an edge that does not exist, or a size does not fit
   */
  static EapIgGraph read(Path file, JsonNode json) {
    return new EapIgJson(file, json).read();
  }

  private EapIgGraph read() {
    if (!json.path("nodes").isObject()) {
      throw error("nodes=(missing) where an object is needed");
    }
    requireKnownNodes();
    float[] scores = new float[cfg.rows() * cfg.columns()];
    BitSet edges = new BitSet();
    Map<String, Integer> columns = numbers(cfg.columns(), cfg::columnName);
    for (Map.Entry<String, JsonNode> edge : json.path("edges").properties()) {
      int cell = cell(edge.getKey(), columns);
      edges.set(cell, flag(edge.getKey(), edge.getValue().path(IN_GRAPH)));
      JsonNode score = edge.getValue().path("score");
      scores[cell] = score.isMissingNode() ? 0 : number(edge.getKey(), score);
    }
    BitSet nodes = new BitSet();
    float[] nodeScores = new float[cfg.rows()];
    Arrays.fill(nodeScores, Float.NaN);
    float[] neuronScores = null;
    BitSet neurons = new BitSet();
    boolean scored = false;
    boolean neuronChosen = false;
    for (int row = 0; row < cfg.rows(); row++) {
      String name = cfg.rowName(row);
      JsonNode node = json.path("nodes").path(name);
      nodes.set(row, node.isObject() && flag(name, node.path(IN_GRAPH)));
      if (node.has("score")) {
        scored = true;
        nodeScores[row] = number(name, node.path("score"));
      }
      if (node.has(NEURON_SCORES)) {
        JsonNode own = own(row, name, node.path(NEURON_SCORES));
        if (neuronScores == null) {
          neuronScores = new float[cfg.rows() * cfg.dModel()];
        }
        for (int d = 0; d < cfg.dModel(); d++) {
          neuronScores[row * cfg.dModel() + d] = number(name, own.get(d));
        }
      }
      if (node.has(NEURONS)) {
        neuronChosen = true;
        JsonNode own = own(row, name, node.path(NEURONS));
        for (int d = 0; d < cfg.dModel(); d++) {
          neurons.set(row * cfg.dModel() + d, flag(name, own.get(d)));
        }
      }
    }
    return new EapIgGraph(
        cfg,
        scores,
        edges,
        nodes,
        scored ? nodeScores : null,
        neuronChosen ? neurons : null,
        neuronScores);
  }

  private static Map<String, Integer> numbers(int count, IntFunction<String> name) {
    Map<String, Integer> numbers = new HashMap<>();
    for (int i = 0; i < count; i++) {
      numbers.put(name.apply(i), i);
    }
    return numbers;
  }

  /** The cell of an edge's name. */
  private int cell(String edge, Map<String, Integer> columns) {
    int arrow = edge.indexOf("->");
    Integer row = arrow < 0 ? null : rows.get(edge.substring(0, arrow));
    Integer column = arrow < 0 ? null : columns.get(edge.substring(arrow + 2));
    if (row == null || column == null || !cfg.isEdge(row, column)) {
      throw error("edge " + DataException.quote(edge) + " does not exist in a graph of cfg");
    }
    return row * cfg.columns() + column;
  }

  private void requireKnownNodes() {
    for (Map.Entry<String, JsonNode> node : json.path("nodes").properties()) {
      if (!rows.containsKey(node.getKey()) && !node.getKey().equals("logits")) {
        throw error(
            "node " + DataException.quote(node.getKey()) + " does not exist in a graph of cfg");
      }
    }
  }

  /** A node's own list of neurons, of a list that may be its block's. */
  private JsonNode own(int row, String name, JsonNode list) {
    JsonNode own = list;
    int head = row == 0 ? cfg.heads() : (row - 1) % (cfg.heads() + 1);
    if (head < cfg.heads() && list.size() == cfg.heads() && list.path(0).isArray()) {
      own = list.get(head);
    }
    if (!own.isArray() || own.size() != cfg.dModel()) {
      throw error(
          "neurons of node "
              + DataException.quote(name)
              + " are "
              + own.size()
              + ", d_model="
              + cfg.dModel());
    }
    cfg.requireIn(file, cfg.dModel());
    return own;
  }

  private boolean flag(String name, JsonNode value) {
    if (!value.isBoolean()) {
      throw error(DataException.quote(name) + " has no field in_graph of true or false");
    }
    return value.booleanValue();
  }

  private float number(String name, JsonNode value) {
    if (!value.isNumber()) {
      throw error("the score of " + DataException.quote(name) + " is no number");
    }
    double exact = value.doubleValue();
    if (Double.isFinite(exact) && Float.isInfinite((float) exact)) {
      throw error(
          "the score of "
              + DataException.quote(name)
              + " is "
              + exact
              + ", beyond float32 (an infinite score means an edge that is never removed)");
    }
    return (float) exact;
  }

  private DataException error(String what) {
    return new DataException(
        "file=" + file + ": " + what + "; write the graph with EAP-IG's to_json");
  }

  // ---- writing ----

  /** Writes what {@code Graph.from_json} reads. */
  static void write(Path file, EapIgGraph graph) {
    AtomicFile.write(
        file,
        out -> {
          try (JsonGenerator to = JSON.getFactory().createGenerator(out)) {
            to.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            to.disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS.mappedFeature());
            write(to, graph);
            to.writeRaw('\n');
          }
        });
  }

  private static void write(JsonGenerator to, EapIgGraph graph) throws IOException {
    Cfg cfg = graph.cfg();
    to.writeStartObject();
    to.writeObjectFieldStart("cfg");
    to.writeNumberField("n_layers", cfg.blocks());
    to.writeNumberField("n_heads", cfg.heads());
    to.writeBooleanField("parallel_attn_mlp", cfg.parallel());
    to.writeNumberField("d_model", cfg.dModel());
    to.writeEndObject();
    to.writeObjectFieldStart("nodes");
    for (int row = 0; row < cfg.rows(); row++) {
      to.writeObjectFieldStart(cfg.rowName(row));
      to.writeBooleanField(IN_GRAPH, graph.nodes().get(row));
      if (graph.nodeScores() != null) {
        to.writeNumberField("score", (double) graph.nodeScores()[row]);
      }
      neurons(to, graph, row);
      to.writeEndObject();
    }
    to.writeObjectFieldStart("logits");
    to.writeBooleanField(IN_GRAPH, true);
    to.writeEndObject();
    to.writeEndObject();
    to.writeObjectFieldStart("edges");
    for (int cell : cfg.cells()) {
      to.writeObjectFieldStart(cfg.name(cell));
      to.writeNumberField("score", (double) graph.scores()[cell]);
      to.writeBooleanField(IN_GRAPH, graph.edges().get(cell));
      to.writeEndObject();
    }
    to.writeEndObject();
    to.writeEndObject();
  }

  /** A head has the lists of all heads of its block, which is what the library reads. */
  private static void neurons(JsonGenerator to, EapIgGraph graph, int row) throws IOException {
    Cfg cfg = graph.cfg();
    int head = row == 0 ? cfg.heads() : (row - 1) % (cfg.heads() + 1);
    boolean block = head < cfg.heads();
    int first = block ? row - head : row;
    int count = block ? cfg.heads() : 1;
    for (String name : new String[] {NEURONS, NEURON_SCORES}) {
      if (name.equals(NEURONS) ? graph.neurons() == null : graph.neuronScores() == null) {
        continue;
      }
      to.writeArrayFieldStart(name);
      for (int r = first; r < first + count; r++) {
        if (block) {
          to.writeStartArray();
        }
        for (int d = r * cfg.dModel(); d < (r + 1) * cfg.dModel(); d++) {
          if (name.equals(NEURONS)) {
            to.writeBoolean(graph.neurons().get(d));
          } else {
            to.writeNumber((double) graph.neuronScores()[d]);
          }
        }
        if (block) {
          to.writeEndArray();
        }
      }
      to.writeEndArray();
    }
  }
}
