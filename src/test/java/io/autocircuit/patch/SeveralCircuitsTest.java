package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Difference;
import io.autocircuit.Exhaustive;
import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Several circuits in one run give what each gives alone, and what its dense mask gives: random
 * architectures, circuits, ablations, slices, positions, paddings, common beginnings, and numbers
 * of circuits that change from run to run.
 */
@Tag("slow")
class SeveralCircuitsTest {
  private static final double TOLERANCE = 1e-9;

  private record Trial(
      PatchableModel model, PromptBatch batch, Ablation ablation, PatchType type, String what) {}

  private interface Check {
    void accept(Trial trial, SplittableRandom random);
  }

  private static void trials(int count, long seed, ScalarType type, Check check) {
    SplittableRandom random = new SplittableRandom(seed);
    List<RandomModels.Architecture> architectures = RandomModels.architectures().toList();
    for (int i = 0; i < count; i++) {
      RandomModels.Architecture a = architectures.get(i % architectures.size());
      Ablation ablation = Ablation.standard().get(random.nextInt(Ablation.standard().size()));
      ablation = i % 3 == 0 ? Ablation.RESAMPLE : ablation;
      OutputSlice slice = OutputSlice.values()[random.nextInt(3)];
      boolean padded = slice == OutputSlice.LAST_SEQ && random.nextInt(3) == 0;
      boolean positions = !padded && random.nextInt(3) == 0;
      int length = 2 + random.nextInt(6);
      PromptBatch batch =
          padded
              ? RandomModels.batch(new int[] {length, Math.max(1, length - 1), length}, length, i)
              : RandomModels.batch(1 + random.nextInt(3), length, i);
      if (random.nextBoolean()) {
        batch = withSharedPrefix(batch, random.nextInt(length + 1));
      }
      Kernels kernels =
          random.nextInt(4) == 0 ? new LibtorchKernels() : KernelsProvider.choose().kernels();
      PatchType patching = PatchType.values()[random.nextInt(2)];
      try (Transformer model = RandomModels.model(a, type, i);
          TensorScope scope = new TensorScope()) {
        PatchableModel patchable =
            PatchableModel.of(model, random.nextBoolean(), positions ? length : 0, slice, kernels);
        String what =
            String.join(", ", a.toString(), ablation.key(), slice.name(), patching.name(), "" + i);
        check.accept(new Trial(patchable, batch, ablation, patching, what), random);
      }
    }
  }

  private static PromptBatch withSharedPrefix(PromptBatch batch, int shared) {
    TokenBatch clean = batch.clean();
    int[] ids = batch.corrupt().ids().clone();
    for (int i = 0; i < clean.batchSize(); i++) {
      System.arraycopy(clean.ids(), i * clean.length(), ids, i * clean.length(), shared);
    }
    TokenBatch corrupt =
        new TokenBatch(ids, clean.batchSize(), clean.length(), batch.corrupt().padding());
    return new PromptBatch(clean, corrupt, batch.answers(), batch.wrongAnswers(), batch.rows());
  }

  /** Far from and near to each other, empty and full, in the order of size or not. */
  private static List<Circuit> circuits(PatchableModel model, SplittableRandom random) {
    int edges = model.graph().edgeCount();
    int count = 1 + random.nextInt(5);
    List<Circuit> list = new ArrayList<>();
    BitSet walk = new BitSet(edges);
    int kind = random.nextInt(4);
    double density = random.nextDouble();
    for (int e = 0; e < edges; e++) {
      walk.set(e, random.nextDouble() < density);
    }
    for (int c = 0; c < count; c++) {
      BitSet set = (BitSet) walk.clone();
      if (kind == 0) {
        set.clear(0, Math.min(edges, c * edges / 8));
      } else if (kind == 1) {
        double share = random.nextDouble();
        for (int e = 0; e < edges; e++) {
          set.set(e, random.nextDouble() < share * share);
        }
      } else {
        walk.flip(random.nextInt(edges));
      }
      list.add(
          random.nextInt(9) == 0
              ? Circuit.empty(model.graph())
              : random.nextInt(9) == 0
                  ? Circuit.full(model.graph())
                  : Circuit.of(model.graph(), set));
    }
    return list;
  }

