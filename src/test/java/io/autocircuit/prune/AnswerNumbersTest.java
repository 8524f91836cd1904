package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.metric.Metric;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.MaskGradient.AnswerFunction;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Answers that are numbers are what outputs are compared with. */
class AnswerNumbersTest {
  private static final TokenBatch TOKENS =
      new TokenBatch(new int[] {1, 2, 2, 1}, 2, 2, new int[] {0, 0});

  /** Two prompts, two positions, one output. */
  private static PromptBatch batch() {
    return new PromptBatch(
        TOKENS,
        TOKENS,
        new int[2][2][0],
        new int[2][2][0],
        new int[] {0, 1},
        new double[][][] {{{0.0}, {0.5}}, {{1.0 / 3}, {-2}}});
  }

  @Test
  void theSquaredErrorIsTakenFromTheNumbers() {
    double third = 1.0 / 3 - 1;
    double[] byHand = {(0.25 * 0.25 + 0.5 * 0.5) / 2, (third * third + 4 * 4) / 2};
    SubnetworkProbing defaults = SubnetworkProbing.defaults(PatchType.TREE_PATCH, 1);
    LossFunction probing =
        new SubnetworkProbing(
                defaults.learningRate(),
                defaults.epochs(),
                defaults.lambda(),
                defaults.maskFunction(),
                defaults.patchType(),
                null,
                SubnetworkProbing.Target.MSE,
                0,
                0,
                null,
                1,
                1)
            .loss();
    for (LossFunction loss : List.of(gradient().loss(), probing)) {
      try (TensorScope scope = new TensorScope()) {
        Tensor outputs = Tensors.of(ScalarType.Double, new float[] {.25f, 1, 1, 2}, 2, 2, 1);
        assertArrayEquals(
            byHand, Tensors.doubles(loss.perPrompt(outputs, batch(), outputs)), 1e-15);
        // the derivative of a mean over two positions is the error itself
        assertArrayEquals(
            new double[] {.25, .5, -third, 4},
            Tensors.doubles(loss.withGradient(outputs, batch(), outputs).gradient()),
            1e-15);
      }
    }
  }

  @Test
  void idsAreStillNumbersToo() {
    PromptBatch ids =
        new PromptBatch(
            TOKENS, TOKENS, new int[][][] {{{3}}, {{1}}}, new int[2][1][0], new int[] {0, 1});
    try (TensorScope scope = new TensorScope()) {
      Tensor outputs = Tensors.of(ScalarType.Double, new float[] {1, 1}, 2, 1, 1);
      assertArrayEquals(
          new double[] {4, 0}, Tensors.doubles(gradient().loss().perPrompt(outputs, ids, null)));
    }
  }

  @Test
  void metricsOfTokensSayThatAnswersAreNumbers() {
    List<String> applicable =
        Metric.standard().stream()
            .filter(m -> m.inapplicable(List.of(batch())).isEmpty())
            .map(Metric::key)
            .toList();
    assertEquals(List.of("kl_div", "corrupt_kl_div", "js_div", "answer_mse"), applicable);
    assertEquals(
        "looks up answers that are tokens, and these are numbers",
        Metric.CORRECT_ANSWER_PERCENT.inapplicable(List.of(batch())).orElseThrow());
  }

  @Test
  void theMetricIsTheSameError() {
    double third = 1.0 / 3 - 1;
    double[] byHand = {(0.25 * 0.25 + 0.5 * 0.5) / 2, (third * third + 4 * 4) / 2};
    try (TensorScope scope = new TensorScope()) {
      Tensor outputs = Tensors.of(ScalarType.Double, new float[] {.25f, 1, 1, 2}, 2, 2, 1);
      Metric.Outputs full = new Metric.Outputs(batch(), outputs, outputs);
      assertArrayEquals(byHand, Metric.ANSWER_MSE.perPrompt(outputs, full), 1e-15);
    }
    assertEquals(2, Metric.ANSWER_MSE.combine(new double[] {1, 3}, new double[] {0, 0}));
    assertTrue(Metric.ANSWER_MSE.lowerIsBetter());
  }

  @Test
  void itSaysThatAnswersAreTokens() {
    PromptBatch ids =
        new PromptBatch(
            TOKENS, TOKENS, new int[][][] {{{3}}, {{1}}}, new int[2][1][0], new int[] {0, 1});
    assertEquals(
        "compares outputs with answers that are numbers, and these are tokens",
        Metric.ANSWER_MSE.inapplicable(List.of(ids)).orElseThrow());
  }

  private static MaskGradient gradient() {
    return new MaskGradient(
        LogitFunction.LOGIT,
        AnswerFunction.MSE,
        0,
        0,
        Ablation.RESAMPLE,
        MaskGradient.PatchSource.CORRUPT);
  }
}
