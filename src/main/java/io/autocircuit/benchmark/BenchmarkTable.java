package io.autocircuit.benchmark;

import io.autocircuit.benchmark.Benchmark.Timing;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.tensor.Device;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Collects the figures of a {@link Benchmark}; each is timed in turns with the plain forward. */
final class BenchmarkTable {
  private static final int LONG_REPEATS = 3;

  private final PatchableModel model;
  private final PromptBatch batch;
  private final int repeats;
  private final Benchmark.Listener listener;
  private final List<Double> plain = new ArrayList<>();
  private final Map<String, Double> ratios = new LinkedHashMap<>();
  private final Map<String, Double> spreads = new LinkedHashMap<>();
  private final Map<String, Double> live = new LinkedHashMap<>();
  private final BesideOthers.Collector beside;

  /** {@code others} is null where nothing is measured beside anything. */
  BenchmarkTable(
      PatchableModel model,
      PromptBatch batch,
      int repeats,
      Benchmark.Listener listener,
      BusyProcesses others) {
    this.model = model;
    this.batch = batch;
    this.repeats = repeats;
    this.listener = listener;
    this.beside = new BesideOthers.Collector(others);
  }

  double plain() {
    double seconds = plainSeconds();
    plain.add(seconds);
    return seconds;
  }

  private double plainSeconds() {
    return seconds(() -> Benchmark.scoped(() -> model.logits(batch.clean())));
  }

  /** Work of less than a plain forward: warmed up, then timed in turns with it. */
  void shortWork(String name, double share, Runnable work) {
    work.run();
    measure(name, share, repeats, 1, () -> {}, work);
  }

  /** Work of many plain forwards: timed up to three times, each between two of them. */
  void longWork(String name, int parts, Runnable work) {
    longWork(name, parts, () -> {}, work);
  }

  /** As {@link #longWork(String, int, Runnable)}; {@code prepare} is not timed. */
  void longWork(String name, int parts, Runnable prepare, Runnable work) {
    measure(name, Double.NaN, Math.min(LONG_REPEATS, repeats), parts, prepare, work);
  }

  private void measure(
      String name, double share, int times, int parts, Runnable prepare, Runnable work) {
    double[] t = new double[times];
    double[] around = new double[times + 1];
    around[0] = plain();
    for (int i = 0; i < times; i++) {
      prepare.run();
      t[i] = seconds(work) / parts;
      around[i + 1] = plain();
      beside.time(this::plainSeconds, prepare, () -> seconds(work) / parts);
    }
    Timing timing = Timing.of(t);
    double ratio = timing.median() / Timing.of(around).median();
    beside.finish(name, timing, ratio);
    ratios.put(name, ratio);
    spreads.put(name, timing.spread());
    if (!Double.isNaN(share)) {
      live.put(name, share);
    }
    listener.measured(name, timing, ratio, share);
  }

  Timing plainTiming() {
    return Timing.of(plain.stream().mapToDouble(Double::doubleValue).toArray());
  }

  Map<String, Double> ratios() {
    return ratios;
  }

  Map<String, Double> spreads() {
    return spreads;
  }

  Map<String, Double> live() {
    return live;
  }

  /** The figures beside busy processes; null without any. */
  BesideOthers beside(Timing idlePlain) {
    return beside.result(idlePlain);
  }

  private double seconds(Runnable work) {
    return seconds(model.model().placement().device(), work);
  }

  /** Seconds of some work, until the device has done it. */
  static double seconds(Device device, Runnable work) {
    device.synchronize();
    long start = System.nanoTime();
    work.run();
    device.synchronize();
    return (System.nanoTime() - start) / 1e9;
  }
}
