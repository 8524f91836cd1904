package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.AreaUnderCurve;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.RandomScores;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * AutoCircuit's known defects, each with the right behaviour: {@code docs/defects.md} lists them
 * under the same letters and numbers, and names the tests of those that are not here.
 */
@Tag("slow")
class SpecificationDefectsTest {
  private static final int LENGTH = 4;

  private TensorScope scope;
  private Transformer transformer;

  @BeforeEach
  void open() {
    scope = new TensorScope();
    transformer =
        RandomModels.model(RandomModels.named("sequential LN, scaled"), ScalarType.Float, 40);
  }

  @AfterEach
  void close() {
    transformer.close();
    scope.close();
  }

  private PatchableModel model(boolean separate, int positions, OutputSlice slice) {
    return PatchableModel.of(
        transformer, separate, positions, slice, KernelsProvider.choose().kernels());
  }

  private PatchableModel model() {
    return model(true, 0, OutputSlice.LAST_SEQ);
  }

  private static List<PromptBatch> batches() {
    return List.of(RandomModels.batch(3, LENGTH, 41), RandomModels.batch(3, LENGTH, 42));
  }

  private static double largest(Tensor a, Tensor b) {
    return Arrays.stream(Tensors.doubles(a.sub(b).abs())).max().orElseThrow();
  }

  private static double kl(PatchableModel model, CircuitRuns runs, Circuit circuit) {
    return Measurements.of(
            model, runs, batches(), List.of(circuit), List.of(Metric.KL_DIV), Progress.SILENT)
        .get(0)
        .points()
        .get(0)
        .value();
  }

  private static SubnetworkProbing probing(
      MaskFunction function, PatchType type, Ablation ablation, double dropout, Circuit avoid) {
    return new SubnetworkProbing(
        0.1,
        avoid == null ? 4 : 20,
        0.5,
        function,
        type,
        ablation,
        SubnetworkProbing.Target.KL_DIV,
        0,
        dropout,
        avoid,
        20,
        7);
  }

  // ---------------------------------------------------------------- A: wrong numbers, silently

  @Test
  void a1_jointQkvEdgesAreAlive() {
    PatchableModel model = model(false, 0, OutputSlice.ALL);
    PromptBatch batch = batches().get(0);
    Tensor clean = model.logits(batch.clean());
    Tensor corrupt = SourceOutputs.of(model, batch.corrupt());
    float[] gradient = MaskGradient.eap().score(model, batches()).values();
    int seen = 0;
    try (Evaluation run = Evaluation.of(model, batch.clean(), corrupt)) {
      for (int e = 0; e < model.graph().edgeCount(); e++) {
        Edge edge = model.graph().edge(e);
        if (edge.destination().input() == Input.ATTENTION) {
          seen++;
          Circuit one = Circuit.of(model.graph(), List.of(edge));
          double effect = largest(clean, run.logits(one.mask(PatchType.EDGE_PATCH)));
          assertTrue(effect > 1e-4, edge + " has effect=" + effect);
          assertNotEquals(0f, gradient[e], edge.toString());
        }
      }
    }
    assertEquals(3 + 3 * 5, seen);
  }

