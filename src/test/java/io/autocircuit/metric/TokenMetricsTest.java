package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Divergence by Jensen and Shannon, answers among the best tokens, the model's own token. */
class TokenMetricsTest {
  private static final int VOCABULARY = 7;
  private static final double[][] CIRCUIT = {{0, 1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1, 0}};
  private static final double[][] MODEL = {{0, 0, 0, 0, 0, 0, 9}, {0, 0, 0, 0, 0, 0, 9}};

  private static double[] softmax(double[] x) {
    double sum = 0;
    double[] p = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      p[i] = Math.exp(x[i]);
      sum += p[i];
    }
    for (int i = 0; i < x.length; i++) {
      p[i] /= sum;
    }
    return p;
  }

  private static double js(double[] a, double[] b) {
    double[] p = softmax(a);
    double[] q = softmax(b);
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      double m = (p[i] + q[i]) / 2;
      sum += (p[i] * Math.log(p[i] / m) + q[i] * Math.log(q[i] / m)) / 2;
    }
    return sum;
  }

  private static double[] flat(double[][] rows) {
    return java.util.Arrays.stream(rows).flatMapToDouble(java.util.Arrays::stream).toArray();
  }

  @Test
  void byHand() {
    TokenBatch tokens = new TokenBatch(new int[] {1, 2}, 2, 1, new int[2]);
    PromptBatch batch =
        new PromptBatch(
            tokens,
            tokens,
            new int[][][] {{{2}}, {{2}}}, // fifth, third of the circuit's
            new int[][][] {{{0}}, {{0}}},
            new int[] {0, 1});
    try (TensorScope scope = new TensorScope()) {
      Placement place = new Placement(ScalarType.Double, Device.CPU);
      Tensor circuit = place.tensor(flat(CIRCUIT), 2, 1, VOCABULARY);
      Tensor model = place.tensor(flat(MODEL), 2, 1, VOCABULARY);
      Metric.Outputs full = new Metric.Outputs(batch, model, model);
      // a sum over tokens, not their mean
      assertArrayEquals(
          new double[] {js(CIRCUIT[0], MODEL[0]), js(CIRCUIT[1], MODEL[1])},
          Metric.JS_DIV.perPrompt(circuit, full),
          1e-12);
      assertTrue(Metric.JS_DIV.perPrompt(circuit, full)[1] <= Math.log(2));
      assertArrayEquals(new double[2], Metric.JS_DIV.perPrompt(model, full), 1e-12);
      assertArrayEquals(
          new double[] {1, 0}, Metric.EXACT_MATCH_PERCENT.perPrompt(circuit, full), 0);
      assertArrayEquals(
          new double[] {1, 1}, Metric.ANSWER_TOP5_PERCENT.perPrompt(circuit, full), 0);
      Tensor other =
          place.tensor(flat(new double[][] {CIRCUIT[0], {0, 1, -9, 3, 4, 5, 6}}), 2, 1, 7);
      assertArrayEquals(new double[] {1, 0}, Metric.ANSWER_TOP5_PERCENT.perPrompt(other, full), 0);
    }
    assertEquals(50, Metric.EXACT_MATCH_PERCENT.combine(new double[] {1, 0}, new double[2]));
    assertTrue(Metric.JS_DIV.lowerIsBetter());
    assertTrue(Metric.EXACT_MATCH_PERCENT.inapplicable(List.of(batch)).isEmpty());
  }
}
