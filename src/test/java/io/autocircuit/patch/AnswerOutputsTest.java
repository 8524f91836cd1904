package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Losses that read the answers' logits only: nothing changes but what is computed. */
class AnswerOutputsTest {
  private static final int LENGTH = 5;
  private static final int PROMPTS = 3;

  static Stream<Architecture> architectures() {
    return RandomModels.architectures();
  }

  /** Every prompt has the answer 7 and the wrong answer 2. */
  private static PromptBatch batch() {
    return of(RandomModels.batch(PROMPTS, LENGTH, 3), 7, 2);
  }

  private static PromptBatch of(PromptBatch b, int answer, int wrong) {
    return new PromptBatch(b.clean(), b.corrupt(), all(answer), all(wrong), b.rows());
  }

  private static int[][][] all(int token) {
    int[][][] answers = new int[PROMPTS][1][];
    Arrays.stream(answers).forEach(p -> p[0] = new int[] {token});
    return answers;
  }

  /** The same function that does not say what it reads. */
  private static LossFunction silent(LossFunction loss) {
    return loss::perPrompt;
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void gradientsAreThoseOfAllLogits(Architecture a) {
    PromptBatch batch = batch();
    LossFunction relative =
        (logits, b, reference) ->
            Answers.difference(logits, b.answers(), b.wrongAnswers())
                .div(Answers.difference(reference, b.answers(), b.wrongAnswers()));
    LossFunction difference = MaskGradient.eap().loss();
    assertTrue(difference.readsAnswersOnly());
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4);
        KernelsProvider.Choice kernels = KernelsProvider.choose()) {
      for (OutputSlice slice : List.of(OutputSlice.LAST_SEQ, OutputSlice.ALL)) {
        PatchableModel model = PatchableModel.of(t, true, 0, slice, kernels.kernels());
        PatchMask mask = PatchMask.uniform(model.graph(), 0.3);
        try (TensorScope scope = new TensorScope();
            AblationValues values = AblationValues.prepare(model, Ablation.ZERO, List.of(batch));
            Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
          Tensor reference = model.logits(batch.corrupt());
          for (LossFunction loss : List.of(difference, LossFunction.ofAnswers(relative))) {
            long[] seen = new long[1];
            LossFunction watched =
                LossFunction.ofAnswers(
                    (logits, b, r) -> {
                      seen[0] = logits.size(2);
                      return loss.perPrompt(logits, b, r);
                    });
            Evaluation.Gradient few = run.gradient(mask, watched, batch, reference);
            Evaluation.Gradient all = run.gradient(mask, silent(loss), batch, reference);
            assertEquals(2, seen[0], "logits of two outputs");
            assertArrayEquals(all.losses(), few.losses(), 1e-12);
            float most = 0;
            for (float g : all.maskGradient()) {
              most = Math.max(most, Math.abs(g));
            }
            assertTrue(most > 0);
            assertArrayEquals(all.maskGradient(), few.maskGradient(), 1e-6f * most);
          }
        }
      }
    }
  }

  @Test
  void whereMoreIsReadAllIsComputed() {
    PromptBatch batch = batch();
    LossFunction loss = MaskGradient.eap().loss();
    AnswerOutputs few = AnswerOutputs.of(loss, batch, RandomModels.VOCABULARY);
    assertNotNull(few);
    assertArrayEquals(new int[] {2, 7}, few.outputs());
    assertArrayEquals(new int[] {1}, few.prompts().answers()[2][0]);
    assertArrayEquals(new int[] {0}, few.prompts().wrongAnswers()[0][0]);
    assertNull(AnswerOutputs.of(silent(loss), batch, 11), "a function that does not say");
    assertNotNull(AnswerOutputs.of(loss, of(batch, 7, 7), 8));
    assertNull(AnswerOutputs.of(loss, of(batch, 7, 7), 7), "an answer that does not exist");
    assertNull(AnswerOutputs.of(loss, of(batch, -1, -1), 11), "nor does this one");
    assertNotNull(AnswerOutputs.of(loss, of(batch, 1, 2), 8));
    assertNull(AnswerOutputs.of(loss, of(batch, 1, 2), 7), "more than a quarter of all outputs");
    MaskGradient eap = MaskGradient.eap();
    for (LogitFunction f : LogitFunction.values()) {
      assertEquals(
          f == LogitFunction.LOGIT,
          new MaskGradient(f, eap.answerFunction(), 0, 0, eap.ablation(), eap.source())
              .loss()
              .readsAnswersOnly());
    }
  }
}
