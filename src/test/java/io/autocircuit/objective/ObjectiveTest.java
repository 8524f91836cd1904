package io.autocircuit.objective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ObjectiveTest {
  private TensorScope scope;

  @BeforeEach
  void open() {
    scope = new TensorScope();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  /** One position each. */
  private static Tensor rows(float[]... rows) {
    float[] flat = new float[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
    }
    return Tensors.of(ScalarType.Double, flat, rows.length, 1, rows[0].length);
  }

  private static int[][][] last(int[]... answers) {
    return Arrays.stream(answers).map(a -> new int[][] {a}).toArray(int[][][]::new);
  }

  private static int[][][] perPosition(int[]... answers) {
    return Arrays.stream(answers)
        .map(prompt -> Arrays.stream(prompt).mapToObj(a -> new int[] {a}).toArray(int[][]::new))
        .toArray(int[][][]::new);
  }

  private static int[] ids(int... ids) {
    return ids;
  }

  private static double mean(double... x) {
    return Arrays.stream(x).average().orElseThrow();
  }

  private static double mean(Tensor t) {
    return mean(Tensors.doubles(t));
  }

  @Test
  void accuracyOverTheVocabulary() {
    Tensor x = rows(new float[] {.75f, .2f, .7f}, new float[] {.3f, .25f, .5f});
    assertArrayEquals(new double[] {1, 0}, Answers.correct(x, last(ids(0), ids(1))));
  }

  @Test
  void accuracyAmongAnswersCountsATieAsCorrect() {
    Tensor x = rows(new float[] {.75f, .2f, .75f}, new float[] {.3f, 1.25f, .25f});
    int[][][] wrong = last(ids(2), ids(2));
    assertArrayEquals(
        new double[] {1, 1}, Answers.correctOverWrong(x, last(ids(0), ids(0)), wrong));
    assertArrayEquals(
        new double[] {0, 1}, Answers.correctOverWrong(x, last(ids(1), ids(1)), wrong));
  }

  @Test
  void answersForEveryPosition() {
    float[] numbers = new float[24];
    IntStream.range(0, 24).forEach(i -> numbers[i] = i);
    Tensor x = Tensors.of(ScalarType.Double, numbers, 2, 3, 4);
    int[][][] right = perPosition(ids(0, 1, 2), ids(3, 0, 1));
    int[][][] wrong = perPosition(ids(1, 1, 1), ids(0, 0, 0));
    assertEquals(11.1667, mean(Answers.value(x, right)), 1e-4);
    assertArrayEquals(
        new double[] {0, 4.0 / 3}, Tensors.doubles(Answers.difference(x, right, wrong)), 1e-6);
    assertEquals(0.6667, mean(Answers.difference(x, right, wrong)), 1e-4);
    assertEquals(0.1667, mean(Answers.correct(x, right)), 1e-4);
    assertEquals(0.8333, mean(Answers.correctOverWrong(x, right, wrong)), 1e-4);
  }

  @Test
  void answersOfDifferentNumber() {
    Tensor x = rows(new float[] {1, 2, 3, 4}, new float[] {5, 6, 7, 8});
    int[][][] right = last(ids(0), ids(1, 2, 3));
    int[][][] wrong = last(ids(1, 2, 3), ids(0));
    assertEquals(4, mean(Answers.value(x, right)), 1e-6);
    assertArrayEquals(
        new double[] {-2, 2}, Tensors.doubles(Answers.difference(x, right, wrong)), 1e-6);
  }

  @Test
  void oneAnswerPositionIsTheLast() {
    Tensor x = Tensors.of(ScalarType.Double, new float[] {1, 2, 3, 4, 5, 6}, 1, 3, 2);
    assertEquals(5, mean(Answers.value(x, last(ids(0)))));
    assertArrayEquals(new double[] {1}, Answers.correct(x, last(ids(1))));
  }

  @Test
  void answersMustFit() {
    Tensor x = rows(new float[] {1, 2, 3}, new float[] {4, 5, 6});
    for (int token : new int[] {-1, 3}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> Answers.value(x, last(ids(0), ids(token))));
      assertTrue(e.getMessage().contains("token=" + token), e.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> Answers.value(x, last(ids(0), ids())));
    assertThrows(IllegalArgumentException.class, () -> Answers.correct(x, last(ids(0), ids(1, 2))));
    assertThrows(
        IllegalArgumentException.class, () -> Answers.value(x, perPosition(ids(0, 1), ids(0, 1))));
  }

  @Test
  void divergence() {
    Tensor circuit = rows(new float[] {1, 2, 3, 4}, new float[] {5, 6, 7, 8});
    Tensor target = rows(new float[] {1, 0, 0, 0}, new float[] {0, 0, 0, 2});
    assertEquals(0.611029, mean(Divergence.kl(circuit, target)), 1e-6);
    assertEquals(0, mean(Divergence.kl(target, target)), 1e-12);
    assertTrue(Math.abs(mean(Divergence.kl(target, circuit)) - 0.611029) > 0.01, "not symmetric");
    // a constant added to all logits changes no probability
    Tensor shifted = circuit.add(new org.bytedeco.pytorch.Scalar(3.0));
    assertEquals(0.611029, mean(Divergence.kl(shifted, target)), 1e-6);
    assertArrayEquals(
        new double[] {(0 + 4 + 9 + 16) / 4.0, (25 + 36 + 49 + 36) / 4.0},
        Tensors.doubles(Divergence.mse(circuit, target)),
        1e-9);
  }

  @Test
  void logitFunctions() {
    Tensor x = rows(new float[] {1, 2, 1000});
    assertArrayEquals(new double[] {0, 0, 1}, Tensors.doubles(LogitFunction.PROB.apply(x)), 1e-12);
    assertArrayEquals(
        new double[] {-999, -998, 0}, Tensors.doubles(LogitFunction.LOGPROB.apply(x)), 1e-9);
    assertArrayEquals(
        new double[] {0, 0, 1}, Tensors.doubles(LogitFunction.LOGIT_EXP.apply(x)), 1e-12);
    assertArrayEquals(new double[] {1, 2, 1000}, Tensors.doubles(LogitFunction.LOGIT.apply(x)), 0);
  }

  /** The gradient of exp(l) / stopgrad(Σ) is the probability itself, not p(1 − p). */
  @Test
  void logitExpHasTheGradientOfTheExponential() {
    Tensor x = rows(new float[] {0.5f, -1, 2});
    LossFunction loss =
        (logits, batch, reference) ->
            Answers.value(LogitFunction.LOGIT_EXP.apply(logits), last(ids(0)));
    double[] p = Tensors.doubles(LogitFunction.PROB.apply(x));
    LossFunction.WithGradient g = loss.withGradient(x, null, null);
    assertEquals(p[0], Tensors.doubles(g.losses())[0], 1e-9);
    assertArrayEquals(new double[] {p[0], 0, 0}, Tensors.doubles(g.gradient()), 1e-9);
  }
}
