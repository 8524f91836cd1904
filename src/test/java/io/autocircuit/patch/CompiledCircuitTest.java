package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/**
 * Compiled circuits give the numbers of the dense evaluation, in float64: random architectures,
 * circuits, ablations, slices, positions, paddings; many circuits one after another on one
 * evaluation, so that what is kept from the circuit before is tested too.
 */
class CompiledCircuitTest {
  private static final double TOLERANCE = 1e-9;

  @Test
  void compiledEqualsDense() {
    SplittableRandom random = new SplittableRandom(7);
    List<RandomModels.Architecture> architectures = RandomModels.architectures().toList();
    int compared = 0;
    for (int trial = 0; trial < 120; trial++) {
      RandomModels.Architecture a = architectures.get(trial % architectures.size());
      Ablation ablation = Ablation.values()[random.nextInt(Ablation.values().length)];
      OutputSlice slice = OutputSlice.values()[random.nextInt(3)];
      boolean padded = slice == OutputSlice.LAST_SEQ && random.nextInt(3) == 0;
      boolean positions = !padded && random.nextInt(3) == 0;
      int length = 2 + random.nextInt(6);
      PromptBatch batch =
          padded
              ? RandomModels.batch(
                  new int[] {length, Math.max(1, length - 1), length}, length, trial)
              : RandomModels.batch(1 + random.nextInt(3), length, trial);
      try (Transformer model = RandomModels.model(a, ScalarType.Double, trial);
          TensorScope scope = new TensorScope()) {
        PatchableModel patchable =
            PatchableModel.of(
                model,
                random.nextBoolean(),
                positions ? batch.clean().length() : 0,
                slice,
                KernelsProvider.choose().kernels());
        compared += compare(patchable, batch, ablation, random, a + " " + ablation + " " + slice);
      }
    }
    assertTrue(compared > 1000, "circuits compared: " + compared);
  }

  private static int compare(
      PatchableModel model,
      PromptBatch batch,
      Ablation ablation,
      SplittableRandom random,
      String what) {
    int edges = model.graph().edgeCount();
    boolean reverse = random.nextInt(4) == 0;
    TokenBatch input = reverse ? batch.corrupt() : batch.clean();
    TokenBatch from = reverse ? batch.clean() : batch.corrupt();
    try (AblationValues values = AblationValues.prepare(model, ablation, List.of(batch));
        Evaluation compiled = model.evaluation(input, values, from);
        Evaluation dense = model.evaluation(input, values.of(from))) {
      for (Circuit c : circuits(model, edges, random)) {
        try (TensorScope scope = new TensorScope()) {
          Tensor mine = compiled.logits(c, PatchType.TREE_PATCH);
          Tensor want = dense.logits(c.mask(PatchType.TREE_PATCH));
          double[] x = Tensors.doubles(mine);
          double[] y = Tensors.doubles(want);
          assertEquals(y.length, x.length, what);
          for (int i = 0; i < x.length; i++) {
            double tolerance = TOLERANCE * (1 + Math.abs(y[i]));
            assertEquals(y[i], x[i], tolerance, what + " " + c + " logit " + i);
          }
        }
      }
      return 10;
    }
  }

  /** Empty, full, random ones of several densities, and single-edge changes as ACDC makes them. */
  private static List<Circuit> circuits(PatchableModel model, int edges, SplittableRandom random) {
    List<Circuit> list = new ArrayList<>();
    list.add(Circuit.empty(model.graph()));
    for (double density : new double[] {0.05, 0.3, 0.7, 0.95}) {
      BitSet set = new BitSet(edges);
      for (int e = 0; e < edges; e++) {
        set.set(e, random.nextDouble() < density);
      }
      list.add(Circuit.of(model.graph(), set));
    }
    list.add(Circuit.full(model.graph()));
    BitSet kept = new BitSet(edges);
    kept.set(0, edges);
    for (int i = 0; i < 4; i++) {
      int e = random.nextInt(edges);
      kept.clear(e);
      list.add(Circuit.of(model.graph(), kept));
      if (random.nextBoolean()) {
        kept.set(e);
      }
    }
    return list;
  }

  @Test
  void nothingIsComputedAgainForTheSameCircuit() {
    RandomModels.Architecture a = RandomModels.architectures().toList().get(0);
    PromptBatch batch = RandomModels.batch(2, 4, 1);
    try (Transformer model = RandomModels.model(a, ScalarType.Double, 1);
        TensorScope scope = new TensorScope()) {
      PatchableModel patchable =
          PatchableModel.of(
              model, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      try (AblationValues values =
              AblationValues.prepare(patchable, Ablation.RESAMPLE, List.of(batch));
          Evaluation run = patchable.evaluation(batch.clean(), values, batch.corrupt())) {
        Circuit c = Circuit.full(patchable.graph());
        assertEquals(0.0, run.liveShare(Circuit.empty(patchable.graph()), PatchType.TREE_PATCH));
        assertTrue(run.liveShare(c, PatchType.TREE_PATCH) > 0.3);
        double[] first = Tensors.doubles(run.logits(c, PatchType.TREE_PATCH));
        double[] second = Tensors.doubles(run.logits(c, PatchType.TREE_PATCH));
        org.junit.jupiter.api.Assertions.assertArrayEquals(first, second);
      }
    }
  }
}
