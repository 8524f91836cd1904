package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.prune.Progress;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Evaluates circuits and measures their outputs. */
public final class Measurements {
  private Measurements() {}

  /**
   * Measures circuits. Only one circuit's logits are held at a time.
   *
   * @param runs how the circuits are evaluated
   * @param batches the prompts; values are means over all of them
   * @param circuits the circuits, by ascending size
   * @param metrics what to measure; each must be applicable to the prompts
   * @return one measurement for each metric, with a point for each circuit
   * @throws IllegalArgumentException if a metric does not apply
   */
  public static List<Measurement> of(
      PatchableModel model,
      CircuitRuns runs,
      List<PromptBatch> batches,
      List<Circuit> circuits,
      List<Metric> metrics,
      Progress progress) {
    for (Metric m : metrics) {
      m.inapplicable(batches)
          .ifPresent(
              why -> {
                throw new IllegalArgumentException("metric \"" + m.key() + "\" " + why);
              });
    }
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    double[][][] values = new double[metrics.size()][circuits.size()][prompts];
    double[][] full = new double[metrics.size()][prompts];
    int[] starts = new int[batches.size()];
    for (int b = 1; b < starts.length; b++) {
      starts[b] = starts[b - 1] + batches.get(b - 1).clean().batchSize();
    }
    try (TensorScope scope = new TensorScope()) {
      List<Metric.Outputs> outputs = new ArrayList<>();
      for (int b = 0; b < batches.size(); b++) {
        PromptBatch batch = batches.get(b);
        Tensor clean = model.logits(batch.clean());
        outputs.add(new Metric.Outputs(batch, clean, model.logits(batch.corrupt())));
        for (int m = 0; m < metrics.size(); m++) {
          put(metrics.get(m).perPrompt(clean, outputs.get(b)), full[m], starts[b]);
        }
      }
      long total = (long) circuits.size() * batches.size();
      long[] done = {0};
      runs.forEach(
          model,
          batches,
          circuits,
          (c, b, logits) -> {
            for (int m = 0; m < metrics.size(); m++) {
              put(metrics.get(m).perPrompt(logits, outputs.get(b)), values[m][c], starts[b]);
            }
            progress.update("circuits", ++done[0], total);
          });
    }
    List<Measurement> result = new ArrayList<>();
    for (int m = 0; m < metrics.size(); m++) {
      List<Measurement.Point> points = new ArrayList<>();
      for (int c = 0; c < circuits.size(); c++) {
        points.add(
            new Measurement.Point(
                circuits.get(c).size(), metrics.get(m).combine(values[m][c], full[m])));
      }
      result.add(new Measurement(metrics.get(m), points));
    }
    return result;
  }

  private static void put(double[] from, double[] to, int start) {
    System.arraycopy(from, 0, to, start, from.length);
  }
}
