package io.autocircuit.benchmark;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Measures the figures of one cell of a grid. The first run of each kind gives its memory, further
 * ones its time; a figure whose first run was long is timed by that alone.
 *
 * @param model seen through its graph; slice {@code LAST_SEQ}
 * @param batch clean and corrupt prompts
 * @param repeats timed repetitions at most
 * @param seed of masks and circuits
 */
public record GrowthMeasurement(PatchableModel model, PromptBatch batch, int repeats, long seed) {

  private static final int TRIALS = 6;
  private static final double CIRCUIT_SHARE = 0.01;

  /** Seconds after which a figure is not repeated. */
  private static final double ENOUGH = 12;

  /** The share of the available memory that a run may need. */
  private static final double MEMORY_SHARE = 0.9;

  /** What is to be measured. */
  private interface Runs extends AutoCloseable {
    /** Opens what the run needs; not timed, but part of its memory. */
    default void open() {}

    /** Before each timed run; not timed. */
    default void prepare() {}

    void run();

    /** How many steps a run is. */
    default int steps() {
      return 1;
    }

    /** Of one step. */
    double operations();

    /** Numbers that must be held. */
    double numbers();

    @Override
    default void close() {}
  }

  /**
   * Measures one figure.
   *
   * @param name one of {@link GrowthFigure#NAMES}
   * @return what it took; left out where it would not fit into memory
   */
  public GrowthFigure measure(String name) {
    String tooLarge = tooLarge(name);
    if (tooLarge != null) {
      return GrowthFigure.leftOut(tooLarge);
    }
    boolean resident = model.model().placement().device().equals(Device.CPU);
    double[] first = new double[1];
    List<Double> times = new ArrayList<>();
    try (Runs runs = runs(name)) {
      Runnable once =
          () -> {
            runs.open();
            runs.prepare();
            first[0] = seconds(runs::run);
          };
      double peak = Double.NaN;
      if (resident) {
        peak = ProcessMemory.peakOf(once);
      } else {
        once.run();
      }
      double total = first[0];
      while (times.size() < repeats && total < ENOUGH) {
        runs.prepare();
        times.add(seconds(runs::run));
        total += times.get(times.size() - 1);
      }
      if (times.isEmpty()) {
        times.add(first[0]);
      }
      Benchmark.Timing timing =
          Benchmark.Timing.of(times.stream().mapToDouble(Double::doubleValue).toArray());
      return new GrowthFigure(
          timing.median() / runs.steps(),
          timing.spread(),
          peak > 0 ? peak : Double.NaN,
          runs.operations(),
          runs.numbers() * elementBytes(),
          null);
    }
  }

  /**
   * The operations of a figure, by arithmetic.
   *
   * @param name one of {@link GrowthFigure#NAMES}
   * @return multiplications and additions of one run; of a circuit at most
   */
  public double operations(String name) {
    return switch (name) {
      case GrowthFigure.EAP -> count().eap();
      case GrowthFigure.PLAIN -> count().plain();
      default -> count().dense();
    };
  }

  private int elementBytes() {
    return model.model().type() == ScalarType.Double ? Double.BYTES : Float.BYTES;
  }

  private OperationCount count() {
    int length = batch.clean().length();
    return new OperationCount(
        model.graph(),
        model.model().config(),
        batch.clean().batchSize(),
        length,
        length - OutputSlice.LAST_SEQ.first(length));
  }

  /** Why a run would not fit into the memory that the process can have now; null if it would. */
  private String tooLarge(String name) {
    if (!model.model().placement().device().equals(Device.CPU)) {
      return null;
    }
    double need =
        name.equals(GrowthFigure.PLAIN)
            ? 2 * count().plainNumbers() * elementBytes()
            : MemoryEstimate.of(
                    model,
                    switch (name) {
                      case GrowthFigure.DENSE -> Work.MASKS;
                      case GrowthFigure.EAP -> Work.ONE_UNIFORM_GRADIENT;
                      default -> Work.CIRCUITS;
                    },
                    Ablation.RESAMPLE,
                    batch.clean().length())
                .bytes(batch.clean().batchSize());
    return tooLarge(need);
  }

