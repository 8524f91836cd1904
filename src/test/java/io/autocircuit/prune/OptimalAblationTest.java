package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.LearnedConstants;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.SourceConstants;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The constants of optimal ablation. */
class OptimalAblationTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(6, 5, 11), RandomModels.batch(4, 4, 12));
  private static final OptimalAblation FEW = new OptimalAblation(12, 0.05, 7);

  @TempDir Path folder;

  private static Transformer transformer(String name) {
    return RandomModels.model(RandomModels.named(name), ScalarType.Float, 5);
  }

  private static PatchableModel patchable(Transformer t, ComputationGraph graph) {
    return new PatchableModel(t, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  private static PatchableModel usual(Transformer t) {
    return patchable(t, t.graph(true, KeyValues.GROUPED, 0));
  }

  private static Circuit random(ComputationGraph graph, Random random, double share) {
    BitSet edges = new BitSet();
    for (int e = 0; e < graph.edgeCount(); e++) {
      edges.set(e, random.nextDouble() < share);
    }
    return Circuit.of(graph, edges);
  }

  /**
   * Without normalisation outputs are linear in what the last MLP writes, and the squared distance
   * is least where its constant is the mean of what it writes where outputs are looked at. (The
   * mean over all positions, with which learning begins, is another.)
   */
  @Test
  void findsTheMeanWhereThatIsBest() {
    PromptBatch tokens = RandomModels.batch(6, 5, 11);
    PromptBatch numbers =
        new PromptBatch(
            tokens.clean(),
            tokens.corrupt(),
            new int[6][1][0],
            new int[6][1][0],
            tokens.rows(),
            new double[6][1][1]);
    try (TensorScope scope = new TensorScope();
        Transformer t = transformer("bidirectional, no normalisation")) {
      PatchableModel model = usual(t);
      int last = model.graph().sources().size() - 1;
      BitSet edges = Circuit.full(model.graph()).edgeSet();
      edges.clear(
          model.graph().edge(model.graph().sources().get(last).name() + "->Resid End", -1).index());
      SourceConstants found =
          new OptimalAblation(300, 0.02, 1)
              .learn(model, List.of(numbers), Circuit.of(model.graph(), edges), Progress.SILENT);
      Tensor outputs = SourceOutputs.of(model, tokens.clean()).select(0, last); // [B,T,D]
      float[] best = Tensors.floats(outputs.select(1, 4).mean(0));
      float[] start = Tensors.floats(outputs.mean(new long[] {0, 1}, false, null));
      double far = 0;
      for (int i = 0; i < best.length; i++) {
        assertEquals(best[i], found.of(last)[i], 2e-3, "dimension " + i);
        far = Math.max(far, Math.abs(best[i] - start[i]));
      }
      assertTrue(far > 0.05, "learning begins where it ends: " + far);
      // of what is not ablated nothing is learned
      float[] other =
          Tensors.floats(
              SourceOutputs.of(model, tokens.clean())
                  .select(0, 0)
                  .mean(new long[] {0, 1}, false, null));
      assertArrayEquals(other, found.of(0), 1e-6f);
    }
  }

  /** On prompts that nothing was learned from, in the mean over circuits of all sizes. */
  @Test
  void circuitsAreNearerToTheModelThanUnderMeansAndZeros() {
    try (TensorScope scope = new TensorScope();
        Task task = EmbeddedTask.load()) {
      PatchableModel model = usual(task.model());
      List<PromptBatch> all = Batches.byLength(task.prompts(), 16);
      List<PromptBatch> train = all.subList(0, all.size() / 2);
      List<PromptBatch> test = all.subList(all.size() / 2, all.size());
      PatchableModel learned =
          model.withConstants(
              LearnedConstants.of(
                  new OptimalAblation(40, 0.1, 1).learn(model, train, Progress.SILENT)));
      Random random = new Random(2);
      List<Circuit> circuits = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        circuits.add(random(model.graph(), random, (i + 0.5) / 12));
      }
      Map<Ablation, Double> kl = new LinkedHashMap<>();
      for (Ablation ablation :
          List.of(
              Ablation.OPTIMAL,
              Ablation.ZERO,
              Ablation.TOKEN_MEAN,
              Ablation.BATCH_ALL_TOK_MEAN,
              Ablation.RESAMPLE)) {
        kl.put(
            ablation,
            Measurements.of(
                    learned,
                    CircuitRuns.of(PatchType.TREE_PATCH, ablation),
                    test,
                    circuits,
                    List.of(Metric.KL_DIV),
                    Progress.SILENT)
                .get(0)
                .points()
                .stream()
                .mapToDouble(p -> p.value())
                .average()
                .orElseThrow());
      }
      kl.forEach(
          (ablation, value) ->
              assertTrue(
                  ablation == Ablation.OPTIMAL || kl.get(Ablation.OPTIMAL) < value, kl::toString));
    }
  }

  @Test
  void theSeedDecidesAndMemoryDoesNot() {
    try (TensorScope scope = new TensorScope();
        Transformer t = transformer("sequential LN, folded")) {
      PatchableModel model = usual(t);
      float[] first = FEW.learn(model, BATCHES, Progress.SILENT).values();
      assertArrayEquals(first, FEW.learn(model, BATCHES, Progress.SILENT).values());
      float[] cut =
          FEW.learn(model.withMemory(new MemoryBudget(60_000)), BATCHES, Progress.SILENT).values();
      assertArrayEquals(first, cut, 1e-4f);
      float[] workers = FEW.learn(model.withWorkers(2), BATCHES, Progress.SILENT).values();
      assertArrayEquals(first, workers, 1e-4f);
      float[] other =
          new OptimalAblation(12, 0.05, 8).learn(model, BATCHES, Progress.SILENT).values();
      assertFalse(Arrays.equals(first, other));
    }
  }

  /** Compiled circuits are their masks under constants, in every form of the graph. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "sequential LN, scaled",
        "gated RMS, grouped heads, biases",
        "normalised outputs, queries and keys over all heads"
      })
  void circuitsAreTheirMasks(String name) {
    Random random = new Random(3);
    try (TensorScope scope = new TensorScope();
        Transformer t = transformer(name)) {
      for (ComputationGraph graph :
          List.of(
              t.graph(true, KeyValues.GROUPED, 0),
              t.graph(true, KeyValues.PER_QUERY, 5),
              t.config().unfactorizedGraph(0))) {
        PatchableModel plain = patchable(t, graph);
        List<PromptBatch> batch = BATCHES.subList(0, 1);
        PatchableModel model = plain.withConstants(FEW.whenNeeded(plain, batch));
        PromptBatch prompts = batch.get(0);
        try (AblationValues values = AblationValues.prepare(model, Ablation.OPTIMAL, batch);
            Evaluation run = Evaluation.of(model, prompts.clean(), values, prompts.corrupt())) {
          for (PatchType type : PatchType.values()) {
            Circuit circuit = random(graph, random, 0.5);
            float[] compiled = Tensors.floats(run.logits(circuit, type));
            assertArrayEquals(
                Tensors.floats(run.logits(circuit.mask(type))), compiled, 2e-4f, graph::toString);
          }
        }
      }
    }
  }

  /** Every algorithm that ablates while it scores can ablate to constants. */
  @Test
  void everyAlgorithmScoresUnderIt() {
    try (TensorScope scope = new TensorScope();
        Transformer t = transformer("sequential LN, folded")) {
      PatchableModel plain = usual(t);
      PatchableModel model = plain.withConstants(FEW.whenNeeded(plain, BATCHES));
      int ran = 0;
      for (PruneAlgorithmProvider entry : PruneAlgorithmProvider.catalogue().entries()) {
        Map<String, Object> given = new LinkedHashMap<>();
        entry
            .settings()
            .forEach(
                s -> {
                  if (s.name().equals("epochs")) {
                    given.put("epochs", 2);
                  } else if (s.name().equals("circuit_sizes")) {
                    given.put("circuit_sizes", List.of(5));
                  } else if (s.name().equals(PruneAlgorithmProvider.SCORE_ABLATION)) {
                    given.put(s.name(), Ablation.OPTIMAL);
                  }
                });
        if (!given.containsKey(PruneAlgorithmProvider.SCORE_ABLATION)) {
          continue;
        }
        PruneAlgorithm algorithm =
            entry.create(Settings.of(entry.settings(), given), PruneContext.STANDARD);
        assertEquals(Ablation.OPTIMAL, algorithm.scoringAblation().orElseThrow(), entry.key());
        float[] scores = algorithm.score(model, BATCHES).values();
        double sum = 0;
        for (float s : scores) {
          assertFalse(Float.isNaN(s), entry.key());
          sum += Math.abs(s);
        }
        assertTrue(sum > 0, entry.key());
        ran++;
      }
      assertTrue(ran >= 9, "algorithms=" + ran);
    }
  }

  @Test
  void constantsAreReadBackAndOthersRefused() {
    try (TensorScope scope = new TensorScope();
        Transformer t = transformer("sequential LN, folded");
        Transformer other = transformer("sequential LN, scaled")) {
      PatchableModel model = usual(t);
      SourceConstants learned = FEW.learn(model, BATCHES, Progress.SILENT);
      Path file = folder.resolve("constants.safetensors");
      learned.write(file, Map.of("model", "tiny"));
      int width = t.config().dModel();
      SourceConstants read = SourceConstants.read(file, model.graph(), width);
      assertEquals(learned.sources(), read.sources());
      assertArrayEquals(learned.values(), read.values());
      // the sources are those of every factorized graph
      assertArrayEquals(
          learned.values(),
          SourceConstants.read(file, t.graph(false, KeyValues.GROUPED, 3), width).values());
      for (ComputationGraph wrong :
          List.of(usual(other).graph(), t.config().unfactorizedGraph(0))) {
        DataException e =
            assertThrows(DataException.class, () -> SourceConstants.read(file, wrong, width));
        assertTrue(e.getMessage().contains("is missing"), e::getMessage);
      }
      DataException wide =
          assertThrows(DataException.class, () -> SourceConstants.read(file, model.graph(), 9));
      assertTrue(
          wide.getMessage().contains("shape=[8], this model needs shape=[9]"), wide::getMessage);
      PatchableModel wrong = usual(other).withConstants(LearnedConstants.of(learned));
      assertThrows(IllegalArgumentException.class, () -> eap(wrong));
      IllegalArgumentException none =
          assertThrows(IllegalArgumentException.class, () -> eap(model));
      assertTrue(none.getMessage().contains("ablation=optimal has no constants"), none::getMessage);
      float[] values = learned.values().clone();
      values[3] = Float.NaN;
      assertThrows(
          IllegalArgumentException.class,
          () -> new SourceConstants(learned.sources(), width, values));
    }
  }

  private static float[] eap(PatchableModel model) {
    return new MaskGradient(
            LogitFunction.LOGIT,
            MaskGradient.AnswerFunction.AVG_DIFF,
            0,
            0,
            Ablation.OPTIMAL,
            MaskGradient.PatchSource.CORRUPT)
        .score(model, BATCHES)
        .values();
  }
}
