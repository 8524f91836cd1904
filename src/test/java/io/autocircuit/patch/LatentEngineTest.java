package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.kernels.Tolerance;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Autoencoder.Scaling;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Runs along graphs of latents against what must hold by definition, in float64 on tiny random
 * models with random autoencoders.
 */
class LatentEngineTest {
  private static final Tolerance EXACT = new Tolerance(1e-10, 1e-10);
  private static final int PROMPTS = 3;
  private static final int LENGTH = 4;
  private static final int LATENTS = 5;

  private static final LossFunction LOSS =
      (logits, batch, reference) ->
          Answers.difference(
              LogitFunction.LOGPROB.apply(logits), batch.answers(), batch.wrongAnswers());

  static Stream<Architecture> architectures() {
    return RandomModels.architectures().filter(a -> !a.config().attentionOnly());
  }

  private static Tensor random(Random random, Placement place, long... shape) {
    float[] values = new float[(int) Arrays.stream(shape).reduce(1, (x, y) -> x * y)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return place.tensor(values, shape);
  }

  /** Random autoencoders; the last latent is never active. */
  static Autoencoders autoencoders(
      Transformer model, Scaling scaling, int chosen, boolean everyBlock, boolean error) {
    Random random = new Random(3);
    Placement place = model.placement();
    int d = model.config().dModel();
    List<Autoencoder> blocks = new ArrayList<>();
    for (int b = 0; b < model.config().blocks(); b++) {
      float[] bias = new float[LATENTS];
      bias[LATENTS - 1] = -1e4f;
      blocks.add(
          b == 0 && !everyBlock
              ? null
              : new Autoencoder(
                  random(random, place, d, LATENTS),
                  place.tensor(bias, LATENTS),
                  b == 1 ? place.tensor(new float[] {0.1f, 0, 0.2f, 0, 0}, LATENTS) : null,
                  chosen,
                  random(random, place, d),
                  random(random, place, LATENTS, d),
                  random(random, place, d),
                  scaling,
                  IntStream.range(0, LATENTS).toArray()));
    }
    return Autoencoders.of(blocks, error, place);
  }

  private static PatchableModel patchable(
      Transformer model, boolean separate, int positions, Kernels kernels) {
    return PatchableModel.of(model, separate, positions, OutputSlice.LAST_SEQ, kernels);
  }

  private static float[] randomMask(int length, Random random) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = random.nextInt(3) == 0 ? random.nextFloat() : random.nextInt(2);
    }
    return values;
  }

  /** The edge that an edge of a latent or an error stands for, in a graph without them. */
  private static int edge(ComputationGraph plain, Edge edge) {
    String source = edge.source().name().replaceFirst(" (Latent \\d+|Error)$", "");
    return plain.edge(source + "->" + edge.destination().name(), edge.position()).index();
  }

  /** With the error term, latents and what is left over are the MLP. */
  @ParameterizedTest
  @MethodSource("architectures")
  void latentsAndTheirErrorAreTheMlp(Architecture a) {
    for (Kernels kernels : List.of(KernelsProvider.choose().kernels(), new LibtorchKernels())) {
      try (TensorScope scope = new TensorScope();
          Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
          Autoencoders all = autoencoders(plain, Scaling.NONE, 0, false, true)) {
        Transformer latent = plain.withAutoencoders(all);
        PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
        for (int positions : new int[] {0, LENGTH}) {
          PatchableModel one = patchable(plain, true, positions, kernels);
          PatchableModel many = patchable(latent, true, positions, kernels);
          assertEquals(LATENTS + 1, many.graph().stages(1).get(1).written());
          Tensor p = SourceOutputs.of(one, batch.corrupt());
          Tensor q = SourceOutputs.of(many, batch.corrupt());
          for (int instances : new int[] {0, PROMPTS}) {
            Random random = new Random(positions + instances);
            PatchMask mask =
                new PatchMask(
                    one.graph(),
                    randomMask(Math.max(1, instances) * one.graph().edgeCount(), random),
                    instances);
            float[] values = new float[Math.max(1, instances) * many.graph().edgeCount()];
            int[] of =
                IntStream.range(0, many.graph().edgeCount())
                    .map(e -> edge(one.graph(), many.graph().edge(e)))
                    .toArray();
            for (int i = 0; i < values.length; i++) {
              int instance = i / of.length;
              values[i] = mask.values()[instance * one.graph().edgeCount() + of[i % of.length]];
            }
            PatchMask spread = new PatchMask(many.graph(), values, instances);
            try (Evaluation x = Evaluation.of(one, batch.clean(), p);
                Evaluation y = Evaluation.of(many, batch.clean(), q)) {
              EXACT.check("logits", x.logits(mask), y.logits(spread));
              Evaluation.Gradient g = x.gradient(mask, LOSS, batch, null);
              Evaluation.Gradient h = y.gradient(spread, LOSS, batch, null);
              double[] sums = new double[g.maskGradient().length];
              for (int i = 0; i < values.length; i++) {
                int instance = i / of.length;
                sums[instance * one.graph().edgeCount() + of[i % of.length]] += h.maskGradient()[i];
              }
              double[] want = new double[sums.length];
              Arrays.setAll(want, i -> g.maskGradient()[i]);
              assertArrayEquals(want, sums, 1e-5, a + " positions=" + positions);
            }
          }
        }
      }
    }
  }

  /** Of latents and what is left over a rule gives, together, what it gives of the MLP. */
  @Test
  void rulesActOnTheModelAndNotOnAutoencoders() {
    List<GradientRules> rules =
        Stream.concat(
                Stream.of(GradientRules.RELP, GradientRules.GIM),
                Arrays.stream(GradientRules.Rule.values()).map(GradientRules::of))
            .toList();
    for (String a : List.of("gated RMS, grouped heads, biases", "sequential LN, scaled")) {
      try (TensorScope scope = new TensorScope();
          Transformer plain = RandomModels.model(RandomModels.named(a), ScalarType.Double, 7);
          Autoencoders all = autoencoders(plain, Scaling.NONE, 0, true, true)) {
        PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
        Kernels kernels = KernelsProvider.choose().kernels();
        PatchableModel one = patchable(plain, true, 0, kernels);
        PatchableModel many = patchable(plain.withAutoencoders(all), true, 0, kernels);
        try (Evaluation x =
                Evaluation.of(one, batch.clean(), SourceOutputs.of(one, batch.corrupt()));
            Evaluation y =
                Evaluation.of(many, batch.clean(), SourceOutputs.of(many, batch.corrupt()))) {
          for (GradientRules rule : rules) {
            float[] want =
                x.gradient(PatchMask.uniform(one.graph(), 0), LOSS, batch, null, rule)
                    .maskGradient();
            float[] got =
                y.gradient(PatchMask.uniform(many.graph(), 0), LOSS, batch, null, rule)
                    .maskGradient();
            double[] sums = new double[want.length];
            for (int e = 0; e < got.length; e++) {
              sums[edge(one.graph(), many.graph().edge(e))] += got[e];
            }
            for (int e = 0; e < want.length; e++) {
              assertEquals(
                  want[e], sums[e], 1e-5 * (1 + Math.abs(want[e])), a + " " + rule.names());
            }
          }
        }
      }
    }
  }

  /** Gradients against differences, with every scaling, choice and threshold. */
  @ParameterizedTest
  @MethodSource("architectures")
  void gradientsAreThoseOfDifferences(Architecture a) {
    Kernels kernels = KernelsProvider.choose().kernels();
    for (Scaling scaling : Scaling.values()) {
      for (boolean error : new boolean[] {false, true}) {
        try (TensorScope scope = new TensorScope();
            Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
            Autoencoders all =
                autoencoders(plain, scaling, scaling == Scaling.LAYER_NORM ? 2 : 0, true, error)) {
          PatchableModel model = patchable(plain.withAutoencoders(all), true, 0, kernels);
          PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
          Random random = new Random(1);
          float[] values = randomMask(model.graph().edgeCount(), random);
          try (Evaluation run =
              Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
            Evaluation.Gradient g =
                run.gradient(PatchMask.of(model.graph(), values), LOSS, batch, null);
            for (int trial = 0; trial < 6; trial++) {
              int e = random.nextInt(values.length);
              double difference = difference(run, model.graph(), values, e, batch);
              double tolerance = 2e-5 * (1 + Math.abs(difference));
              assertEquals(
                  difference,
                  g.maskGradient()[e],
                  tolerance,
                  a + " " + scaling + " error=" + error + " " + model.graph().edge(e));
            }
          }
        }
      }
    }
  }

  private static double difference(
      Evaluation run, ComputationGraph graph, float[] values, int e, PromptBatch batch) {
    double step = 1.0 / (1 << 16);
    double[] losses = new double[2];
    for (int i = 0; i < 2; i++) {
      float[] moved = values.clone();
      moved[e] += (float) (i == 0 ? step : -step);
      try (TensorScope scope = new TensorScope()) {
        Tensor logits = run.logits(PatchMask.of(graph, moved));
        losses[i] = Arrays.stream(Tensors.doubles(LOSS.perPrompt(logits, batch, null))).sum() / 1.0;
      }
    }
    float up = values[e] + (float) step;
    float down = values[e] - (float) step;
    return (losses[0] - losses[1]) / ((double) up - down);
  }

  /** Circuits, one by one and several at once, are masks; restarts change nothing. */
  @ParameterizedTest
  @MethodSource("architectures")
  void circuitsAreMasks(Architecture a) {
    Kernels kernels = KernelsProvider.choose().kernels();
    try (TensorScope scope = new TensorScope();
        Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
        Autoencoders all = autoencoders(plain, Scaling.NONE, 0, true, false)) {
      Transformer latent = plain.withAutoencoders(all);
      PatchableModel model = patchable(latent, false, 0, kernels);
      ComputationGraph graph = model.graph();
      PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
      List<Circuit> circuits = new ArrayList<>();
      circuits.add(Circuit.full(graph));
      circuits.add(Circuit.empty(graph));
      Random random = new Random(4);
      for (int first = 0; first <= graph.blocks(); first++) {
        // all but some edges into a block and what follows it
        List<Edge> kept = new ArrayList<>();
        for (Edge e : Circuit.full(graph).edges()) {
          if (e.destination().block() < first || random.nextBoolean()) {
            kept.add(e);
          }
        }
        circuits.add(Circuit.of(graph, kept));
      }
      for (Ablation ablation : Ablation.standard()) {
        try (AblationValues values = AblationValues.prepare(model, ablation, List.of(batch));
            Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
          for (PatchType type : PatchType.values()) {
            Tensor several = run.logits(circuits, type);
            for (int c = 0; c < circuits.size(); c++) {
              try (Evaluation fresh =
                  Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
                EXACT.check(
                    ablation + " " + c,
                    fresh.logits(circuits.get(c).mask(type)),
                    several.select(0, c));
              }
            }
          }
          EXACT.check(
              "full",
              latent.logits(batch.clean(), OutputSlice.LAST_SEQ),
              run.logits(Circuit.full(graph), PatchType.TREE_PATCH));
        }
      }
    }
  }

  /** Under resampling, all edges into the end from clean give the corrupt run, and back. */
  @Test
  void allEdgesIntoTheEndAreTheOtherRun() {
    Architecture a = architectures().findFirst().orElseThrow();
    try (TensorScope scope = new TensorScope();
        Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
        Autoencoders all = autoencoders(plain, Scaling.NONE, 0, true, false)) {
      Transformer latent = plain.withAutoencoders(all);
      PatchableModel model = patchable(latent, true, 0, KernelsProvider.choose().kernels());
      PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
      float[] values = new float[model.graph().edgeCount()];
      DestModule end = model.graph().modules().get(0);
      Arrays.fill(values, end.offset(), end.offset() + end.sources(), 1f);
      try (Evaluation run =
          Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
        EXACT.check(
            "logits",
            latent.logits(batch.corrupt(), OutputSlice.LAST_SEQ),
            run.logits(PatchMask.of(model.graph(), values)));
      }
    }
  }

  /** What recording gives is what sources write: with the biases their sum is the stream's end. */
  @Test
  void outputsLieWhereRowsSay() {
    Architecture a = architectures().findFirst().orElseThrow();
    try (TensorScope scope = new TensorScope();
        Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
        Autoencoders all = autoencoders(plain, Scaling.NONE, 0, true, true)) {
      PatchableModel one = patchable(plain, true, 0, KernelsProvider.choose().kernels());
      Transformer latent = plain.withAutoencoders(all);
      PatchableModel many = patchable(latent, true, 0, one.kernels());
      PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
      Tensor outputs = SourceOutputs.of(one, batch.clean());
      Tensor rows = SourceOutputs.of(many, batch.clean());
      SourceRows where = many.sourceRows();
      assertEquals(rows.size(0), where.count());
      assertTrue(where.count() < many.graph().sources().size());
      for (SrcNode mlp : one.graph().sources()) {
        if (!mlp.name().startsWith("MLP")) {
          continue;
        }
        Tensor sum = all.block(mlp.block()).outputBias().clone();
        for (SrcNode s : many.graph().sources()) {
          if (s.name().startsWith(mlp.name() + " ")) {
            sum = sum.add(where.written(rows, s, latent));
          }
        }
        EXACT.check(mlp.name(), outputs.select(0, mlp.index()), sum);
      }
    }
  }

  @Test
  void aGraphThatIsNotTheModelsIsRefused() {
    Architecture a = architectures().findFirst().orElseThrow();
    try (Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
        TensorScope scope = new TensorScope();
        Autoencoders all = autoencoders(plain, Scaling.NONE, 0, true, false)) {
      Transformer latent = plain.withAutoencoders(all);
      Kernels kernels = new LibtorchKernels();
      ComputationGraph with = latent.graph(true, KeyValues.PER_QUERY, 0);
      ComputationGraph without = plain.graph(true, KeyValues.PER_QUERY, 0);
      for (boolean wrong : new boolean[] {false, true}) {
        String message =
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        new PatchableModel(
                            wrong ? plain : latent,
                            wrong ? with : without,
                            OutputSlice.LAST_SEQ,
                            kernels))
                .getMessage();
        assertTrue(message.contains("autoencoders"), message);
      }
    }
  }

  /** A gradient from a block on is that of the whole run, if nothing is ablated before. */
  @ParameterizedTest
  @MethodSource("architectures")
  void gradientsBeginAtAnyBlock(Architecture a) {
    try (TensorScope scope = new TensorScope();
        Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
        Autoencoders all = autoencoders(plain, Scaling.NONE, 0, true, true)) {
      PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
      PatchableModel model =
          patchable(plain.withAutoencoders(all), true, 0, KernelsProvider.choose().kernels());
      ComputationGraph graph = model.graph();
      Tensor p = SourceOutputs.of(model, batch.corrupt());
      try (Evaluation run = Evaluation.of(model, batch.clean(), p)) {
        for (int block = graph.blocks(); block >= 0; block--) {
          float[] values = new float[graph.edgeCount()];
          Random random = new Random(block);
          for (int e = 0; e < values.length; e++) {
            values[e] = graph.edge(e).destination().block() < block ? 0 : random.nextFloat();
          }
          PatchMask mask = PatchMask.of(graph, values);
          float[] part =
              run.gradientFrom(mask, block, new GradientOf(LOSS, batch, null)).maskGradient();
          float[] whole = run.gradient(mask, LOSS, batch, null).maskGradient();
          for (int e = 0; e < part.length; e++) {
            boolean before = graph.edge(e).destination().block() < block;
            assertEquals(before ? 0 : whole[e], part[e], 1e-6 * (1 + Math.abs(whole[e])));
          }
        }
        IllegalArgumentException e =
            assertThrows(
                IllegalArgumentException.class,
                () -> run.inputGradient(0.5, false, new GradientOf(LOSS, batch, null)));
        assertTrue(e.getMessage().contains("autoencoders"), e::getMessage);
      }
    }
  }

  /** Spans at other positions of each prompt: each prompt alone in a token graph. */
  @ParameterizedTest
  @MethodSource("architectures")
  void spansSpreadTheirMasks(Architecture a) {
    int[] spans = {0, 1, 1, 2, 1, 0, 2, 2, 0, 0, 1, 2};
    int names = 3;
    try (TensorScope scope = new TensorScope();
        Transformer plain = RandomModels.model(a, ScalarType.Double, 7);
        Autoencoders all = autoencoders(plain, Scaling.NONE, 0, true, true)) {
      Transformer latent = plain.withAutoencoders(all);
      PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
      Kernels kernels = KernelsProvider.choose().kernels();
      PatchableModel tokens = patchable(latent, true, LENGTH, kernels);
      PatchableModel model = tokens.withSpans(List.of("a", "b", "c"));
      float[] values = randomMask(model.graph().edgeCount(), new Random(1));
      PatchMask mask = PatchMask.of(model.graph(), values);
      float[] gradient;
      double[] logits;
      try (Evaluation run =
          Evaluation.of(
              model, batch.clean().withSpans(spans), SourceOutputs.of(model, batch.corrupt()))) {
        logits = Tensors.doubles(run.logits(mask));
        gradient = run.gradient(mask, LOSS, batch, null).maskGradient();
      }
      double[] sums = new double[gradient.length];
      for (int i = 0; i < PROMPTS; i++) {
        PromptBatch alone = batch.slice(i, i + 1);
        float[] spread = new float[tokens.graph().edgeCount()];
        for (int e = 0; e < spread.length; e++) {
          spread[e] = values[e / LENGTH * names + spans[i * LENGTH + e % LENGTH]];
        }
        PatchMask own = PatchMask.of(tokens.graph(), spread);
        try (Evaluation run =
            Evaluation.of(tokens, alone.clean(), SourceOutputs.of(tokens, alone.corrupt()))) {
          double[] expected = Tensors.doubles(run.logits(own));
          for (int v = 0; v < expected.length; v++) {
            assertEquals(expected[v], logits[i * expected.length + v], 1e-9);
          }
          float[] g = run.gradient(own, LOSS, alone, null).maskGradient();
          for (int e = 0; e < g.length; e++) {
            sums[e / LENGTH * names + spans[i * LENGTH + e % LENGTH]] += g[e];
          }
        }
      }
      for (int e = 0; e < sums.length; e++) {
        assertEquals(sums[e], gradient[e], 1e-5 * (1 + Math.abs(sums[e])));
      }
    }
  }
}
