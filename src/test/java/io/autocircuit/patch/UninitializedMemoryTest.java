package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.kernels.Tolerance;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Divergence;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Context;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** No result depends on what memory held before: libtorch fills what it hands out with NaN. */
@Tag("slow")
class UninitializedMemoryTest {
  private static final PromptBatch BATCH = RandomModels.batch(3, 5, 2);

  static List<Architecture> architectures() {
    return RandomModels.architectures().toList();
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void isNeverRead(Architecture architecture) {
    try (Transformer transformer = RandomModels.model(architecture, ScalarType.Double, 1)) {
      // our kernels leave out what no mask reads; libtorch multiplies it by 0, and 0 · NaN is NaN
      for (Kernels kernels : List.of(KernelsProvider.choose().kernels(), new LibtorchKernels())) {
        PatchableModel model =
            PatchableModel.of(transformer, true, 0, OutputSlice.LAST_SEQ, kernels);
        check(model);
      }
    }
  }

  private static void check(PatchableModel model) {
    for (Ablation ablation : List.of(Ablation.RESAMPLE, Ablation.ZERO)) {
      List<double[]> usual = results(model, ablation);
      Context context = torch.globalContext();
      boolean fill = context.deterministicFillUninitializedMemory();
      List<double[]> poisoned;
      try {
        context.setDeterministicFillUninitializedMemory(true);
        context.setDeterministicAlgorithms(true, true);
        try (TensorScope scope = new TensorScope()) {
          assertTrue(torch.empty(3).isnan().all().item_bool(), "libtorch does not fill memory");
        }
        poisoned = results(model, ablation);
      } finally {
        context.setDeterministicAlgorithms(false, false);
        context.setDeterministicFillUninitializedMemory(fill);
      }
      assertEquals(usual.size(), poisoned.size());
      for (int i = 0; i < usual.size(); i++) {
        assertTrue(Arrays.stream(poisoned.get(i)).allMatch(Double::isFinite), ablation + " " + i);
        Tolerance.of(ScalarType.Double, 1000)
            .scaled(100)
            .check(
                ablation + " " + i,
                new long[] {usual.get(i).length},
                usual.get(i),
                poisoned.get(i));
      }
    }
  }

  /** Of sparse masks, their gradients, circuits one by one and several at once. */
  private static List<double[]> results(PatchableModel model, Ablation ablation) {
    SplittableRandom random = new SplittableRandom(7);
    int edges = model.graph().edgeCount();
    List<double[]> all = new ArrayList<>();
    try (AblationValues values = AblationValues.prepare(model, ablation, List.of(BATCH))) {
      for (double share : new double[] {0.02, 0.2, 0.9}) {
        float[] mask = new float[edges];
        BitSet kept = new BitSet(edges);
        BitSet others = new BitSet(edges);
        for (int e = 0; e < edges; e++) {
          mask[e] = random.nextDouble() < share ? (float) random.nextDouble() : 0;
          kept.set(e, random.nextDouble() < share);
          others.set(e, random.nextDouble() < share);
        }
        PatchMask some = PatchMask.of(model.graph(), mask);
        Circuit one = Circuit.of(model.graph(), kept);
        Circuit two = Circuit.of(model.graph(), others);
        // each on memory of its own
        all.add(logits(model, values, run -> run.logits(some)));
        all.add(logits(model, values, run -> run.logits(one, PatchType.TREE_PATCH)));
        all.add(logits(model, values, run -> run.logits(one, PatchType.EDGE_PATCH)));
        all.add(logits(model, values, run -> run.logits(List.of(one, two), PatchType.TREE_PATCH)));
        try (TensorScope scope = new TensorScope();
            Evaluation run = Evaluation.of(model, BATCH.clean(), values, BATCH.corrupt())) {
          Evaluation.Gradient g =
              run.gradient(
                  some,
                  (logits, batch, reference) -> Divergence.kl(logits, reference),
                  BATCH,
                  model.logits(BATCH.clean()));
          all.add(g.losses());
          double[] slopes = new double[edges];
          Arrays.setAll(slopes, e -> g.maskGradient()[e]);
          // float32: what is far below the largest is rounding
          double largest = Arrays.stream(slopes).map(Math::abs).max().orElse(1);
          all.add(Arrays.stream(slopes).map(x -> Math.rint(x / largest * 1e4)).toArray());
        }
      }
    }
    return all;
  }

  private static double[] logits(
      PatchableModel model,
      AblationValues values,
      java.util.function.Function<Evaluation, org.bytedeco.pytorch.Tensor> work) {
    try (TensorScope scope = new TensorScope();
        Evaluation run = Evaluation.of(model, BATCH.clean(), values, BATCH.corrupt())) {
      return Tensors.doubles(work.apply(run));
    }
  }
}
