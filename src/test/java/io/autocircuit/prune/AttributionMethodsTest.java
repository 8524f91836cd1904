package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** What holds of attribution methods on any model; their numbers: {@code ReferenceEapIg}. */
class AttributionMethodsTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(3, 5, 3), RandomModels.batch(2, 5, 4));

  private static void with(String architecture, boolean factorized, Consumer<PatchableModel> test) {
    try (Transformer model =
        RandomModels.model(RandomModels.named(architecture), ScalarType.Double, 5)) {
      ComputationGraph graph =
          factorized
              ? model.graph(true, KeyValues.GROUPED, 0)
              : model.config().unfactorizedGraph(0);
      test.accept(
          new PatchableModel(
              model, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels()));
    }
  }

  private static EdgeGroups sources(ComputationGraph graph) {
    int[] groups = new int[graph.edgeCount()];
    Arrays.setAll(groups, e -> graph.edge(e).source().index());
    return EdgeGroups.of(graph, groups, graph.sources().size());
  }

  private static final MaskGradient EAP = MaskGradient.eap();

  private static final List<PruneAlgorithm> GRADIENTS =
      List.of(
          EAP,
          new EapIgInputs(EAP, 2),
          new CleanCorrupted(EAP),
          new EapIgActivations(EAP, 2),
          new EapIgActivations(EAP, 2, true));

  @Test
  void neuronsAddUpToNodesAndPromptsToTheMean() {
    for (String a : List.of("sequential LN, scaled", "parallel LN, rotary", "attention-only LN")) {
      with(
          a,
          true,
          model -> {
            for (PruneAlgorithm algorithm : GRADIENTS) {
              String name = a + ", " + algorithm.title();
              float[] nodes =
                  algorithm.score(model, BATCHES, sources(model.graph()), Progress.SILENT).values();
              NeuronScores neurons =
                  ((NeuronAlgorithm) algorithm).scoreNeurons(model, BATCHES, Progress.SILENT);
              float largest = 0;
              for (float n : nodes) {
                largest = Math.max(largest, Math.abs(n));
              }
              assertTrue(largest > 0, name);
              for (int s = 0; s < nodes.length; s++) {
                assertEquals(nodes[s], neurons.node(s), 1e-5 * largest, name + " " + s);
              }
              PromptScores each =
                  ((PromptAlgorithm) algorithm).scorePrompts(model, BATCHES, Progress.SILENT);
              assertEquals(5, each.prompts());
              assertArrayEquals(
                  algorithm.score(model, BATCHES).values(), each.mean().values(), 1e-6f, name);
            }
          });
    }
  }

  /** Of five prompts in batches of two, the last has one, which counts twice as much. */
  @Test
  void theLibrarysScoresAreSumsOfBatchMeansOverAllPrompts() {
    PromptBatch all = RandomModels.batch(5, 5, 3);
    List<PromptBatch> other =
        List.of(RandomModels.rows(all, 3, 1), RandomModels.rows(all, 4, 0, 2));
    with(
        "sequential LN, scaled",
        true,
        model -> {
          divided(model, EAP, all, other);
          divided(model, new EapIgInputs(EAP, 2), all, other);
          EdgeGroups groups = sources(model.graph());
          LibraryBatches<MaskGradient> two = new LibraryBatches<>(EAP, 2);
          refused(
              "library_batch=2 leaves a shorter batch of prompts=5",
              () -> two.score(model, other, groups, Progress.SILENT));
          refused("library_batch=2 leaves", () -> two.scoreNeurons(model, other, Progress.SILENT));
          for (int size : new int[] {5, 9}) { // the one batch that there is has all five
            LibraryBatches<MaskGradient> one = new LibraryBatches<>(EAP, size);
            fifth(
                EAP.score(model, other, groups, Progress.SILENT).values(),
                one.score(model, other, groups, Progress.SILENT).values());
            fifth(
                EAP.scoreNeurons(model, other, Progress.SILENT).values(),
                one.scoreNeurons(model, other, Progress.SILENT).values());
            fifth(EAP.score(model, other).values(), one.score(model, other).values());
          }
        });
    refused("library_batch=0", () -> new LibraryBatches<>(EAP, 0));
    Settings both =
        Settings.of(new EapProvider().settings(), Map.of("sum", true, "library_batch", 3));
    refused(
        "--sum and --library-batch=3", () -> new EapProvider().create(both, PruneContext.STANDARD));
  }

  private static <A extends PromptAlgorithm & NeuronAlgorithm> void divided(
      PatchableModel model, A algorithm, PromptBatch all, List<PromptBatch> other) {
    List<float[]> s = algorithm.scorePrompts(model, List.of(all), Progress.SILENT).values();
    float[] mine = new LibraryBatches<>(algorithm, 2).score(model, other).values();
    for (int e = 0; e < mine.length; e++) {
      double want =
          ((s.get(0)[e] + s.get(1)[e]) / 2 + (s.get(2)[e] + s.get(3)[e]) / 2 + s.get(4)[e]) / 5;
      assertEquals(want, mine[e], 1e-5 * (1e-3 + Math.abs(want)), algorithm.title());
    }
  }

  private static void fifth(float[] mean, float[] divided) {
    for (int i = 0; i < mean.length; i++) {
      assertEquals(mean[i] / 5, divided[i], 1e-6 * Math.abs(mean[i]));
    }
  }

  @Test
  void cleanCorruptedIsTheMeanOfItsEnds() {
    with(
        "gated RMS, grouped heads, biases",
        true,
        model -> {
          float[] both = new CleanCorrupted(EAP).score(model, BATCHES).values();
          float[] clean = EAP.score(model, BATCHES).values();
          float[] corrupt = new EapIgInputs(EAP, 1).score(model, BATCHES).values();
          for (int e = 0; e < both.length; e++) {
            assertEquals((clean[e] + corrupt[e]) / 2, both[e], 1e-6);
          }
          // one step is the clean run alone
          assertArrayEquals(
              clean, new EapIgActivations(EAP, 1).score(model, BATCHES).values(), 1e-6f);
        });
  }

  @Test
  void conductanceAddsUpToTheLoss() {
    with(
        "sequential LN, scaled",
        true,
        model -> {
          float[] one = new Ceap(EAP, 1).score(model, BATCHES).values();
          float[] inputs = new EapIgInputs(EAP, 1).score(model, BATCHES).values();
          for (int e = 0; e < one.length; e++) {
            // the ablated input gives the ablation values, so that the step is the whole way
            assertEquals(inputs[e], one[e], 1e-5 * (1 + Math.abs(inputs[e])));
          }
          double end = 0;
          for (PromptBatch b : BATCHES) {
            try (TensorScope scope = new TensorScope()) {
              double clean = loss(model, b, b.clean());
              end += loss(model, b, b.corrupt()) - clean;
            }
          }
          double few = Math.abs(intoEnd(model, 64) - end / 5);
          double many = Math.abs(intoEnd(model, 512) - end / 5);
          assertTrue(many < few / 2 && many < 0.05 * Math.abs(end / 5), few + " " + many);
          PromptScores each = new Ceap(EAP, 3).scorePrompts(model, BATCHES, Progress.SILENT);
          assertArrayEquals(
              new Ceap(EAP, 3).score(model, BATCHES).values(), each.mean().values(), 1e-6f);
        });
  }

  private static double intoEnd(PatchableModel model, int steps) {
    float[] scores = new Ceap(EAP, steps).score(model, BATCHES).values();
    double sum = 0;
    for (int e = 0; e < scores.length; e++) {
      sum += model.graph().edge(e).destination().input() == Input.END ? scores[e] : 0;
    }
    return sum;
  }

  private static double loss(PatchableModel model, PromptBatch batch, TokenBatch run) {
    return Arrays.stream(Tensors.doubles(EAP.loss().perPrompt(model.logits(run), batch, null)))
        .sum();
  }

  @Test
  void flowIntoADestinationAddsUpToOneAtMost() {
    for (String a : List.of("sequential LN, folded", "parallel LN, rotary")) {
      with(
          a,
          true,
          model -> {
            float[] scores = new InformationFlowRoutes().score(model, BATCHES).values();
            Map<String, Double> sums = new HashMap<>();
            for (int e = 0; e < scores.length; e++) {
              assertTrue(scores[e] >= 0);
              sums.merge(
                  model.graph().edge(e).destination().name(), (double) scores[e], Double::sum);
            }
            // less where at a position nothing comes nearer
            sums.forEach(
                (name, sum) -> assertTrue(sum > 0.1 && sum < 1 + 1e-5, a + " " + name + sum));
            assertEquals(1, Collections.max(sums.values()), 1e-5, a);
          });
    }
  }

  /** The only input of a parallel block's first MLP is the start of the stream. */
  @Test
  void whatLeavesStarvedNodesIsAblatedOnDemand() {
    with(
        "parallel LN, rotary",
        true,
        model -> {
          float[] alone = new ExactPatching(zero()).score(model, BATCHES).values();
          float[] pruned = new ExactPatching(zero(), true).score(model, BATCHES).values();
          for (int e = 0; e < alone.length; e++) {
            boolean only = model.graph().edge(e).name().equals("Resid Start->MLP 0");
            assertEquals(!only, Math.abs(alone[e] - pruned[e]) < 1e-6, e + "");
          }
        });
  }

  private static MaskGradient zero() {
    return new MaskGradient(
        EAP.logitFunction(), EAP.answerFunction(), 0, 0, Ablation.ZERO, EAP.source());
  }

  @Test
  void whatDoesNotFitIsRefused() {
    refused("steps=0", () -> new EapIgInputs(EAP, 0));
    refused("steps=0", () -> new EapIgActivations(EAP, 0));
    with(
        "sequential LN, folded",
        false,
        model -> {
          refused(
              "--algorithm eap-ig-activations does not fit an unfactorized graph",
              () -> new EapIgActivations(EAP, 2).requireFit(model.graph(), null));
          refused(
              "gradients between activations",
              () -> new EapIgActivations(EAP, 2).score(model, BATCHES));
          refused(
              "--algorithm information-flow-routes",
              () -> new InformationFlowRoutes().requireFit(model.graph(), null));
          refused(
              "neurons are scored in factorized graphs",
              () -> EAP.scoreNeurons(model, BATCHES, Progress.SILENT));
        });
    with(
        "sequential LN, folded",
        true,
        model ->
            refused(
                "neurons are scored where nothing is ablated",
                () -> MaskGradient.integrated(2).scoreNeurons(model, BATCHES, Progress.SILENT)));
  }

  private static void refused(String why, org.junit.jupiter.api.function.Executable what) {
    String message = assertThrows(IllegalArgumentException.class, what).getMessage();
    assertTrue(message.startsWith(why), message);
  }
}
