package io.autocircuit.patch;

import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A score for every edge and each prompt, where {@link PruneScores} has one for all prompts: what
 * AutoCircuit's instance masks give.
 *
 * @param graph the graph
 * @param values by prompt, in the order of the batches; each by canonical edge index
 */
public record PromptScores(ComputationGraph graph, List<float[]> values) {
  /** The name of the tensor in a file. */
  private static final String TENSOR = "scores";

  /**
   * Checks the lengths.
   *
   * @param graph the graph that is scored
   * @param values at least one prompt's, {@code [edges]} each; the arrays are kept, not copied
   * @throws IllegalArgumentException if there is no prompt, or the lengths do not fit the graph
   */
  public PromptScores {
    values = List.copyOf(values);
    if (values.isEmpty()) {
      throw new IllegalArgumentException("prompts=0; give the scores of one or more");
    }
    for (float[] row : values) {
      if (row.length != graph.edgeCount()) {
        throw new IllegalArgumentException(
            "scores=" + row.length + " but the graph has edges=" + graph.edgeCount());
      }
    }
  }

  /**
   * Number of prompts N.
   *
   * @return at least 1
   */
  public int prompts() {
    return values.size();
  }

  /**
   * The scores of a prompt, whose {@link PruneScores#top} are circuits of that prompt.
   *
   * @param prompt 0 to N − 1
   * @return its scores
   * @throws IllegalArgumentException if one of them is NaN
   */
  public PruneScores of(int prompt) {
    return new PruneScores(graph, values.get(prompt));
  }

  /**
   * The mean over prompts: the scores of all prompts together, but for rounding.
   *
   * @return its sums are taken in float64
   * @throws IllegalArgumentException if a score is NaN
   */
  public PruneScores mean() {
    double[] sum = new double[graph.edgeCount()];
    for (float[] row : values) {
      for (int e = 0; e < sum.length; e++) {
        sum[e] += row[e];
      }
    }
    float[] mean = new float[sum.length];
    for (int e = 0; e < mean.length; e++) {
      mean[e] = (float) (sum[e] / values.size());
    }
    return new PruneScores(graph, mean);
  }

  /**
   * Writes one float32 tensor, {@code scores}, of shape {@code [N, edges]}: edges in canonical
   * order.
   *
   * @param file where to
   * @param metadata free-form strings beside the scores
   * @throws DataException if the file cannot be written
   * @throws IllegalArgumentException if there are more than 2³¹ − 1 numbers
   */
  public void write(Path file, Map<String, String> metadata) {
    int edges = graph.edgeCount();
    long count = (long) prompts() * edges;
    if (count > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "prompts="
              + prompts()
              + " × edges="
              + edges
              + " are too many numbers for one tensor; score fewer prompts");
    }
    float[] all = new float[(int) count];
    for (int i = 0; i < prompts(); i++) {
      System.arraycopy(values.get(i), 0, all, i * edges, edges);
    }
    Safetensors.write(
        file, Map.of(TENSOR, new Safetensors.Array(new long[] {prompts(), edges}, all)), metadata);
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @param file a safetensors file with the tensor {@code scores}
   * @param graph the graph that they belong to
   * @return the scores
   * @throws DataException if it cannot be read, or its tensor has another shape
   */
  public static PromptScores read(Path file, ComputationGraph graph) {
    try (Safetensors in = Safetensors.open(file)) {
      int edges = graph.edgeCount();
      long[] shape = in.contains(TENSOR) ? in.shape(TENSOR) : new long[0];
      if (shape.length != 2 || shape[0] < 1 || shape[1] != edges) {
        throw new DataException(
            "file="
                + file
                + ": scores for each prompt have shape="
                + java.util.Arrays.toString(shape)
                + ", this graph needs [prompts, "
                + edges
                + "]; give the scores of this model and graph");
      }
      float[] all = in.floats(TENSOR);
      List<float[]> rows = new ArrayList<>();
      for (int i = 0; i < shape[0]; i++) {
        rows.add(java.util.Arrays.copyOfRange(all, i * edges, (i + 1) * edges));
      }
      return new PromptScores(graph, rows);
    }
  }
}