  /** Each prompt keeps its own prefix, though all pairs differ only at the end. */
  @Test
  void a2_everyPromptRunsOnItsOwnPrefix() {
    int[] clean = {1, 2, 3, 4, 9, 8, 7, 4, 5, 5, 0, 4};
    int[] corrupt = clean.clone();
    for (int i = 0; i < 3; i++) {
      corrupt[i * LENGTH + 3] = 6;
    }
    int[][][] answers = {{{1}}, {{2}}, {{3}}};
    int[][][] wrong = {{{4}}, {{5}}, {{6}}};
    PromptBatch batch =
        new PromptBatch(
            new TokenBatch(clean, 3, LENGTH, new int[3]),
            new TokenBatch(corrupt, 3, LENGTH, new int[3]),
            answers,
            wrong,
            new int[] {0, 1, 2});
    PatchableModel model = model();
    Circuit half = new RandomScores(1).score(model, List.of(batch)).top(30);
    List<Tensor> together = new ArrayList<>();
    List<Tensor> alone = new ArrayList<>();
    CircuitRuns runs = CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE);
    runs.forEach(model, List.of(batch), List.of(half), (c, b, l) -> keep(l, together));
    runs.forEach(model, RandomModels.split(batch, 1), List.of(half), (c, b, l) -> keep(l, alone));
    for (int i = 0; i < 3; i++) {
      assertTrue(largest(alone.get(i), together.get(0).narrow(0, i, 1)) < 1e-5, "prompt " + i);
    }
    together.forEach(Tensor::releaseReference);
    alone.forEach(Tensor::releaseReference);
  }

  private static void keep(Tensor logits, List<Tensor> list) {
    logits.retainReference();
    list.add(logits);
  }

  /** Several graphs on one model at a time; none notices another. */
  @Test
  void a3_modelsMayBeWrappedAgain() {
    PatchableModel first = model();
    PromptBatch batch = batches().get(0);
    PatchMask mask = PatchMask.uniform(first.graph(), 0.5);
    try (Evaluation run =
        Evaluation.of(first, batch.clean(), SourceOutputs.of(first, batch.corrupt()))) {
      double[] before = Tensors.doubles(run.logits(mask));
      PatchableModel second = model(false, LENGTH, OutputSlice.ALL);
      try (Evaluation other =
          Evaluation.of(second, batch.clean(), SourceOutputs.of(second, batch.corrupt()))) {
        double[] all = Tensors.doubles(other.logits(PatchMask.uniform(second.graph(), 1)));
        assertArrayEquals(before, Tensors.doubles(run.logits(mask)));
        assertArrayEquals(Tensors.doubles(second.logits(batch.corrupt())), all, 1e-5);
        assertArrayEquals(before, Tensors.doubles(run.logits(mask)));
      }
    }
    PatchableModel again = model();
    assertArrayEquals(
        MaskGradient.eap().score(first, batches()).values(),
        MaskGradient.eap().score(again, batches()).values());
  }

  @Test
  void a4_edgeModePatchesFromClean() {
    PatchableModel model = model();
    SubnetworkProbing edge = SubnetworkProbing.defaults(PatchType.EDGE_PATCH, 1);
    assertEquals(Ablation.RESAMPLE, edge.effectiveAblation());
    Circuit full = Circuit.full(model.graph());
    double works = kl(model, CircuitRuns.of(PatchType.EDGE_PATCH, edge.effectiveAblation()), full);
    assertEquals(0, works, 1e-6);
    double coded =
        kl(model, CircuitRuns.of(PatchType.EDGE_PATCH, Ablation.TOKENWISE_MEAN_CORRUPT), full);
    assertTrue(coded > 1e-2, "means of corrupt prompts leave KL=" + coded);
    float[] scores =
        probing(MaskFunction.SIGMOID, PatchType.EDGE_PATCH, null, 0, null)
            .score(model, batches())
            .values();
    assertArrayEquals(
        probing(MaskFunction.SIGMOID, PatchType.EDGE_PATCH, Ablation.RESAMPLE, 0, null)
            .score(model, batches())
            .values(),
        scores);
    assertFalse(
        Arrays.equals(
            probing(
                    MaskFunction.SIGMOID,
                    PatchType.EDGE_PATCH,
                    Ablation.TOKENWISE_MEAN_CORRUPT,
                    0,
                    null)
                .score(model, batches())
                .values(),
            scores));
  }

  @Test
  void a5_zeroEdgesWithInfiniteScores() {
    PatchableModel model = model();
    PruneScores scores = Acdc.kl(1e-3, 1e-2).score(model, batches());
    long infinite =
        IntStream.range(0, scores.values().length)
            .filter(i -> Float.isInfinite(scores.values()[i]))
            .count();
    assertTrue(infinite > 0 && infinite < scores.values().length, "never removed: " + infinite);
    assertEquals(0, scores.top(0).size());
    assertEquals(0, scores.topWithTies(0).size());
    assertEquals(infinite, scores.topWithTies(1).size());
    int[] counts = EdgeCounts.AUTO.resolve(model.graph().edgeCount(), scores.values(), -1);
    assertEquals(0, counts[0]);
    Measurement curve =
        Measurements.of(
                model,
                CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE),
                batches(),
                Arrays.stream(counts).mapToObj(scores::topWithTies).toList(),
                List.of(Metric.KL_DIV),
                Progress.SILENT)
            .get(0);
    assertEquals(0, curve.points().get(0).edges());
    assertTrue(AreaUnderCurve.LINEAR.of(curve.points()) < 0, "the empty circuit is the worst");
  }

  /** Masks per prompt are arguments: they are what is trained, and nothing is left behind. */
  @Test
  void a7_masksPerPromptAreTrained() {
    PatchableModel model = model();
    PruneScores scores =
        probing(MaskFunction.HARD_CONCRETE, PatchType.TREE_PATCH, null, 0, null)
            .score(model, batches());
    long distinct =
        IntStream.range(0, scores.values().length)
            .mapToObj(i -> scores.values()[i])
            .distinct()
            .count();
    assertTrue(distinct > scores.values().length / 2, "distinct scores=" + distinct);
    PromptBatch batch = batches().get(0);
    int edges = model.graph().edgeCount();
    try (Evaluation run =
        Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
      PatchMask shared = PatchMask.uniform(model.graph(), 0.25);
      double[] before = Tensors.doubles(run.logits(shared));
      run.gradient(
          new PatchMask(model.graph(), new float[3 * edges], 3),
          MaskGradient.eap().loss(),
          batch,
          null);
      assertArrayEquals(before, Tensors.doubles(run.logits(shared)));
    }
  }

  @Test
  void a8_scoresInTokenGraphsBelongToTheirPosition() {
    PatchableModel tokens = model(true, LENGTH, OutputSlice.LAST_SEQ);
    PruneScores byToken = MaskGradient.eap().score(tokens, batches());
    PruneScores overall = MaskGradient.eap().score(model(), batches());
    PruneScores exact = ExactPatching.logitDifference().score(tokens, batches());
    for (int t = 0; t < LENGTH; t++) {
      float end = byToken.of(tokens.graph().edge("MLP 1->Resid End", t));
      assertEquals(t == LENGTH - 1, end != 0, "only the last position is read: position " + t);
    }
    int nonzero = 0;
    for (String name : tokens.graph().edgeNames()) {
      double sum = 0;
      for (Edge e : tokens.graph().edges(name)) {
        sum += byToken.of(e);
        nonzero += byToken.of(e) != 0 ? 1 : 0;
        if (exact.of(e) == 0) {
          assertEquals(0, byToken.of(e), 1e-6, e.toString());
        }
      }
      assertEquals(overall.of(model().graph().edge(name, -1)), sum, 2e-5, name);
    }
    assertTrue(nonzero > overall.values().length, "several positions matter");
  }

  @Test
  void a9_integratedGradientsAreAverages() {
    PatchableModel model = model();
    float[] both = MaskGradient.integrated(1).score(model, batches()).values();
    float[] at0 = at(0).score(model, batches()).values();
    float[] at1 = at(1).score(model, batches()).values();
    for (int i = 0; i < both.length; i++) {
      assertEquals((at0[i] + at1[i]) / 2, both[i], 1e-5);
    }
    List<PromptBatch> doubled = new ArrayList<>(batches());
    doubled.addAll(batches());
    assertArrayEquals(
        both, MaskGradient.integrated(1).score(model, doubled).values(), 1e-6f, "twice the data");
  }

  private static MaskGradient at(double mask) {
    return new MaskGradient(
        LogitFunction.LOGIT,
        MaskGradient.AnswerFunction.AVG_DIFF,
        mask,
        0,
        Ablation.RESAMPLE,
        MaskGradient.PatchSource.CORRUPT);
  }

  @Test
  void a10_areasHaveTheirBaselineOnTheSameAxis() {
    List<Measurement.Point> flat =
        List.of(
            new Measurement.Point(0, 0.5),
            new Measurement.Point(1, 0.5),
            new Measurement.Point(50, 0.5));
    assertEquals(0, new AreaUnderCurve(true, true, 1e-2).of(flat), 1e-12);
    List<Measurement.Point> falling =
        List.of(new Measurement.Point(0, 1), new Measurement.Point(4, 0.5));
    assertEquals(-1, AreaUnderCurve.LINEAR.of(falling), 1e-12);
  }

  @Test
  void a11_metricsThatMayBeNegativeHaveNoLogarithmicAxis() {
    PatchableModel model = model();
    List<Circuit> circuits = List.of(Circuit.empty(model.graph()), Circuit.full(model.graph()));
    List<Metric> metrics =
        Metric.standard().stream().filter(m -> m.inapplicable(batches()).isEmpty()).toList();
    List<Measurement> measured =
        Measurements.of(
            model,
            CircuitRuns.of(PatchType.TREE_PATCH, Ablation.ZERO),
            batches(),
            circuits,
            metrics,
            Progress.SILENT);
    int negative = 0;
    for (Measurement m : measured) {
      if (m.points().stream().anyMatch(p -> p.value() < 0)) {
        negative++;
        assertFalse(m.metric().logY(), m.metric().key());
      }
    }
    assertTrue(negative >= 2, "log-probabilities are negative");
    assertFalse(Metric.LOGPROB_DIFF.logY());
    assertTrue(Metric.KL_DIV.logY() && Metric.CORRUPT_KL_DIV.logY());
  }

  @Test
  void a14_tokenIdsDoNotForcePositions() {
    TokenizedDataset ids =
        new TokenizedDataset(
            "ids",
            List.of(
                pair(new int[] {1, 2, 3}, new int[] {1, 2, 4}),
                pair(new int[] {5, 6}, new int[] {7, 6})),
            List.of(),
            new TreeMap<>());
    PatchableModel model = model();
    assertEquals(0, model.graph().positions());
    float[] scores = MaskGradient.eap().score(model, Batches.byLength(ids, 4)).values();
    assertEquals(model.graph().edgeCount(), scores.length);
    assertArrayEquals(
        scores, MaskGradient.eap().score(model, Batches.padded(ids, 4, 0)).values(), 2e-5f);
  }

  private static TokenizedPair pair(int[] clean, int[] corrupt) {
    return new TokenizedPair(0, clean, corrupt, new int[][] {{1}}, new int[][] {{2}});
  }

  @Test
  void a16_padsStayOutOfMeans() {
    PatchableModel model = model();
    PromptBatch padded = RandomModels.batch(new int[] {2, 4, 3}, LENGTH, 44);
    int[] other = padded.corrupt().ids().clone();
    other[0] = (other[0] + 1) % RandomModels.VOCABULARY;
    other[1] = (other[1] + 3) % RandomModels.VOCABULARY;
    PromptBatch refilled =
        new PromptBatch(
            padded.clean(),
            new TokenBatch(other, 3, LENGTH, padded.corrupt().padding()),
            padded.answers(),
            padded.wrongAnswers(),
            padded.rows());
    Tensor activations = SourceOutputs.of(model, padded.corrupt());
    for (Ablation ablation :
        List.of(
            Ablation.TOKENWISE_MEAN_CORRUPT,
            Ablation.BATCH_TOKENWISE_MEAN,
            Ablation.BATCH_ALL_TOK_MEAN)) {
      Tensor mean = means(model, ablation, padded);
      assertTrue(largest(mean, means(model, ablation, refilled)) < 1e-6, ablation.key());
      // at position 1 only prompts 1 and 2 have a token
      Tensor expected =
          ablation == Ablation.BATCH_ALL_TOK_MEAN
              ? allTokens(activations)
              : activations
                  .select(2, 1)
                  .select(1, 1)
                  .add(activations.select(2, 1).select(1, 2))
                  .mul(new org.bytedeco.pytorch.Scalar(0.5));
      int column = ablation == Ablation.BATCH_ALL_TOK_MEAN ? 0 : 1;
      assertTrue(largest(expected, mean.select(1, 0).select(1, column)) < 1e-5, ablation.key());
    }
  }

  private static Tensor allTokens(Tensor activations) {
    return activations
        .select(1, 0)
        .narrow(1, 2, 2)
        .sum(1)
        .add(activations.select(1, 1).sum(1))
        .add(activations.select(1, 2).narrow(1, 1, 3).sum(1))
        .mul(new org.bytedeco.pytorch.Scalar(1 / 9.0));
  }

  private static Tensor means(PatchableModel model, Ablation ablation, PromptBatch batch) {
    try (AblationValues values = AblationValues.prepare(model, ablation, List.of(batch))) {
      return values.of(batch.corrupt()).clone();
    }
  }

  @Test
  void a19_unknownEdgeNamesListTheNearest() {
    ComputationGraph graph = model().graph();
    UnknownNameException e =
        assertThrows(
            UnknownNameException.class,
            () -> Circuit.named(graph, List.of("A0.0->MLP 0", "A0.0->MPL 1")));
    assertTrue(e.getMessage().contains("\"A0.0->MPL 1\""), e.getMessage());
    assertTrue(e.getMessage().contains("\"A0.0->MLP 1\""), e.getMessage());
    for (String name : List.of("MLP 1->A0.0.Q", "A0.0", "", "->", "A0.0->A1.0")) {
      assertThrows(UnknownNameException.class, () -> graph.edges(name), name);
    }
  }

  @Test
  void a20_whatChangesTheStreamIsRefused(@TempDir Path dir) throws IOException {
    Safetensors.write(
        dir.resolve("model.safetensors"),
        Map.of("x", new Safetensors.Array(new long[] {1}, new float[1])),
        Map.of());
    Path config = dir.resolve("config.json");
    String hooked =
        "{\"architecture\": \"HookedTransformer\", \"n_layers\": 1, \"n_heads\": 1, \"d_model\": 2,"
            + " \"d_mlp\": 2, \"d_vocab\": 3, \"n_ctx\": 4, \"act_fn\": \"relu\", %s}";
    for (String setting :
        List.of(
            "\"use_local_attn\": true, \"attention_dir\": \"bidirectional\"",
            "\"post_embedding_ln\": true",
            "\"num_experts\": 8",
            "\"parallel_attn_mlp\": 1")) {
      Files.writeString(config, String.format(hooked, setting));
      DataException e = assertThrows(DataException.class, () -> ModelLoader.load(dir), setting);
      assertTrue(e.getMessage().contains(setting.split("\"")[1]), e.getMessage());
    }
  }

  // ---------------------------------------------------------------- B: non-determinism

  @Test
  void b1_everythingIsDeterministic() {
    PatchableModel model = model();
    assertArrayEquals(model.graph().edgeNames().toArray(), model().graph().edgeNames().toArray());
    SubnetworkProbing sampled =
        probing(MaskFunction.HARD_CONCRETE, PatchType.TREE_PATCH, null, 0.2, null);
    assertArrayEquals(
        sampled.score(model, batches()).values(), sampled.score(model(), batches()).values());
    assertArrayEquals(
        Acdc.kl(1e-3, 1e-2).score(model, batches()).values(),
        Acdc.kl(1e-2, 1e-3).score(model(), batches()).values());
    assertArrayEquals(
        new RandomScores(3).score(model, batches()).values(),
        new RandomScores(3).score(model(), batches()).values());
    assertFalse(
        Arrays.equals(
            new RandomScores(3).score(model, batches()).values(),
            new RandomScores(4).score(model, batches()).values()));
  }

  // ---------------------------------------------------------------- C: crashes

  @Test
  void c2_circuitsOfNames() {
    ComputationGraph graph = model().graph();
    List<String> names = List.of("Resid Start->A0.0.K", "MLP 1->Resid End");
    Circuit circuit = Circuit.named(graph, names);
    assertEquals(2, circuit.size());
    assertEquals(
        names.stream().sorted().toList(),
        circuit.edges().stream().map(Edge::name).sorted().toList());
    assertTrue(kl(model(), CircuitRuns.of(PatchType.EDGE_PATCH, Ablation.RESAMPLE), circuit) >= 0);
  }

  @Test
  void c3_rocNeedsOnlyScoresAndACircuit() {
    PatchableModel model = model();
    PruneScores scores = MaskGradient.eap().score(model, batches());
    List<Roc.Point> points =
        Roc.curve(
            scores,
            scores.top(20),
            EdgeCounts.AUTO.resolve(model.graph().edgeCount(), scores.values(), -1));
    assertEquals(new Roc.Point(0, 0), points.get(0));
    assertEquals(new Roc.Point(1, 1), points.get(points.size() - 1));
    assertEquals(1, Roc.area(points), 1e-12);
  }

  @Test
  void c4_edgesAreAvoided() {
    PatchableModel model = model();
    PruneScores free =
        probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, null, 0, null).score(model, batches());
    Circuit best = free.top(5);
    PruneScores kept =
        probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, null, 0, best).score(model, batches());
    Circuit without = kept.top(20);
    assertEquals(0, best.edges().stream().filter(e -> without.contains(e.index())).count());
  }

  @Test
  void c5_circuitsLargerThanTheModelAreRefusedByName() {
    PruneScores scores = new RandomScores(1).score(model(), batches());
    int edges = model().graph().edgeCount();
    for (IllegalArgumentException e :
        List.of(
            assertThrows(IllegalArgumentException.class, () -> scores.top(10_000)),
            assertThrows(
                IllegalArgumentException.class,
                () -> EdgeCounts.exactly(10_000).resolve(edges, null, -1)))) {
      assertTrue(e.getMessage().contains("edge count=10000"), e.getMessage());
      assertTrue(e.getMessage().contains("0.." + edges), e.getMessage());
    }
  }

  @Test
  void c6_masksFollowTheTypeOfTheModel() {
    try (Transformer twice =
        RandomModels.model(RandomModels.named("sequential LN, scaled"), ScalarType.Double, 40)) {
      PatchableModel exact =
          PatchableModel.of(
              twice, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      Circuit half = new RandomScores(2).score(exact, batches()).top(20);
      for (Ablation ablation : Ablation.standard()) {
        CircuitRuns runs = CircuitRuns.of(PatchType.TREE_PATCH, ablation);
        assertEquals(kl(exact, runs, half), kl(model(), runs, half), 1e-4, ablation.key());
      }
    }
  }

  /** Dropout draws a mask for every prompt, whatever the mask function. */
  @Test
  void c7_sigmoidMasksForEveryPrompt() {
    PatchableModel model = model();
    for (MaskFunction function : MaskFunction.values()) {
      for (PatchType type : PatchType.values()) {
        float[] dropped = probing(function, type, null, 0.3, null).score(model, batches()).values();
        float[] plain = probing(function, type, null, 0, null).score(model, batches()).values();
        assertEquals(plain.length, dropped.length);
        assertFalse(Arrays.equals(plain, dropped), function + ", " + type);
      }
    }
  }

  @Test
  void c9_batchesOfAnySize() {
    PatchableModel model = model();
    PromptBatch all = RandomModels.batch(7, LENGTH, 45);
    CircuitRuns runs = CircuitRuns.of(PatchType.TREE_PATCH, Ablation.TOKENWISE_MEAN_CORRUPT);
    List<Circuit> circuits = List.of(new RandomScores(5).score(model, List.of(all)).top(20));
    double expected = logitDifference(model, runs, List.of(all), circuits);
    for (int size : new int[] {1, 2, 3, 5}) {
      assertEquals(
          expected,
          logitDifference(model, runs, RandomModels.split(all, size), circuits),
          1e-5,
          "batch size " + size);
    }
  }

  private static double logitDifference(
      PatchableModel model, CircuitRuns runs, List<PromptBatch> batches, List<Circuit> circuits) {
    return Measurements.of(
            model, runs, batches, circuits, List.of(Metric.LOGIT_DIFF), Progress.SILENT)
        .get(0)
        .points()
        .get(0)
        .value();
  }

  /** Keys and values of grouped heads are masked per query head. */
  @Test
  void c12_groupedHeadsHaveEdgesOfTheirOwn() {
    RandomModels.Architecture a = RandomModels.named("gated RMS, grouped heads, biases");
    try (Transformer grouped = RandomModels.model(a, ScalarType.Double, 46)) {
      PatchableModel model =
          PatchableModel.of(grouped, true, 0, OutputSlice.ALL, KernelsProvider.choose().kernels());
      PromptBatch batch = batches().get(0);
      Tensor clean = model.logits(batch.clean());
      List<Tensor> effects = new ArrayList<>();
      try (Evaluation run =
          Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
        for (int h = 0; h < a.config().heads(); h++) {
          Circuit one = Circuit.named(model.graph(), List.of("Resid Start->A0." + h + ".K"));
          effects.add(run.logits(one.mask(PatchType.EDGE_PATCH)).sub(clean));
        }
        // heads 0 and 1 share keys, yet their edges differ
        for (int h = 0; h < effects.size(); h++) {
          assertTrue(largest(effects.get(h), clean.sub(clean)) > 1e-6, "head " + h);
          for (int g = 0; g < h; g++) {
            assertTrue(largest(effects.get(h), effects.get(g)) > 1e-6, "heads " + g + ", " + h);
          }
        }
      }
    }
  }

  @Test
  void c13_floorsAreChecked() {
    for (double floor : new double[] {0, -1, Double.NaN}) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> new AreaUnderCurve(true, true, floor));
      assertTrue(e.getMessage().contains("floor=" + floor), e.getMessage());
    }
  }

  @Test
  void c14_answersOutsideTheOutputsAreNamed() {
    PatchableModel model = model();
    PromptBatch good = batches().get(0);
    int[][][] bad = {{{1}}, {{RandomModels.VOCABULARY}}, {{2}}};
    PromptBatch batch =
        new PromptBatch(good.clean(), good.corrupt(), bad, good.wrongAnswers(), good.rows());
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> MaskGradient.eap().score(model, List.of(batch)));
    assertTrue(e.getMessage().contains("token=" + RandomModels.VOCABULARY), e.getMessage());
  }

  /** Not in the list: answers that cannot be broadcast over the outputs. */
  @Test
  void squaredErrorNeedsAnswersThatFit() {
    MaskGradient error =
        new MaskGradient(
            LogitFunction.LOGIT,
            MaskGradient.AnswerFunction.MSE,
            0,
            0,
            Ablation.RESAMPLE,
            MaskGradient.PatchSource.CORRUPT);
    PatchableModel model = model();
    PromptBatch good = batches().get(0);
    assertEquals(model.graph().edgeCount(), error.score(model, List.of(good)).values().length);
    int[][][] two = {{{1, 2}}, {{2, 3}}, {{2, 4}}};
    PromptBatch batch =
        new PromptBatch(good.clean(), good.corrupt(), two, good.wrongAnswers(), good.rows());
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> error.score(model, List.of(batch)));
    assertTrue(e.getMessage().contains("answers=2"), e.getMessage());
  }

  /** Larger means more important, and the sign says in which direction, for every algorithm. */
  @Test
  void positiveScoresSupportTheBehaviour() {
    PatchableModel model = model();
    float[] exact = ExactPatching.logitDifference().score(model, batches()).values();
    PromptBatch batch = batches().get(0);
    int strongest = new PruneScores(model.graph(), exact).ranking()[0];
    Circuit one = Circuit.of(model.graph(), List.of(model.graph().edge(strongest)));
    double clean =
        logitDifference(
            model,
            CircuitRuns.of(PatchType.TREE_PATCH, Ablation.RESAMPLE),
            batches(),
            List.of(Circuit.full(model.graph())));
    double sum = 0;
    for (PromptBatch b : batches()) {
      try (Evaluation run = Evaluation.of(model, b.clean(), SourceOutputs.of(model, b.corrupt()))) {
        Tensor logits = run.logits(one.mask(PatchType.EDGE_PATCH));
        for (double loss : Tensors.doubles(MaskGradient.eap().loss().perPrompt(logits, b, null))) {
          sum -= loss;
        }
      }
    }
    double patched = sum / (2 * batch.clean().batchSize());
    assertEquals(clean - patched, exact[strongest], 1e-4);
  }
}
