package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.ReferenceKernels;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.prune.MaskGradient;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Δ in the place of the ablation values: the same numbers, for one gradient and no more. */
class OneGradientTest {
  private static final int LENGTH = 5;
  private static final int PROMPTS = 3;
  private static final LossFunction LOSS =
      (logits, batch, reference) -> Divergence.kl(logits, reference);

  static Stream<Architecture> architectures() {
    return RandomModels.architectures();
  }

  private static PatchableModel patchable(Transformer t, Kernels kernels) {
    return PatchableModel.of(t, true, 0, OutputSlice.LAST_SEQ, kernels);
  }

  private static float[] gradient(
      PatchableModel model, PromptBatch batch, Ablation ablation, double mask, Work work) {
    float[][] found = new float[1][];
    try (AblationValues values = AblationValues.prepare(model, ablation, List.of(batch));
        Evaluations all =
            Evaluations.once(
                model, List.of(batch), values, Evaluations.Direction.CORRUPT_INTO_CLEAN, work)) {
      all.forEach(
          part ->
              found[0] =
                  part.run()
                      .gradient(
                          PatchMask.uniform(model.graph(), mask),
                          LOSS,
                          part.prompts(),
                          part.corrupt())
                      .maskGradient());
    }
    return found[0];
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void givesTheSameNumbersInLessMemory(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      for (Kernels kernels : List.of(choice.kernels(), new ReferenceKernels())) {
        PatchableModel model = patchable(t, kernels);
        for (Ablation ablation : List.of(Ablation.RESAMPLE, Ablation.BATCH_TOKENWISE_MEAN)) {
          for (double mask : new double[] {0, 0.4}) {
            float[] plain = gradient(model, batch, ablation, mask, Work.UNIFORM_GRADIENT);
            assertSame(plain, gradient(model, batch, ablation, mask, Work.ONE_UNIFORM_GRADIENT));
          }
        }
      }
      PatchableModel model = patchable(t, choice.kernels());
      long delta = (long) model.graph().sources().size() * LENGTH * a.config().dModel();
      assertEquals(
          delta * Float.BYTES,
          MemoryEstimate.of(model, Work.UNIFORM_GRADIENT, Ablation.RESAMPLE, LENGTH).heldPerPrompt()
              - MemoryEstimate.of(model, Work.ONE_UNIFORM_GRADIENT, Ablation.RESAMPLE, LENGTH)
                  .heldPerPrompt());
    }
  }

  /** Up to the rounding of products and activations of fewer rows. */
  private static void assertSame(float[] expected, float[] found) {
    float most = 0;
    for (float g : expected) {
      most = Math.max(most, Math.abs(g));
    }
    assertTrue(most > 0);
    assertArrayEquals(expected, found, 64 * Math.ulp(1f) * most);
  }

  @Test
  void nothingFollowsIt() {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      PatchableModel model = patchable(t, choice.kernels());
      PatchMask zero = PatchMask.uniform(model.graph(), 0);
      try (AblationValues values =
              AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
          Evaluations all =
              Evaluations.once(
                  model,
                  List.of(batch),
                  values,
                  Evaluations.Direction.CORRUPT_INTO_CLEAN,
                  Work.ONE_UNIFORM_GRADIENT)) {
        all.forEach(
            part -> {
              Evaluation run = part.run();
              assertThrows(IllegalStateException.class, () -> run.logits(zero));
              assertThrows(
                  IllegalStateException.class,
                  () -> run.logits(Circuit.full(model.graph()), PatchType.TREE_PATCH));
              run.gradient(zero, LOSS, part.prompts(), part.corrupt());
              IllegalStateException e =
                  assertThrows(
                      IllegalStateException.class,
                      () -> run.gradient(zero, LOSS, part.prompts(), part.corrupt()));
              assertTrue(e.getMessage().contains("one gradient"), e::getMessage);
            });
      }
    }
  }

  /** Values that other runs are given too stay as they are. */
  @Test
  void sharedValuesAreLeftAlone() {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose();
        SharedOutputs shared = new SharedOutputs(1 << 20)) {
      PatchableModel alone = patchable(t, choice.kernels());
      PatchableModel model = alone.sharing(shared);
      assertFalse(model.replacesValues(Ablation.RESAMPLE));
      float[] first = MaskGradient.eap().score(alone, List.of(batch)).values();
      for (int i = 0; i < 2; i++) {
        assertSame(first, MaskGradient.eap().score(model, List.of(batch)).values());
      }
    }
  }
}
