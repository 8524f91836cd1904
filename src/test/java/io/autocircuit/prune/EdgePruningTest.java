package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Level;
import io.autocircuit.experiment.PromptSplit;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Edge pruning: its gradient, its target, its warm start. */
class EdgePruningTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(3, 5, 11), RandomModels.batch(2, 4, 12));
  private static Transformer transformer;
  private static PatchableModel model;
  private static Task embedded;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    transformer =
        RandomModels.model(RandomModels.named("sequential LN, folded"), ScalarType.Double, 5);
    model =
        PatchableModel.of(
            transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
    embedded =
        new Task(
            EmbeddedTask.model(null, ScalarType.Float),
            Task.tokenize(EmbeddedTask.prompts(), null, BosPolicy.AUTO));
  }

  @AfterAll
  static void close() {
    transformer.close();
    embedded.close();
  }

  private static EdgePruning pruning(long seed, Object... settings) {
    Map<String, Object> values = new HashMap<>();
    for (int i = 0; i < settings.length; i += 2) {
      values.put((String) settings[i], settings[i + 1]);
    }
    return (EdgePruning)
        new EdgePruningProvider()
            .create(
                Settings.of(EdgePruningProvider.SETTINGS, values),
                new PruneContext(seed, PatchType.TREE_PATCH, Optional.empty()));
  }

  @ParameterizedTest
  @EnumSource(PatchType.class)
  void theGradientIsThatOfFiniteDifferences(PatchType type) {
    EdgePruning how = pruning(1, "learn_for", type.key());
    try (TensorScope scope = new TensorScope();
        EdgePruningTraining training =
            new EdgePruningTraining(
                how,
                EdgeGroups.each(model.graph()),
                model.graph().nodes().groups(),
                model,
                BATCHES)) {
      EdgePruningMasks masks = training.masks();
      double[] theta = new double[masks.size()];
      SplittableRandom random = new SplittableRandom(4);
      for (int i = 0; i < theta.length; i++) {
        theta[i] = random.nextDouble(-1.5, 1.5);
      }
      double[] u = masks.uniform(random);
      double[] gradient = training.faithfulness(0, theta, u).gradient();
      double[] m = masks.values(theta, u);
      double largest = 0;
      for (int i = 0; i < theta.length; i += i < masks.groups() ? 7 : 1) {
        if (Math.min(m[i], 1 - m[i]) < 0.01) {
          continue; // no derivative where it is clamped nearby
        }
        double[] more = theta.clone();
        double[] less = theta.clone();
        more[i] += 1e-3;
        less[i] -= 1e-3;
        double slope =
            (training.faithfulness(0, more, u).value() - training.faithfulness(0, less, u).value())
                / 2e-3;
        assertEquals(slope, gradient[i], 1e-5 + 2e-3 * Math.abs(slope), "θ " + i);
        largest = Math.max(largest, Math.abs(slope));
      }
      assertTrue(largest > 1e-3, "nothing depends on θ: " + largest);
    }
  }

  private static Discovery few(EdgePruning how, Level level) {
    return Discovery.builder(embedded, how)
        .level(level)
        .split(new PromptSplit(6, 6, false), 1)
        .build();
  }

  /** The circuit of 9 edges is the known one. */
  @Test
  void theTargetIsReachedOnTheEmbeddedModel() {
    List<String> notes = new ArrayList<>();
    EdgePruning how = pruning(3, "edge_sparsity", 0.89, "steps", 240);
    PruneScores scores = few(how, Level.EDGE).score(Progress.SILENT.noting(notes::add));
    int living = how.found(scores.values(), "edges").get(0).size();
    assertEquals(0.89, 1 - living / 81.0, 0.02, notes::toString);
    assertEquals(List.of(), notes);
    assertTrue(scores.top(9).contains(scores.graph().edge("A0.2->A1.1.K", -1).index()));
  }

  @Test
  void nodesHaveTheirTarget() {
    List<String> notes = new ArrayList<>();
    Discovery d = few(pruning(3, "node_sparsity", 0.5, "steps", 100), Level.NODE);
    Discovery.Result result = d.judge(d.scored(Progress.SILENT), Progress.SILENT);
    assertEquals(4, result.found().get(0).size());
    assertEquals("learned, sparsity 0.5000", result.found().get(0).description());
    pruning(3, "node_sparsity", 0.5, "edge_sparsity", 0.7, "steps", 300)
        .score(model, BATCHES, Progress.SILENT.noting(notes::add));
    assertEquals(List.of(), notes);
  }

  @Test
  void aTargetThatIsMissedIsSaid() {
    Discovery.Result result = few(pruning(3, "steps", 3, "node_sparsity", 0.7), Level.EDGE).run();
    List<String> said =
        result.notices().stream().filter(n -> n.startsWith("edge-pruning")).toList();
    assertEquals(2, said.size(), said::toString);
    for (int i = 0; i < 2; i++) {
      assertTrue(
          said.get(i)
              .matches(
                  "edge-pruning reached "
                      + (i == 0 ? "edge" : "node")
                      + "_sparsity=0\\.[0-9]{4}, not the target "
                      + (i == 0 ? "0\\.95" : "0\\.7")
                      + ", with multipliers -[0-9.]+ and [0-9.]+ after 3 steps; give .*"),
          said::toString);
    }
  }

  @Test
  void seedsAndThreads() {
    EdgePruning how = pruning(3, "steps", 8, "edge_sparsity", 0.5);
    Discovery d = few(how, Level.EDGE);
    float[] first;
    try (NativeThreads one = NativeThreads.one()) {
      first = how.score(d.model(), d.train()).values();
      assertArrayEquals(first, how.score(d.model(), d.train()).values());
    }
    try (NativeThreads two = NativeThreads.use(2)) {
      assertArrayEquals(first, how.score(d.model(), d.train()).values());
    }
    float[] other =
        pruning(4, "steps", 8, "edge_sparsity", 0.5).score(d.model(), d.train()).values();
    assertFalse(Arrays.equals(first, other));
  }

  @Test
  void everyAblationAndTargetTrains() {
    for (Ablation ablation : Ablation.standard()) {
      for (String target : List.of("kl_div", "logit_diff_percent")) {
        float[] scores =
            pruning(1, "steps", 2, "score_ablation", ablation.key(), "target", target)
                .score(model, BATCHES)
                .values();
        for (float score : scores) {
          assertTrue(score > 0 && score <= 1, () -> ablation.key() + " " + score);
        }
      }
    }
  }

  @Test
  void aWarmStartBeginsWithItsRanking() {
    PruneScores random = new RandomScores(8).score(model, BATCHES);
    Path file = folder.resolve("scores.safetensors");
    random.write(file, Map.of());
    int edges = model.graph().edgeCount();
    int wanted = (int) Math.round(0.3 * edges);
    EdgePruningMasks masks =
        new EdgePruningMasks(HardConcrete.STANDARD, EdgeGroups.each(model.graph()), null);
    for (Path place : List.of(file, folder)) {
      EdgePruning how = pruning(1, "warm_start", place);
      GroupScores ranking = how.ranking(EdgeGroups.each(model.graph())).orElseThrow();
      double[] theta = how.start(masks, Optional.of(ranking), 0.7);
      PruneScores begun = new PruneScores(model.graph(), masks.scores(theta));
      int above = 0;
      for (double t : theta) {
        above += t > HardConcrete.STANDARD.even() ? 1 : 0;
      }
      assertEquals(wanted, above);
      for (int k : new int[] {1, wanted, edges - 1}) {
        assertEquals(random.top(k), begun.top(k));
      }
    }
    assertArrayEquals(
        new double[masks.size()],
        Arrays.stream(pruning(1).start(masks, Optional.empty(), 0.7)).map(t -> t - 2).toArray());
    EdgePruning missing = pruning(1, "warm_start", folder.resolve("none"));
    assertThrows(DataException.class, () -> missing.score(model, BATCHES));
  }

  /** From the scores of a circuit training gets to it sooner than from all edges. */
  @Test
  void aWarmStartIsTrainedOn() {
    Discovery eap = few(pruning(2), Level.EDGE);
    PruneScores first = MaskGradient.eap().score(eap.model(), eap.train());
    Path file = folder.resolve("eap.safetensors");
    first.write(file, Map.of());
    Object[] settings = {"steps", 25, "edge_sparsity", 0.88, "warm_start", file};
    List<Integer> sizes = new ArrayList<>();
    for (int given : new int[] {4, 6}) {
      EdgePruning how = pruning(2, Arrays.copyOf(settings, given));
      sizes.add(how.found(how.score(eap.model(), eap.train()).values(), "edges").get(0).size());
    }
    assertTrue(sizes.get(1) < sizes.get(0), sizes::toString);
  }

  @Test
  void whatIsOutOfRangeIsRefusedByName() {
    refused("--sparsity-warm-up=11 outside 0..10", "steps", 10, "sparsity_warm_up", 11);
    refused("--learning-rate-warm-up=11 outside 0..10", "steps", 10, "learning_rate_warm_up", 11);
    refused("init=-2.0 leaves edges outside the circuit at first", "init", -2);
    EdgePruning.Schedule schedule = pruning(1, "steps", 30).schedule();
    assertEquals(15, schedule.sparsityWarmUp());
    assertEquals(2, schedule.learningRateWarmUp());
    assertEquals(0, schedule.share(0));
    assertEquals(0.5, schedule.share(1));
    assertEquals(1, schedule.share(2));
    assertEquals(1 / 28.0, schedule.share(29), 1e-15);
  }

  private static void refused(String message, Object... settings) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> pruning(1, settings));
    assertTrue(e.getMessage().contains(message), e::getMessage);
  }
}
