package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.PlacedKernels;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The engine beside the processor: everything is run on libtorch's device without memory, which
 * refuses to be read and to be mixed with tensors that are elsewhere. So nothing is made in the
 * wrong place, and nothing waits for the device before the end.
 */
@Tag("slow")
class DeviceEngineTest {
  private static final int LENGTH = 5;
  private static final int[][] PADDED = {{5, 5, 5}, {5, 3, 4}};

  static Stream<Architecture> architectures() {
    return Exhaustive.sample(RandomModels.sample(3).toList(), 3).stream();
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void everythingIsMadeOnTheModelsDevice(Architecture architecture) {
    PlacedKernels kernels = new PlacedKernels(Device.META);
    try (Transformer model =
        RandomModels.model(architecture, ScalarType.Float, 1).to(Device.META)) {
      // of padding, inputs and positions each pair of values meets
      for (boolean separate : new boolean[] {true, false}) {
        for (int positions : new int[] {0, LENGTH}) {
          int[] lengths = PADDED[separate == (positions > 0) ? 1 : 0];
          OutputSlice slice = separate ? OutputSlice.LAST_SEQ : OutputSlice.NOT_FIRST_SEQ;
          PatchableModel patchable = PatchableModel.of(model, separate, positions, slice, kernels);
          List<PromptBatch> batches =
              List.of(RandomModels.batch(lengths, LENGTH, 1), RandomModels.batch(2, LENGTH, 2));
          for (Ablation ablation : Ablation.standard()) {
            evaluate(patchable, ablation, batches);
          }
        }
      }
    }
    assertEquals(
        Set.of(
            "PatchForward",
            "PatchBackward",
            "PatchProject",
            "PatchProjectBackward",
            "HeadOutputs",
            "Attention",
            "AttentionBackward"),
        kernels.calls().keySet());
  }

  private static void evaluate(PatchableModel model, Ablation ablation, List<PromptBatch> batches) {
    PromptBatch batch = batches.get(0);
    try (TensorScope scope = new TensorScope();
        AblationValues values = AblationValues.prepare(model, ablation, batches)) {
      there(model.logits(batch.clean()));
      there(values.of(batch.corrupt()));
      try (Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt())) {
        evaluate(model, batch, run, ablation == Ablation.RESAMPLE);
      }
      if (ablation.overDataset()) {
        return;
      }
      for (Evaluations.Direction direction : Evaluations.Direction.values()) {
        try (Evaluations all =
            Evaluations.kept(
                model, batches, values, direction, MemoryEstimate.Work.PROMPT_GRADIENT)) {
          all.forEach(
              part -> {
                PatchMask mask = random(model.graph(), part.size(), 1);
                Tensor logits = there(part.run().logits(mask));
                there(Divergence.kl(logits, there(part.clean())));
                there(Divergence.mse(logits, there(part.corrupt())));
              });
        }
      }
    }
  }

  /** Some runs, or all kinds of them. */
  private static void evaluate(
      PatchableModel model, PromptBatch batch, Evaluation run, boolean all) {
    ComputationGraph graph = model.graph();
    int prompts = batch.clean().batchSize();
    float[] single = new float[graph.edgeCount()];
    single[0] = 1;
    List<PatchMask> masks =
        List.of(
            PatchMask.uniform(graph, 0),
            PatchMask.uniform(graph, 0.5),
            PatchMask.of(graph, single),
            random(graph, 0, 1),
            random(graph, 0, 0.1),
            random(graph, prompts, 1));
    for (PatchMask mask : masks) {
      there(run.logits(mask));
      there(run.logitsFrom(mask, 1));
    }
    Random random = new Random(1);
    for (PatchType type : PatchType.values()) {
      for (double share : all ? new double[] {0, 0.1, 0.6, 1} : new double[] {0.6}) {
        BitSet edges = new BitSet();
        for (int e = 0; e < graph.edgeCount(); e++) {
          edges.set(e, random.nextDouble() < share);
        }
        there(run.logits(Circuit.of(graph, edges), type));
        // one edge more: what has not changed is used again
        edges.set(random.nextInt(graph.edgeCount()));
        there(run.logits(Circuit.of(graph, edges), type));
        List<Circuit> several = new ArrayList<>(List.of(Circuit.empty(graph)));
        for (int i = 0; i < 2; i++) {
          edges.clear(random.nextInt(graph.edgeCount()));
          several.add(Circuit.of(graph, edges));
        }
        Tensor together = there(run.logits(several, type));
        assertEquals(several.size(), together.size(0));
        there(Divergence.kl(together, model.logits(batch.clean())));
      }
      run.forget();
    }
    Tensor reference = model.logits(batch.clean());
    List<LossFunction> losses = losses();
    for (int i = 0; i < masks.size(); i++) {
      for (LossFunction loss : all && i == 0 ? losses : losses.subList(0, 1)) {
        try (TensorScope scope = new TensorScope()) {
          there(run.unread(masks.get(i), new GradientOf(loss, batch, reference)).losses());
        }
      }
    }
  }

