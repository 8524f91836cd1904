package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.patch.NeuronCircuit;
import io.autocircuit.patch.NeuronRun;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Evaluates circuits of neurons ({@link NeuronRun}) and measures their outputs. */
public final class NeuronMeasurements {
  private NeuronMeasurements() {}

  /**
   * Measures circuits of neurons.
   *
   * @param model a model without autoencoders, through a factorized graph without positions
   * @param runs clean prompts with what is outside the circuit ablated; the ablation is read
   * @param batches the prompts; values are means over all of them
   * @param circuits the circuits, by ascending number of neurons
   * @param metrics what to measure; each must be applicable to the prompts
   * @param progress told about the work done
   * @return one measurement for each metric, with a point for each circuit, which counts neurons
   * @throws IllegalArgumentException if the graph or the runs are others
   */
  public static List<Measurement> of(
      PatchableModel model,
      CircuitRuns runs,
      List<PromptBatch> batches,
      List<NeuronCircuit> circuits,
      List<Metric> metrics,
      Progress progress) {
    if (runs.patchType() != PatchType.TREE_PATCH || runs.reverseCleanCorrupt()) {
      throw new IllegalArgumentException(
          "circuits of neurons are run on clean prompts, with all else ablated, but the run has"
              + " patch_type="
              + runs.patchType()
              + ", reverse_clean_corrupt="
              + runs.reverseCleanCorrupt()
              + "; give a run with --patch-type tree");
    }
    int prompts = batches.stream().mapToInt(b -> b.clean().batchSize()).sum();
    double[][][] values = new double[metrics.size()][circuits.size()][prompts];
    double[][] full = new double[metrics.size()][prompts];
    int start = 0;
    // one evaluation of any mask holds and makes as much
    List<List<MicroBatch>> parts =
        MicroBatch.within(model, MemoryEstimate.Work.GRADIENT, runs.ablation(), batches);
    try (AblationValues ablation = AblationValues.prepare(model, runs.ablation(), batches)) {
      for (int b = 0; b < parts.size(); b++) {
        PromptBatch batch = batches.get(b);
        try (TensorScope scope = new TensorScope()) {
          Tensor all = ablation.of(batch.clean(), batch.corrupt());
          for (MicroBatch part : parts.get(b)) {
            Tensor some = all.size(1) == 1 ? all : all.narrow(1, part.first(), part.size());
            measure(model, part.prompts(), some, circuits, metrics, values, full, start);
            start += part.size();
            progress.update("prompts", start, prompts);
          }
        }
      }
    }
    List<Measurement> result = new ArrayList<>();
    for (int m = 0; m < metrics.size(); m++) {
      List<Measurement.Point> points = new ArrayList<>();
      for (int c = 0; c < circuits.size(); c++) {
        points.add(
            new Measurement.Point(
                circuits.get(c).neurons().cardinality(),
                metrics.get(m).combine(values[m][c], full[m]),
                Arrays.stream(values[m][c]).boxed().toList()));
      }
      result.add(new Measurement(metrics.get(m), points));
    }
    return result;
  }

  private static void measure(
      PatchableModel model,
      PromptBatch prompts,
      Tensor ablations,
      List<NeuronCircuit> circuits,
      List<Metric> metrics,
      double[][][] values,
      double[][] full,
      int start) {
    try (TensorScope scope = new TensorScope()) {
      Tensor clean = model.logits(prompts.clean());
      Metric.Outputs outputs = new Metric.Outputs(prompts, clean, model.logits(prompts.corrupt()));
      for (int m = 0; m < metrics.size(); m++) {
        Measurements.put(metrics.get(m), clean, outputs, full[m], start);
      }
      for (int c = 0; c < circuits.size(); c++) {
        try (TensorScope one = new TensorScope()) {
          Tensor logits = NeuronRun.logits(model, prompts.clean(), ablations, circuits.get(c));
          for (int m = 0; m < metrics.size(); m++) {
            Measurements.put(metrics.get(m), logits, outputs, values[m][c], start);
          }
        }
      }
    }
  }
}