  /**
   * Whether something would fit into the memory that this process can have now.
   *
   * @param bytes that it needs
   * @return null if it would, else why not
   */
  public static String tooLarge(double bytes) {
    double available = MemoryBudget.ofMachine().bytes() / MemoryBudget.SHARE;
    return bytes <= MEMORY_SHARE * available
        ? null
        : String.format(
            Locale.ROOT,
            "needs some %.1f GB of memory, %.1f GB are available",
            bytes / 1e9,
            available / 1e9);
  }

  private double seconds(Runnable work) {
    Device device = model.model().placement().device();
    device.synchronize();
    long start = System.nanoTime();
    work.run();
    device.synchronize();
    return (System.nanoTime() - start) / 1e9;
  }

  private Runs runs(String name) {
    return switch (name) {
      case GrowthFigure.PLAIN -> new Plain();
      case GrowthFigure.DENSE -> new Dense();
      case GrowthFigure.CIRCUIT -> new OneCircuit();
      case GrowthFigure.EAP -> new Eap();
      case GrowthFigure.ACDC -> new Acdc();
      default ->
          throw new IllegalArgumentException(
              "figure=" + name + " is unknown; known are " + GrowthFigure.NAMES);
    };
  }

  private final class Plain implements Runs {
    @Override
    public void run() {
      try (TensorScope scope = new TensorScope()) {
        model.logits(batch.clean());
      }
    }

    @Override
    public double operations() {
      return count().plain();
    }

    @Override
    public double numbers() {
      return count().plainNumbers();
    }
  }

  private final class Eap implements Runs {
    @Override
    public void run() {
      MaskGradient.eap().score(model, List.of(batch));
    }

    @Override
    public double operations() {
      return count().eap();
    }

    @Override
    public double numbers() {
      return count().eapNumbers();
    }
  }

  /** Runs with an evaluation that stays open. */
  private abstract class Open implements Runs {
    Evaluation evaluation;

    @Override
    public void open() {
      TokenBatch corrupt = batch.corrupt();
      try (AblationValues values =
          AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch))) {
        evaluation = Evaluation.of(model, batch.clean(), values, corrupt);
      }
    }

    void circuit(Circuit c) {
      try (TensorScope scope = new TensorScope()) {
        evaluation.logits(c, PatchType.TREE_PATCH);
      }
    }

    @Override
    public double numbers() {
      return count().patchedNumbers();
    }

    @Override
    public void close() {
      if (evaluation != null) {
        evaluation.close();
      }
    }
  }

  private final class Dense extends Open {
    private final PatchMask mask;

    Dense() {
      SplittableRandom random = new SplittableRandom(seed);
      float[] values = new float[model.graph().edgeCount()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextDouble();
      }
      mask = PatchMask.of(model.graph(), values);
    }

    @Override
    public void run() {
      try (TensorScope scope = new TensorScope()) {
        evaluation.logits(mask);
      }
    }

    @Override
    public double operations() {
      return count().dense();
    }
  }

  private final class OneCircuit extends Open {
    private final Circuit circuit =
        Benchmark.randomWalks(
            model.graph(), (int) Math.round(model.graph().edgeCount() * CIRCUIT_SHARE), seed);

    @Override
    public void prepare() {
      evaluation.forget();
    }

    @Override
    public void run() {
      circuit(circuit);
    }

    @Override
    public double operations() {
      return evaluation.liveShare(circuit, PatchType.TREE_PATCH) * count().plain();
    }
  }

  private final class Acdc extends Open {
    private final AcdcTrials trials = AcdcTrials.of(model.graph(), TRIALS);

    @Override
    public void prepare() {
      circuit(Circuit.full(model.graph()));
    }

    @Override
    public void run() {
      trials.forEach((e, kept) -> circuit(Circuit.of(model.graph(), kept)));
    }

    @Override
    public int steps() {
      return trials.count();
    }

    @Override
    public double operations() {
      ComputationGraph graph = model.graph();
      OperationCount count = count();
      double[] sum = new double[1];
      trials.forEach(
          (e, kept) -> {
            Stage stage = graph.stage(graph.module(graph.edge(e).destination().module()));
            sum[0] += count.from(stage, kept);
          });
      return sum[0] / trials.count();
    }
  }
}
