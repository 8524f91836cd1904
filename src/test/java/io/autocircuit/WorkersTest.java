package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluations;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Micro-batches that several threads compute at the same time. */
@Tag("slow")
class WorkersTest {
  private static final PromptBatch FIRST = RandomModels.batch(7, 5, 3);
  private static final PromptBatch SECOND = RandomModels.batch(2, 5, 4);

  private static PatchableModel model(Transformer transformer) {
    return PatchableModel.of(
        transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  @Test
  void workersChangeNothingButTheRounding() {
    for (RandomModels.Architecture a : RandomModels.architectures().toList()) {
      try (Transformer transformer = RandomModels.model(a, ScalarType.Double, 1)) {
        PatchableModel one = model(transformer);
        for (PruneAlgorithm algorithm :
            List.of(Acdc.kl(1e-4, 1e-3), SubnetworkProbing.defaults(PatchType.TREE_PATCH, 5))) {
          List<PromptBatch> batches = List.of(FIRST, SECOND);
          float[] want = algorithm.score(one, batches, Progress.SILENT).values();
          float[] got = algorithm.score(one.withWorkers(3), batches, Progress.SILENT).values();
          float[] again = algorithm.score(one.withWorkers(3), batches, Progress.SILENT).values();
          assertArrayEquals(got, again, a + " " + algorithm.key() + ": the same bits again");
          for (int i = 0; i < want.length; i++) {
            assertEquals(want[i], got[i], 1e-5, a + " " + algorithm.key() + " " + i);
          }
        }
      }
    }
  }

  @Test
  void circuitsAreMeasuredByAllWorkers() {
    RandomModels.Architecture a = RandomModels.architectures().toList().get(1);
    try (Transformer transformer = RandomModels.model(a, ScalarType.Double, 2)) {
      PatchableModel one = model(transformer);
      BitSet some = new BitSet();
      some.set(0, one.graph().edgeCount() / 3);
      List<Circuit> circuits =
          List.of(
              Circuit.empty(one.graph()), Circuit.of(one.graph(), some), Circuit.full(one.graph()));
      for (PatchType type : PatchType.values()) {
        CircuitRuns runs = CircuitRuns.of(type, Ablation.RESAMPLE);
        List<Metric> metrics = List.of(Metric.KL_DIV, Metric.LOGIT_DIFF);
        Set<Thread> threads = ConcurrentHashMap.newKeySet();
        Progress watching = (what, done, total) -> threads.add(Thread.currentThread());
        List<Measurement> want =
            Measurements.of(one, runs, List.of(FIRST, SECOND), circuits, metrics, Progress.SILENT);
        List<Measurement> got =
            Measurements.of(
                one.withWorkers(3), runs, List.of(FIRST, SECOND), circuits, metrics, watching);
        assertTrue(!threads.contains(Thread.currentThread()), "computed by the caller");
        for (int m = 0; m < metrics.size(); m++) {
          for (int c = 0; c < circuits.size(); c++) {
            assertEquals(
                want.get(m).points().get(c).value(), got.get(m).points().get(c).value(), 1e-12);
          }
        }
      }
    }
  }

  @Test
  void partsAreComputedAtTheSameTimeAndCollectedInOrder() {
    RandomModels.Architecture a = RandomModels.architectures().toList().get(0);
    try (Transformer transformer = RandomModels.model(a, ScalarType.Float, 1)) {
      PatchableModel model = model(transformer).withWorkers(3);
      try (AblationValues values =
              AblationValues.prepare(model, Ablation.RESAMPLE, List.of(FIRST));
          Evaluations parts =
              Evaluations.kept(
                  model,
                  List.of(FIRST),
                  values,
                  Evaluations.Direction.CORRUPT_INTO_CLEAN,
                  MemoryEstimate.Work.CIRCUITS)) {
        assertEquals(3, parts.count());
        Set<Thread> threads = ConcurrentHashMap.newKeySet();
        CountDownLatch all = new CountDownLatch(3);
        List<Integer> order = new ArrayList<>();
        parts.compute(
            part -> {
              threads.add(Thread.currentThread());
              all.countDown();
              try {
                assertTrue(all.await(20, TimeUnit.SECONDS), "not at the same time");
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
              return part.first();
            },
            (part, first) -> order.add(first));
        assertEquals(3, threads.size());
        assertEquals(List.of(0, 2, 4), order);
        IllegalArgumentException e =
            assertThrows(
                IllegalArgumentException.class,
                () ->
                    parts.compute(
                        part -> {
                          throw new IllegalArgumentException("part=" + part.first());
                        },
                        (part, nothing) -> {}));
        assertEquals("part=0", e.getMessage());
      }
      assertThrows(IllegalArgumentException.class, () -> model.withWorkers(0));
    }
  }

  /**
   * Eight Java threads of a program that leaves the native threads as they are, against eight that
   * compute on one native thread each: with two thread pools that waited for each other they took 7
   * to 24 times as long.
   */
  @Test
  @Tag("alone")
  void severalThreadsDoNotWaitForEachOther() throws Exception {
    Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    TransformerConfig small =
        new TransformerConfig(
            "small",
            4,
            8,
            64,
            8,
            172,
            RandomModels.VOCABULARY,
            RandomModels.VOCABULARY,
            24,
            TransformerConfig.Activation.GELU_TANH,
            false,
            norm,
            norm,
            true,
            false,
            new TransformerConfig.Learned(),
            Math.sqrt(8));
    PromptBatch batch = RandomModels.batch(8, 19, 9);
    try (TensorScope scope = new TensorScope();
        Transformer transformer =
            new Transformer(
                small,
                RandomModels.weights(
                    new RandomModels.Architecture(small, 8, false, true), ScalarType.Float, 10),
                ScalarType.Float)) {
      int all = Math.max(2, Runtime.getRuntime().availableProcessors());
      List<String> tried = new ArrayList<>();
      for (int attempt = 0; attempt < 5; attempt++) {
        double one;
        double shared;
        try (NativeThreads threads = NativeThreads.one()) {
          one = eightThreads(transformer, batch);
        }
        try (NativeThreads threads = NativeThreads.withBlas(all)) {
          shared = eightThreads(transformer, batch);
        }
        if (attempt > 0 && shared <= 1.5 * one) {
          return;
        }
        tried.add(String.format("%.3f s, with one native thread %.3f s", shared, one));
      }
      fail("each of several attempts: " + tried);
    }
  }

  private static double eightThreads(Transformer transformer, PromptBatch batch) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try {
      List<Callable<Void>> work = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        work.add(
            () -> {
              for (int n = 0; n < 30; n++) {
                try (TensorScope scope = new TensorScope()) {
                  assertEquals(8, transformer.logits(batch.clean(), OutputSlice.LAST_SEQ).size(0));
                }
              }
              return null;
            });
      }
      long start = System.nanoTime();
      for (Future<Void> done : pool.invokeAll(work)) {
        done.get();
      }
      return (System.nanoTime() - start) / 1e9;
    } finally {
      pool.shutdownNow();
    }
  }
}
