package io.autocircuit.formats;

import io.autocircuit.files.DataException;
import io.autocircuit.formats.EapIgGraph.Cfg;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.TorchArchive;
import io.autocircuit.tensor.TorchArchive.Booleans;
import io.autocircuit.tensor.TorchTensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/** EAP-IG's graphs in the files of {@code torch.save} ({@code Graph.to_pt}). */
final class EapIgTorch {
  private final Path file;
  private final TorchArchive archive;
  private final Map<?, ?> map;

  private EapIgTorch(Path file, TorchArchive archive, Map<?, ?> map) {
    this.file = file;
    this.archive = archive;
    this.map = map;
  }

  /** Whether an archive's value is such a graph. */
  static boolean isOne(Object value) {
    return value instanceof Map<?, ?> map && map.containsKey("cfg") && map.containsKey("dst_nodes");
  }

  /**
   * Reads a graph; cells of edges that do not exist are left out.
   *
   * @throws DataException if anything is missing, or does not fit the sizes in {@code cfg}
   */
  static EapIgGraph read(Path file, TorchArchive archive) {
    return new EapIgTorch(file, archive, (Map<?, ?>) archive.value()).read();
  }

  private EapIgGraph read() {
    if (!(map.get("cfg") instanceof Map<?, ?> sizes)) {
      throw error("key=\"cfg\" is no dictionary");
    }
    Cfg cfg;
    try {
      cfg =
          new Cfg(
              size(sizes, "n_layers"),
              size(sizes, "n_heads"),
              Boolean.TRUE.equals(sizes.get("parallel_attn_mlp")),
              size(sizes, "d_model"));
    } catch (IllegalArgumentException e) {
      throw error("cfg: " + e.getMessage());
    }
    int rows = cfg.rows();
    int columns = cfg.columns();
    cfg.requireIn(file, columns);
    names("src_nodes", rows, cfg::rowName);
    names("dst_nodes", columns, cfg::columnName);
    float[] scores = ofEdges(cfg, floats("edges_scores", rows, columns));
    BitSet edges = set(ofEdges(cfg, floats("edges_in_graph", rows, columns)));
    BitSet nodes = set(floats("nodes_in_graph", rows));
    return new EapIgGraph(
        cfg,
        scores,
        edges,
        nodes,
        has("nodes_scores") ? floats("nodes_scores", rows) : null,
        has("neurons_in_graph") ? set(floats("neurons_in_graph", rows, cfg.dModel())) : null,
        has("neurons_scores") ? floats("neurons_scores", rows, cfg.dModel()) : null);
  }

  private boolean has(String key) {
    return map.get(key) != null;
  }

  private static int size(Map<?, ?> sizes, String key) {
    if (sizes.get(key) instanceof Long value && value == value.intValue()) {
      return value.intValue();
    }
    throw new IllegalArgumentException(key + " is no size");
  }

  /** The values of edges; 0 in the cells of others. */
  private static float[] ofEdges(Cfg cfg, float[] values) {
    int columns = cfg.columns();
    for (int i = 0; i < values.length; i++) {
      values[i] = cfg.isEdge(i / columns, i % columns) ? values[i] : 0;
    }
    return values;
  }

  private void names(String key, int count, IntFunction<String> expected) {
    if (!(map.get(key) instanceof List<?> names)) {
      throw error("key=" + DataException.quote(key) + " is no list of names");
    }
    for (int i = 0; i < count; i++) {
      if (names.size() != count || !expected.apply(i).equals(names.get(i))) {
        throw error(
            String.format(
                Locale.ROOT,
                "%s has %d names, and not in the order that cfg gives (%s at %d)",
                key,
                names.size(),
                expected.apply(i),
                i));
      }
    }
  }

  private float[] floats(String key, long... shape) {
    if (!(map.get(key) instanceof TorchTensor tensor) || !Arrays.equals(tensor.shape(), shape)) {
      throw error(
          key
              + (map.get(key) instanceof TorchTensor t
                  ? " has shape=" + Arrays.toString(t.shape())
                  : " is no tensor")
              + ", cfg needs shape="
              + Arrays.toString(shape));
    }
    return archive.floats(tensor);
  }

  private static BitSet set(float[] values) {
    BitSet set = new BitSet();
    for (int i = 0; i < values.length; i++) {
      set.set(i, values[i] != 0);
    }
    return set;
  }

  private DataException error(String what) {
    return new DataException(
        "file=" + file + ": " + what + "; write the graph with EAP-IG's to_pt");
  }

  // ---- writing ----

  /** Writes what {@code Graph.from_pt} reads. */
  static void write(Path file, EapIgGraph graph) {
    Cfg cfg = graph.cfg();
    int rows = cfg.rows();
    int columns = cfg.columns();
    Map<String, Object> sizes = new LinkedHashMap<>();
    sizes.put("n_layers", cfg.blocks());
    sizes.put("n_heads", cfg.heads());
    sizes.put("parallel_attn_mlp", cfg.parallel());
    sizes.put("d_model", cfg.dModel());
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("cfg", sizes);
    map.put("src_nodes", IntStream.range(0, rows).mapToObj(cfg::rowName).toList());
    map.put("dst_nodes", IntStream.range(0, columns).mapToObj(cfg::columnName).toList());
    map.put("edges_scores", new Array(new long[] {rows, columns}, graph.scores()));
    map.put("edges_in_graph", booleans(graph.edges(), rows, columns));
    map.put("nodes_in_graph", booleans(graph.nodes(), rows));
    if (graph.nodeScores() != null) {
      map.put("nodes_scores", new Array(new long[] {rows}, graph.nodeScores()));
    }
    if (graph.neurons() != null) {
      map.put("neurons_in_graph", booleans(graph.neurons(), rows, cfg.dModel()));
    }
    if (graph.neuronScores() != null) {
      map.put("neurons_scores", new Array(new long[] {rows, cfg.dModel()}, graph.neuronScores()));
    }
    TorchArchive.write(file, map);
  }

  private static Booleans booleans(BitSet set, int... shape) {
    boolean[] data = new boolean[Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    set.stream().forEach(i -> data[i] = true);
    return new Booleans(Arrays.stream(shape).asLongStream().toArray(), data);
  }
}
