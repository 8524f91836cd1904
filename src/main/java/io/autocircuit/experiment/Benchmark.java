package io.autocircuit.experiment;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.Progress;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Times the engine against the model's plain forward pass, all in one process and one run. Every
 * figure but {@code plain_ms} is a ratio to the plain forward: the unpatched pass on the same
 * libtorch and threads, logits of the last token.
 *
 * @param model the model, seen through its graph; slice {@code LAST_SEQ}
 * @param batch clean and corrupt prompts
 * @param repeats timed repetitions of short measurements; the median is reported
 * @param seed of masks and circuits
 */
public record Benchmark(PatchableModel model, PromptBatch batch, int repeats, long seed) {

  private static final int TRIALS = 12;

  /**
   * A timing.
   *
   * @param median seconds, median of the repetitions
   * @param spread (largest − smallest) / median
   */
  public record Timing(double median, double spread) {}

  /**
   * What was measured.
   *
   * @param plain the plain forward
   * @param plainGflops its operations per second, in 10⁹
   * @param productGflops those of a bare matrix product of the MLP's shape
   * @param ratios by name, medians over the plain forward's median
   * @param spreads (largest − smallest) / median of each
   * @param liveShare operations that a circuit needs over those of the plain forward, by name
   * @param peakNativeMegabytes resident memory at its peak during a measurement, above that before
   *     it
   */
  public record Result(
      Timing plain,
      double plainGflops,
      double productGflops,
      Map<String, Double> ratios,
      Map<String, Double> spreads,
      Map<String, Double> liveShare,
      Map<String, Double> peakNativeMegabytes) {}

