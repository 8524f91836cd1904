package io.autocircuit.benchmark;

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
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.prune.CircuitProbing;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
  private static final int PROBING_EPOCHS = 3;

  /**
   * A timing.
   *
   * @param median seconds, median of the repetitions
   * @param spread (largest − smallest) / median
   */
  public record Timing(double median, double spread) {
    static Timing of(double[] seconds) {
      double[] sorted = seconds.clone();
      Arrays.sort(sorted);
      int n = sorted.length;
      double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
      return new Timing(median, (sorted[n - 1] - sorted[0]) / median);
    }
  }

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
   *     it; empty for a model on a device, whose memory that is not
   * @param beside the same figures beside busy processes; empty if there were none
   */
  public record Result(
      Timing plain,
      double plainGflops,
      double productGflops,
      Map<String, Double> ratios,
      Map<String, Double> spreads,
      Map<String, Double> liveShare,
      Map<String, Double> peakNativeMegabytes,
      Optional<BesideOthers> beside) {}

  /** Is told of every figure as soon as it is known. */
  @FunctionalInterface
  public interface Listener {
    /**
     * A measurement is done.
     *
     * @param name what was measured, as in {@link Result}
     * @param timing seconds
     * @param ratio over the plain forward; 1 for that itself
     * @param liveShare operations needed over those of the plain forward; NaN where it has no
     *     meaning
     */
    void measured(String name, Timing timing, double ratio, double liveShare);
  }

  /**
   * Runs all measurements. The plain forward is timed before and after every repetition of
   * everything else, and each ratio is taken over the plain forwards around it, so that a machine
   * that changes its speed during the run changes both.
   *
   * @param listener told each figure when it is there
   * @return all figures
   */
  public Result run(Listener listener) {
    return run(listener, null, this::all);
  }

  /**
   * Measures the methods of attribution instead, at the same plain forwards.
   *
   * @param listener told each figure when it is there
   * @return their figures; without memory
   */
  public Result runMethods(Listener listener) {
    return run(listener, null, (table, peak) -> new MethodBenchmark(model, batch).measure(table));
  }

  /**
   * As {@link #run(Listener)}, and beside busy processes: every figure is timed in turns without
   * and with them.
   *
   * @param listener told each figure without them when it is there
   * @param processes how many, at least 1
   * @return all figures
   * @throws IllegalArgumentException if the number of processes is out of range
   */
  public Result runBeside(Listener listener, int processes) {
    try (BusyProcesses others = BusyProcesses.start(processes)) {
      return run(listener, others, this::all);
    }
  }

  /** Some measurements. */
  private interface Body {
    /**
     * Makes them.
     *
     * @param table receives the times
     * @param peak receives memory, by name
     */
    void measure(BenchmarkTable table, Map<String, Double> peak);
  }

  private Result run(Listener listener, BusyProcesses others, Body body) {
    Map<String, Double> peak = new LinkedHashMap<>();
    BenchmarkTable table = new BenchmarkTable(model, batch, repeats, listener, others);
    for (int i = 0; i < 3; i++) {
      scoped(() -> model.logits(batch.clean()));
    }
    for (int i = 0; i < repeats; i++) {
      table.plain();
    }
    listener.measured("plain", table.plainTiming(), 1, Double.NaN);
    double product = productGflops();
    body.measure(table, peak);
    Timing plain = table.plainTiming();
    return new Result(
        plain,
        flops() / plain.median() / 1e9,
        product,
        table.ratios(),
        table.spreads(),
        table.live(),
        peak,
        Optional.ofNullable(table.beside(plain)));
  }

  private void all(BenchmarkTable table, Map<String, Double> peak) {
    ComputationGraph graph = model.graph();
    TokenBatch clean = batch.clean();
    try (TensorScope scope = new TensorScope();
        AblationValues resampled =
            AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch))) {
      PatchMask dense = randomMask(graph);
      try (Evaluation run = Evaluation.of(model, clean, resampled, batch.corrupt())) {
        table.shortWork("dense", 1, () -> scoped(() -> run.logits(dense)));
        Map<String, Integer> sizes = new LinkedHashMap<>();
        sizes.put("circuit_0", 0);
        sizes.put("circuit_32", Math.min(32, graph.edgeCount()));
        sizes.put("circuit_1pct", (int) Math.round(graph.edgeCount() * 0.01));
        sizes.put("circuit_10pct", (int) Math.round(graph.edgeCount() * 0.1));
        for (Map.Entry<String, Integer> e : sizes.entrySet()) {
          Circuit c = randomWalks(graph, e.getValue(), seed);
          table.shortWork(
              e.getKey(),
              run.liveShare(c, PatchType.TREE_PATCH),
              () -> {
                run.forget();
                scoped(() -> run.logits(c, PatchType.TREE_PATCH));
              });
        }
      }
      List<Circuit> sweep = new ArrayList<>();
      for (int i = 0; i < 32; i++) {
        sweep.add(
            randomWalks(graph, (int) Math.round(Math.pow(graph.edgeCount(), i / 31.0)), seed + i));
      }
      table.longWork(
          "sweep32_per_circuit",
          32,
          () ->
              Measurements.of(
                  model,
                  CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE),
                  List.of(batch),
                  sweep,
                  List.of(Metric.KL_DIV, Metric.LOGIT_DIFF),
                  Progress.SILENT));
      long before = ProcessMemory.resident();
      boolean reset = ProcessMemory.resetPeak();
      MaskGradient.eap().score(model, List.of(batch));
      if (reset && model.model().placement().device().equals(Device.CPU)) {
        peak.put("eap", (ProcessMemory.peak() - before) / 1e6);
      }
      table.longWork("eap", 1, () -> MaskGradient.eap().score(model, List.of(batch)));
      table.longWork("ig5", 1, () -> MaskGradient.integrated(5).score(model, List.of(batch)));
      acdcPerEdge(table);
      probing(table);
      otherGraphs(table);
      Tensor patches = SourceOutputs.of(model, batch.corrupt());
      Tensor current = SourceOutputs.of(model, clean);
      table.longWork("einsum", 1, () -> einsum(patches, current, dense));
    }
  }

  /** Circuit probing for one per cent of the edges: the time of an epoch, of some with all else. */
  private void probing(BenchmarkTable table) {
    int wanted = Math.max(1, (int) Math.round(model.graph().edgeCount() * 0.01));
    SubnetworkProbing usual = SubnetworkProbing.defaults(PatchType.TREE_PATCH, seed);
    CircuitProbing algorithm =
        new CircuitProbing(
            new SubnetworkProbing(
                usual.learningRate(),
                PROBING_EPOCHS,
                usual.lambda(),
                usual.maskFunction(),
                usual.patchType(),
                usual.ablation(),
                usual.target(),
                0,
                0,
                null,
                1,
                -MaskFunction.INITIAL,
                seed),
            List.of(wanted));
    table.longWork("cp_epoch", PROBING_EPOCHS, () -> algorithm.score(model, List.of(batch)));
  }

  /**
   * EAP, and a circuit of a tenth of the edges, where sums of the stream or latents are sources.
   */
  private void otherGraphs(BenchmarkTable table) {
    OtherGraphs.unfactorized(model).ifPresent(nodes -> edgesOf("nodes", nodes, table));
    OtherGraphs.autoencoders(model, seed)
        .ifPresent(
            autoencoders -> {
              try (autoencoders) {
                edgesOf("latents", OtherGraphs.latents(model, autoencoders), table);
              }
            });
  }

  private void edgesOf(String name, PatchableModel other, BenchmarkTable table) {
    table.longWork(name + "_eap", 1, () -> MaskGradient.eap().score(other, List.of(batch)));
    try (AblationValues values = AblationValues.prepare(other, Ablation.RESAMPLE, List.of(batch));
        Evaluation run = Evaluation.of(other, batch.clean(), values, batch.corrupt())) {
      BitSet some = new BitSet();
      SplittableRandom random = new SplittableRandom(seed);
      for (int e = 0; e < other.graph().edgeCount(); e++) {
        some.set(e, random.nextInt(10) == 0);
      }
      Circuit circuit = Circuit.of(other.graph(), some);
      table.longWork(
          name + "_circuit_10pct",
          1,
          () -> {
            run.forget();
            scoped(() -> run.logits(circuit, PatchType.TREE_PATCH));
          });
    }
  }

  private PatchMask randomMask(ComputationGraph graph) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble();
    }
    return PatchMask.of(graph, values);
  }

  /** Makes a tensor that nobody keeps. */
  interface Making {
    Tensor make();
  }

  static void scoped(Making work) {
    try (TensorScope scope = new TensorScope()) {
      work.make();
    }
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
    Placement place = model.model().placement();
    Tensor a = Tensors.copy(torch.randn(n, c.dModel()).to(place.type()), place.device());
    Tensor b = Tensors.copy(torch.randn(c.dModel(), inner).to(place.type()), place.device());
    Tensor out = place.empty(n, inner);
    double[] t = new double[Math.max(9, repeats)];
    try (NativeThreads threads = NativeThreads.withBlas(torch.get_num_threads())) {
      torch.mm_out(out, a, b);
      for (int i = 0; i < t.length; i++) {
        t[i] = BenchmarkTable.seconds(place.device(), () -> torch.mm_out(out, a, b));
      }
    }
    return 2.0 * n * c.dModel() * inner / Timing.of(t).median() / 1e9;
  }

  /**
   * The Python design as a stand-in: the patched evaluation with, for each destination module, the
   * difference tensor built anew, an einsum with the mask, and an addition. Adds to the plain
   * forward the time of those operations for every module.
   */
  private void einsum(Tensor patches, Tensor current, PatchMask mask) {
    ComputationGraph graph = model.graph();
    Tensor resid = current.select(0, 0);
    for (DestModule m : graph.modules()) {
      try (TensorScope scope = new TensorScope()) {
        Tensor difference =
            patches.narrow(0, 0, m.sources()).sub(current.narrow(0, 0, m.sources()));
        float[] rows = new float[m.nodes().size() * m.sources()];
        System.arraycopy(mask.values(), m.offset(), rows, 0, rows.length);
        Tensor w = model.model().placement().tensor(rows, m.nodes().size(), m.sources());
        torch
            .einsum("ds,sbtm->btdm", new org.bytedeco.pytorch.TensorVector(w, difference))
            .add_(resid.unsqueeze(2));
      }
    }
    scoped(() -> model.logits(batch.clean()));
  }

  /** The mean time of an ACDC step, over edges drawn evenly from the canonical order. */
  private void acdcPerEdge(BenchmarkTable table) {
    ComputationGraph graph = model.graph();
    AcdcTrials trials = AcdcTrials.of(graph, TRIALS);
    try (AblationValues resampled =
            AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
        Evaluation run = Evaluation.of(model, batch.clean(), resampled, batch.corrupt())) {
      table.longWork(
          "acdc_per_edge",
          trials.count(),
          () -> scoped(() -> run.logits(Circuit.full(graph), PatchType.TREE_PATCH)),
          () ->
              trials.forEach(
                  (e, kept) ->
                      scoped(() -> run.logits(Circuit.of(graph, kept), PatchType.TREE_PATCH))));
    }
  }

  /**
   * A circuit of random walks backwards from the end of the stream, so that every edge is live.
   *
   * @param graph the graph
   * @param size its number of edges
   * @param seed of the walks
   * @return the circuit
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
}
