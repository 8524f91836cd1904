package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Live edges are those that matter: the others can go, and hardly any of them can. */
class LiveEdgesTest {
  @Test
  void deadEdgesChangeNothingAndLiveOnesDo() {
    SplittableRandom random = new SplittableRandom(11);
    List<RandomModels.Architecture> architectures = RandomModels.architectures().toList();
    int dead = 0;
    int live = 0;
    int matter = 0;
    for (int trial = 0; trial < 60; trial++) {
      RandomModels.Architecture a = architectures.get(trial % architectures.size());
      Ablation ablation = trial % 2 == 0 ? Ablation.RESAMPLE : Ablation.ZERO;
      PatchType type = PatchType.values()[trial / 2 % 2];
      PromptBatch batch = RandomModels.batch(2, 5, trial);
      try (Transformer model = RandomModels.model(a, ScalarType.Double, trial);
          TensorScope scope = new TensorScope()) {
        PatchableModel patchable =
            PatchableModel.of(
                model,
                random.nextBoolean(),
                random.nextInt(3) == 0 ? 5 : 0,
                OutputSlice.ALL,
                KernelsProvider.choose().kernels());
        CircuitRuns runs = CircuitRuns.of(type, ablation);
        int edges = patchable.graph().edgeCount();
        BitSet set = new BitSet();
        double density = 0.05 + 0.4 * random.nextDouble();
        for (int e = 0; e < edges; e++) {
          set.set(e, random.nextDouble() < (type == PatchType.TREE_PATCH ? density : 1 - density));
        }
        Circuit circuit = Circuit.of(patchable.graph(), set);
        Circuit alive = runs.live(circuit, model.config().features().couplesHeads());
        assertTrue(circuit.edgeSet().cardinality() >= alive.size());
        double[] whole = logits(patchable, batch, runs, circuit);
        double[] without = logits(patchable, batch, runs, alive);
        // run as masks, what is zero-ablated cancels but for rounding, which norms enlarge (ADR 27)
        if (model.config().features().couplesHeads() && ablation == Ablation.ZERO) {
          continue;
        }
        dead += circuit.size() - alive.size();
        for (int i = 0; i < whole.length; i++) {
          assertEquals(whole[i], without[i], 1e-9 * (1 + Math.abs(whole[i])), a + " " + runs);
        }
        int[] some = alive.edgeSet().stream().limit(6).toArray();
        for (int e : some) {
          BitSet fewer = alive.edgeSet();
          fewer.clear(e);
          live++;
          double[] changed = logits(patchable, batch, runs, Circuit.of(patchable.graph(), fewer));
          double most = 0;
          for (int i = 0; i < whole.length; i++) {
            most = Math.max(most, Math.abs(whole[i] - changed[i]));
          }
          matter += most > 1e-12 ? 1 : 0;
        }
      }
    }
    assertTrue(dead > 500, "dead edges seen: " + dead);
    // a key of a single position, an inactive neuron, a position without a difference: few
    assertTrue(live > 200 && matter > 0.85 * live, matter + " of " + live + " live edges matter");
  }

  private static double[] logits(
      PatchableModel model, PromptBatch batch, CircuitRuns runs, Circuit circuit) {
    try (AblationValues values = AblationValues.prepare(model, runs.ablation(), List.of(batch));
        TensorScope scope = new TensorScope()) {
      boolean tree = runs.patchType() == PatchType.TREE_PATCH;
      try (Evaluation e =
          Evaluation.of(
              model,
              tree ? batch.clean() : batch.corrupt(),
              values,
              tree ? batch.corrupt() : batch.clean())) {
        return Tensors.doubles(e.logits(circuit.mask(runs.patchType())));
      }
    }
  }
}
