package io.autocircuit.patch;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A score for every edge: what AutoCircuit calls prune scores, and papers on attribution the
 * importance or attribution of an edge (an estimate of what its ablation does to the output, for
 * edge attribution patching; the threshold at which it goes, for ACDC). A larger |score| means a
 * more important edge, whatever the algorithm; {@code +∞} marks edges that an algorithm never
 * removes.
 *
 * @param graph the graph
 * @param values by canonical edge index
 * @param tieBreaks what decides between edges of equal |score|, by canonical edge index: the larger
 *     comes first; empty where nothing but the canonical order does
 */
public record PruneScores(ComputationGraph graph, float[] values, float[] tieBreaks) {
  /**
   * Checks the lengths and that no number is NaN.
   *
   * @param graph the graph that is scored
   * @param values {@code [edges]}, infinite ones permitted; kept, not copied
   * @param tieBreaks {@code [edges]} or empty, infinite ones permitted; kept, not copied
   * @throws IllegalArgumentException if the lengths do not fit the graph, or a number is NaN
   */
  public PruneScores {
    if (values.length != graph.edgeCount()) {
      throw new IllegalArgumentException(
          "scores=" + values.length + " but the graph has edges=" + graph.edgeCount());
    }
    if (tieBreaks.length != 0 && tieBreaks.length != values.length) {
      throw new IllegalArgumentException(
          "tie breaks=" + tieBreaks.length + " but the graph has edges=" + graph.edgeCount());
    }
    for (int i = 0; i < tieBreaks.length; i++) {
      if (Float.isNaN(tieBreaks[i])) {
        throw new IllegalArgumentException(
            "tie break of edge \"" + graph.edge(i) + "\" is NaN; give a number");
      }
    }
    for (int i = 0; i < values.length; i++) {
      if (Float.isNaN(values[i])) {
        throw new IllegalArgumentException(
            "score of edge \"" + graph.edge(i) + "\" is NaN; check the model and the loss");
      }
    }
  }

  /**
   * Scores of which equal ones are in canonical order.
   *
   * @param graph the graph that is scored
   * @param values {@code [edges]} by canonical edge index; kept, not copied
   * @throws IllegalArgumentException if the length does not fit the graph, or a number is NaN
   */
  public PruneScores(ComputationGraph graph, float[] values) {
    this(graph, values, new float[0]);
  }

  /**
   * Edge indices by descending |score|; equal scores by descending tie break, then in canonical
   * order.
   *
   * @return all canonical edge indices
   */
  public int[] ranking() {
    return Ranking.of(values, tieBreaks);
  }

  /**
   * The circuit of exactly the {@code k} edges with the largest |score|, ties broken as in {@link
   * #ranking}.
   *
   * @param k its size, 0 to the number of edges
   * @return a circuit of {@code k} edges
   * @throws IllegalArgumentException if k lies outside 0..edges
   */
  public Circuit top(int k) {
    requireCount(k);
    int[] order = ranking();
    BitSet set = new BitSet(values.length);
    for (int i = 0; i < k; i++) {
      set.set(order[i]);
    }
    return Circuit.of(graph, set);
  }

  /**
   * AutoCircuit's rule: every edge whose |score| reaches the k-th largest, so all ties are included
   * and the circuit may be larger than k. For k = 0 the circuit is empty, also when scores are
   * infinite (where AutoCircuit returns all infinite edges).
   *
   * @param k its least size, 0 to the number of edges
   * @return a circuit of {@code k} edges or more
   * @throws IllegalArgumentException if k lies outside 0..edges
   */
  public Circuit topWithTies(int k) {
    requireCount(k);
    if (k == 0) {
      return Circuit.empty(graph);
    }
    float threshold = Math.abs(values[ranking()[k - 1]]);
    BitSet set = new BitSet(values.length);
    for (int i = 0; i < values.length; i++) {
      if (Math.abs(values[i]) >= threshold) {
        set.set(i);
      }
    }
    return Circuit.of(graph, set);
  }

  private void requireCount(int k) {
    if (k < 0 || k > values.length) {
      throw new IllegalArgumentException(
          "edge count=" + k + " outside 0.." + values.length + "; choose a size in that range");
    }
  }

  /**
   * The score of an edge.
   *
   * @param edge of this graph; looked up by its index
   * @return any number but NaN
   */
  public float of(Edge edge) {
    return values[edge.index()];
  }

  /**
   * A module's scores in AutoCircuit's layout.
   *
   * @param module of this graph
   * @return row-major, of {@link ComputationGraph#maskShape}: {@code
   *     [positions?][heads?][sources]}; a copy
   */
  public float[] module(DestModule module) {
    int copies = graph.positionCopies();
    int rows = module.nodes().size() * module.sources();
    float[] out = new float[rows * copies];
    for (int r = 0; r < rows; r++) {
      for (int t = 0; t < copies; t++) {
        out[t * rows + r] = values[module.offset() + r * copies + t];
      }
    }
    return out;
  }

  /**
   * Scores by module name in AutoCircuit's layout: the tensors of its prune scores.
   *
   * @return row-major {@code [positions?][heads?][sources]} by hook name, modules in canonical
   *     order; copies
   */
  public Map<String, float[]> modules() {
    Map<String, float[]> map = new LinkedHashMap<>();
    graph.modules().forEach(m -> map.put(m.name(), module(m)));
    return map;
  }

