package io.autocircuit.metric;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.pytorch.Tensor;

/** Evaluates circuits and measures their outputs. */
public final class Measurements {
  private Measurements() {}

  /**
   * Measures circuits, one micro-batch of prompts after another as the model's memory budget
   * permits. Only the logits of circuits that are run together are held at a time.
   *
   * @param model the model that the circuits are of
   * @param runs how the circuits are evaluated
   * @param batches the prompts; values are means over all of them
   * @param circuits the circuits, by ascending size
   * @param metrics what to measure; each must be applicable to the prompts
   * @param progress told about the work done
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
    long total = (long) circuits.size() * prompts;
    AtomicLong done = new AtomicLong();
    runs.forEachMicroBatch(
        model,
        batches,
        circuits,
        (c, part, logits) -> {
          Metric.Outputs outputs = new Metric.Outputs(part.prompts(), part.clean(), part.corrupt());
          int start = starts[part.batch()] + part.first();
          for (int m = 0; m < metrics.size(); m++) {
            if (c == 0) {
              put(metrics.get(m), part.clean(), outputs, full[m], start);
            }
            put(metrics.get(m), logits, outputs, values[m][c], start);
          }
          long now = done.addAndGet(part.size());
          synchronized (done) {
            progress.update("circuit runs (circuits × prompts)", now, total);
          }
        });
    List<Measurement> result = new ArrayList<>();
    for (int m = 0; m < metrics.size(); m++) {
      List<Measurement.Point> points = new ArrayList<>();
      for (int c = 0; c < circuits.size(); c++) {
        points.add(
            new Measurement.Point(
                circuits.get(c).size(),
                metrics.get(m).combine(values[m][c], full[m]),
                Arrays.stream(values[m][c]).boxed().toList()));
      }
      result.add(new Measurement(metrics.get(m), points));
    }
    return result;
  }

  /** The values of a micro-batch's prompts, from a place on. */
  static void put(Metric metric, Tensor logits, Metric.Outputs outputs, double[] to, int start) {
    double[] from = metric.perPrompt(logits, outputs);
    int prompts = outputs.batch().clean().batchSize();
    if (from.length != prompts) {
      throw new IllegalArgumentException(
          "metric="
              + metric.key()
              + " gave values="
              + from.length
              + " for prompts="
              + prompts
              + "; perPrompt returns one for each");
    }
    System.arraycopy(from, 0, to, start, prompts);
  }
}