  /** Runs all measurements. */
  public Result run(Progress progress) {
    Map<String, Double> seconds = new LinkedHashMap<>();
    Map<String, Double> spreads = new LinkedHashMap<>();
    Map<String, Double> live = new LinkedHashMap<>();
    Map<String, Double> peak = new LinkedHashMap<>();
    ComputationGraph graph = model.graph();
    TokenBatch clean = batch.clean();
    int steps = 0;
    try (TensorScope scope = new TensorScope()) {
      Timing plain = time(repeats, () -> scoped(() -> model.logits(clean)));
      progress.update("benchmarks", ++steps, 12);
      double product = productGflops();
      Tensor patches = SourceOutputs.of(model, batch.corrupt());
      try (AblationValues resampled =
              AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
          Evaluation run = model.evaluation(clean, resampled, batch.corrupt())) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[graph.edgeCount()];
        for (int i = 0; i < values.length; i++) {
          values[i] = (float) random.nextDouble();
        }
        PatchMask dense = PatchMask.of(graph, values);
        put("dense", time(repeats, () -> scoped(() -> run.logits(dense))), seconds, spreads);
        live.put("dense", 1.0);
        progress.update("benchmarks", ++steps, 12);
        Map<String, Integer> sizes = new LinkedHashMap<>();
        sizes.put("circuit_0", 0);
        sizes.put("circuit_32", 32);
        sizes.put("circuit_1pct", (int) Math.round(graph.edgeCount() * 0.01));
        sizes.put("circuit_10pct", (int) Math.round(graph.edgeCount() * 0.1));
        for (Map.Entry<String, Integer> e : sizes.entrySet()) {
          Circuit c = randomWalks(graph, e.getValue(), seed);
          put(
              e.getKey(),
              time(
                  repeats,
                  () -> {
                    run.forget();
                    scoped(() -> run.logits(c, PatchType.TREE_PATCH));
                  }),
              seconds,
              spreads);
          live.put(e.getKey(), run.liveShare(c, PatchType.TREE_PATCH));
          progress.update("benchmarks", ++steps, 12);
        }
        put("einsum", einsum(patches, dense), seconds, spreads);
        progress.update("benchmarks", ++steps, 12);
      }
      List<Circuit> sweep = new ArrayList<>();
      for (int i = 0; i < 32; i++) {
        sweep.add(
            randomWalks(graph, (int) Math.round(Math.pow(graph.edgeCount(), i / 31.0)), seed + i));
      }
      Timing swept =
          time(
              1,
              () ->
                  Measurements.of(
                      model,
                      CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE),
                      List.of(batch),
                      sweep,
                      List.of(Metric.KL_DIV, Metric.LOGIT_DIFF),
                      Progress.SILENT));
      put("sweep32_per_circuit", new Timing(swept.median() / 32, swept.spread()), seconds, spreads);
      progress.update("benchmarks", ++steps, 12);
      int few = Math.max(1, repeats / 3);
      long before = resident();
      resetPeak();
      put(
          "eap",
          time(few, () -> MaskGradient.eap().score(model, List.of(batch))),
          seconds,
          spreads);
      peak.put("eap", (peakResident() - before) / 1e6);
      progress.update("benchmarks", ++steps, 12);
      put(
          "ig5",
          time(1, () -> MaskGradient.integrated(5).score(model, List.of(batch))),
          seconds,
          spreads);
      progress.update("benchmarks", ++steps, 12);
      put("acdc_per_edge", acdcPerEdge(), seconds, spreads);
      progress.update("benchmarks", 12, 12);
      Map<String, Double> ratios = new LinkedHashMap<>();
      seconds.forEach((k, v) -> ratios.put(k, v / plain.median()));
      return new Result(
          plain, flops() / plain.median() / 1e9, product, ratios, spreads, live, peak);
    }
  }

  private static void put(
      String name, Timing t, Map<String, Double> seconds, Map<String, Double> spreads) {
    seconds.put(name, t.median());
    spreads.put(name, t.spread());
  }

  private interface Making {
    Tensor make();
  }

  private static void scoped(Making work) {
    try (TensorScope scope = new TensorScope()) {
      work.make();
    }
  }

  /** Two runs to warm up, then the median; long measurements (one repetition) come warm. */
  private static Timing time(int repeats, Runnable work) {
    if (repeats > 1) {
      work.run();
      work.run();
    }
    double[] t = new double[repeats];
    for (int i = 0; i < repeats; i++) {
      long start = System.nanoTime();
      work.run();
      t[i] = (System.nanoTime() - start) / 1e9;
    }
    Arrays.sort(t);
    double median = t[repeats / 2];
    return new Timing(median, (t[repeats - 1] - t[0]) / median);
  }

  /** Multiplications and additions of the plain forward, logits of the last token. */
  private double flops() {
    TransformerConfig c = model.model().config();
    double n = (double) batch.clean().batchSize() * batch.clean().length();
    double width = (double) c.heads() * c.dHead();
    double attention = 2 * n * c.dModel() * width * 4 + 4 * n * batch.clean().length() * width;
    double mlp = 2 * n * c.dModel() * c.dMlp() * (c.gatedMlp() ? 3 : 2);
    return c.blocks() * (attention + mlp)
        + 2.0 * batch.clean().batchSize() * c.dModel() * c.outputs();
  }

  private double productGflops() {
    TransformerConfig c = model.model().config();
    int n = batch.clean().batchSize() * batch.clean().length();
    int inner = Math.max(c.dMlp(), 3 * c.heads() * c.dHead());
    Tensor a = torch.randn(n, c.dModel()).to(model.model().type());
    Tensor b = torch.randn(c.dModel(), inner).to(model.model().type());
    Tensor out = Tensors.empty(model.model().type(), n, inner);
    Timing t = time(Math.max(9, repeats), () -> torch.mm_out(out, a, b));
    return 2.0 * n * c.dModel() * inner / t.median() / 1e9;
  }

  /**
   * The Python design as a stand-in: the patched evaluation with, for each destination module, the
   * difference tensor built anew, an einsum with the mask, and an addition. Adds to the plain
   * forward the time of those operations for every module.
   */
  private Timing einsum(Tensor patches, PatchMask mask) {
    ComputationGraph graph = model.graph();
    Tensor current = SourceOutputs.of(model, batch.clean());
    Tensor resid = current.select(0, 0);
    return time(
        1,
        () -> {
          try (TensorScope scope = new TensorScope()) {
            for (DestModule m : graph.modules()) {
              try (TensorScope inner = new TensorScope()) {
                Tensor difference =
                    patches.narrow(0, 0, m.sources()).sub(current.narrow(0, 0, m.sources()));
                float[] rows = new float[m.nodes().size() * m.sources()];
                System.arraycopy(mask.values(), m.offset(), rows, 0, rows.length);
                Tensor w = Tensors.of(model.model().type(), rows, m.nodes().size(), m.sources());
                torch
                    .einsum("ds,sbtm->btdm", new org.bytedeco.pytorch.TensorVector(w, difference))
                    .add_(resid.unsqueeze(2));
              }
            }
            model.logits(batch.clean());
          }
        });
  }

  /** The mean time of an ACDC step, over edges drawn evenly from the canonical order. */
  private Timing acdcPerEdge() {
    ComputationGraph graph = model.graph();
    int tried = Math.min(TRIALS, graph.edgeCount());
    try (AblationValues resampled =
            AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
        Evaluation run = model.evaluation(batch.clean(), resampled, batch.corrupt())) {
      Runnable pass =
          () -> {
            BitSet kept = new BitSet(graph.edgeCount());
            kept.set(0, graph.edgeCount());
            int done = 0;
            for (int i = 0; i < tried; i++) {
              int e = (int) ((long) i * graph.edgeCount() / tried);
              // what comes before has been decided: about nine tenths removed
              for (; done < e; done++) {
                kept.set(done, done % 10 == 0);
              }
              kept.clear(e);
              scoped(() -> run.logits(Circuit.of(graph, kept), PatchType.TREE_PATCH));
            }
          };
      Timing t = time(1, pass);
      return new Timing(t.median() / tried, t.spread());
    }
  }

  /**
   * A circuit of random walks backwards from the end of the stream, so that every edge is live.
   *
   * @param size its number of edges
   */
  public static Circuit randomWalks(ComputationGraph graph, int size, long seed) {
    if (size == graph.edgeCount()) {
      return Circuit.full(graph);
    }
    SplittableRandom random = new SplittableRandom(seed);
    BitSet edges = new BitSet(graph.edgeCount());
    DestModule end = graph.modules().get(0);
    Map<String, List<DestModule>> inputs = new LinkedHashMap<>();
    int chosen = 0;
    while (chosen < size) {
      DestModule m = end;
      int head = 0;
      while (chosen < size) {
        int s = random.nextInt(m.sources());
        int e = graph.index(m, head, s, 0);
        if (!edges.get(e)) {
          edges.set(e);
          chosen++;
        }
        SrcNode source = graph.sources().get(s);
        if (source.block() < 0) {
          break;
        }
        List<DestModule> into =
            inputs.computeIfAbsent(
                source.block() + (source.head() < 0 ? "m" : "a"),
                k ->
                    graph.modules().stream()
                        .filter(
                            d ->
                                d.block() == source.block()
                                    && d.input() != DestNode.Input.END
                                    && d.perHead() == source.head() >= 0)
                        .toList());
        m = into.get(random.nextInt(into.size()));
        head = Math.max(0, source.head());
      }
    }
    return Circuit.of(graph, edges);
  }

  private static long resident() {
    return status("VmRSS:");
  }

  private static long peakResident() {
    return status("VmHWM:");
  }

  /** Linux: writing 5 resets the peak of resident memory to what is resident now. */
  private static void resetPeak() {
    try {
      java.nio.file.Files.writeString(java.nio.file.Path.of("/proc/self/clear_refs"), "5");
    } catch (java.io.IOException notLinux) {
      // the peak then includes what came before, which the caller subtracts only in part
    }
  }

  private static long status(String field) {
    try (var lines = java.nio.file.Files.lines(java.nio.file.Path.of("/proc/self/status"))) {
      return lines
              .filter(l -> l.startsWith(field))
              .mapToLong(l -> Long.parseLong(l.replaceAll("\\D", "")))
              .findFirst()
              .orElse(0)
          * 1024;
    } catch (java.io.IOException notLinux) {
      return 0;
    }
  }
}