  /**
   * Scores from AutoCircuit's layout; its inverse is {@link #modules}.
   *
   * @param graph the graph that is scored
   * @param modules by module name, row-major {@code [positions?][heads?][sources]}; all modules
   * @return the scores, without tie breaks
   * @throws io.autocircuit.graph.UnknownNameException if the graph has no module of a name
   * @throws IllegalArgumentException if a module is missing or has another length, or a number is
   *     NaN
   */
  public static PruneScores fromModules(ComputationGraph graph, Map<String, float[]> modules) {
    modules.keySet().forEach(graph::module);
    float[] values = new float[graph.edgeCount()];
    int copies = graph.positionCopies();
    for (DestModule m : graph.modules()) {
      float[] from = modules.get(m.name());
      int rows = m.nodes().size() * m.sources();
      if (from == null || from.length != rows * copies) {
        throw new IllegalArgumentException(
            "scores of module \""
                + m.name()
                + "\" have length="
                + (from == null ? 0 : from.length)
                + " but the graph needs length="
                + rows * copies);
      }
      for (int r = 0; r < rows; r++) {
        for (int t = 0; t < copies; t++) {
          values[m.offset() + r * copies + t] = from[t * rows + r];
        }
      }
    }
    return new PruneScores(graph, values);
  }

  /**
   * Writes {@code scores.safetensors}: one float32 tensor for each destination module under
   * TransformerLens's hook names, {@code [positions?][heads?][sources]} (AutoCircuit's names and
   * shapes). Tie breaks are not stored.
   *
   * @param file where to
   * @param metadata free-form strings beside the scores, such as {@code algorithm} and {@code
   *     model}
   * @throws DataException if the file cannot be written
   */
  public void write(Path file, Map<String, String> metadata) {
    Map<String, Safetensors.Array> arrays = new LinkedHashMap<>();
    for (DestModule m : graph.modules()) {
      arrays.put(m.name(), new Safetensors.Array(graph.maskShape(m), module(m)));
    }
    Safetensors.write(file, arrays, metadata);
  }

  /**
   * Reads scores as {@link #write} or AutoCircuit's tensors by module wrote them. Scores of a graph
   * with other key and value inputs are taken too: a group of heads has the sum of its heads'
   * scores, a head that of its group ({@link KeyValueGroups}).
   *
   * @param file a safetensors file with a tensor for each destination module, named by its hook
   * @param graph the graph that they belong to
   * @return the scores
   * @throws DataException if it cannot be read, lacks a module of the graph or has one that the
   *     graph has not, or a tensor has another shape or holds NaN
   */
  public static PruneScores read(Path file, ComputationGraph graph) {
    try (Safetensors in = Safetensors.open(file)) {
      for (String name : in.names()) {
        try {
          graph.module(name);
        } catch (IllegalArgumentException unknown) {
          throw new DataException("file=" + file + ": " + unknown.getMessage(), unknown);
        }
      }
      int inputs = keyInputs(in, graph);
      if (inputs == graph.keyValueHeads()) {
        return read(in, file, graph);
      }
      if (inputs == graph.heads()) {
        KeyValueGroups groups = KeyValueGroups.of(graph);
        PruneScores all = read(in, file, groups.perQuery());
        return new PruneScores(graph, groups.sums(all.values()));
      }
      KeyValueGroups groups = KeyValueGroups.of(graph, inputs);
      return new PruneScores(graph, groups.copies(read(in, file, groups.grouped()).values()));
    } catch (IllegalArgumentException damaged) {
      throw new DataException("file=" + file + ": " + damaged.getMessage(), damaged);
    }
  }

  /** How many key inputs a file has scores of; those of the graph where that is no other's. */
  private static int keyInputs(Safetensors in, ComputationGraph graph) {
    int own = graph.keyValueHeads();
    for (DestModule m : graph.modules()) {
      if (m.input() == DestNode.Input.K && in.contains(m.name())) {
        long[] shape = graph.maskShape(m);
        int axis = shape.length - 2;
        long[] there = in.shape(m.name());
        long inputs = there.length == shape.length ? there[axis] : own;
        boolean fits = inputs == graph.heads() || own == graph.heads() && inputs > 0;
        return fits && graph.heads() % inputs == 0 ? (int) inputs : own;
      }
    }
    return own;
  }

  private static PruneScores read(Safetensors in, Path file, ComputationGraph graph) {
    Map<String, float[]> modules = new LinkedHashMap<>();
    for (DestModule m : graph.modules()) {
      long[] shape = graph.maskShape(m);
      if (!in.contains(m.name()) || !Arrays.equals(in.shape(m.name()), shape)) {
        throw new DataException(
            "file="
                + file
                + ": scores of module "
                + m.name()
                + (in.contains(m.name())
                    ? " have shape=" + Arrays.toString(in.shape(m.name()))
                    : " are missing")
                + ", this graph needs shape="
                + Arrays.toString(shape)
                + "; give the scores of this model, with the same --graph,"
                + " --separate-qkv and --token-positions");
      }
      modules.put(m.name(), in.floats(m.name()));
    }
    return fromModules(graph, modules);
  }

  /**
   * The free-form strings beside saved scores: {@code algorithm}, {@code model}.
   *
   * @param file a safetensors file
   * @return by name
   * @throws DataException if it cannot be read
   */
  public static Map<String, String> metadata(Path file) {
    try (Safetensors in = Safetensors.open(file)) {
      return in.metadata();
    }
  }

  /**
   * A scored edge.
   *
   * @param edge the edge
   * @param score its score, with its sign
   */
  public record Scored(Edge edge, float score) {}

  /**
   * The {@code k} edges with the largest |score|, largest first; ties as in {@link #ranking}.
   *
   * @param k how many are wanted; all edges if there are fewer
   * @return a new list of at most {@code k} edges
   */
  public List<Scored> best(int k) {
    int[] order = ranking();
    return IntStream.range(0, Math.min(k, order.length))
        .mapToObj(i -> new Scored(graph.edge(order[i]), values[order[i]]))
        .collect(java.util.stream.Collectors.toCollection(ArrayList::new));
  }
}