  @Test
  void equalOneByOneAndTheDenseMask() {
    int[] compared = {0};
    trials(
        Exhaustive.on() ? 150 : 60,
        17,
        ScalarType.Double,
        (t, random) -> {
          boolean reverse = random.nextInt(4) == 0;
          TokenBatch input = reverse ? t.batch().corrupt() : t.batch().clean();
          TokenBatch from = reverse ? t.batch().clean() : t.batch().corrupt();
          // what is not computed must not be NaN that memory happens to hold
          poison(t.model().graph().sources().size() * 4L, input.batchSize(), input.length(), 8);
          try (AblationValues values =
                  AblationValues.prepare(t.model(), t.ablation(), List.of(t.batch()));
              Evaluation several = Evaluation.of(t.model(), input, values, from);
              Evaluation single = Evaluation.of(t.model(), input, values, from);
              Evaluation dense = Evaluation.of(t.model(), input, values.of(from))) {
            if (random.nextBoolean()) {
              several.prepareCircuits(5);
            }
            for (int run = 0; run < 8; run++) {
              List<Circuit> circuits = circuits(t.model(), random);
              try (TensorScope scope = new TensorScope()) {
                Tensor logits = several.logits(circuits, t.type());
                assertEquals(circuits.size(), logits.size(0));
                for (int c = 0; c < circuits.size(); c++) {
                  String what = t.what() + ", run " + run + ", circuit " + c + circuits;
                  double[] mine = Tensors.doubles(logits.select(0, c));
                  close(Tensors.doubles(dense.logits(circuits.get(c).mask(t.type()))), mine, what);
                  close(Tensors.doubles(single.logits(circuits.get(c), t.type())), mine, what);
                  compared[0]++;
                }
              }
              if (random.nextInt(5) == 0) {
                several.forget();
              }
            }
          }
        });
    assertTrue(compared[0] > 800, "circuits compared: " + compared[0]);
  }

  private static void poison(long... shape) {
    try (TensorScope scope = new TensorScope()) {
      for (int i = 0; i < 4; i++) {
        Tensors.empty(ScalarType.Double, shape).fill_(new Scalar(Double.NaN));
      }
    }
  }

  private static void close(double[] want, double[] got, String what) {
    assertEquals(want.length, got.length, what);
    for (int i = 0; i < want.length; i++) {
      assertEquals(want[i], got[i], TOLERANCE * (1 + Math.abs(want[i])), what + " logit " + i);
    }
  }

  /** The bound that ACDC relies on: what else is in the run changes a logit by rounding only. */
  @Test
  void differFromOneByOneByRounding() {
    Difference usual = new Difference("logits of several circuits, float32", Math.ulp(1f));
    Difference zero = new Difference("the same, zero ablation", Math.ulp(1f));
    trials(
        90,
        18,
        ScalarType.Float,
        (t, random) -> {
          boolean vanishes = t.ablation() instanceof Ablation.Constant;
          TokenBatch input = t.batch().clean();
          TokenBatch from = t.batch().corrupt();
          try (AblationValues values =
                  AblationValues.prepare(t.model(), t.ablation(), List.of(t.batch()));
              Evaluation several = Evaluation.of(t.model(), input, values, from);
              Evaluation single = Evaluation.of(t.model(), input, values, from);
              Evaluation again = Evaluation.of(t.model(), input, values, from)) {
            for (int run = 0; run < 6; run++) {
              List<Circuit> circuits = circuits(t.model(), random);
              try (TensorScope scope = new TensorScope()) {
                double[] mine = Tensors.doubles(several.logits(circuits, t.type()));
                assertArrayEquals(
                    mine,
                    Tensors.doubles(again.logits(circuits, t.type())),
                    t.what() + ": the same calls give the same bits");
                double[] want =
                    circuits.stream()
                        .flatMapToDouble(
                            c -> Arrays.stream(Tensors.doubles(single.logits(c, t.type()))))
                        .toArray();
                (vanishes ? zero : usual).check(t.what(), want, mine, vanishes ? 4096 : 64);
              }
            }
          }
        });
    System.out.println("SeveralCircuitsTest: " + usual);
    System.out.println("SeveralCircuitsTest: " + zero);
  }

