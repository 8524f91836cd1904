package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Learned;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import org.bytedeco.openblas.global.openblas_full;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * On a model whose products are large enough for libraries to use threads and blocks: the same call
 * gives the same bits, also at another number of native threads; in micro-batches the same numbers
 * up to rounding, which comes from the matrix products and from sums over prompts.
 */
@Tag("slow")
class DeterminismTest {
  private static final double EPSILON = Math.ulp(1f);

  /** In units of ε times the largest number of a result; see docs/architecture.md. */
  private static final double BOUND = 64;

  private static final int PROMPTS = 12;
  private static final int LENGTH = 24;
  private static final List<PromptBatch> BATCHES = List.of(RandomModels.batch(PROMPTS, LENGTH, 51));
  private static Transformer transformer;
  private static PatchableModel model;

  @BeforeAll
  static void open() {
    Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    TransformerConfig config =
        new TransformerConfig(
            "medium",
            3,
            4,
            64,
            16,
            256,
            RandomModels.VOCABULARY,
            RandomModels.VOCABULARY,
            LENGTH,
            Activation.GELU_TANH,
            false,
            norm,
            norm,
            true,
            false,
            new Learned(),
            4);
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> weights =
          RandomModels.weights(new Architecture(config, 4, false, true), ScalarType.Float, 52);
      // trained models' weights are smaller the wider the model
      weights.replaceAll((name, w) -> name.contains("W_") ? w.mul(scalar(0.3)) : w);
      transformer = new Transformer(config, weights, ScalarType.Float);
    }
    model =
        PatchableModel.of(
            transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  private static org.bytedeco.pytorch.Scalar scalar(double value) {
    return new org.bytedeco.pytorch.Scalar(value);
  }

  @AfterAll
  static void close() {
    transformer.close();
  }

  private static float[] random(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  private static Circuit half() {
    SplittableRandom random = new SplittableRandom(53);
    BitSet set = new BitSet();
    for (int e = 0; e < model.graph().edgeCount(); e++) {
      set.set(e, random.nextBoolean());
    }
    return Circuit.of(model.graph(), set);
  }

  private static double[] doubles(float[] values) {
    double[] out = new double[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = values[i];
    }
    return out;
  }

  /** Everything that the engine can be asked for, by name. */
  private static Map<String, double[]> results(PatchableModel m) {
    Map<String, double[]> r = new LinkedHashMap<>();
    int edges = m.graph().edgeCount();
    float[] values = random(edges, 54);
    for (Ablation ablation : Ablation.standard()) {
      for (PatchType type : PatchType.values()) {
        CircuitRuns.of(type, ablation)
            .forEach(
                m,
                BATCHES,
                List.of(half()),
                (c, b, logits) ->
                    r.put("circuit, " + type + ", " + ablation, Tensors.doubles(logits)));
      }
    }
    double[][] parts = new double[PROMPTS][];
    try (AblationValues values2 = AblationValues.prepare(m, Ablation.RESAMPLE, BATCHES);
        Evaluations all =
            Evaluations.once(
                m, BATCHES, values2, Evaluations.Direction.CORRUPT_INTO_CLEAN, Work.MASKS)) {
      all.forEach(
          part -> {
            Tensor logits = part.run().logits(PatchMask.of(m.graph(), values));
            for (int i = 0; i < part.size(); i++) {
              parts[part.first() + i] =
                  DoubleStream.concat(
                          DoubleStream.of(Tensors.doubles(logits.select(0, i))),
                          DoubleStream.of(Tensors.doubles(part.clean().select(0, i))))
                      .toArray();
            }
          });
    }
    r.put(
        "dense mask and plain forward",
        java.util.Arrays.stream(parts).flatMapToDouble(DoubleStream::of).toArray());
    r.put("eap", doubles(MaskGradient.eap().score(m, BATCHES).values()));
    r.put("ig", doubles(MaskGradient.integrated(2).score(m, BATCHES).values()));
    r.put("acdc", doubles(Acdc.kl(0.01).score(m, BATCHES).values()));
    return r;
  }

  private static double[] probing() {
    SubnetworkProbing d = SubnetworkProbing.defaults(PatchType.TREE_PATCH, 3);
    return doubles(
        new SubnetworkProbing(
                d.learningRate(),
                2,
                d.lambda(),
                d.maskFunction(),
                d.patchType(),
                null,
                d.target(),
                0,
                0,
                null,
                1,
                d.seed())
            .score(model, BATCHES)
            .values());
  }

  private static void compare(
      String what, Map<String, double[]> expected, Map<String, double[]> actual, double bound) {
    assertEquals(expected.keySet(), actual.keySet());
    Map<String, Difference> kinds = new LinkedHashMap<>();
    expected.forEach(
        (name, values) -> {
          assertTrue(values.length > 100, name);
          String kind = name.replaceAll(",.*", "");
          kinds
              .computeIfAbsent(kind, k -> new Difference(what + ", " + k, EPSILON))
              .check(what + ", " + name, values, actual.get(name), bound);
        });
    kinds.values().forEach(d -> System.out.println("DeterminismTest: " + d));
  }

  @Test
  void sameCallSameBitsAtOneAndTwoThreads() {
    Map<String, double[]> one;
    try (NativeThreads threads = NativeThreads.one()) {
      one = results(model);
      one.put("sp", probing());
      Map<String, double[]> again = results(model);
      again.put("sp", probing());
      compare("again", one, again, 0);
    }
    try (NativeThreads threads = NativeThreads.withBlas(2)) {
      assertEquals(2, torch.get_num_threads());
      assertEquals(2, openblas_full.openblas_get_num_threads());
      Map<String, double[]> two = results(model);
      two.put("sp", probing());
      Map<String, double[]> again = results(model);
      again.put("sp", probing());
      compare("two threads, again", two, again, 0);
      compare("one and two threads", one, two, 0);
    }
    try (NativeThreads threads = NativeThreads.use(5)) {
      assertEquals(5, torch.get_num_threads());
      assertEquals(1, openblas_full.openblas_get_num_threads());
      Map<String, double[]> five = results(model);
      five.put("sp", probing());
      compare("one and five threads", one, five, 0);
    }
  }

  /**
   * The shapes of small Llamas, whose rows and channels are no multiple of any block: on AVX2
   * OpenBLAS's products of 152 rows differ between one thread and two. And prompts so long that
   * libtorch's attention calls OpenBLAS, which {@link NativeThreads#use} gives one thread.
   */
  @Test
  void oddShapesAndLongPromptsHaveTheSameBitsAtAnyNumberOfThreads() {
    Normalization norm = new Normalization(Normalization.Kind.RMS_NORM, 1e-5);
    TransformerConfig config =
        new TransformerConfig(
            "odd",
            2,
            8,
            64,
            8,
            172,
            RandomModels.VOCABULARY,
            RandomModels.VOCABULARY,
            300,
            Activation.SILU,
            true,
            norm,
            norm,
            true,
            false,
            new Learned(),
            Math.sqrt(8));
    try (TensorScope scope = new TensorScope();
        Transformer odd =
            new Transformer(
                config,
                RandomModels.weights(
                    new Architecture(config, 8, false, true), ScalarType.Float, 72),
                ScalarType.Float)) {
      PatchableModel patchable =
          PatchableModel.of(odd, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      for (int[] shape : new int[][] {{1, 19}, {3, 7}, {8, 19}, {2, 300}}) {
        PromptBatch batch = RandomModels.batch(shape[0], shape[1], 71);
        boolean small = shape[1] < 200;
        double[] one;
        try (NativeThreads before = NativeThreads.use(1)) {
          one = plainAndEap(patchable, batch);
        }
        for (int threads : new int[] {2, 3, 4}) {
          try (NativeThreads now =
              small ? NativeThreads.withBlas(threads) : NativeThreads.use(threads)) {
            assertArrayEquals(one, plainAndEap(patchable, batch), java.util.Arrays.toString(shape));
          }
        }
      }
    }
  }

  private static double[] plainAndEap(PatchableModel m, PromptBatch batch) {
    try (TensorScope scope = new TensorScope()) {
      double[] plain = Tensors.doubles(m.model().logits(batch.clean(), OutputSlice.LAST_SEQ));
      double[] eap = doubles(MaskGradient.eap().score(m, List.of(batch)).values());
      return DoubleStream.concat(DoubleStream.of(plain), DoubleStream.of(eap)).toArray();
    }
  }

  @Test
  void microBatchesAgreeToRounding() {
    try (NativeThreads threads = NativeThreads.one()) {
      Map<String, double[]> whole = results(model);
      // what one prompt needs, whatever is done with it, and more
      long least = 0;
      for (Work work : Work.values()) {
        for (Ablation a : Ablation.standard()) {
          least = Math.max(least, MemoryEstimate.of(model, work, a, LENGTH).bytes(1));
        }
      }
      for (double factor : new double[] {1, 1.5, 2, 4, 8}) {
        MemoryBudget budget = new MemoryBudget((long) (factor * least));
        compare("within " + factor + " prompts", whole, results(model.withMemory(budget)), BOUND);
      }
    }
  }

  /**
   * Where the rounding comes from: the product of fewer rows; and where it does not: our kernel.
   */
  @Test
  void rowsOfAProductDependOnTheirNumberButThoseOfTheKernelDoNot() {
    int rows = PROMPTS * LENGTH;
    try (NativeThreads threads = NativeThreads.one();
        TensorScope scope = new TensorScope()) {
      Tensor x = Tensors.of(ScalarType.Float, random(rows * 64, 61), rows, 64);
      Tensor w = Tensors.of(ScalarType.Float, random(64 * 256, 62), 64, 256);
      double[] whole = Tensors.doubles(torch.mm(x, w));
      for (int n : new int[] {1, 2, 3, 24, 48, 72, 144}) {
        Difference d = new Difference("product of rows=" + n, EPSILON);
        double[] part = Tensors.doubles(torch.mm(x.narrow(0, 0, n), w));
        d.check("product", java.util.Arrays.copyOf(whole, part.length), part, 16);
        System.out.println("DeterminismTest: " + d);
      }
      double[] ours = Tensors.doubles(Products.mm(x, w));
      for (int n : new int[] {1, 2, 3, 24, 48, 72, 144}) {
        double[] part = Tensors.doubles(Products.mm(x.narrow(0, 0, n), w));
        assertArrayEquals(java.util.Arrays.copyOf(ours, part.length), part, "rows=" + n);
      }
      int sources = 16;
      Kernels kernels = KernelsProvider.choose().kernels();
      Tensor resid = Tensors.of(ScalarType.Float, random(rows * 64, 63), PROMPTS, LENGTH, 64);
      Tensor delta =
          Tensors.of(
              ScalarType.Float, random(sources * rows * 64, 64), sources, PROMPTS, LENGTH, 64);
      Tensor mask = Tensors.of(ScalarType.Float, random(12 * sources, 65), 1, 1, 12, sources);
      double[] all = forward(kernels, resid, delta, mask);
      int each = all.length / 12 / PROMPTS;
      for (int first = 0; first < PROMPTS; first++) {
        double[] one = forward(kernels, resid.narrow(0, first, 1), delta.narrow(1, first, 1), mask);
        for (int k = 0; k < 12; k++) {
          for (int i = 0; i < each; i++) {
            assertEquals(all[(k * PROMPTS + first) * each + i], one[k * each + i], 0.0);
          }
        }
      }
    }
  }

  private static double[] forward(Kernels kernels, Tensor resid, Tensor delta, Tensor mask) {
    Tensor out = Tensors.empty(ScalarType.Float, 12, resid.size(0), LENGTH, 64);
    kernels.patchForward(
        new Kernels.PatchForward(
            resid, delta, mask, new Normalization(Normalization.Kind.LAYER_NORM, 1e-5), out, null));
    return Tensors.doubles(out);
  }
}
