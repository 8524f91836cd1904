package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * A score for every dimension of every source: for its part of what the source writes into the
 * stream. The sum over a source's dimensions is the source's score as a node.
 *
 * @param graph the graph
 * @param width D, dimensions of the stream
 * @param values {@code [S × D]} by source index
 */
public record NeuronScores(ComputationGraph graph, int width, float[] values) {
  private static final String TENSOR = "neurons";

  /**
   * Checks the length.
   *
   * @param graph the graph
   * @param width D
   * @param values {@code [S × D]}; kept, not copied
   * @throws IllegalArgumentException if it does not fit
   */
  public NeuronScores {
    if (values.length != (long) graph.sources().size() * width) {
      throw new IllegalArgumentException(
          "scores="
              + values.length
              + " but the graph has sources="
              + graph.sources().size()
              + " of width="
              + width);
    }
  }

  /**
   * The sum over the dimensions of a source.
   *
   * @param source its index
   * @return its score as a node
   */
  public double node(int source) {
    double sum = 0;
    for (int i = source * width; i < (source + 1) * width; i++) {
      sum += values[i];
    }
    return sum;
  }

  /**
   * A scored dimension.
   *
   * @param source what writes it
   * @param dimension 0 to D − 1
   * @param score with its sign
   */
  public record Scored(SrcNode source, int dimension, float score) {}

  /**
   * The most important dimensions.
   *
   * @param count how many at most
   * @return those of the largest |score|; of equal ones the first source, then the first dimension
   */
  public List<Scored> best(int count) {
    List<Scored> all = new ArrayList<>(values.length);
    for (int i = 0; i < values.length; i++) {
      all.add(new Scored(graph.sources().get(i / width), i % width, values[i]));
    }
    all.sort(Comparator.comparingDouble(s -> -Math.abs(s.score())));
    return List.copyOf(all.subList(0, Math.min(count, all.size())));
  }

  /**
   * Writes one float32 tensor, {@code neurons}, of shape {@code [sources, D]}: sources by index.
   *
   * @param file where to
   * @param metadata free-form strings beside the scores
   * @throws io.autocircuit.files.DataException if the file cannot be written
   */
  public void write(Path file, Map<String, String> metadata) {
    long[] shape = {graph.sources().size(), width};
    Safetensors.write(file, Map.of(TENSOR, new Safetensors.Array(shape, values)), metadata);
  }
}
