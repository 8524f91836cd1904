package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Tolerance;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.RandomScores;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The engine against what must hold by definition, on tiny random models of every architecture in
 * float64: gradients against finite differences, shortcuts against the full computation, limits
 * against the unpatched runs.
 */
@Tag("slow")
class EngineOracleTest {
  private static final Tolerance EXACT = new Tolerance(1e-11, 1e-11);
  private static final int LENGTH = 4;
  private static final int PROMPTS = 2;

  static Stream<Architecture> architectures() {
    return RandomModels.architectures();
  }

  static Stream<Architecture> some() {
    return RandomModels.sample(2);
  }

  private static List<Kernels> kernels() {
    return List.of(KernelsProvider.choose().kernels(), new LibtorchKernels());
  }

  private static Transformer model(Architecture a) {
    return RandomModels.model(a, ScalarType.Double, 1 + a.toString().length());
  }

  /** Depends on every logit, smoothly. */
  private static final LossFunction LOSS =
      (logits, batch, reference) ->
          Divergence.kl(logits, reference)
              .add(
                  Answers.difference(
                      LogitFunction.PROB.apply(logits), batch.answers(), batch.wrongAnswers()));

  private static float[] random(int length, Random random, double share) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = random.nextDouble() < share ? random.nextFloat() : 0;
    }
    return values;
  }

  // ---------------------------------------------------------------- gradients

  /** All zero, uniform, random, and one mask for each prompt. */
  private static List<PatchMask> masks(ComputationGraph graph, Random random) {
    int n = graph.edgeCount();
    return List.of(
        PatchMask.uniform(graph, 0),
        PatchMask.uniform(graph, 0.3),
        PatchMask.of(graph, random(n, random, 0.7)),
        new PatchMask(graph, random(PROMPTS * n, random, 0.7), PROMPTS));
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void gradientsEqualFiniteDifferences(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 5);
    Random random = new Random(6);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (Kernels kernels : kernels()) {
        for (boolean separate : new boolean[] {true, false}) {
          for (int positions : new int[] {0, LENGTH}) {
            for (OutputSlice slice :
                List.of(separate == (positions == 0) ? OutputSlice.LAST_SEQ : OutputSlice.ALL)) {
              PatchableModel model =
                  PatchableModel.of(transformer, separate, positions, slice, kernels);
              try (TensorScope inner = new TensorScope();
                  Evaluation run =
                      Evaluation.of(
                          model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
                for (PatchMask mask : masks(model.graph(), random)) {
                  String name =
                      String.join(
                          ", ",
                          a.toString(),
                          kernels.name(),
                          separate ? "separate" : "joint",
                          "positions=" + positions,
                          slice.name(),
                          "instances=" + mask.instances());
                  checkGradient(name, run, mask, batch, model.logits(batch.clean()), random);
                }
              }
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("some")
  void gradientsEqualFiniteDifferencesUnderEveryAblation(Architecture a) {
    List<PromptBatch> dataset =
        List.of(RandomModels.batch(PROMPTS, LENGTH, 7), RandomModels.batch(PROMPTS, LENGTH, 8));
    Random random = new Random(9);
    PromptBatch batch = dataset.get(1);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (Ablation ablation : Ablation.standard()) {
        PatchableModel model =
            PatchableModel.of(
                transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
        try (TensorScope inner = new TensorScope();
            AblationValues values = AblationValues.prepare(model, ablation, dataset);
            Evaluation run = Evaluation.of(model, batch.clean(), values.of(batch.corrupt()))) {
          PatchMask mask =
              PatchMask.of(model.graph(), random(model.graph().edgeCount(), random, 0.7));
          String name = a + ", " + ablation;
          checkGradient(name, run, mask, batch, model.logits(batch.clean()), random);
        }
      }
    }
  }

  /** Some single edges, and random directions that move all edges at once. */
  private static void checkGradient(
      String name,
      Evaluation run,
      PatchMask mask,
      PromptBatch batch,
      Tensor reference,
      Random random) {
    Evaluation.Gradient gradient = run.gradient(mask, LOSS, batch, reference);
    int n = mask.values().length;
    assertEquals(n, gradient.maskGradient().length);
    assertEquals(
        loss(run, mask.values(), mask, batch, reference),
        Arrays.stream(gradient.losses()).sum(),
        1e-12);
    double largest = 0;
    for (float g : gradient.maskGradient()) {
      largest = Math.max(largest, Math.abs(g));
    }
    assertTrue(largest > 1e-6, name + ": some gradient must differ from 0");
    for (int probe = 0; probe < 4; probe++) {
      float[] direction = new float[n];
      if (probe < 2) {
        for (int i = 0; i < n; i++) {
          direction[i] = (float) (random.nextGaussian() / Math.sqrt(n));
        }
      } else {
        direction[random.nextInt(n)] = 1;
      }
      float step = 0x1p-20f;
      float[] up = mask.values().clone();
      float[] down = mask.values().clone();
      double expected = 0;
      for (int i = 0; i < n; i++) {
        up[i] += step * direction[i];
        down[i] -= step * direction[i];
        // masks are float32: take the difference that was really made
        expected += gradient.maskGradient()[i] * ((double) up[i] - down[i]);
      }
      double measured =
          loss(run, up, mask, batch, reference) - loss(run, down, mask, batch, reference);
      double tolerance = 2 * step * (1e-6 + 1e-6 * largest);
      assertEquals(measured, expected, tolerance, name + ", probe " + probe);
    }
  }

  private static double loss(
      Evaluation run, float[] values, PatchMask like, PromptBatch batch, Tensor reference) {
    try (TensorScope scope = new TensorScope()) {
      Tensor logits = run.logits(new PatchMask(like.graph(), values, like.instances()));
      return Arrays.stream(Tensors.doubles(LOSS.perPrompt(logits, batch, reference))).sum();
    }
  }

  // ---------------------------------------------------------------- restarts

  @ParameterizedTest
  @MethodSource("architectures")
  void restartsEqualFullRunsInAnyOrder(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 11);
    Random random = new Random(12);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (Kernels kernels : kernels()) {
        for (int positions : new int[] {0, LENGTH}) {
          PatchableModel model =
              PatchableModel.of(transformer, true, positions, OutputSlice.ALL, kernels);
          ComputationGraph graph = model.graph();
          Tensor ablations = SourceOutputs.of(model, batch.corrupt());
          try (Evaluation run = Evaluation.of(model, batch.clean(), ablations)) {
            for (int step = 0; step < 20; step++) {
              int from = random.nextInt(graph.blocks() + 1);
              int instances = random.nextBoolean() ? PROMPTS : 0;
              // sparse masks leave sources unread, whose Δ a later run must not take for its own
              float[] values =
                  random(Math.max(1, instances) * graph.edgeCount(), random, step % 2 * 0.6 + 0.05);
              for (int i = 0; i < values.length; i++) {
                if (graph.edge(i % graph.edgeCount()).destination().block() < from) {
                  values[i] = 0;
                }
              }
              PatchMask mask = new PatchMask(graph, values, instances);
              if (step % 7 == 3) {
                run.gradient(
                    PatchMask.uniform(graph, 0.5), LOSS, batch, model.logits(batch.clean()));
              }
              try (TensorScope inner = new TensorScope();
                  Evaluation fresh = Evaluation.of(model, batch.clean(), ablations)) {
                EXACT.check(
                    a + ", " + kernels.name() + ", step " + step + " from block " + from,
                    fresh.logits(mask),
                    run.logitsFrom(mask, from));
              }
            }
          }
        }
      }
    }
  }

  /** Kernels that multiply every Δ, read or not, must not meet NaN left over in memory. */
  @ParameterizedTest
  @MethodSource("architectures")
  void unreadSourcesSpoilNothing(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 31);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      PatchableModel model =
          PatchableModel.of(transformer, true, 0, OutputSlice.ALL, new LibtorchKernels());
      Tensor ablations = SourceOutputs.of(model, batch.corrupt());
      for (int e = 0; e < model.graph().edgeCount(); e++) {
        poison(ablations.shape());
        try (TensorScope inner = new TensorScope();
            Evaluation run = Evaluation.of(model, batch.clean(), ablations)) {
          Circuit one = Circuit.of(model.graph(), List.of(model.graph().edge(e)));
          Tensor logits = run.logits(one.mask(PatchType.EDGE_PATCH));
          assertTrue(
              Arrays.stream(Tensors.doubles(logits)).allMatch(Double::isFinite),
              a + ", " + model.graph().edge(e));
        }
      }
    }
  }

  /** Leaves NaN in the memory that the next allocation of that size is likely to get. */
  private static void poison(long... shape) {
    try (TensorScope scope = new TensorScope()) {
      for (int i = 0; i < 4; i++) {
        Tensors.empty(ScalarType.Double, shape).fill_(new org.bytedeco.pytorch.Scalar(Double.NaN));
      }
    }
  }

  // ---------------------------------------------------------------- limits

  @ParameterizedTest
  @MethodSource("some")
  void limitsAreThePlainRuns(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 13);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (Kernels kernels : kernels()) {
        for (boolean separate : new boolean[] {true, false}) {
          for (int positions : new int[] {0, LENGTH}) {
            for (OutputSlice slice : OutputSlice.values()) {
              PatchableModel model =
                  PatchableModel.of(transformer, separate, positions, slice, kernels);
              ComputationGraph graph = model.graph();
              Tensor clean = model.logits(batch.clean());
              Tensor corrupt = model.logits(batch.corrupt());
              List<Circuit> circuits = List.of(Circuit.empty(graph), Circuit.full(graph));
              for (PatchType type : PatchType.values()) {
                for (boolean reversed : new boolean[] {false, true}) {
                  new CircuitRuns(type, Ablation.RESAMPLE, reversed)
                      .forEach(
                          model,
                          List.of(batch),
                          circuits,
                          (c, b, logits) ->
                              EXACT.check(
                                  a + ", " + type + ", reversed=" + reversed + ", circuit " + c,
                                  (c == 1) == reversed ? corrupt : clean,
                                  logits));
                }
              }
              try (Evaluation run =
                  Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
                EXACT.check(a + ", mask 0", clean, run.logits(PatchMask.uniform(graph, 0)));
              }
            }
          }
        }
      }
    }
  }

  /** One mask for each prompt is each prompt's mask for it; positions are masked on their own. */
  @ParameterizedTest
  @MethodSource("architectures")
  void masksOfPromptsAndPositions(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 15);
    Random random = new Random(16);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (Kernels kernels : kernels()) {
        PatchableModel model = PatchableModel.of(transformer, true, 0, OutputSlice.ALL, kernels);
        int n = model.graph().edgeCount();
        float[] values = random(PROMPTS * n, random, 0.5);
        Tensor ablations = SourceOutputs.of(model, batch.corrupt());
        try (Evaluation run = Evaluation.of(model, batch.clean(), ablations)) {
          Tensor together = run.logits(new PatchMask(model.graph(), values, PROMPTS));
          for (int i = 0; i < PROMPTS; i++) {
            float[] own = Arrays.copyOfRange(values, i * n, (i + 1) * n);
            EXACT.check(
                a + ", prompt " + i,
                run.logits(PatchMask.of(model.graph(), own)).select(0, i),
                together.select(0, i));
          }
          PatchableModel tokens =
              PatchableModel.of(transformer, true, LENGTH, OutputSlice.ALL, kernels);
          float[] same = new float[n * LENGTH];
          for (int i = 0; i < same.length; i++) {
            same[i] = values[i / LENGTH];
          }
          try (Evaluation other = Evaluation.of(tokens, batch.clean(), ablations)) {
            EXACT.check(
                a + ", equal at all positions",
                run.logits(PatchMask.of(model.graph(), Arrays.copyOf(values, n))),
                other.logits(PatchMask.of(tokens.graph(), same)));
          }
        }
      }
    }
  }

  /** A mask that is equal for Q, K and V is the joint graph's mask. */
  @ParameterizedTest
  @MethodSource("architectures")
  void jointInputsAreEqualSeparateOnes(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 17);
    Random random = new Random(18);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (Kernels kernels : kernels()) {
        PatchableModel joint = PatchableModel.of(transformer, false, 0, OutputSlice.ALL, kernels);
        PatchableModel separate = PatchableModel.of(transformer, true, 0, OutputSlice.ALL, kernels);
        float[] values = random(joint.graph().edgeCount(), random, 0.6);
        float[] spread = new float[separate.graph().edgeCount()];
        for (int e = 0; e < spread.length; e++) {
          String name = separate.graph().edge(e).name().replaceAll("\\.[QKV]$", "");
          spread[e] = values[joint.graph().edge(name, -1).index()];
        }
        Tensor ablations = SourceOutputs.of(joint, batch.corrupt());
        try (Evaluation one = Evaluation.of(joint, batch.clean(), ablations);
            Evaluation other = Evaluation.of(separate, batch.clean(), ablations)) {
          PatchMask mask = PatchMask.of(joint.graph(), values);
          PatchMask wide = PatchMask.of(separate.graph(), spread);
          EXACT.check(a + ", logits", one.logits(mask), other.logits(wide));
          Tensor reference = joint.logits(batch.clean());
          float[] g = one.gradient(mask, LOSS, batch, reference).maskGradient();
          float[] h = other.gradient(wide, LOSS, batch, reference).maskGradient();
          double[] sum = new double[g.length];
          for (int e = 0; e < h.length; e++) {
            String name = separate.graph().edge(e).name().replaceAll("\\.[QKV]$", "");
            sum[joint.graph().edge(name, -1).index()] += h[e];
          }
          double[] mine = IntStream.range(0, g.length).mapToDouble(i -> g[i]).toArray();
          new Tolerance(1e-6, 1e-6).check(a + ", gradient", new long[] {g.length}, sum, mine);
        }
      }
    }
  }

  // ---------------------------------------------------------------- padding

  @ParameterizedTest
  @MethodSource("some")
  void paddedBatchesEqualSinglePrompts(Architecture a) {
    int[] lengths = {3, 5, 1, 4};
    PromptBatch padded = RandomModels.batch(lengths, 6, 19);
    PruneAlgorithm eap = MaskGradient.eap();
    Random random = new Random(20);
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      for (Kernels kernels : kernels()) {
        PatchableModel model =
            PatchableModel.of(transformer, true, 0, OutputSlice.LAST_SEQ, kernels);
        ComputationGraph graph = model.graph();
        PatchMask mask = PatchMask.of(graph, random(graph.edgeCount(), random, 0.5));
        Tensor plain = model.logits(padded.clean());
        List<PromptBatch> singles = RandomModels.split(padded, 1);
        try (Evaluation together =
            Evaluation.of(model, padded.clean(), SourceOutputs.of(model, padded.corrupt()))) {
          Tensor patched = together.logits(mask);
          double[] sum = new double[graph.edgeCount()];
          for (int i = 0; i < lengths.length; i++) {
            PromptBatch one = singles.get(i);
            assertEquals(lengths[i], one.clean().length());
            try (Evaluation alone =
                Evaluation.of(model, one.clean(), SourceOutputs.of(model, one.corrupt()))) {
              String name = a + ", " + kernels.name() + ", prompt " + i;
              EXACT.check(name, model.logits(one.clean()), plain.narrow(0, i, 1));
              EXACT.check(name + ", patched", alone.logits(mask), patched.narrow(0, i, 1));
              float[] g = alone.gradient(mask, LOSS, one, model.logits(one.clean())).maskGradient();
              for (int e = 0; e < g.length; e++) {
                sum[e] += g[e];
              }
            }
          }
          float[] g = together.gradient(mask, LOSS, padded, plain).maskGradient();
          double[] mine = IntStream.range(0, g.length).mapToDouble(e -> g[e]).toArray();
          new Tolerance(1e-6, 1e-6).check(a + ", gradient", new long[] {g.length}, sum, mine);
        }
        float[] scores = eap.score(model, singles).values();
        assertArrayEquals(scores, eap.score(model, List.of(padded)).values(), 1e-6f, a + ", EAP");
        for (Ablation ablation :
            List.of(
                Ablation.TOKENWISE_MEAN_CLEAN,
                Ablation.TOKENWISE_MEAN_CORRUPT,
                Ablation.TOKENWISE_MEAN_CLEAN_AND_CORRUPT,
                Ablation.ZERO)) {
          for (PatchType type : PatchType.values()) {
            Circuit half = new RandomScores(3).score(model, singles).top(graph.edgeCount() / 2);
            List<double[]> alone = logits(model, type, ablation, half, singles);
            double[] all = logits(model, type, ablation, half, List.of(padded)).get(0);
            double[] joined = alone.stream().flatMapToDouble(Arrays::stream).toArray();
            EXACT.check(
                a + ", " + kernels.name() + ", " + type + ", " + ablation,
                new long[] {all.length},
                joined,
                all);
          }
        }
      }
    }
  }

  private static List<double[]> logits(
      PatchableModel model,
      PatchType type,
      Ablation ablation,
      Circuit circuit,
      List<PromptBatch> batches) {
    List<double[]> list = new ArrayList<>();
    CircuitRuns.of(type, ablation)
        .forEach(model, batches, List.of(circuit), (c, b, l) -> list.add(Tensors.doubles(l)));
    return list;
  }

  // ---------------------------------------------------------------- batch size, threads

  @ParameterizedTest
  @MethodSource("some")
  void scoresDoNotDependOnTheBatchSize(Architecture a) {
    PromptBatch all = RandomModels.batch(5, LENGTH, 21);
    List<PruneAlgorithm> algorithms =
        List.of(
            MaskGradient.eap(),
            MaskGradient.integrated(2),
            new MaskGradient(
                LogitFunction.LOGPROB,
                MaskGradient.AnswerFunction.AVG_VAL,
                0.3,
                0,
                Ablation.TOKENWISE_MEAN_CORRUPT,
                MaskGradient.PatchSource.CORRUPT),
            Acdc.kl(1e-2));
    try (TensorScope scope = new TensorScope();
        Transformer transformer = model(a)) {
      PatchableModel model =
          PatchableModel.of(
              transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      for (PruneAlgorithm algorithm : algorithms) {
        float[] whole = algorithm.score(model, List.of(all)).values();
        for (int size : algorithm instanceof Acdc ? new int[] {2} : new int[] {1, 2, 3}) {
          assertArrayEquals(
              whole,
              algorithm.score(model, RandomModels.split(all, size)).values(),
              1e-5f,
              a + ", " + algorithm.title() + ", batch size " + size);
        }
      }
    }
  }

  @Test
  void threadsShareAModel() throws Exception {
    List<PromptBatch> batches =
        List.of(RandomModels.batch(PROMPTS, LENGTH, 23), RandomModels.batch(PROMPTS, LENGTH, 24));
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try (Transformer transformer =
        RandomModels.model(RandomModels.named("sequential LN, scaled"), ScalarType.Float, 2)) {
      PatchableModel model =
          PatchableModel.of(
              transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      int n = model.graph().edgeCount();
      List<Callable<List<double[]>>> work = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        Circuit circuit = new RandomScores(i).score(model, batches).top(n * i / 12);
        PatchType type = PatchType.values()[i % 2];
        Ablation ablation = Ablation.standard().get(i % Ablation.standard().size());
        work.add(
            () -> {
              List<double[]> all = new ArrayList<>();
              for (int repeat = 0; repeat < 5; repeat++) {
                all.addAll(logits(model, type, ablation, circuit, batches));
              }
              float[] eap = MaskGradient.eap().score(model, batches).values();
              all.add(IntStream.range(0, n).mapToDouble(e -> eap[e]).toArray());
              return all;
            });
      }
      List<List<double[]>> sequential = new ArrayList<>();
      for (Callable<List<double[]>> w : work) {
        sequential.add(w.call());
      }
      List<Future<List<double[]>>> concurrent = threads.invokeAll(work);
      for (int i = 0; i < work.size(); i++) {
        for (int k = 0; k < sequential.get(i).size(); k++) {
          assertArrayEquals(
              sequential.get(i).get(k),
              concurrent.get(i).get().get(k),
              "work " + i + ", part " + k);
        }
      }
    } finally {
      threads.shutdownNow();
    }
  }

  // ---------------------------------------------------------------- weights

  @ParameterizedTest
  @MethodSource("architectures")
  void processedWeightsGiveTheSameLogProbabilities(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 25);
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> weights = RandomModels.weights(a, ScalarType.Double, 26);
      try (Transformer raw = new Transformer(a.config(), weights, ScalarType.Double)) {
        Tensor want = torch.log_softmax(raw.logits(batch.clean(), OutputSlice.ALL), -1);
        for (int steps = 1; steps < 16; steps++) {
          WeightProcessing processing =
              new WeightProcessing(
                  (steps & 1) != 0, (steps & 2) != 0, (steps & 4) != 0, (steps & 8) != 0);
          // centring what is written is for models whose readers subtract the mean as they are
          boolean allowed =
              !processing.centerWritingWeights()
                  || a.config().normalization().kind() != Normalization.Kind.NONE;
          if (allowed) {
            try (Transformer processed =
                new Transformer(
                    a.config(), processing.apply(a.config(), weights), ScalarType.Double)) {
              EXACT.check(
                  a + ", " + processing,
                  want,
                  torch.log_softmax(processed.logits(batch.clean(), OutputSlice.ALL), -1));
            }
          }
        }
      }
    }
  }

  /** Value biases are folded also where the output has no bias of its own. */
  @Test
  void valueBiasesWithoutAnOutputBias() {
    Architecture a = RandomModels.named("gated RMS, grouped heads, biases");
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 29);
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> weights = RandomModels.weights(a, ScalarType.Double, 30);
      weights.keySet().removeIf(n -> n.endsWith("attn.b_O"));
      Map<String, Tensor> folded = WeightProcessing.DEFAULT.apply(a.config(), weights);
      assertEquals(0, Tensors.doubles(folded.get("blocks.1.attn.b_V").abs().sum())[0]);
      try (Transformer raw = new Transformer(a.config(), weights, ScalarType.Double);
          Transformer processed = new Transformer(a.config(), folded, ScalarType.Double)) {
        EXACT.check(
            "log-probabilities",
            torch.log_softmax(raw.logits(batch.clean(), OutputSlice.ALL), -1),
            torch.log_softmax(processed.logits(batch.clean(), OutputSlice.ALL), -1));
      }
    }
  }

  /** A state dictionary with its own scales and shifts ({@code blocks.0.ln1.w}, …). */
  @ParameterizedTest
  @MethodSource("architectures")
  void hookedTransformerLayout(Architecture a, @TempDir Path dir) throws IOException {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 27);
    write(a, dir);
    if (!asTransformerLens(a)) {
      assertThrows(DataException.class, () -> ModelLoader.load(dir).close());
      return;
    }
    try (TensorScope scope = new TensorScope();
        Transformer direct = RandomModels.model(a, ScalarType.Double, 28);
        Transformer read = ModelLoader.load(dir, null, ScalarType.Double);
        Transformer processed =
            ModelLoader.load(dir, WeightProcessing.DEFAULT, ScalarType.Double)) {
      assertEquals(
          a.scaled(), read.affine(read.config().graph(true, 0).stages(0).get(0)).weight() != null);
      assertEquals(
          a.scaled() && a.biased(), read.affine(read.config().graph(true, 0).end()).bias() != null);
      Tensor want = direct.logits(batch.clean(), OutputSlice.ALL);
      EXACT.check(a + ", read", want, read.logits(batch.clean(), OutputSlice.ALL));
      // weights are processed in the type of the file, float32
      new Tolerance(1e-5, 1e-6)
          .check(
              a + ", processed",
              torch.log_softmax(want, -1),
              torch.log_softmax(processed.logits(batch.clean(), OutputSlice.ALL), -1));
      PatchableModel model =
          PatchableModel.of(
              read, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      try (Evaluation run =
          Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
        EXACT.check(
            a + ", all edges patched",
            model.logits(batch.corrupt()),
            run.logits(PatchMask.uniform(model.graph(), 1)));
      }
    }
  }

  /** TransformerLens's gates have no bias, its RMS no shift, and its LN always one. */
  private static boolean asTransformerLens(Architecture a) {
    boolean shifts = a.config().normalization().kind() == Normalization.Kind.LAYER_NORM;
    return a.plain()
        && !(a.config().gatedMlp() && a.biased())
        && (!a.scaled() || shifts == a.biased());
  }

  private static void write(Architecture a, Path dir) throws IOException {
    TransformerConfig c = a.config();
    ObjectMapper json = new ObjectMapper();
    ObjectNode config = json.createObjectNode();
    config.put("architecture", "HookedTransformer");
    config.put("n_layers", c.blocks()).put("n_heads", c.heads()).put("d_model", c.dModel());
    config.put("d_head", c.dHead()).put("d_vocab", c.vocabulary()).put("n_ctx", c.contextLength());
    config.put("attn_only", c.attentionOnly()).put("gated_mlp", c.gatedMlp());
    if (!c.attentionOnly()) {
      config.put("d_mlp", c.dMlp());
      config.put(
          "act_fn",
          switch (c.activation()) {
            case GELU -> "gelu";
            case GELU_TANH -> "gelu_new";
            case RELU -> "relu";
            case SILU -> "silu";
            case SOLU -> "solu";
            case SOLU_NORM -> "solu_ln";
          });
    }
    String suffix = a.scaled() ? "" : "Pre";
    config.put(
        "normalization_type",
        switch (c.normalization().kind()) {
          case NONE -> null;
          case LAYER_NORM -> "LN" + suffix;
          case RMS_NORM -> "RMS" + suffix;
        });
    config.put("eps", c.normalization().epsilon());
    config.put("final_rms", c.finalNormalization().kind() == Normalization.Kind.RMS_NORM);
    config.put("attention_dir", c.causal() ? "causal" : "bidirectional");
    config.put("parallel_attn_mlp", c.parallel());
    if (c.positions() instanceof TransformerConfig.Rotary r) {
      config.put("positional_embedding_type", "rotary");
      config.put("rotary_dim", r.dimensions()).put("rotary_base", 100);
      config.put("rotary_adjacent_pairs", r.adjacentPairs());
    } else {
      boolean learned = c.positions() instanceof TransformerConfig.Learned;
      config.put("positional_embedding_type", learned ? "standard" : "none");
    }
    Files.writeString(dir.resolve("config.json"), json.writeValueAsString(config));
    Map<String, Safetensors.Array> arrays = new LinkedHashMap<>();
    try (TensorScope scope = new TensorScope()) {
      RandomModels.weights(a, ScalarType.Float, 28)
          .forEach(
              (name, t) -> {
                boolean grouped = name.matches(".*attn\\.[Wb]_[KV]") && a.groups() != c.heads();
                String key = grouped ? name.replace("attn.", "attn._") : name;
                arrays.put(key, new Safetensors.Array(t.shape(), Tensors.floats(t)));
              });
    }
    for (int b = 0;
        b < c.blocks() && c.activation() == TransformerConfig.Activation.SOLU_NORM;
        b++) {
      float[] ones = new float[c.dMlp()];
      Arrays.fill(ones, 1);
      long[] shape = {c.dMlp()};
      arrays.put("blocks." + b + ".mlp.ln.w", new Safetensors.Array(shape, ones));
      arrays.put("blocks." + b + ".mlp.ln.b", new Safetensors.Array(shape, new float[c.dMlp()]));
    }
    Safetensors.write(dir.resolve("model.safetensors"), arrays, Map.of());
  }
}
