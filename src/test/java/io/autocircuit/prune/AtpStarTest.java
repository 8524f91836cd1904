package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.NoPositions;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.GradientOf;
import io.autocircuit.patch.GradientRules;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** AtP*: how terms become scores, and what is verified; the terms: {@code AtpStarOracleTest}. */
class AtpStarTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(3, 5, 3), RandomModels.batch(2, 5, 4));
  private static final MaskGradient EAP = MaskGradient.eap();
  private static final String GROUPED = "gated RMS, grouped heads, biases";

  private static void with(String architecture, boolean factorized, Consumer<PatchableModel> test) {
    try (Transformer model =
        RandomModels.model(RandomModels.named(architecture), ScalarType.Double, 5)) {
      test.accept(
          patchable(
              model,
              factorized
                  ? model.graph(true, KeyValues.GROUPED, 0)
                  : model.config().unfactorizedGraph(0)));
    }
  }

  private static PatchableModel patchable(Transformer model, ComputationGraph graph) {
    return new PatchableModel(
        model, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  private static AtpStar atp(boolean qkFix, boolean gradDrop, boolean signed, int verify) {
    return new AtpStar(EAP, qkFix, gradDrop, signed, verify, 0.95, 3);
  }

  private static float[] scores(PatchableModel model, AtpStar algorithm) {
    return algorithm.score(model, BATCHES).values();
  }

  private static float[] meanOfSizes(PromptScores each) {
    float[] mean = new float[each.values().get(0).length];
    each.values()
        .forEach(
            row -> {
              for (int e = 0; e < mean.length; e++) {
                mean[e] += Math.abs(row[e]) / each.prompts();
              }
            });
    return mean;
  }

  @Test
  void withoutBothItIsAttributionPatching() {
    for (boolean factorized : new boolean[] {true, false}) {
      with(
          GROUPED,
          factorized,
          model -> {
            assertArrayEquals(
                EAP.score(model, BATCHES).values(),
                scores(model, atp(false, false, true, 0)),
                1e-6f);
            PromptScores each = EAP.scorePrompts(model, BATCHES, Progress.SILENT);
            assertArrayEquals(meanOfSizes(each), scores(model, atp(false, false, false, 0)), 1e-6f);
          });
    }
  }

  @Test
  void promptsAverageToTheScores() {
    with(
        GROUPED,
        true,
        model -> {
          for (boolean signed : new boolean[] {true, false}) {
            AtpStar all = atp(true, true, signed, 0);
            PromptScores each = all.scorePrompts(model, BATCHES, Progress.SILENT);
            assertEquals(5, each.prompts());
            assertArrayEquals(scores(model, all), each.mean().values(), 1e-6f);
          }
        });
  }

  /** Means over blocks of sizes, which leave out what is in the block. */
  @Test
  void termsBecomeScoresOfEdgesAndNodes() {
    for (boolean factorized : new boolean[] {true, false}) {
      with(
          GROUPED,
          factorized,
          model -> {
            ComputationGraph graph = model.graph();
            GraphNodes nodes = graph.nodes();
            int n = graph.edgeCount();
            double[] edges = new double[n];
            double[] ofNodes = new double[nodes.size()];
            for (PromptBatch batch : BATCHES) {
              visit(
                  model,
                  batch,
                  factorized,
                  (dropped, g) -> {
                    for (int i = 0; i < g.length; i++) {
                      edges[i % n] += Math.abs(g[i]) / 5 / terms(graph, i % n);
                    }
                    double[] sums = nodes.groups().sum(g);
                    for (int i = 0; i < sums.length; i++) {
                      GraphNodes.Node node = nodes.all().get(i % nodes.size());
                      // one of the two blocks is its own
                      ofNodes[node.index()] +=
                          node.source().block() == dropped ? 0 : Math.abs(sums[i]) / 5;
                    }
                  });
            }
            AtpStar algorithm = atp(factorized, true, false, 0);
            float[] own = scores(model, algorithm);
            for (int e = 0; e < n; e++) {
              assertEquals(edges[e], own[e], 1e-6, graph.edge(e).name());
            }
            float[] scored =
                algorithm.score(model, BATCHES, nodes.groups(), Progress.SILENT).values();
            for (int i = 0; i < scored.length; i++) {
              assertEquals(ofNodes[i], scored[i], 1e-6, nodes.all().get(i).name());
            }
          });
    }
  }

  /** Each position by itself, all together, and spans that differ between prompts. */
  @Test
  void spansAreSumsOfPositions() {
    AtpStar algorithm = atp(true, true, false, 0);
    with(
        GROUPED,
        true,
        model -> {
          PromptBatch batch = BATCHES.get(0);
          PatchableModel tokens =
              patchable(model.model(), model.model().graph(true, KeyValues.GROUPED, 5));
          int[] own = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4};
          assertArrayEquals(
              algorithm.score(tokens, List.of(batch)).values(),
              algorithm
                  .score(tokens.withSpans(List.of("a", "b", "c", "d", "e")), spans(batch, own))
                  .values());
          assertArrayEquals(
              algorithm.score(model, List.of(batch)).values(),
              algorithm.score(tokens.withSpans(List.of("all")), spans(batch, new int[15])).values(),
              1e-6f);
          PatchableModel named = tokens.withSpans(List.of("a", "b"));
          List<PromptBatch> mixed =
              spans(batch, new int[] {0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1});
          PromptScores together = algorithm.scorePrompts(named, mixed, Progress.SILENT);
          for (int i = 0; i < 3; i++) {
            int[] row = Arrays.copyOfRange(mixed.get(0).clean().spans(), 5 * i, 5 * i + 5);
            List<PromptBatch> alone = spans(RandomModels.rows(batch, i), row);
            assertArrayEquals(
                together.values().get(i), algorithm.score(named, alone).values(), 1e-6f);
          }
        });
  }

  private static List<PromptBatch> spans(PromptBatch batch, int[] spans) {
    return List.of(
        new PromptBatch(
            batch.clean().withSpans(spans),
            batch.corrupt().withSpans(spans),
            batch.answers(),
            batch.wrongAnswers(),
            batch.rows()));
  }

  /** How many of the gradients without one of the two blocks an edge has. */
  private static int terms(ComputationGraph graph, int edge) {
    boolean inABlock =
        graph.factorized()
            ? graph.edge(edge).destination().block() < graph.blocks()
            : !graph.edge(edge).source().name().startsWith("Resid");
    return inABlock ? 1 : 2;
  }

  private static void visit(
      PatchableModel model,
      PromptBatch batch,
      boolean patterns,
      io.autocircuit.patch.GradientTerms terms) {
    try (TensorScope scope = new TensorScope();
        Evaluation run =
            Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
      run.terms(true, patterns, new GradientOf(EAP.loss(), batch, null), terms);
    }
  }

  /**
   * One head looks for the key that its query names, and finds it with certainty: the slope of the
   * softmax is 0, and attribution patching says that the query does not matter.
   */
  @Test
  void saturatedAttentionIsFound() {
    TransformerConfig config =
        new TransformerConfig(
            "lookup",
            1,
            1,
            8,
            4,
            0,
            6,
            6,
            9,
            Activation.RELU,
            false,
            Normalization.NONE,
            Normalization.NONE,
            true,
            false,
            new NoPositions(),
            2);
    Map<String, float[]> rows = new HashMap<>();
    // tokens: queries a and b, keys A and B, what is said of A and of B
    rows.put("embed.W_E", ones(48, 0, 9, 18, 27));
    rows.put("blocks.0.attn.W_Q", times(40, ones(32, 0, 5)));
    rows.put("blocks.0.attn.W_K", ones(32, 8, 13));
    rows.put("blocks.0.attn.W_V", ones(32, 10, 15));
    rows.put("blocks.0.attn.W_O", ones(32, 22, 31));
    rows.put("unembed.W_U", times(3, ones(48, 40, 47)));
    RandomModels.Architecture a = new RandomModels.Architecture(config, 1, false, false);
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> weights = new LinkedHashMap<>();
      RandomModels.shapes(a)
          .forEach(
              (name, shape) ->
                  weights.put(name, Tensors.of(ScalarType.Double, rows.get(name), shape)));
      try (Transformer model = new Transformer(config, weights, ScalarType.Double)) {
        PatchableModel patchable = patchable(model, model.graph(true, KeyValues.GROUPED, 0));
        List<PromptBatch> prompt =
            List.of(
                new PromptBatch(
                    new TokenBatch(new int[] {2, 3, 0}, 1, 3, new int[1]),
                    new TokenBatch(new int[] {2, 3, 1}, 1, 3, new int[1]),
                    new int[][][] {{{4}}},
                    new int[][][] {{{5}}},
                    new int[] {0}));
        int edge = patchable.graph().edge("Resid Start->A0.0.Q", -1).index();
        assertEquals(6, new ExactPatching(EAP).score(patchable, prompt).values()[edge], 1e-4);
        assertEquals(0, EAP.score(patchable, prompt).values()[edge], 1e-4);
        assertEquals(6, atp(true, false, false, 0).score(patchable, prompt).values()[edge], 1e-4);
      }
    }
  }

  private static float[] ones(int length, int... at) {
    float[] values = new float[length];
    for (int i : at) {
      values[i] = 1;
    }
    return values;
  }

  private static float[] times(float factor, float[] values) {
    for (int i = 0; i < values.length; i++) {
      values[i] *= factor;
    }
    return values;
  }

  @Test
  void theBestAreVerifiedWithinTheBudget() {
    with(
        GROUPED,
        true,
        model -> {
          EdgeGroups edges = EdgeGroups.each(model.graph());
          PromptScores each = new ExactPatching(EAP).scorePrompts(model, BATCHES, Progress.SILENT);
          float[] exact = meanOfSizes(each);
          float[] estimates = scores(model, atp(true, true, false, 0));
          long[] runs = {0};
          AtpStar algorithm = atp(true, true, false, 41);
          VerifyingAlgorithm.Verified verified =
              algorithm.scoreVerified(
                  model,
                  BATCHES,
                  edges,
                  (what, done, all) -> runs[0] += what.equals("exact runs") ? 1 : 0);
          assertEquals(41 * BATCHES.size(), runs[0]);
          Verification found = verified.verification();
          assertEquals(21, found.items().size());
          assertEquals(20, found.subsets());
          assertEquals(0.25, found.share());
          BitSet alone = new BitSet();
          double last = Double.POSITIVE_INFINITY;
          for (Verification.Item i : found.items()) {
            alone.set(i.group());
            assertTrue(i.estimate() <= last);
            last = i.estimate();
            assertEquals(estimates[i.group()], i.estimate(), 1e-6);
            assertEquals(exact[i.group()], i.exact(), 1e-6);
          }
          double largest = 0;
          for (int e = 0; e < exact.length; e++) {
            boolean is = alone.get(e);
            assertEquals(is ? exact[e] : estimates[e], verified.scores().values()[e], 1e-6);
            assertTrue(is || estimates[e] <= last);
            largest = is ? largest : Math.max(largest, exact[e]);
          }
          assertTrue(found.bound().getAsDouble() > largest, found + " " + largest);
          assertEquals(
              found,
              algorithm.scoreVerified(model, BATCHES, edges, Progress.SILENT).verification());
          assertArrayEquals(verified.scores().values(), algorithm.score(model, BATCHES).values());
          assertTrue(
              found
                  .sentence("edges")
                  .matches(
                      "21 of \\d+ edges were verified by exact patching \\(largest effect [0-9.]+\\);"
                          + " of the other \\d+ none has an effect above [0-9.]+ at 95 %"
                          + " confidence, by 20 random subsets, if effects add up"),
              found.sentence("edges"));
        });
  }

  @Test
  void aLargeBudgetVerifiesAll() {
    with(
        GROUPED,
        true,
        model -> {
          GraphNodes nodes = model.graph().nodes();
          for (boolean signed : new boolean[] {true, false}) {
            VerifyingAlgorithm.Verified verified =
                atp(true, true, signed, 50)
                    .scoreVerified(model, BATCHES, nodes.groups(), Progress.SILENT);
            assertTrue(verified.verification().bound().isEmpty());
            assertEquals(0, verified.verification().subsets());
            assertEquals(nodes.size(), verified.verification().items().size());
            assertTrue(verified.verification().sentence("nodes").startsWith("all 10 nodes"));
            if (signed) {
              assertArrayEquals(
                  new ExactPatching(EAP)
                      .score(model, BATCHES, nodes.groups(), Progress.SILENT)
                      .values(),
                  verified.scores().values(),
                  1e-6f);
            }
          }
        });
  }

  /** Effects that add up, one of which was missed; with the noise of all the others. */
  @Test
  void theBoundHoldsAsOftenAsItSays() {
    int things = 40;
    int subsets = 16;
    int trials = 400;
    int failed = 0;
    double sum = 0;
    for (int trial = 0; trial < trials; trial++) {
      Random random = new Random(trial);
      double[][] effects = new double[things][3];
      double largest = 0;
      for (int t = 0; t < things; t++) {
        double mean = 0;
        for (int x = 0; x < 3; x++) {
          effects[t][x] = (t == 7 ? 1 : 0.1) * (1 + 0.2 * random.nextGaussian());
          effects[t][x] *= random.nextBoolean() ? 1 : -1;
          mean += Math.abs(effects[t][x]) / 3;
        }
        largest = Math.max(largest, mean);
      }
      List<BitSet> sets = Verification.draw(things, subsets, trial);
      double[][] seen = new double[subsets][3];
      for (int i = 0; i < subsets; i++) {
        for (int x = 0; x < 3; x++) {
          int at = x;
          seen[i][x] = sets.get(i).stream().mapToDouble(t -> effects[t][at]).sum();
        }
      }
      double bound = Verification.bound(sets, things, seen, 0.9);
      sum += bound;
      failed += bound < largest ? 1 : 0;
    }
    assertTrue(failed <= 0.1 * trials, failed + " of " + trials);
    assertTrue(sum / trials < 2.5, "says little: " + sum / trials);
  }

  @Test
  void subsetsAreBalancedAndFollowFromTheSeed() {
    List<BitSet> sets = Verification.draw(30, 12, 5);
    for (int t = 0; t < 30; t++) {
      int thing = t;
      assertEquals(3, sets.stream().filter(s -> s.get(thing)).count());
    }
    assertEquals(sets, Verification.draw(30, 12, 5));
    assertFalse(sets.equals(Verification.draw(30, 12, 6)));
    assertEquals(0, Verification.bound(sets, 0, new double[12][2], 0.9));
  }

  /** Of few edges a random subset may have none: then nothing but the end is run. */
  @Test
  void anEmptySubsetHasNoFirstBlock() {
    with(
        GROUPED,
        true,
        model ->
            assertEquals(
                model.graph().blocks(), ExactPatching.firstBlock(model.graph(), new BitSet())));
  }

  @Test
  void whatDoesNotFitIsRefused() {
    refused("verify=15 runs are too few for a bound", () -> atp(true, true, false, 15));
    refused("confidence=1.0", () -> new AtpStar(EAP, true, true, false, 0, 1, 0));
    refused(
        "rules=[ln] do not go with atp-star",
        () -> new AtpStar(EAP.with(GradientRules.of(GradientRules.Rule.LN))));
    with(
        GROUPED,
        true,
        model -> {
          refused(
              "--verify=16 verifies the scores of all prompts together",
              () -> atp(true, true, false, 16).scorePrompts(model, BATCHES, Progress.SILENT));
          PatchableModel joint =
              patchable(model.model(), model.model().graph(false, KeyValues.GROUPED, 0));
          refused(
              "--qk-fix needs inputs of their own for queries and keys; give --qk-fix=false, or"
                  + " --separate-qkv",
              () -> new AtpStar(EAP).requireFit(joint.graph(), null));
          assertEquals(joint.graph().edgeCount(), scores(joint, atp(false, true, false, 0)).length);
        });
    with(
        "sequential LN, folded",
        false,
        model -> refused("--qk-fix needs inputs", () -> new AtpStar(EAP).score(model, BATCHES)));
    ComputationGraph one =
        ComputationGraph.factorized(1, 2, ComputationGraph.Wiring.SEQUENTIAL, true, 0);
    refused("--grad-drop needs blocks=2 or more", () -> new AtpStar(EAP).requireFit(one, null));
  }

  private static void refused(String why, org.junit.jupiter.api.function.Executable what) {
    String message = assertThrows(IllegalArgumentException.class, what).getMessage();
    assertTrue(message.startsWith(why), message);
  }
}
