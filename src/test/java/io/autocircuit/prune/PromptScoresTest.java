package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.MaskGradient.Path;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Scores for each prompt, and the paths of integrated gradients. */
class PromptScoresTest {
  private static final int LENGTH = 5;
  private static final int PROMPTS = 3;

  static Stream<Architecture> architectures() {
    return RandomModels.sample(2);
  }

  private static MaskGradient loss(Ablation ablation, int samples) {
    return new MaskGradient(
        io.autocircuit.objective.LogitFunction.LOGIT,
        MaskGradient.AnswerFunction.AVG_DIFF,
        0,
        samples,
        ablation,
        MaskGradient.PatchSource.CORRUPT);
  }

  private static Stream<PromptAlgorithm> algorithms(Ablation ablation) {
    MaskGradient ig = loss(ablation, 3);
    return Stream.of(
        loss(ablation, 0),
        ig,
        ig.along(Path.BLOCK),
        ig.along(Path.LAYER),
        new SummedGradient(ig),
        new EapIgInputs(loss(ablation, 0), 3),
        new ExactPatching(loss(ablation, 0)));
  }

  private static PatchableModel patchable(Transformer t, int positions) {
    return PatchableModel.of(
        t, true, positions, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  private static void assertClose(float[] expected, float[] found, String what) {
    float most = 0;
    for (float g : expected) {
      most = Math.max(most, Math.abs(g));
    }
    assertTrue(most > 0, what);
    assertArrayEquals(expected, found, 256 * Math.ulp(1f) * most, what);
  }

  /** Each prompt's scores are those that it has alone; their mean is the score of all. */
  @ParameterizedTest
  @MethodSource("architectures")
  void areThoseOfEachPromptAlone(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4)) {
      for (int positions : new int[] {0, LENGTH}) {
        PatchableModel model = patchable(t, positions);
        for (PromptAlgorithm algorithm : algorithms(Ablation.RESAMPLE).toList()) {
          if (algorithm instanceof ExactPatching && (positions > 0 || a.groups() > 2)) {
            continue; // a run for each edge
          }
          String what = algorithm.title() + " positions=" + positions;
          PromptScores each = algorithm.scorePrompts(model, List.of(batch), Progress.SILENT);
          assertEquals(PROMPTS, each.prompts());
          for (int i = 0; i < PROMPTS; i++) {
            PruneScores alone = algorithm.score(model, List.of(batch.slice(i, i + 1)));
            assertClose(alone.values(), each.of(i).values(), what + " prompt " + i);
          }
          PruneScores all = algorithm.score(model, List.of(batch));
          assertClose(all.values(), each.mean().values(), what);
        }
      }
    }
  }

