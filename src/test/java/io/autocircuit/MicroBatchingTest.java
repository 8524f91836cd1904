package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What a memory budget cuts a batch into does not show in the results: every architecture, ablation
 * and algorithm in micro-batches of 1 and 3 prompts (all: 1, 2, 3 and 5) against whole batches of 5
 * and 3.
 *
 * <p>A matrix product of libtorch may round differently for another number of rows, so float32
 * results are held to a bound of {@link #BOUND} units of ε, and float64 shows that nothing but
 * rounding differs. What really differed is printed.
 */
@Tag("slow")
class MicroBatchingTest {
  /** In units of ε times the largest number of a result; see docs/architecture.md. */
  private static final double BOUND = 64;

  /** Without its sources a stream may nearly vanish; normalising it enlarges rounding. */
  private static final double ZERO_BOUND = 4096;

  /**
   * Adam divides by the root of the mean square, which enlarges rounding where gradients are 0: by
   * up to 1.8e9, of SoLU with its norm.
   */
  private static final double PROBING_BOUND = 4e9;

  private static final int LENGTH = 4;
  private static final int[] ONE_SIZE = {2};

  private static final Map<String, Difference> DIFFERENCES = new TreeMap<>();

  static Stream<Architecture> architectures() {
    return Exhaustive.sample(RandomModels.sample(3).toList(), 3).stream();
  }

  @AfterAll
  static void print() {
    DIFFERENCES.values().forEach(d -> System.out.println("MicroBatchingTest: " + d));
  }

  private static Difference difference(String what, ScalarType type) {
    boolean single = type == ScalarType.Float;
    return DIFFERENCES.computeIfAbsent(
        what + (single ? ", float32" : ", float64"),
        name -> new Difference(name, single ? Math.ulp(1f) : Math.ulp(1.0)));
  }

  private static List<PromptBatch> padded() {
    return List.of(
        RandomModels.batch(new int[] {4, 2, 3, 4, 1}, LENGTH, 21),
        RandomModels.batch(new int[] {2, 3, 3}, 3, 22));
  }

  private static List<PromptBatch> plain() {
    return List.of(RandomModels.batch(5, LENGTH, 23), RandomModels.batch(3, LENGTH, 24));
  }

  private static PatchableModel model(
      Transformer transformer, boolean separate, int positions, OutputSlice slice) {
    return PatchableModel.of(
        transformer, separate, positions, slice, KernelsProvider.choose().kernels());
  }

  /** The model with just the memory for that many prompts at once. */
  private static PatchableModel within(
      PatchableModel model, Work work, Ablation ablation, List<PromptBatch> batches, int prompts) {
    int length = batches.stream().mapToInt(b -> b.clean().length()).max().orElseThrow();
    MemoryEstimate need = MemoryEstimate.of(model, work, ablation, length);
    PatchableModel small = model.withMemory(new MemoryBudget(need.bytes(prompts)));
    int largest =
        MicroBatch.within(small, work, ablation, batches).get(0).stream()
            .mapToInt(m -> m.size())
            .max()
            .orElseThrow();
    assertTrue(largest <= prompts && (prompts > 1 || largest == 1), "largest=" + largest);
    return small;
  }

  private static double bound(Ablation ablation) {
    return ablation == Ablation.ZERO ? ZERO_BOUND : BOUND;
  }

  private static int[] sizes(ScalarType type) {
    int[] some = Exhaustive.on() ? new int[] {1, 2, 3, 5} : new int[] {1, 3};
    return type == ScalarType.Float ? some : ONE_SIZE;
  }

  /** Compares a result within little memory with that in unlimited memory. */
  private static void compare(
      String kind,
      String what,
      PatchableModel model,
      Work work,
      Ablation ablation,
      List<PromptBatch> batches,
      double bound,
      int[] sizes,
      Function<PatchableModel, double[]> result) {
    double[] expected = result.apply(model);
    for (int size : sizes) {
      double[] actual = result.apply(within(model, work, ablation, batches, size));
      difference(kind, model.model().type())
          .check(what + ", prompts at once=" + size, expected, actual, bound);
    }
  }

  private static double[] doubles(float[] values) {
    double[] out = new double[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = values[i];
    }
    return out;
  }

  private static double[] all(List<double[]> parts) {
    return parts.stream().flatMapToDouble(java.util.Arrays::stream).toArray();
  }

  private static List<Circuit> circuits(PatchableModel model) {
    SplittableRandom random = new SplittableRandom(5);
    int edges = model.graph().edgeCount();
    List<Circuit> list = new ArrayList<>();
    for (double share : new double[] {0.1, 0.5, 1}) {
      BitSet set = new BitSet();
      for (int e = 0; e < edges; e++) {
        set.set(e, random.nextDouble() < share);
      }
      list.add(Circuit.of(model.graph(), set));
    }
    return list;
  }

  /** Logits of all circuits by circuit and prompt; whole batches and parts must agree. */
  private static double[] logits(
      PatchableModel model, CircuitRuns runs, List<PromptBatch> batches) {
    List<Circuit> circuits = circuits(model);
    double[][][] byPrompt = new double[circuits.size()][8][];
    int[] starts = {0, batches.get(0).clean().batchSize()};
    runs.forEachMicroBatch(
        model,
        batches,
        circuits,
        (c, part, logits) -> {
          for (int i = 0; i < part.size(); i++) {
            byPrompt[c][starts[part.batch()] + part.first() + i] =
                Tensors.doubles(logits.select(0, i));
          }
        });
    double[][][] whole = new double[circuits.size()][batches.size()][];
    runs.forEach(model, batches, circuits, (c, b, logits) -> whole[c][b] = Tensors.doubles(logits));
    List<double[]> parts = new ArrayList<>();
    for (int c = 0; c < circuits.size(); c++) {
      double[] mine = all(List.of(byPrompt[c]));
      // opened anew for each circuit, a part may compute more positions than in turn: other rows
      difference("logits of whole batches and of parts", model.model().type())
          .check(runs.toString(), all(List.of(whole[c])), mine, bound(runs.ablation()));
      parts.add(mine);
    }
    return all(parts);
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void circuitsUnderEveryAblation(Architecture a) {
    for (ScalarType type : new ScalarType[] {ScalarType.Float, ScalarType.Double}) {
      try (Transformer transformer = RandomModels.model(a, type, 31)) {
        for (Ablation ablation : Ablation.standard()) {
          for (PatchType patching : PatchType.values()) {
            CircuitRuns runs =
                new CircuitRuns(patching, ablation, Ablation.standard().indexOf(ablation) % 2 == 1);
            compare(
                ablation == Ablation.ZERO ? "logits, zero ablation" : "logits",
                a + ", " + runs,
                model(transformer, true, 0, OutputSlice.LAST_SEQ),
                MemoryEstimate.Work.CIRCUITS,
                ablation,
                padded(),
                bound(ablation),
                sizes(type),
                m -> logits(m, runs, padded()));
            compare(
                ablation == Ablation.ZERO ? "logits, zero ablation" : "logits",
                a + ", by position, " + runs,
                model(transformer, false, LENGTH, OutputSlice.ALL),
                MemoryEstimate.Work.CIRCUITS,
                ablation,
                plain(),
                bound(ablation),
                ONE_SIZE,
                m -> logits(m, runs, plain()));
          }
        }
      }
    }
  }

  private static Work work(PruneAlgorithm algorithm) {
    if (algorithm instanceof SubnetworkProbing sp) {
      return sp.maskFunction().samples() ? Work.PROMPT_GRADIENT : Work.GRADIENT;
    }
    if (algorithm instanceof MaskGradient g && g.samples() == 0) {
      return Work.ONE_UNIFORM_GRADIENT;
    }
    return algorithm instanceof Acdc
        ? Work.CIRCUITS
        : algorithm instanceof ExactPatching ? Work.MASKS : Work.UNIFORM_GRADIENT;
  }

  private static Ablation ablation(PruneAlgorithm algorithm) {
    return algorithm instanceof MaskGradient g
        ? g.ablation()
        : algorithm instanceof SubnetworkProbing sp ? sp.effectiveAblation() : Ablation.RESAMPLE;
  }

  private static List<PruneAlgorithm> algorithms() {
    List<PruneAlgorithm> list = new ArrayList<>();
    for (Ablation ablation : Ablation.standard()) {
      MaskGradient eap = MaskGradient.eap();
      list.add(
          new MaskGradient(
              eap.logitFunction(), eap.answerFunction(), 0.25, 0, ablation, eap.source()));
    }
    list.add(MaskGradient.integrated(3));
    list.add(ExactPatching.logitDifference());
    list.add(Acdc.kl(0.003, 0.03, 0.3));
    for (MaskFunction function : List.of(MaskFunction.HARD_CONCRETE, MaskFunction.SIGMOID)) {
      SubnetworkProbing d = SubnetworkProbing.defaults(PatchType.TREE_PATCH, 3);
      list.add(
          new SubnetworkProbing(
              d.learningRate(),
              2,
              d.lambda(),
              function,
              d.patchType(),
              null,
              d.target(),
              0,
              0,
              null,
              1,
              d.seed()));
    }
    return list;
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void everyAlgorithm(Architecture a) {
    for (ScalarType type : new ScalarType[] {ScalarType.Float, ScalarType.Double}) {
      try (Transformer transformer = RandomModels.model(a, type, 37)) {
        for (PruneAlgorithm algorithm : algorithms()) {
          boolean probing = algorithm instanceof SubnetworkProbing;
          boolean slow = algorithm instanceof ExactPatching || algorithm instanceof Acdc;
          if (type == (probing ? ScalarType.Float : slow ? ScalarType.Double : null)) {
            continue;
          }
          // scores are float32 whatever the model's type
          double bound = probing ? PROBING_BOUND : type == ScalarType.Float ? BOUND : 0x1p30;
          String kind = "scores of " + algorithm.key();
          compare(
              kind,
              a + ", " + algorithm,
              model(transformer, true, 0, OutputSlice.LAST_SEQ),
              work(algorithm),
              ablation(algorithm),
              padded(),
              bound,
              slow ? ONE_SIZE : sizes(type),
              m -> doubles(algorithm.score(m, padded()).values()));
          if (slow) {
            continue;
          }
          compare(
              kind,
              a + ", by position, " + algorithm,
              model(transformer, false, LENGTH, OutputSlice.LAST_SEQ),
              work(algorithm),
              ablation(algorithm),
              plain(),
              bound,
              ONE_SIZE,
              m -> doubles(algorithm.score(m, plain()).values()));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void everyMetric(Architecture a) {
    List<Metric> metrics =
        Metric.standard().stream().filter(m -> m.inapplicable(padded()).isEmpty()).toList();
    assertTrue(metrics.size() > 10);
    for (ScalarType type : new ScalarType[] {ScalarType.Float, ScalarType.Double}) {
      try (Transformer transformer = RandomModels.model(a, type, 41)) {
        PatchableModel model = model(transformer, true, 0, OutputSlice.LAST_SEQ);
        for (Ablation ablation : List.of(Ablation.RESAMPLE, Ablation.BATCH_TOKENWISE_MEAN)) {
          CircuitRuns runs = CircuitRuns.of(PatchType.TREE_PATCH, ablation);
          List<Measurement> expected = measured(model, runs, metrics);
          for (int size : new int[] {1, 3}) {
            List<Measurement> actual =
                measured(within(model, Work.CIRCUITS, ablation, padded(), size), runs, metrics);
            for (int i = 0; i < metrics.size(); i++) {
              // quotients of small differences enlarge rounding
              boolean quotient = metrics.get(i).key().contains("percent");
              difference(quotient ? "metrics in percent" : "metrics", type)
                  .check(
                      a + ", " + metrics.get(i) + ", prompts at once=" + size,
                      values(expected.get(i)),
                      values(actual.get(i)),
                      quotient ? 0x1p20 : BOUND);
            }
          }
        }
      }
    }
  }

  private static List<Measurement> measured(
      PatchableModel model, CircuitRuns runs, List<Metric> metrics) {
    return Measurements.of(model, runs, padded(), circuits(model), metrics, Progress.SILENT);
  }

  private static double[] values(Measurement m) {
    return m.points().stream().mapToDouble(Measurement.Point::value).toArray();
  }

  /** Means over the batch are over all of it, not over the micro-batch. */
  @Test
  void batchMeansAreOverTheWholeBatch() {
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    PromptBatch batch = padded().get(0);
    try (Transformer transformer = RandomModels.model(a, ScalarType.Double, 43);
        TensorScope scope = new TensorScope()) {
      PatchableModel model = model(transformer, true, 0, OutputSlice.LAST_SEQ);
      for (Ablation ablation :
          List.of(Ablation.BATCH_TOKENWISE_MEAN, Ablation.BATCH_ALL_TOK_MEAN)) {
        PatchableModel small = within(model, Work.SOURCES, ablation, List.of(batch), 1);
        assertEquals(
            5, MicroBatch.within(small, Work.SOURCES, ablation, List.of(batch)).get(0).size());
        try (AblationValues whole = AblationValues.prepare(model, ablation, List.of(batch));
            AblationValues parts = AblationValues.prepare(small, ablation, List.of(batch));
            AblationValues alone = AblationValues.prepare(model, ablation, List.of(batch))) {
          double[] expected = Tensors.doubles(whole.of(batch.corrupt()));
          difference("batch means", ScalarType.Double)
              .check(ablation.key(), expected, Tensors.doubles(parts.of(batch.corrupt())), 4);
          double[] first = Tensors.doubles(alone.of(batch.corrupt().slice(0, 1)));
          double most = 0;
          for (int i = 0; i < first.length; i++) {
            most = Math.max(most, Math.abs(first[i] - expected[i]));
          }
          assertTrue(most > 0.1, "the mean of one prompt is another");
        }
      }
    }
  }
}
