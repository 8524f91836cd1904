package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
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
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The last block is computed where the sliced positions read it: the numbers are those of a run
 * whose every logit is looked at.
 */
class LastBlockTest {
  private static final int LENGTH = 6;
  private static final int PROMPTS = 3;

  static Stream<Architecture> architectures() {
    return RandomModels.sample(2);
  }

  /** Of all positions the last. */
  private static Tensor last(Tensor logits) {
    return logits.narrow(1, logits.size(1) - 1, 1);
  }

  private static final LossFunction LOSS =
      (logits, batch, reference) -> Divergence.kl(last(logits), last(reference));

  private static List<PatchMask> masks(PatchableModel model) {
    SplittableRandom random = new SplittableRandom(8);
    int edges = model.graph().edgeCount();
    List<PatchMask> masks = new ArrayList<>();
    masks.add(PatchMask.uniform(model.graph(), 0));
    masks.add(PatchMask.uniform(model.graph(), 0.4));
    for (int instances : new int[] {0, PROMPTS}) {
      float[] values = new float[Math.max(1, instances) * edges];
      float[] few = new float[values.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextDouble();
        few[i] = random.nextInt(10) == 0 ? values[i] : 0;
      }
      masks.add(new PatchMask(model.graph(), values, instances));
      masks.add(new PatchMask(model.graph(), few, instances));
    }
    return masks;
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void logitsAndGradientsAreThoseOfAllPositions(Architecture a) {
    PromptBatch batch = RandomModels.batch(new int[] {LENGTH, 4, 5}, LENGTH, 3);
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      for (Kernels kernels : List.of(choice.kernels(), new ReferenceKernels())) {
        for (boolean separate : new boolean[] {true, false}) {
          for (int positions : new int[] {0, LENGTH}) {
            compare(
                PatchableModel.of(t, separate, positions, OutputSlice.LAST_SEQ, kernels),
                PatchableModel.of(t, separate, positions, OutputSlice.ALL, kernels),
                batch);
          }
        }
      }
    }
  }

  private static void compare(PatchableModel few, PatchableModel all, PromptBatch batch) {
    try (TensorScope scope = new TensorScope()) {
      Tensor values = SourceOutputs.of(all, batch.corrupt());
      Tensor reference = all.logits(batch.corrupt());
      // nobody may read what the last block writes before the last position
      Tensor holes = values.clone();
      int of = few.graph().stages(few.graph().blocks() - 1).get(0).firstWritten();
      holes
          .narrow(0, of, holes.size(0) - of)
          .narrow(2, 0, LENGTH - 1)
          .fill_(new Scalar(Double.NaN));
      try (Evaluation one = Evaluation.of(few, batch.clean(), holes);
          Evaluation other = Evaluation.of(all, batch.clean(), values)) {
        for (PatchMask mask : masks(few)) {
          double[] expected = Tensors.doubles(last(other.logits(mask)).contiguous());
          assertArrayEquals(expected, Tensors.doubles(one.logits(mask)), 1e-11);
          Evaluation.Gradient want = other.gradient(mask, LOSS, batch, reference);
          Evaluation.Gradient got = one.gradient(mask, LOSS, batch, reference);
          assertArrayEquals(want.losses(), got.losses(), 1e-11);
          float most = 0;
          for (float g : want.maskGradient()) {
            most = Math.max(most, Math.abs(g));
          }
          assertTrue(most > 0);
          assertArrayEquals(want.maskGradient(), got.maskGradient(), 1e-6f * most);
          // a run from the last block on reads what the runs before have left
          int from = few.graph().blocks() - 1;
          PatchMask late = lateOnly(mask, from);
          assertArrayEquals(
              Tensors.doubles(last(other.logits(late)).contiguous()),
              Tensors.doubles(one.logitsFrom(late, from)),
              1e-11);
        }
      }
    }
  }

  /** The mask without the edges into earlier blocks. */
  private static PatchMask lateOnly(PatchMask mask, int block) {
    float[] values = mask.values().clone();
    int edges = mask.graph().edgeCount();
    for (int i = 0; i < values.length; i++) {
      if (mask.graph().edge(i % edges).destination().block() < block) {
        values[i] = 0;
      }
    }
    return new PatchMask(mask.graph(), values, mask.instances());
  }
}