  /** Means are taken over all prompts, whatever the micro-batches. */
  @Test
  void doNotDependOnMicroBatches() {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 4)) {
      PatchableModel model = patchable(t, 0);
      for (Ablation ablation :
          List.of(Ablation.BATCH_TOKENWISE_MEAN, Ablation.TOKENWISE_MEAN_CORRUPT, Ablation.ZERO)) {
        for (PromptAlgorithm algorithm : algorithms(ablation).toList()) {
          long bytes = 0;
          for (Work work : Work.values()) {
            if (work != Work.CIRCUITS) {
              bytes = Math.max(bytes, MemoryEstimate.of(model, work, ablation, LENGTH).bytes(1));
            }
          }
          PatchableModel small = model.withMemory(new MemoryBudget(bytes));
          PromptScores whole = algorithm.scorePrompts(model, List.of(batch), Progress.SILENT);
          PromptScores parts = algorithm.scorePrompts(small, List.of(batch), Progress.SILENT);
          assertEquals(PROMPTS, parts.prompts());
          for (int i = 0; i < PROMPTS; i++) {
            assertClose(whole.of(i).values(), parts.of(i).values(), algorithm + " " + i);
          }
          assertClose(
              algorithm.score(model, List.of(batch)).values(),
              whole.mean().values(),
              algorithm.title());
        }
      }
    }
  }

  /** Integrated gradients of a group: the plain sum over masks of which nothing is restarted. */
  @ParameterizedTest
  @MethodSource("architectures")
  void pathsAreWhatTheyAreDefinedAs(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4)) {
      PatchableModel model = patchable(t, 0);
      ComputationGraph graph = model.graph();
      for (Path path : new Path[] {Path.BLOCK, Path.LAYER}) {
        MaskGradient ig = loss(Ablation.RESAMPLE, 3).along(path);
        float[] scores = ig.score(model, List.of(batch)).values();
        float[] expected = new float[scores.length];
        try (AblationValues values =
                AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
            Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
          for (DestModule m : graph.modules()) {
            for (int k = 0; k <= 3; k++) {
              float[] mask = new float[scores.length];
              for (DestModule other : graph.modules()) {
                boolean together =
                    path == Path.BLOCK
                        ? other.block() == m.block()
                        : other.nodes().get(0).layer() == m.nodes().get(0).layer();
                if (together) {
                  int count = other.nodes().size() * other.sources();
                  Arrays.fill(mask, other.offset(), other.offset() + count, k / 3f);
                }
              }
              float[] g =
                  run.gradient(PatchMask.of(graph, mask), ig.loss(), batch, null).maskGradient();
              for (int e = m.offset(); e < m.offset() + m.nodes().size() * m.sources(); e++) {
                expected[e] += g[e] / (4f * PROMPTS);
              }
            }
          }
        }
        assertClose(expected, scores, path + " " + a);
      }
    }
  }

  /**
   * The integral is complete: the scores of the edges that move together sum to what their ablation
   * does to the loss. The mean over N + 1 points is off by O(1/N), so the error must fall with N to
   * nothing.
   */
  @Test
  void scoresOfAPathSumToWhatItsEndDoes() {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4)) {
      PatchableModel model = patchable(t, 0);
      ComputationGraph graph = model.graph();
      LossFunction loss = loss(Ablation.RESAMPLE, 1).loss();
      try (AblationValues values =
              AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
          Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
        double clean = mean(run, PatchMask.uniform(graph, 0), loss, batch);
        for (Path path : Path.values()) {
          float[] coarse =
              loss(Ablation.RESAMPLE, 4).along(path).score(model, List.of(batch)).values();
          float[] fine =
              loss(Ablation.RESAMPLE, 64).along(path).score(model, List.of(batch)).values();
          for (List<DestModule> group : path.groups(graph)) {
            float[] mask = new float[graph.edgeCount()];
            int[] edges =
                group.stream()
                    .flatMapToInt(
                        m ->
                            IntStream.range(
                                m.offset(), m.offset() + m.nodes().size() * m.sources()))
                    .toArray();
            IntStream.of(edges).forEach(e -> mask[e] = 1);
            double change = mean(run, PatchMask.of(graph, mask), loss, batch) - clean;
            double far = IntStream.of(edges).mapToDouble(e -> coarse[e]).sum() - change;
            double near = IntStream.of(edges).mapToDouble(e -> fine[e]).sum() - change;
            double size = Math.max(Math.abs(change), 0.01);
            assertEquals(0, near, 0.1 * size, path + " change=" + change);
            assertTrue(
                Math.abs(near) < Math.max(0.2 * Math.abs(far), 1e-3 * size),
                path + " " + far + " " + near);
          }
        }
      }
    }
  }

  private static double mean(Evaluation run, PatchMask mask, LossFunction loss, PromptBatch batch) {
    try (TensorScope scope = new TensorScope()) {
      return Arrays.stream(Tensors.doubles(loss.perPrompt(run.logits(mask), batch, null)))
          .average()
          .orElseThrow();
    }
  }

  /** With one step the gradient is that of the corrupt run, so clean and corrupt change places. */
  @ParameterizedTest
  @MethodSource("architectures")
  void oneInputStepIsTheCorruptEnd(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    PromptBatch swapped =
        new PromptBatch(
            batch.corrupt(), batch.clean(), batch.answers(), batch.wrongAnswers(), batch.rows());
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4)) {
      PatchableModel model = patchable(t, 0);
      float[] there = new EapIgInputs(MaskGradient.eap(), 1).score(model, List.of(batch)).values();
      float[] back = MaskGradient.eap().score(model, List.of(swapped)).values();
      for (int e = 0; e < back.length; e++) {
        back[e] = -back[e];
      }
      assertClose(back, there, a.toString());
    }
  }

  @Test
  void settingsThatMakeNoSenseAreRefused() {
    MaskGradient eap = MaskGradient.eap();
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> eap.along(Path.BLOCK));
    assertTrue(e.getMessage().contains("path=BLOCK"), e::getMessage);
    assertThrows(IllegalArgumentException.class, () -> new EapIgInputs(eap, 0));
    ComputationGraph graph =
        ComputationGraph.factorized(1, 1, ComputationGraph.Wiring.ATTENTION_ONLY, true, 0);
    assertThrows(IllegalArgumentException.class, () -> new PromptScores(graph, List.of()));
    assertThrows(
        IllegalArgumentException.class,
        () -> new PromptScores(graph, List.of(new float[graph.edgeCount() + 1])));
  }

  @Test
  void areReadAsTheyWereWritten(@TempDir java.nio.file.Path folder) {
    ComputationGraph graph =
        ComputationGraph.factorized(1, 2, ComputationGraph.Wiring.SEQUENTIAL, true, 2);
    float[] one = new float[graph.edgeCount()];
    float[] two = new float[graph.edgeCount()];
    for (int e = 0; e < one.length; e++) {
      one[e] = e;
      two[e] = -2 * e;
    }
    java.nio.file.Path file = folder.resolve("scores.safetensors");
    new PromptScores(graph, List.of(one, two)).write(file, Map.of("algorithm", "eap"));
    PromptScores read = PromptScores.read(file, graph);
    assertArrayEquals(one, read.values().get(0));
    assertArrayEquals(two, read.values().get(1));
    io.autocircuit.files.DataException e =
        assertThrows(
            io.autocircuit.files.DataException.class,
            () -> PromptScores.read(file, graph.withPositions(0)));
    assertTrue(e.getMessage().contains("[prompts, "), e::getMessage);
  }
}