  /** Where circuits are run together, visitors are told the same. */
  @Test
  void circuitRunsGiveTheLogitsOfEachCircuit() {
    RandomModels.Architecture a = RandomModels.architectures().toList().get(5);
    List<PromptBatch> batches = List.of(RandomModels.batch(5, 5, 3), RandomModels.batch(2, 5, 4));
    SplittableRandom random = new SplittableRandom(9);
    try (Transformer transformer = RandomModels.model(a, ScalarType.Double, 2)) {
      PatchableModel model =
          PatchableModel.of(
              transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      List<Circuit> circuits = new ArrayList<>();
      while (circuits.size() < 21) {
        circuits.addAll(circuits(model, random));
      }
      for (PatchType type : PatchType.values()) {
        CircuitRuns runs = CircuitRuns.of(type, Ablation.RESAMPLE);
        MemoryEstimate one = MemoryEstimate.of(model, Work.CIRCUITS, Ablation.RESAMPLE, 5);
        for (PatchableModel m :
            List.of(
                model, model.withWorkers(2), model.withMemory(new MemoryBudget(one.bytes(3))))) {
          double[][][] got = new double[circuits.size()][2][];
          runs.forEach(m, batches, circuits, (c, b, logits) -> got[c][b] = Tensors.doubles(logits));
          double[][] parts = new double[circuits.size()][7];
          runs.forEachMicroBatch(
              m,
              batches,
              circuits,
              (c, part, logits) -> {
                for (int i = 0; i < part.size(); i++) {
                  parts[c][5 * part.batch() + part.first() + i] =
                      Tensors.doubles(logits.select(0, i))[0];
                }
              });
          for (int b = 0; b < 2; b++) {
            TokenBatch input = runs.direction().input(batches.get(b));
            TokenBatch from = runs.direction().patches(batches.get(b));
            try (TensorScope scope = new TensorScope();
                Evaluation dense = Evaluation.of(model, input, SourceOutputs.of(model, from))) {
              for (int c = 0; c < circuits.size(); c++) {
                double[] want = Tensors.doubles(dense.logits(circuits.get(c).mask(type)));
                close(want, got[c][b], type + " circuit " + c);
                for (int i = 0; i < input.batchSize(); i++) {
                  double first = want[i * want.length / input.batchSize()];
                  assertEquals(first, parts[c][5 * b + i], 1e-9, type + " circuit " + c);
                }
              }
            }
          }
        }
      }
    }
  }

  @Test
  void howManyAtOnce() {
    // stories260k, 19 positions, and the embedded model, 16 positions
    assertEquals(16, CircuitsAtOnce.of(false, 64, 19, c -> true));
    assertEquals(16, CircuitsAtOnce.of(false, 64, 2 * 19, c -> true));
    assertEquals(8, CircuitsAtOnce.of(false, 64, 4 * 19, c -> true));
    assertEquals(4, CircuitsAtOnce.of(false, 64, 8 * 19, c -> true));
    assertEquals(1, CircuitsAtOnce.of(false, 64, 16 * 16, c -> true));
    assertEquals(1, CircuitsAtOnce.of(false, 64, 16 * 19, c -> true));
    assertEquals(1, CircuitsAtOnce.of(false, 64, 44 * 19, c -> true));
    assertEquals(1, CircuitsAtOnce.of(false, 768, 16, c -> true), "wide models");
    assertEquals(4, CircuitsAtOnce.of(false, 64, 1, c -> c < 8), "memory");
    assertEquals(64, CircuitsAtOnce.of(true, 768, 16, c -> true));
    assertEquals(8, CircuitsAtOnce.of(true, 768, 512, c -> true));
    assertEquals(1, CircuitsAtOnce.of(true, 768, 4096, c -> true));
    assertEquals(2, CircuitsAtOnce.of(true, 768, 512, c -> c < 4), "a device's memory");
  }

  @Test
  void theMemoryBudgetLimitsHowManyAreRunAtOnce() {
    RandomModels.Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    List<PromptBatch> batches = List.of(RandomModels.batch(4, 5, 3));
    try (Transformer transformer = RandomModels.model(a, ScalarType.Float, 2)) {
      PatchableModel model =
          PatchableModel.of(
              transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      for (boolean kept : new boolean[] {false, true}) {
        assertEquals(16, atOnce(model, batches, Work.CIRCUITS, kept));
        assertEquals(1, atOnce(model, batches, Work.MASKS, kept));
        for (int circuits : new int[] {1, 2, 4, 8}) {
          MemoryEstimate need =
              MemoryEstimate.of(model, Work.CIRCUITS, Ablation.RESAMPLE, 5, circuits);
          PatchableModel small = model.withMemory(new MemoryBudget(need.bytes(4)));
          assertEquals(circuits, atOnce(small, batches, Work.CIRCUITS, kept));
          PatchableModel less = model.withMemory(new MemoryBudget(need.bytes(4) - 1));
          assertEquals(Math.max(1, circuits / 2), atOnce(less, batches, Work.CIRCUITS, kept));
        }
      }
    }
  }

  private static int atOnce(
      PatchableModel model, List<PromptBatch> batches, Work work, boolean kept) {
    Evaluations.Direction direction = Evaluations.Direction.CORRUPT_INTO_CLEAN;
    try (AblationValues values = AblationValues.prepare(model, Ablation.RESAMPLE, batches);
        Evaluations all =
            kept
                ? Evaluations.kept(model, batches, values, direction, work)
                : Evaluations.once(model, batches, values, direction, work)) {
      return all.circuitsAtOnce();
    }
  }

  @Test
  void wrongCallsAreRefused() {
    RandomModels.Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    PromptBatch batch = RandomModels.batch(1, 3, 1);
    try (Transformer transformer = RandomModels.model(a, ScalarType.Float, 1);
        TensorScope scope = new TensorScope()) {
      PatchableModel model =
          PatchableModel.of(
              transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      PatchableModel joint =
          PatchableModel.of(
              transformer, false, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      try (Evaluation run =
          Evaluation.of(model, batch.clean(), SourceOutputs.of(model, batch.corrupt()))) {
        assertThrows(
            IllegalArgumentException.class, () -> run.logits(List.of(), PatchType.TREE_PATCH));
        List<Circuit> mixed = List.of(Circuit.full(model.graph()), Circuit.full(joint.graph()));
        assertThrows(IllegalArgumentException.class, () -> run.logits(mixed, PatchType.TREE_PATCH));
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> MemoryEstimate.of(model, Work.MASKS, Ablation.ZERO, 3, 2));
    }
  }
}