  private static List<LossFunction> losses() {
    List<LossFunction> losses = new ArrayList<>();
    for (LogitFunction logits : LogitFunction.values()) {
      for (MaskGradient.AnswerFunction answers : MaskGradient.AnswerFunction.values()) {
        losses.add(
            new MaskGradient(
                    logits, answers, 0, 0, Ablation.RESAMPLE, MaskGradient.PatchSource.CORRUPT)
                .loss());
      }
    }
    SubnetworkProbing d = SubnetworkProbing.defaults(PatchType.TREE_PATCH, 1);
    for (SubnetworkProbing.Target target : SubnetworkProbing.Target.values()) {
      if (target == SubnetworkProbing.Target.LOGIT_DIFF_PERCENT) {
        continue; // libtorch has no rule for the shape of abs; else it is AVG_DIFF
      }
      losses.add(
          new SubnetworkProbing(
                  d.learningRate(),
                  d.epochs(),
                  d.lambda(),
                  d.maskFunction(),
                  d.patchType(),
                  d.ablation(),
                  target,
                  d.circuitSize(),
                  d.dropout(),
                  d.avoid(),
                  d.avoidLambda(),
                  d.seed())
              .loss());
    }
    return losses;
  }

  /** A share of the edges masked, each by a number of its own. */
  private static PatchMask random(ComputationGraph graph, int instances, double share) {
    Random random = new Random(2);
    float[] values = new float[Math.max(1, instances) * graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextDouble() < share ? random.nextFloat() : 0;
    }
    return new PatchMask(graph, values, instances);
  }

  private static Tensor there(Tensor t) {
    assertEquals(new Placement(ScalarType.Float, Device.META), Placement.of(t));
    return t;
  }

  @Test
  void whatIsReadWaitsForTheDevice() {
    Architecture architecture = RandomModels.architectures().findFirst().orElseThrow();
    PromptBatch batch = RandomModels.batch(2, LENGTH, 1);
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.model(architecture, ScalarType.Float, 1).to(Device.META)) {
      PatchableModel patchable =
          PatchableModel.of(model, true, 0, OutputSlice.LAST_SEQ, new PlacedKernels(Device.META));
      try (AblationValues values = AblationValues.prepare(patchable, Ablation.ZERO, List.of());
          Evaluation run = Evaluation.of(patchable, batch.clean(), values, batch.corrupt())) {
        PatchMask mask = PatchMask.uniform(patchable.graph(), 0);
        Evaluation.Unread g = run.unread(mask, new GradientOf(losses().get(0), batch, null));
        for (Executable read :
            List.<Executable>of(
                () -> Tensors.doubles(g.losses()),
                () -> g.gradients().read(),
                () -> run.gradient(mask, losses().get(0), batch, null))) {
          String message = assertThrows(RuntimeException.class, read).getMessage();
          assertTrue(message.contains("Cannot copy out of meta tensor"), message);
        }
      }
    }
  }

  @Test
  void weightsAreMovedOnce() {
    Architecture architecture = RandomModels.architectures().findFirst().orElseThrow();
    Transformer model = RandomModels.model(architecture, ScalarType.Double, 1);
    assertSame(model, model.to(Device.CPU));
    long bytes = model.bytes();
    try (Transformer moved = model.to(Device.META)) {
      assertNotSame(model, moved);
      assertEquals(0, model.bytes(), "the model that was moved is closed");
      assertEquals(bytes, moved.bytes());
      assertEquals(new Placement(ScalarType.Double, Device.META), moved.placement());
      assertSame(moved, moved.to(Device.META));
    }
  }

  @Test
  void kernelsOfAnotherDeviceAreRefused() {
    Architecture architecture = RandomModels.architectures().findFirst().orElseThrow();
    PromptBatch batch = RandomModels.batch(2, LENGTH, 1);
    try (TensorScope scope = new TensorScope();
        Transformer model = RandomModels.model(architecture, ScalarType.Float, 1).to(Device.META)) {
      PatchableModel patchable =
          PatchableModel.of(
              model, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> SourceOutputs.of(patchable, batch.clean()));
      assertEquals("qkv.device=meta; move it to the CPU", e.getMessage());
    }
  }

  @Test
  void placements() {
    try (TensorScope scope = new TensorScope()) {
      Placement cpu = new Placement(ScalarType.Float, Device.CPU);
      assertArrayEquals(new float[] {1, 2}, Tensors.floats(cpu.tensor(new float[] {1, 2}, 2)), 0);
      assertArrayEquals(new double[] {0, 0}, Tensors.doubles(cpu.zeros(1, 2)), 0);
      Placement meta = new Placement(ScalarType.Double, Device.META);
      for (Tensor t :
          List.of(meta.empty(2, 3), meta.zeros(2, 3), meta.tensor(new float[6], 2, 3))) {
        assertEquals(meta, Placement.of(t));
        assertArrayEquals(new long[] {2, 3}, t.shape());
      }
      Tensor indices = meta.indices(new long[] {4, 5}, 2);
      assertEquals(meta.of(ScalarType.Long), Placement.of(indices));
      assertTrue(indices.is_meta());
    }
  }
}
