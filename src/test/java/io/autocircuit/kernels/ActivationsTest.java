package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.internal.NativeKernels;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@SuppressWarnings("try") // scopes work without being mentioned
class ActivationsTest {
  private static final int MANY = 110_889; // 333 × 333

  private static double sigmoid(double v) {
    return v < 0 ? Math.exp(v) / (1 + Math.exp(v)) : 1 / (1 + Math.exp(-v));
  }

  private static double inner(Activations f, double x) {
    return f == Activations.SILU ? x : 2 * Math.sqrt(2 / Math.PI) * x * (1 + 0.044715 * x * x);
  }

  private static double value(Activations f, double x) {
    return x == Double.NEGATIVE_INFINITY ? Double.NaN : x * sigmoid(inner(f, x));
  }

  private static double slope(Activations f, double x) {
    double u = inner(f, x);
    double rise =
        f == Activations.SILU ? 1 : 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
    double both = sigmoid(u) * sigmoid(-u);
    return sigmoid(u) + (both == 0 ? 0 : x * both * rise);
  }

  private static float[] inputs(int n) {
    SplittableRandom random = new SplittableRandom(3);
    float[] x = new float[n];
    float[] special = {0, -0f, 1e-30f, -1e-30f, 1e-6f, 20, -20, 90, -90, 1e10f, -1e10f, 1e30f};
    for (int i = 0; i < n; i++) {
      x[i] = i < special.length ? special[i] : (float) random.nextDouble(-8, 8);
    }
    return x;
  }

  @ParameterizedTest
  @EnumSource(Activations.class)
  void everyInstructionSetEqualsTheFormula(Activations f) {
    for (ScalarType type : new ScalarType[] {ScalarType.Float, ScalarType.Double}) {
      // of one term: 8 ε
      double rounding = Tolerance.of(type, 1).rtol();
      float[] values = inputs(1003);
      try (TensorScope scope = new TensorScope()) {
        Tensor x = Tensors.of(type, values, values.length);
        Tensor grad = Tensors.of(type, inputs(1003), values.length).mul(x).clamp_max(scalar(2));
        double[] gradient = Tensors.doubles(grad);
        Tensor out = Tensors.empty(type, values.length);
        Tensor back = Tensors.empty(type, values.length);
        for (InstructionSet set : InstructionSet.available()) {
          int n = values.length;
          NativeKernels.activation(
              set.code(), 2, ActivationArguments.of(f.ordinal(), x, null, out).call());
          NativeKernels.activation_backward(
              set.code(), 2, ActivationArguments.of(f.ordinal(), x, grad, back).call());
          double[] got = Tensors.doubles(out);
          double[] slopes = Tensors.doubles(back);
          for (int i = 0; i < n; i++) {
            String name = set + " " + type + " " + f + "(" + values[i] + ")";
            double want = value(f, values[i]);
            // the exponent's own rounding counts as often as it is large
            double allowed = (2 + Math.abs(inner(f, values[i])) / 2) * rounding;
            assertEquals(want, got[i], allowed * Math.abs(want) + 1e-36, name);
            assertEquals(
                gradient[i] * slope(f, values[i]),
                slopes[i],
                allowed * Math.abs(gradient[i]) * (1 + Math.abs(values[i])) + 1e-36,
                name + " slope");
          }
        }
      }
    }
  }

  private static org.bytedeco.pytorch.Scalar scalar(double value) {
    return new org.bytedeco.pytorch.Scalar(value);
  }

  @ParameterizedTest
  @EnumSource(Activations.class)
  void bitsDependNeitherOnThreadsNorOnCompany(Activations f) {
    try (TensorScope scope = new TensorScope()) {
      Tensor x = Tensors.of(ScalarType.Float, inputs(MANY), MANY);
      Tensor g =
          Tensors.of(ScalarType.Float, inputs(MANY), MANY)
              .clamp_max(scalar(1))
              .clamp_min(scalar(-1));
      double[] one;
      double[] back;
      try (NativeThreads threads = NativeThreads.one()) {
        one = Tensors.doubles(f.apply(x));
        back = Tensors.doubles(f.backward(g, x));
      }
      for (int count = 2; count <= 5; count++) {
        try (NativeThreads threads = NativeThreads.use(count)) {
          assertArrayEquals(one, Tensors.doubles(f.apply(x)));
          assertArrayEquals(back, Tensors.doubles(f.backward(g, x)));
        }
      }
      for (int first : new int[] {1, 17, 4099, MANY - 1}) {
        double[] part = Tensors.doubles(f.apply(x.narrow(0, first, MANY - first)));
        assertArrayEquals(Arrays.copyOfRange(one, first, MANY), part);
      }
    }
  }

  @Test
  void otherLayoutsAndWrongArguments() {
    try (TensorScope scope = new TensorScope()) {
      Tensor x = Tensors.of(ScalarType.Float, inputs(60), 6, 10);
      assertArrayEquals(
          Tensors.doubles(Activations.SILU.apply(x).t().contiguous()),
          Tensors.doubles(Activations.SILU.apply(x.t())));
      assertEquals(0, Activations.SILU.apply(x.narrow(0, 0, 0)).numel());
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> Activations.SILU.backward(x.narrow(0, 0, 1), x));
      assertTrue(e.getMessage().contains("gradient.numel=10 x.numel=60"), e.getMessage());
    }
  }
}
