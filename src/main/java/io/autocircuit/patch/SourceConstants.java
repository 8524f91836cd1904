package io.autocircuit.patch;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * A constant for each source: what it is ablated to for every prompt and at every position.
 *
 * @param sources names of the sources, by index
 * @param width D, the numbers of each
 * @param values {@code [S × D]}
 */
public record SourceConstants(List<String> sources, int width, float[] values) {
  /** What its files say that they hold. */
  private static final String KIND = "constants";

  /**
   * Checks the length.
   *
   * @param sources names of the sources, by index
   * @param width D, the numbers of each
   * @param values {@code [S × D]}, finite; kept, not copied
   * @throws IllegalArgumentException if there are fewer or more numbers, or one is not finite
   */
  public SourceConstants {
    sources = List.copyOf(sources);
    if (values.length != Math.multiplyExact(sources.size(), width)) {
      throw new IllegalArgumentException(
          "constants="
              + values.length
              + " but sources="
              + sources.size()
              + " of d_model="
              + width
              + " need as many numbers as their product");
    }
    for (int i = 0; i < values.length; i++) {
      if (!Float.isFinite(values[i])) {
        throw new IllegalArgumentException(
            "constant=" + values[i] + " of source=" + sources.get(i / width) + " is not finite");
      }
    }
  }

  /**
   * Constants of a model's sources.
   *
   * @param model the model and its graph
   * @param values {@code [S × D]} by source index
   * @return rounded to float32
   * @throws IllegalArgumentException if there are fewer or more numbers, or one is not finite
   */
  public static SourceConstants of(PatchableModel model, double[] values) {
    float[] rounded = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = (float) values[i];
    }
    return new SourceConstants(names(model.graph()), model.model().config().dModel(), rounded);
  }

  private static List<String> names(ComputationGraph graph) {
    return graph.sources().stream().map(SrcNode::name).toList();
  }

  /**
   * The constant of a source.
   *
   * @param source its index
   * @return {@code [D]}, a copy
   */
  public float[] of(int source) {
    return Arrays.copyOfRange(values, source * width, (source + 1) * width);
  }

  /**
   * As ablation values.
   *
   * @param model whose sources they are of
   * @return {@code [S,1,1,D]} in the model's type, in the current scope
   * @throws IllegalArgumentException if the model has other sources
   */
  Tensor tensor(PatchableModel model) {
    if (!sources.equals(names(model.graph())) || width != model.model().config().dModel()) {
      throw new IllegalArgumentException(
          "constants of sources="
              + sources.size()
              + ", d_model="
              + width
              + " do not fit "
              + model.graph()
              + " of d_model="
              + model.model().config().dModel()
              + "; give those that were learned for this model and --graph");
    }
    return model.model().placement().tensor(values, sources.size(), 1, 1, width);
  }

  /**
   * Writes {@code constants.safetensors}: a float32 tensor {@code [D]} for each source, under its
   * name.
   *
   * @param file where to
   * @param metadata free-form strings beside them
   * @throws DataException if the file cannot be written
   */
  public void write(Path file, Map<String, String> metadata) {
    Map<String, Safetensors.Array> arrays = new LinkedHashMap<>();
    for (int s = 0; s < sources.size(); s++) {
      arrays.put(sources.get(s), new Safetensors.Array(new long[] {width}, of(s)));
    }
    Map<String, String> all = new LinkedHashMap<>(metadata);
    all.put("kind", KIND);
    Safetensors.write(file, arrays, all);
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @param file a safetensors file with a tensor for each source
   * @param graph whose sources they are
   * @param width D of its model
   * @return the constants
   * @throws DataException if it cannot be read, lacks a source or has one that the graph has not,
   *     or a tensor has another shape or numbers that are not finite
   */
  public static SourceConstants read(Path file, ComputationGraph graph, int width) {
    List<String> names = names(graph);
    float[] values = new float[Math.multiplyExact(names.size(), width)];
    try (Safetensors in = Safetensors.open(file)) {
      for (int s = 0; s < names.size(); s++) {
        String name = names.get(s);
        boolean there = in.contains(name);
        if (!there || !Arrays.equals(in.shape(name), new long[] {width})) {
          throw new DataException(
              "file="
                  + file
                  + ": the constant of "
                  + name
                  + (there ? " has shape=" + Arrays.toString(in.shape(name)) : " is missing")
                  + ", this model needs shape=["
                  + width
                  + "]; give constants.safetensors of this model and --graph");
        }
        System.arraycopy(in.floats(name), 0, values, s * width, width);
      }
      if (in.names().size() > names.size()) {
        throw new DataException(
            "file="
                + file
                + " has tensors="
                + in.names().size()
                + ", more than this graph's sources="
                + names.size()
                + "; give constants.safetensors of this model and --graph");
      }
      return new SourceConstants(names, width, values);
    } catch (IllegalArgumentException damaged) {
      throw new DataException("file=" + file + ": " + damaged.getMessage(), damaged);
    }
  }
}
