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
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Compiled circuits give the numbers of the dense evaluation, in float64: random architectures,
 * circuits, ablations, slices, positions, paddings; many circuits one after another on one
 * evaluation, so that what is kept from the circuit before is tested too.
 */
@Tag("slow")
class CompiledCircuitTest {
  private static final double TOLERANCE = 1e-9;

  @Test
  void compiledEqualsDense() {
    SplittableRandom random = new SplittableRandom(7);
    List<RandomModels.Architecture> architectures = RandomModels.architectures().toList();
    int compared = 0;
    for (int trial = 0; trial < 120; trial++) {
      RandomModels.Architecture a = architectures.get(trial % architectures.size());
      Ablation ablation = Ablation.standard().get(random.nextInt(Ablation.standard().size()));
      OutputSlice slice = OutputSlice.values()[random.nextInt(3)];
      boolean padded = slice == OutputSlice.LAST_SEQ && random.nextInt(3) == 0;
      boolean positions = !padded && random.nextInt(3) == 0;
      int length = 2 + random.nextInt(6);
      PromptBatch batch =
          padded
              ? RandomModels.batch(
                  new int[] {length, Math.max(1, length - 1), length}, length, trial)
              : RandomModels.batch(1 + random.nextInt(3), length, trial);
      if (random.nextBoolean()) {
        batch = withSharedPrefix(batch, random);
      }
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

  /** The corrupt prompts begin as the clean ones do, each for a while; some all the way. */
  private static PromptBatch withSharedPrefix(PromptBatch batch, SplittableRandom random) {
    TokenBatch clean = batch.clean();
    int[] ids = batch.corrupt().ids().clone();
    int least = random.nextInt(clean.length() + 1);
    for (int i = 0; i < clean.batchSize(); i++) {
      int shared = Math.min(clean.length(), least + random.nextInt(2));
      System.arraycopy(clean.ids(), i * clean.length(), ids, i * clean.length(), shared);
    }
    TokenBatch corrupt =
        new TokenBatch(ids, clean.batchSize(), clean.length(), batch.corrupt().padding());
    return new PromptBatch(clean, corrupt, batch.answers(), batch.wrongAnswers(), batch.rows());
  }

  private static int compare(
      PatchableModel model,
      PromptBatch batch,
      Ablation ablation,
      SplittableRandom random,
      String what) {
    int edges = model.graph().edgeCount();
    boolean reverse = random.nextInt(4) == 0;
    PatchType type = PatchType.values()[random.nextInt(2)];
    TokenBatch input = reverse ? batch.corrupt() : batch.clean();
    TokenBatch from = reverse ? batch.clean() : batch.corrupt();
    try (AblationValues values = AblationValues.prepare(model, ablation, List.of(batch));
        Evaluation compiled = Evaluation.of(model, input, values, from);
        Evaluation dense = Evaluation.of(model, input, values.of(from))) {
      for (Circuit c : circuits(model, edges, random)) {
        try (TensorScope scope = new TensorScope()) {
          Tensor mine = compiled.logits(c, type);
          Tensor want = dense.logits(c.mask(type));
          double[] x = Tensors.doubles(mine);
          double[] y = Tensors.doubles(want);
          assertEquals(y.length, x.length, what);
          for (int i = 0; i < x.length; i++) {
            double tolerance = TOLERANCE * (1 + Math.abs(y[i]));
            assertEquals(y[i], x[i], tolerance, what + " " + type + " " + c + " logit " + i);
          }
        }
      }
      return 22;
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
    // few edges of a sparse circuit change at a time, so that much of the one before is kept
    BitSet walk = new BitSet(edges);
    for (int i = 0; i < 12; i++) {
      int flips = 1 + random.nextInt(1 + edges / 10);
      for (int j = 0; j < flips; j++) {
        walk.flip(random.nextInt(edges));
      }
      list.add(Circuit.of(model.graph(), walk));
    }
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

  /** Rows of the mask that are equal share one input; prompts may have masks of their own. */
  @Test
  void sharedRowsEqualRowsOfTheirOwn() {
    SplittableRandom random = new SplittableRandom(3);
    List<RandomModels.Architecture> architectures = RandomModels.architectures().toList();
    for (int trial = 0; trial < 36; trial++) {
      RandomModels.Architecture a = architectures.get(trial % architectures.size());
      PromptBatch batch = RandomModels.batch(1 + random.nextInt(3), 2 + random.nextInt(4), trial);
      try (Transformer model = RandomModels.model(a, ScalarType.Double, trial);
          TensorScope scope = new TensorScope()) {
        PatchableModel fused =
            PatchableModel.of(
                model,
                random.nextBoolean(),
                random.nextInt(3) == 0 ? batch.clean().length() : 0,
                OutputSlice.values()[random.nextInt(3)],
                KernelsProvider.choose().kernels());
        PatchableModel plain =
            new PatchableModel(
                model, fused.graph(), fused.slice(), new io.autocircuit.kernels.LibtorchKernels());
        try (AblationValues values =
                AblationValues.prepare(fused, Ablation.RESAMPLE, List.of(batch));
            Evaluation mine = Evaluation.of(fused, batch.clean(), values, batch.corrupt());
            Evaluation other = Evaluation.of(plain, batch.clean(), values, batch.corrupt())) {
          for (int i = 0; i < 6; i++) {
            PatchMask mask = maskWithEqualRows(fused, batch.clean().batchSize(), random);
            assertClose(
                Tensors.doubles(other.logits(mask)), Tensors.doubles(mine.logits(mask)), a + "");
            assertClose(
                other.gradient(mask, LOSS, batch, null).maskGradient(),
                mine.gradient(mask, LOSS, batch, null).maskGradient(),
                a + " gradient");
          }
        }
      }
    }
  }

  private static final io.autocircuit.objective.LossFunction LOSS =
      (logits, prompts, reference) -> logits.mul(logits).mean(new long[] {1, 2}, false, null);

  /** Each destination takes one of a few rows, by module; sometimes all are zero. */
  private static PatchMask maskWithEqualRows(
      PatchableModel model, int prompts, SplittableRandom random) {
    int instances = random.nextInt(3) == 0 ? prompts : 0;
    int kinds = 1 + random.nextInt(4);
    float[] values = new float[Math.max(1, instances) * model.graph().edgeCount()];
    int copies = model.graph().positionCopies();
    for (int i = 0; i < Math.max(1, instances); i++) {
      for (io.autocircuit.graph.DestModule m : model.graph().modules()) {
        for (int h = 0; h < m.nodes().size(); h++) {
          SplittableRandom row = new SplittableRandom(31L * i + random.nextInt(kinds));
          boolean zero = row.nextInt(3) == 0;
          for (int e = 0; e < m.sources() * copies; e++) {
            int at = m.offset() + h * m.sources() * copies + e;
            values[i * model.graph().edgeCount() + at] =
                zero || row.nextInt(3) == 0 ? 0 : (float) row.nextDouble();
          }
        }
      }
    }
    return new PatchMask(model.graph(), values, instances);
  }

  private static void assertClose(double[] want, double[] got, String what) {
    assertEquals(want.length, got.length, what);
    for (int i = 0; i < want.length; i++) {
      assertEquals(want[i], got[i], TOLERANCE * (1 + Math.abs(want[i])), what + " " + i);
    }
  }

  private static void assertClose(float[] want, float[] got, String what) {
    assertEquals(want.length, got.length, what);
    for (int i = 0; i < want.length; i++) {
      assertEquals(want[i], got[i], 1e-6 * (1 + Math.abs(want[i])), what + " " + i);
    }
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
          Evaluation run = Evaluation.of(patchable, batch.clean(), values, batch.corrupt())) {
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
