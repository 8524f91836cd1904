package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.SharedOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** ACDC that tries several edges in one run decides as one edge after another does. */
@Tag("slow")
class AcdcBatchTest {
  private static final double[] TAUS = {1e-5, 1e-3, 0.02, 0.3};

  @Test
  void whatAcdcSharesMayBePartOfALaterGradient() {
    PromptBatch batch = RandomModels.batch(2, 4, 1);
    RandomModels.Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer transformer = RandomModels.model(a, ScalarType.Float, 1);
        SharedOutputs shared = new SharedOutputs(1L << 20);
        TensorScope scope = new TensorScope()) {
      PatchableModel model =
          PatchableModel.of(
                  transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels())
              .sharing(shared);
      new Acdc(List.of(0.01), Acdc.Target.KL_DIV, Ablation.RESAMPLE).score(model, List.of(batch));
      Tensor clean = model.logits(batch.clean());
      Tensor x = torch.ones_like(clean).set_requires_grad(true);
      x.mul(clean).sum().backward();
      assertArrayEquals(Tensors.floats(clean), Tensors.floats(x.grad()));
    }
  }

  @Test
  void severalEdgesAtOnceAreDecidedAsOneAfterAnother() {
    SplittableRandom random = new SplittableRandom(5);
    List<RandomModels.Architecture> architectures = RandomModels.architectures().toList();
    int removed = 0;
    int kept = 0;
    for (int trial = 0; trial < (Exhaustive.on() ? 72 : 18); trial++) {
      RandomModels.Architecture a = architectures.get(trial % architectures.size());
      Ablation ablation =
          trial % 2 == 0
              ? Ablation.RESAMPLE
              : Ablation.standard().get(random.nextInt(Ablation.standard().size()));
      Acdc.Target target = trial / 9 % 2 == 0 ? Acdc.Target.KL_DIV : Acdc.Target.MSE;
      List<Double> taus =
          trial % 3 == 0
              ? Arrays.stream(TAUS).boxed().toList()
              : List.of(TAUS[random.nextInt(TAUS.length)]);
      // float32 rounds by as much as the smallest τ
      ScalarType type =
          taus.contains(TAUS[0]) || trial % 4 == 3 ? ScalarType.Double : ScalarType.Float;
      OutputSlice slice = trial % 5 == 0 ? OutputSlice.ALL : OutputSlice.LAST_SEQ;
      int length = 3 + random.nextInt(3);
      List<PromptBatch> batches = List.of(RandomModels.batch(1 + random.nextInt(3), length, trial));
      try (Transformer transformer = RandomModels.model(a, type, 100 + trial)) {
        PatchableModel model =
            PatchableModel.of(
                transformer,
                trial % 7 != 0,
                trial % 6 == 1 ? length : 0,
                slice,
                KernelsProvider.choose().kernels());
        Acdc acdc = new Acdc(taus, target, ablation);
        float[] want = acdc.score(model, batches, Progress.SILENT, e -> 1).values();
        for (int most : new int[] {2, 3, 16}) {
          float[] got = acdc.score(model, batches, Progress.SILENT, e -> most).values();
          assertArrayEquals(want, got, a + ", " + acdc + ", " + type + ", at once=" + most);
        }
        float[] rule = acdc.score(model, batches, Progress.SILENT).values();
        assertArrayEquals(want, rule, a + ", " + acdc + ", by the rule");
        for (float s : want) {
          removed += Float.isFinite(s) ? 1 : 0;
          kept += Float.isFinite(s) ? 0 : 1;
        }
      }
    }
    assertTrue(removed > 250 && kept > 250, "removed=" + removed + " kept=" + kept);
  }

  /** The algorithm as the paper has it: every edge is run, dense masks, no cache, float64. */
  @Test
  void equalsThePlainAlgorithm() {
    List<RandomModels.Architecture> architectures = RandomModels.architectures().toList();
    for (int trial = 0; trial < 18; trial++) {
      RandomModels.Architecture a = architectures.get(trial % architectures.size());
      PromptBatch batch = RandomModels.batch(2, 4, trial);
      Acdc.Target target = trial < 9 ? Acdc.Target.KL_DIV : Acdc.Target.MSE;
      double tau = TAUS[trial % 3];
      try (Transformer transformer = RandomModels.model(a, ScalarType.Double, trial)) {
        PatchableModel model =
            PatchableModel.of(
                transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
        float[] got =
            new Acdc(List.of(tau), target, Ablation.RESAMPLE)
                .score(model, List.of(batch), Progress.SILENT, e -> 4)
                .values();
        assertArrayEquals(
            PlainAcdc.scores(model, batch, target, tau), got, a + ", " + target + ", τ=" + tau);
      }
    }
  }

  @Test
  void edgesThatNobodyReads() {
    RandomModels.Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer transformer = RandomModels.model(a, ScalarType.Float, 1)) {
      for (int positions : new int[] {0, 3}) {
        PatchableModel model =
            PatchableModel.of(
                transformer,
                true,
                positions,
                OutputSlice.LAST_SEQ,
                KernelsProvider.choose().kernels());
        Circuit one =
            Circuit.named(model.graph(), List.of("A1.2->Resid End", "Resid Start->A1.2.K"));
        for (int e = 0; e < model.graph().edgeCount(); e++) {
          String to = model.graph().edge(e).destination().name();
          assertEquals(
              to.equals("Resid End") || to.startsWith("A1.2."), CircuitRuns.reads(one, e), to);
        }
      }
    }
  }
}
