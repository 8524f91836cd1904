package io.autocircuit.formats;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestModule;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TorchArchive;
import io.autocircuit.tensor.TorchTensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * AutoCircuit's scores: a tensor {@code [positions?][heads?][sources]} for each destination module,
 * by its hook. Their shapes say of which graph they are.
 */
final class ModuleScores {
  private static final Pattern BLOCK = Pattern.compile("blocks\\.(\\d{1,6})\\..*");
  private static final String END = "hook_resid_post";

  private ModuleScores() {}

  /** Whether an archive's value is such a dictionary, perhaps within others. */
  static boolean isOne(Object value) {
    return value instanceof Map<?, ?> map
        && map.keySet().stream().allMatch(k -> k instanceof String)
        && map.values().stream().allMatch(v -> v instanceof TorchTensor || v instanceof Map);
  }

  /**
   * The dictionaries of tensors in an archive: AutoCircuit's caches have one for each task and
   * algorithm.
   *
   * @return by the keys that lead to them, parted by slashes; "" for the value itself
   */
  static Map<String, Map<?, ?>> parts(Object value) {
    Map<String, Map<?, ?>> parts = new TreeMap<>();
    collect("", value, parts);
    return parts;
  }

  private static void collect(String at, Object value, Map<String, Map<?, ?>> to) {
    if (value instanceof Map<?, ?> map) {
      if (map.values().stream().anyMatch(v -> v instanceof TorchTensor)) {
        to.put(at, map);
      } else {
        map.forEach((k, v) -> collect(at.isEmpty() ? k.toString() : at + "/" + k, v, to));
      }
    }
  }

  /** The scores in a torch archive's dictionary; {@code graph} may be null. */
  static PruneScores read(
      Path file, TorchArchive archive, Map<?, ?> tensors, ComputationGraph graph) {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) -> {
          if (!(tensor instanceof TorchTensor t)) {
            throw new DataException(
                "file=" + file + ": key=" + DataException.quote(name.toString()) + " is no tensor");
          }
          shapes.put(name.toString(), t.shape());
        });
    ComputationGraph of = fitting(file, shapes, graph);
    Map<String, float[]> modules = new LinkedHashMap<>();
    for (DestModule m : of.modules()) {
      modules.put(m.name(), archive.floats((TorchTensor) tensors.get(m.name())));
    }
    return made(file, of, modules);
  }

  /** The scores in a safetensors file, whose graph is not known. */
  static PruneScores read(Path file) {
    try (Safetensors in = Safetensors.open(file)) {
      Map<String, long[]> shapes = new LinkedHashMap<>();
      in.names().forEach(n -> shapes.put(n, in.shape(n)));
      ComputationGraph of = fitting(file, shapes, null);
      Map<String, float[]> modules = new LinkedHashMap<>();
      of.modules().forEach(m -> modules.put(m.name(), in.floats(m.name())));
      return made(file, of, modules);
    }
  }

  private static PruneScores made(Path file, ComputationGraph of, Map<String, float[]> modules) {
    try {
      return PruneScores.fromModules(of, modules);
    } catch (IllegalArgumentException e) {
      throw new DataException("file=" + file + ": " + e.getMessage(), e);
    }
  }

  /** Writes a torch archive that AutoCircuit's {@code load_cache} or {@code torch.load} reads. */
  static void write(Path file, PruneScores scores) {
    Map<String, Object> tensors = new LinkedHashMap<>();
    for (DestModule m : scores.graph().modules()) {
      tensors.put(m.name(), new Safetensors.Array(scores.graph().maskShape(m), scores.module(m)));
    }
    TorchArchive.write(file, tensors);
  }

  /** The graph that was given, if it fits, or else the one that follows from the shapes. */
  private static ComputationGraph fitting(
      Path file, Map<String, long[]> shapes, ComputationGraph given) {
    if (given != null && fits(given, shapes)) {
      return given;
    }
    int blocks = 0;
    for (String name : shapes.keySet()) {
      Matcher block = BLOCK.matcher(name);
      blocks = block.matches() ? Math.max(blocks, 1 + Integer.parseInt(block.group(1))) : blocks;
    }
    long[] end = shapes.get("blocks." + (blocks - 1) + "." + END);
    long[] query = shapes.get("blocks.0.hook_q_input");
    long[] key = shapes.get("blocks.0.hook_k_input");
    long[] joint = shapes.get("blocks.0.hook_attn_in");
    long[] heads = query != null ? query : joint;
    if (blocks == 0 || end == null || end.length == 0 || heads == null || heads.length < 2) {
      throw unknown(file);
    }
    int positions = end.length > 1 ? size(file, end[0]) : 0;
    int h = size(file, heads[heads.length - 2]);
    int kv = query == null || key == null || key.length < 2 ? h : size(file, key[key.length - 2]);
    for (Wiring wiring : Wiring.values()) {
      ComputationGraph graph;
      try {
        if ((double) end[end.length - 1] * h * blocks * Math.max(1, positions) > 1e9) {
          throw unknown(file);
        }
        graph = ComputationGraph.factorized(blocks, h, kv, wiring, query != null, positions);
      } catch (IllegalArgumentException e) {
        continue;
      }
      if (fits(graph, shapes)) {
        return graph;
      }
    }
    throw unknown(file);
  }

  private static int size(Path file, long length) {
    if (length < 1 || length > 1 << 20) {
      throw unknown(file);
    }
    return (int) length;
  }

  private static DataException unknown(Path file) {
    return new DataException(
        "file="
            + file
            + ": from the names and shapes of its tensors no factorized graph follows; give scores"
            + " of edges, by destination module ("
            + "blocks.0.hook_q_input, …), without autoencoders");
  }

  private static boolean fits(ComputationGraph graph, Map<String, long[]> shapes) {
    return graph.modules().size() == shapes.size()
        && graph.modules().stream()
            .allMatch(
                m ->
                    shapes.containsKey(m.name())
                        && Arrays.equals(shapes.get(m.name()), graph.maskShape(m)));
  }
}
