package io.autocircuit.benchmark;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What a run would take by arithmetic alone, without the model: from its settings, the graph, and
 * the number and length of prompts.
 *
 * @param edges of the graph
 * @param weightBytes of the model's matrices
 * @param runBytes beside them, of edge attribution patching on one batch
 * @param passOperations multiplications and additions of a plain pass over all prompts
 */
public record RunPlan(int edges, double weightBytes, double runBytes, double passOperations) {
  private static final int SIDE = 512;
  private static final double MEASURED_SECONDS = 0.1;

  /**
   * Plans a run.
   *
   * @param config the model
   * @param graph its graph
   * @param prompts how many prompts there are
   * @param length tokens of the longest
   * @param batch how many are run together
   * @param bytesOfWeight of one weight: 4, or 2 for types of 16 bits
   * @return what it would take
   */
  public static RunPlan of(
      TransformerConfig config,
      ComputationGraph graph,
      int prompts,
      int length,
      int batch,
      int bytesOfWeight) {
    OperationCount all = new OperationCount(graph, config, prompts, length, 1);
    OperationCount some = new OperationCount(graph, config, Math.min(batch, prompts), length, 1);
    return new RunPlan(
        graph.edgeCount(),
        (double) config.parameters() * bytesOfWeight,
        some.eapNumbers() * Float.BYTES,
        all.plain());
  }

  /**
   * Measures how fast this machine multiplies matrices, with as many threads as there are.
   *
   * @return multiplications and additions in a second, the best of some tenths of a second
   */
  public static double measuredRate() {
    double operations = 2.0 * SIDE * SIDE * SIDE;
    double best = 0;
    try (TensorScope scope = new TensorScope()) {
      Tensor a = scope.keep(Tensors.zeros(ScalarType.Float, SIDE, SIDE));
      long begin = System.nanoTime();
      while ((System.nanoTime() - begin) / 1e9 < MEASURED_SECONDS || best == 0) {
        try (TensorScope product = new TensorScope()) {
          long start = System.nanoTime();
          Tensor made = a.mm(a);
          best = Math.max(best, operations / ((System.nanoTime() - start) / 1e9));
          made.close();
        }
      }
    }
    return best;
  }
}
