package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Forked;
import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Thousands of evaluations in one process take no more memory than hundreds: circuits, dense masks,
 * restarts, gradients, sweeps and steps of ACDC, in whole batches and in micro-batches that are
 * opened anew. Neither the kernel's account of resident memory nor the number of native objects
 * that Java holds grows; and the same process with a leak is caught by both.
 */
@Tag("slow")
class MemoryGrowthTest {
  private static final int WARM = 40;
  private static final int ROUNDS = 300;
  private static final long LIMIT = 16L << 20;

  /**
   * Each round leaks one of these, {@code [B,T,D]} of a small model: less than most that it has.
   */
  private static final int LEAKED = 1 << 15;

  @TempDir Path folder;

  private record Growth(long evaluations, long bytes, long objects) {}

  private Growth grown(String what) throws Exception {
    List<String> lines =
        Forked.run(
            folder.resolve("log"),
            List.of(
                "-Xmx128m",
                "-Xms128m",
                "-XX:+AlwaysPreTouch",
                "-XX:TieredStopAtLevel=1",
                // memory that is kept on purpose is not a leak
                "-Dautocircuit.tuning=false"),
            Map.of("OMP_NUM_THREADS", "1", "OPENBLAS_NUM_THREADS", "1"),
            Child.class,
            what);
    String[] words = lines.get(lines.size() - 1).split(" ", -1);
    Growth g =
        new Growth(Long.parseLong(words[0]), Long.parseLong(words[1]), Long.parseLong(words[2]));
    System.out.printf(
        Locale.ROOT,
        "MemoryGrowthTest: %s: %d evaluations, resident memory grew by %.1f MB, native objects by"
            + " %d%n",
        what,
        g.evaluations(),
        g.bytes() / 1e6,
        g.objects());
    return g;
  }

  @Test
  void thousandsOfEvaluationsDoNotGrow() throws Exception {
    assumeProc();
    Growth g = grown("sound");
    assertTrue(g.evaluations() > 3000, "evaluations=" + g.evaluations());
    assertEquals(0, g.objects(), "native objects");
    assertTrue(g.bytes() < LIMIT, "bytes=" + g.bytes());
  }

  @Test
  void aLeakIsNoticed() throws Exception {
    assumeProc();
    Growth g = grown("leaking");
    assertEquals(ROUNDS, g.objects());
    assertTrue(g.bytes() > LIMIT, "bytes=" + g.bytes());
  }

  private static void assumeProc() {
    if (!Forked.canMeasure()) {
      System.out.println("MemoryGrowthTest skipped: needs /proc");
    }
    Assumptions.assumeTrue(Forked.canMeasure(), "needs /proc");
  }

  /** Prints evaluations done, growth of resident memory, growth of native objects. */
  static final class Child {
    private final PatchableModel model;
    private final List<PromptBatch> batches =
        List.of(RandomModels.batch(5, 6, 1), RandomModels.batch(new int[] {4, 2, 3}, 4, 2));
    private long evaluations;

    private Child(PatchableModel model) {
      this.model = model;
    }

    public static void main(String[] words) {
      boolean leaking = words[0].equals("leaking");
      List<Tensor> leaked = new ArrayList<>();
      try (NativeThreads one = NativeThreads.one();
          Transformer transformer =
              RandomModels.model(
                  RandomModels.architectures().findFirst().orElseThrow(), ScalarType.Float, 3)) {
        Child child =
            new Child(
                PatchableModel.of(
                    transformer,
                    true,
                    0,
                    OutputSlice.LAST_SEQ,
                    KernelsProvider.choose().kernels()));
        for (int i = 0; i < WARM; i++) {
          child.round(i);
        }
        long bytes = Forked.field("VmRSS");
        long objects = Pointer.totalCount();
        long before = child.evaluations;
        for (int i = 0; i < ROUNDS; i++) {
          if (leaking) {
            try (TensorScope scope = new TensorScope()) {
              Tensor t = Tensors.zeros(ScalarType.Float, LEAKED);
              t.fill_(new org.bytedeco.pytorch.Scalar(1.0));
              t.retainReference();
              leaked.add(t);
            }
          } else {
            child.round(i);
          }
        }
        System.out.println(
            (child.evaluations - before)
                + " "
                + (Forked.field("VmRSS") - bytes)
                + " "
                + (Pointer.totalCount() - objects));
      }
      leaked.forEach(Tensor::releaseReference);
    }

    private void round(int i) {
      Ablation ablation = Ablation.standard().get(i % Ablation.standard().size());
      MemoryEstimate need = MemoryEstimate.of(model, Work.CIRCUITS, ablation, 6);
      PatchableModel small = model.withMemory(new MemoryBudget(4 * need.bytes(1)));
      List<Circuit> circuits = new ArrayList<>();
      BitSet kept = new BitSet();
      kept.set(0, model.graph().edgeCount());
      for (int step = 0; step < 4; step++) {
        kept.clear((i * 7 + step) % model.graph().edgeCount());
        circuits.add(Circuit.of(model.graph(), kept));
      }
      // every other round in micro-batches
      PatchableModel m = i % 2 == 0 ? model : small;
      try (AblationValues values = AblationValues.prepare(m, ablation, batches);
          Evaluations all =
              Evaluations.kept(
                  m, batches, values, Evaluations.Direction.CORRUPT_INTO_CLEAN, Work.CIRCUITS)) {
        for (Circuit c : circuits) {
          all.forEach(
              part -> {
                part.run().logits(c, PatchType.TREE_PATCH);
                part.run().logits(c, PatchType.EDGE_PATCH);
                part.run().logitsFrom(PatchMask.uniform(model.graph(), 0), 1);
                evaluations += 3;
              });
        }
      }
      Measurements.of(
          m,
          CircuitRuns.of(PatchType.TREE_PATCH, ablation),
          batches,
          circuits,
          List.of(Metric.KL_DIV, Metric.LOGIT_DIFF),
          Progress.SILENT);
      MaskGradient.eap().score(m.withMemory(MemoryBudget.UNLIMITED), batches);
      evaluations += 2L * circuits.size() + 2;
    }
  }
}
