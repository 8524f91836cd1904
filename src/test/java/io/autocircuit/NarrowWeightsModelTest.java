package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A model with weights of 16 bits gives the bits of one with the same, rounded, numbers in the type
 * that is computed in: the plain pass, every circuit, every score.
 */
class NarrowWeightsModelTest {
  static Stream<Architecture> architectures() {
    return RandomModels.architectures();
  }

  private static Transformer wide(Architecture a, ScalarType type, WeightType stored) {
    return narrow(a, type, stored).withWeights(WeightType.FLOAT32);
  }

  private static Transformer narrow(Architecture a, ScalarType type, WeightType stored) {
    try (TensorScope scope = new TensorScope()) {
      return RandomModels.model(a, type, 61).withWeights(stored);
    }
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void everythingHasTheBitsOfRoundedWeights(Architecture a) {
    try (KernelsProvider.Choice ours = KernelsProvider.choose()) {
      check(a, WeightType.BFLOAT16, ScalarType.Float, ours.kernels());
      check(a, WeightType.BFLOAT16, ScalarType.Float, new LibtorchKernels());
      check(a, WeightType.FLOAT16, ScalarType.Double, ours.kernels());
    }
  }

  private static void check(Architecture a, WeightType stored, ScalarType type, Kernels kernels) {
    try (Transformer rounded = wide(a, type, stored);
        Transformer model = narrow(a, type, stored)) {
      assertEquals(WeightType.FLOAT32, rounded.weightType());
      assertEquals(stored, model.weightType());
      assertEquals(type, model.type());
      assertTrue(model.bytes() < rounded.bytes());
      String name = kernels.name() + " " + stored + " " + type;
      assertArrayEquals(results(rounded, kernels), results(model, kernels), name);
    }
  }

  /** Logits, scores and circuits' logits. */
  private static double[] results(Transformer t, Kernels kernels) {
    List<double[]> all = new ArrayList<>();
    List<PromptBatch> batches =
        List.of(RandomModels.batch(2, 5, 62), RandomModels.batch(new int[] {3, 5}, 5, 63));
    PatchableModel model = PatchableModel.of(t, true, 0, OutputSlice.LAST_SEQ, kernels);
    try (TensorScope scope = new TensorScope()) {
      for (PromptBatch batch : batches) {
        all.add(Tensors.doubles(t.logits(batch.clean(), OutputSlice.LAST_SEQ)));
      }
      for (PruneAlgorithm algorithm : List.of(MaskGradient.eap(), Acdc.kl(0.1))) {
        all.add(doubles(algorithm.score(model, batches).values()));
      }
      BitSet half = new BitSet();
      for (int e = 0; e < model.graph().edgeCount(); e += 2) {
        half.set(e);
      }
      for (PatchType type : PatchType.values()) {
        CircuitRuns.of(type, Ablation.RESAMPLE)
            .forEach(
                model,
                batches,
                List.of(Circuit.of(model.graph(), half)),
                (c, b, logits) -> all.add(Tensors.doubles(logits)));
      }
    }
    return all.stream().flatMapToDouble(Arrays::stream).toArray();
  }

  private static double[] doubles(float[] values) {
    double[] wide = new double[values.length];
    for (int i = 0; i < wide.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }

  /** Against the rounding of each number by itself. */
  @Test
  void weightsAreRoundedToNearestEven() {
    Architecture a = RandomModels.named("gated RMS, grouped heads, biases");
    float[] values = new float[RandomModels.VOCABULARY * a.config().dModel()];
    // ties of both kinds, what is just beside them, and numbers of all sizes
    float[] known = {
      1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1.000002p-8f, 1 + 0x1.fffffep-9f, 0x1p-30f
    };
    for (int i = 0; i < values.length; i++) {
      values[i] = i < known.length ? known[i] : (float) Math.sin(i) * (1 << i % 12);
    }
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> weights = RandomModels.weights(a, ScalarType.Float, 64);
      long[] shape = weights.get("embed.W_E").shape();
      weights.put("embed.W_E", Tensors.of(ScalarType.Float, values, shape));
      try (Transformer t =
          new Transformer(a.config(), weights, ScalarType.Float).withWeights(WeightType.BFLOAT16)) {
        int[] ids = {0, 1, 2, 3, 4, 5, 6, 7, 8};
        float[] rows = Tensors.floats(t.embed(new TokenBatch(ids, 1, ids.length, new int[1])));
        for (int i = 0; i < rows.length; i++) {
          assertEquals(bfloat16(values[i]), rows[i], "number " + i);
        }
        assertEquals(1f, rows[0], "a tie whose last bit is 0 below");
        assertEquals(1 + 4 * 0x1p-8f, rows[1], "a tie whose last bit is 0 above");
      }
    }
  }

  /** The nearest number with 16 zero bits at its end. */
  private static float bfloat16(float x) {
    int bits = Float.floatToRawIntBits(x);
    float below = Float.intBitsToFloat(bits & 0xffff0000);
    float above = Float.intBitsToFloat((bits & 0xffff0000) + 0x10000);
    double toBelow = Math.abs((double) x - below);
    double toAbove = Math.abs((double) above - x);
    boolean even = (bits & 0x10000) == 0;
    return toBelow < toAbove || (toBelow == toAbove && even) ? below : above;
  }

  @Test
  void vectorsKeepTheirBitsAndRoundedWeightsDiffer() {
    Architecture a = RandomModels.named("sequential LN, scaled");
    try (Transformer full = RandomModels.model(a, ScalarType.Float, 65);
        Transformer half =
            RandomModels.model(a, ScalarType.Float, 65).withWeights(WeightType.FLOAT16);
        TensorScope scope = new TensorScope()) {
      Stage attention = full.config().graph(false, 0).stages().get(1);
      assertArrayEquals(
          Tensors.floats(full.qkvBias(attention)), Tensors.floats(half.qkvBias(attention)));
      assertArrayEquals(
          Tensors.floats(full.affine(attention).weight()),
          Tensors.floats(half.affine(attention).weight()));
      assertEquals(ScalarType.Half, half.qkvWeight(attention).scalar_type().intern());
      assertEquals(ScalarType.Float, half.qkvBias(attention).scalar_type().intern());
      TokenBatch tokens = RandomModels.batch(2, 5, 66).clean();
      double[] exact = Tensors.doubles(full.logits(tokens, OutputSlice.LAST_SEQ));
      double[] rounded = Tensors.doubles(half.logits(tokens, OutputSlice.LAST_SEQ));
      assertFalse(Arrays.equals(exact, rounded));
      for (int i = 0; i < exact.length; i++) {
        assertEquals(exact[i], rounded[i], 0.05, "logit " + i);
      }
    }
  }

  @Test
  void whatFloat16CannotHoldIsRefused() {
    Architecture a = RandomModels.named("sequential LN, folded");
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> weights = RandomModels.weights(a, ScalarType.Float, 67);
      weights.replaceAll(
          (name, w) -> name.equals("blocks.1.mlp.W_out") ? w.mul(new Scalar(1e6)) : w);
      Transformer t = new Transformer(a.config(), weights, ScalarType.Float);
      String message =
          assertThrows(DataException.class, () -> t.withWeights(WeightType.FLOAT16)).getMessage();
      assertEquals(
          "weights=float16: a number of an MLP's W_out is beyond 65504; store them in bfloat16 or"
              + " float32",
          message);
      new Transformer(a.config(), weights, ScalarType.Float)
          .withWeights(WeightType.BFLOAT16)
          .close();
    }
  }
}
