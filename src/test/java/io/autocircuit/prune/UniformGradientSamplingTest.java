package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Uniform gradient sampling: its masks, its estimator, and the circuits that it finds. */
class UniformGradientSamplingTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(6, 5, 11), RandomModels.batch(4, 4, 12));
  private static final int GRID = 4000;
  private static final int MANY = 20_000;
  private static final int SOME = 50;

  private static double u(int i, int n) {
    return (i + 0.5) / n;
  }

  @ParameterizedTest
  @ValueSource(doubles = {-6, -1, 0, 0.3, 2, 9})
  void masksHaveThatMeanAndShape(double logit) {
    double keep = HardConcrete.sigmoid(logit);
    double sum = 0;
    int between = 0;
    for (int i = 0; i < GRID; i++) {
      double alpha = UniformMask.value(keep, u(i, GRID));
      assertTrue(alpha >= 0 && alpha <= 1);
      sum += alpha;
      between += alpha > 0 && alpha < 1 ? 1 : 0;
      double step = 1e-6;
      double more = UniformMask.value(HardConcrete.sigmoid(logit + step), u(i, GRID));
      double less = UniformMask.value(HardConcrete.sigmoid(logit - step), u(i, GRID));
      if (more > 0 && more < 1 && less > 0 && less < 1) {
        assertEquals((more - less) / 2e-6, UniformMask.slope(keep, u(i, GRID)), 1e-6);
      }
    }
    assertEquals(keep, sum / GRID, 1e-3);
    assertEquals(keep * (1 - keep), (double) between / GRID, 1e-3);
  }

  @Test
  void whereAllIsDecidedNothingMoves() {
    assertEquals(1, UniformMask.value(1, 0.7));
    assertEquals(0, UniformMask.value(0, 0.7));
    assertEquals(0, UniformMask.slope(1, 0.7));
  }

  private static double mean(DoubleBinaryOperator f, double first, double second) {
    double sum = 0;
    for (int i = 0; i < MANY; i++) {
      double a = UniformMask.value(HardConcrete.sigmoid(first), u(i, MANY));
      for (int j = 0; j < SOME; j++) {
        sum += f.applyAsDouble(a, UniformMask.value(HardConcrete.sigmoid(second), u(j, SOME)));
      }
    }
    return sum / MANY / SOME;
  }

  /**
   * Of a loss of two edges that is neither linear nor a sum: the mean of what single samples give
   * is the derivative of the mean loss, summed up over all pairs of samples; and where the loss is
   * linear in each mask, that of the mean over circuits of edges that are in or out.
   */
  @Test
  void theEstimateIsUnbiased() {
    double first = 0.6;
    double second = -0.4;
    DoubleBinaryOperator loss = (a, b) -> Math.sin(2 * a) * (1 + b * b) + a * b;
    DoubleBinaryOperator slope = (a, b) -> 2 * Math.cos(2 * a) * (1 + b * b) + b;
    assertEquals(
        (mean(loss, first + 1e-3, second) - mean(loss, first - 1e-3, second)) / 2e-3,
        estimate(slope, first, second),
        2e-3);
    DoubleBinaryOperator linear = (a, b) -> 3 * a - 2 * b + 1.5 * a * b;
    double keep = HardConcrete.sigmoid(first);
    double other = HardConcrete.sigmoid(second);
    double circuits = 0; // Σ over the four circuits of dp/dl · loss
    for (int a = 0; a <= 1; a++) {
      for (int b = 0; b <= 1; b++) {
        double p = (a == 1 ? 1 : -1) * (b == 1 ? other : 1 - other);
        circuits += p * keep * (1 - keep) * linear.applyAsDouble(a, b);
      }
    }
    assertEquals(circuits, estimate((a, b) -> 3 + 1.5 * b, first, second), 1e-3);
  }

  private static double estimate(DoubleBinaryOperator slope, double first, double second) {
    double sum = 0;
    double keep = HardConcrete.sigmoid(first);
    for (int i = 0; i < MANY; i++) {
      double a = UniformMask.value(keep, u(i, MANY));
      double by = UniformMask.slope(keep, u(i, MANY));
      for (int j = 0; j < SOME && by != 0; j++) {
        double b = UniformMask.value(HardConcrete.sigmoid(second), u(j, SOME));
        sum += by * slope.applyAsDouble(a, b);
      }
    }
    return sum / MANY / SOME;
  }

  private static UniformGradientSampling sampling(
      int epochs, double lambda, PatchType type, Ablation ablation, long seed) {
    return new UniformGradientSampling(0.1, epochs, lambda, 1, type, ablation, seed);
  }

  private static PatchableModel model(Transformer t) {
    return new PatchableModel(
        t,
        t.graph(true, KeyValues.GROUPED, 0),
        OutputSlice.LAST_SEQ,
        KernelsProvider.choose().kernels());
  }

  @Test
  void theSeedDecidesAndMemoryDoesNot() {
    try (TensorScope scope = new TensorScope();
        Transformer t =
            RandomModels.model(
                RandomModels.named("gated RMS, grouped heads, biases"), ScalarType.Float, 5)) {
      PatchableModel model = model(t);
      for (PatchType type : PatchType.values()) {
        UniformGradientSampling one = sampling(5, 0.01, type, Ablation.RESAMPLE, 3);
        float[] scores = one.score(model, BATCHES).values();
        assertArrayEquals(scores, one.score(model, BATCHES).values());
        float[] cut = one.score(model.withMemory(new MemoryBudget(60_000)), BATCHES).values();
        assertArrayEquals(scores, cut, 1e-3f);
        float[] other =
            sampling(5, 0.01, type, Ablation.RESAMPLE, 4).score(model, BATCHES).values();
        assertFalse(Arrays.equals(scores, other));
        EdgeGroups nodes = model.graph().nodes().groups();
        float[] ofNodes = one.score(model, BATCHES, nodes, Progress.SILENT).values();
        assertEquals(nodes.size(), ofNodes.length);
        for (float s : ofNodes) {
          assertTrue(s > 0 && s < 1, type + " " + s);
        }
      }
    }
  }

  /** On the embedded model: near the full model with few edges, and fewer the dearer they are. */
  @Test
  void findsSmallCircuitsThatDoWhatTheModelDoes() {
    try (TensorScope scope = new TensorScope();
        Task task = EmbeddedTask.load()) {
      PatchableModel model = model(task.model());
      List<PromptBatch> batches = Batches.byLength(task.prompts(), 16).subList(0, 2);
      List<Integer> sizes = new ArrayList<>();
      List<Circuit> found = new ArrayList<>();
      for (double lambda : new double[] {0.0003, 0.01, 1}) {
        UniformGradientSampling ugs =
            sampling(30, lambda, PatchType.TREE_PATCH, Ablation.RESAMPLE, 1);
        PruneScores scores = ugs.score(model, batches);
        int size = ugs.found(scores.values(), "edges").get(0).size();
        sizes.add(size);
        found.add(scores.top(size));
      }
      assertTrue(sizes.get(0) > sizes.get(1) && sizes.get(1) > sizes.get(2), sizes::toString);
      assertTrue(sizes.get(0) < model.graph().edgeCount(), sizes::toString);
      List<Circuit> all = new ArrayList<>(found.subList(1, 2));
      for (int seed = 0; seed < 3; seed++) {
        all.add(new RandomScores(seed).score(model, batches).top(sizes.get(1)));
      }
      List<Double> kl =
          Measurements.of(
                  model,
                  CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE),
                  batches,
                  all,
                  List.of(Metric.KL_DIV),
                  Progress.SILENT)
              .get(0)
              .points()
              .stream()
              .map(p -> p.value())
              .toList();
      for (double random : kl.subList(1, kl.size())) {
        assertTrue(kl.get(0) < random / 2, sizes + " " + kl);
      }
    }
  }

  @Test
  void numbersOutOfRangeAreRefused() {
    for (double[] wrong :
        new double[][] {{0, 1, 1, 1}, {0.1, 0, 1, 1}, {0.1, 1, -1, 1}, {0.1, 1, 1, 1 / 0.0}}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  new UniformGradientSampling(
                      wrong[0],
                      (int) wrong[1],
                      wrong[2],
                      wrong[3],
                      PatchType.TREE_PATCH,
                      Ablation.ZERO,
                      1));
      assertTrue(e.getMessage().contains("out of range"), e::getMessage);
    }
  }
}
