package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.Forked;
import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Autoencoders;
import io.autocircuit.model.Features;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Learned;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.patch.MemoryEstimate.More;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The estimate against the kernel's account: what a process's resident memory grows by, at its
 * peak, while each kind of work is done on a model of medium shape.
 */
@Tag("slow")
class MemoryEstimateTest {
  /** The growth may exceed the estimate by this factor and {@link #SLACK_BYTES}. */
  private static final double SLACK = 1.1;

  private static final long SLACK_BYTES = 24L << 20;

  /** An estimate far above the growth would cut batches without need. */
  private static final double LEAST = 0.4;

  private static final int LENGTH = 64;
  private static final int PROMPTS = 32;

  @TempDir Path folder;

  private record Case(
      String shape, List<Work> work, int circuits, Map<String, String> environment) {
    @Override
    public String toString() {
      return shape + " " + work + " circuits=" + circuits;
    }
  }

  static Stream<Case> cases() {
    // large blocks go back to the system at once, so that each kind of work starts from nothing
    Map<String, String> prompt = Map.of("MALLOC_MMAP_THRESHOLD_", String.valueOf(1 << 20));
    List<Case> cases =
        List.of(
            new Case("sequential", List.of(Work.values()), 1, prompt),
            new Case("sequential", List.of(Work.CIRCUITS), 4, prompt),
            new Case("parallel", List.of(Work.CIRCUITS), 3, prompt),
            new Case("parallel", List.of(Work.CIRCUITS, Work.UNIFORM_GRADIENT), 1, prompt),
            new Case("unfactorized", List.of(Work.CIRCUITS, Work.GRADIENT), 1, prompt),
            new Case("latents", List.of(Work.CIRCUITS, Work.GRADIENT), 1, prompt),
            new Case("coupled", List.of(Work.CIRCUITS, Work.GRADIENT), 1, prompt),
            new Case("sequential", List.of(Work.UNIFORM_GRADIENT), 1, Map.of()),
            new Case("more", List.of(Work.UNIFORM_GRADIENT), 1, prompt));
    return Exhaustive.sample(cases, 2).stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void peakIsAtMostTheEstimateAndNotFarBelow(Case c) throws Exception {
    if (!Forked.canMeasure()) {
      System.out.println("MemoryEstimateTest skipped: needs /proc");
    }
    Assumptions.assumeTrue(Forked.canMeasure(), "needs /proc");
    List<String> lines =
        Forked.run(
            folder.resolve("log"),
            List.of(
                "-Xmx256m",
                "-Xms256m",
                "-XX:+AlwaysPreTouch",
                "-XX:TieredStopAtLevel=1",
                // memory that is kept for the next evaluation would hide what that one takes
                "-Dautocircuit.tuning=false",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0"),
            c.environment(),
            Child.class,
            Stream.concat(
                    Stream.of(c.shape(), "" + c.circuits()), c.work().stream().map(Work::name))
                .toArray(String[]::new));
    assertEquals(c.work().size(), lines.size(), lines::toString);
    for (String line : lines) {
      String[] words = line.split(" ", -1);
      double estimate = Long.parseLong(words[1]);
      double grown = Long.parseLong(words[2]);
      System.out.printf(
          Locale.ROOT,
          "MemoryEstimateTest: %s %s: estimate %.0f MB, resident memory grew by %.0f MB (%.2f)%n",
          c.shape(),
          words[0],
          estimate / 1e6,
          grown / 1e6,
          grown / estimate);
    }
    for (String line : lines) {
      String[] words = line.split(" ", -1);
      double estimate = Long.parseLong(words[1]);
      double grown = Long.parseLong(words[2]);
      assertTrue(estimate > 100e6, line);
      assertTrue(grown <= SLACK * estimate + SLACK_BYTES, line);
      assertTrue(grown >= LEAST * estimate, line);
    }
  }

  /** Scores at another temperature are 7·H·T², neurons of a block H·T·D. */
  @Test
  void moreIsCounted() {
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 1)) {
      long plain = more(t, More.NOTHING);
      int heads = a.config().heads();
      long scores = more(t, new More(true, false));
      assertEquals(7L * heads * 12 * 12 * Float.BYTES, scores - plain);
      long neurons = (long) heads * 12 * a.config().dModel() * Float.BYTES;
      assertEquals(neurons, more(t, new More(true, true)) - scores);
      long way = more(t, new More(false, false, 1)) - plain;
      long edges = a.config().graph(true, 0).edgeCount();
      assertTrue(way >= (edges + 2L * 12 * a.config().dModel()) * Float.BYTES, "way=" + way);
      assertEquals(plain + 5 * way, more(t, new More(false, false, 5)));
    }
  }

  private static long more(Transformer t, More more) {
    PatchableModel model =
        PatchableModel.of(t, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
    return MemoryEstimate.of(model, Work.UNIFORM_GRADIENT, Ablation.ZERO, 12, 1, more).perPrompt();
  }

  @Test
  void followsTheShape() {
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer single = RandomModels.model(a, ScalarType.Float, 1);
        Transformer twice = RandomModels.model(a, ScalarType.Double, 1)) {
      for (Work work : Work.values()) {
        for (Ablation ablation : Ablation.standard()) {
          MemoryEstimate f = of(single, work, ablation, 4);
          MemoryEstimate d = of(twice, work, ablation, 4);
          assertEquals(2 * f.perPrompt(), d.perPrompt());
          assertEquals(f.fixed() + 3 * f.perPrompt(), f.bytes(3));
          // all but the logits grows with the prompt
          assertTrue(of(single, work, ablation, 8).perPrompt() > 1.5 * f.perPrompt());
          // an evaluation has to make its ablation values first
          assertTrue(f.bytes(1) >= of(single, Work.SOURCES, ablation, 4).bytes(1));
        }
      }
      assertTrue(
          of(single, Work.GRADIENT, Ablation.ZERO, 8).perPrompt()
              > of(single, Work.UNIFORM_GRADIENT, Ablation.ZERO, 8).perPrompt());
    }
  }

  private static MemoryEstimate of(Transformer t, Work work, Ablation ablation, int length) {
    return MemoryEstimate.of(
        PatchableModel.of(t, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels()),
        work,
        ablation,
        length);
  }

  /** The measured process: prints a line for each work: its name, the estimate, the growth. */
  static final class Child {
    private static final LossFunction LOSS =
        (logits, batch, reference) -> Divergence.kl(logits, reference);

    private static final int LATENTS = 1024;

    private Child() {}

    /** Coupled: outputs, and queries and keys over all heads, are normalised. */
    private static Architecture architecture(String shape) {
      boolean parallel = shape.equals("parallel");
      boolean coupled = shape.equals("coupled");
      Normalization norm =
          new Normalization(
              coupled ? Normalization.Kind.RMS_NORM : Normalization.Kind.LAYER_NORM, 1e-5);
      return new Architecture(
          new TransformerConfig(
              shape,
              4,
              8,
              256,
              32,
              1024,
              RandomModels.VOCABULARY,
              RandomModels.VOCABULARY,
              LENGTH,
              parallel ? Activation.SILU : Activation.GELU_TANH,
              parallel,
              norm,
              norm,
              true,
              parallel,
              parallel ? Rotary.withBase(16, 10000, false) : new Learned(),
              Math.sqrt(32),
              coupled
                  ? Features.NONE
                      .withQueryKeyNormalization(norm, true)
                      .withOutputNormalization(norm)
                  : Features.NONE),
          8,
          parallel || coupled,
          parallel);
    }

    public static void main(String[] words) throws Exception {
      PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 1);
      try (NativeThreads one = NativeThreads.one();
          Transformer transformer =
              RandomModels.model(architecture(words[0]), ScalarType.Float, 2)) {
        PatchableModel model =
            words[0].equals("unfactorized")
                ? new PatchableModel(
                    transformer,
                    transformer.config().unfactorizedGraph(0),
                    OutputSlice.LAST_SEQ,
                    KernelsProvider.choose().kernels())
                : PatchableModel.of(
                    words[0].equals("latents") ? withLatents(transformer) : transformer,
                    true,
                    0,
                    OutputSlice.LAST_SEQ,
                    KernelsProvider.choose().kernels());
        // what libraries take once, whatever they are used for
        More more = words[0].equals("more") ? new More(true, true) : More.NOTHING;
        run(model, Work.UNIFORM_GRADIENT, 1, List.of(batch.slice(0, 1)), more);
        int circuits = Integer.parseInt(words[1]);
        for (int i = 2; i < words.length; i++) {
          Work work = Work.valueOf(words[i]);
          long before = Forked.field("VmRSS");
          Forked.resetPeak();
          run(model, work, circuits, List.of(batch), more);
          System.out.println(
              work
                  + " "
                  + MemoryEstimate.of(model, work, Ablation.RESAMPLE, LENGTH, circuits, more)
                      .bytes(PROMPTS)
                  + " "
                  + (Forked.field("VmHWM") - before));
        }
      }
    }

    /** Random autoencoders, half of whose latents are active at a position. */
    private static Transformer withLatents(Transformer model) {
      Placement place = model.placement();
      int d = model.config().dModel();
      List<Autoencoder> all = new ArrayList<>();
      try (TensorScope scope = new TensorScope()) {
        for (int b = 0; b < model.config().blocks(); b++) {
          float[] values = new float[LATENTS * d];
          Random random = new Random(b);
          for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
          }
          Tensor rows = place.tensor(values, LATENTS, d);
          Tensor bias = place.zeros(d);
          all.add(
              new Autoencoder(
                  rows.t(),
                  place.zeros(LATENTS),
                  null,
                  0,
                  bias,
                  rows,
                  bias,
                  Autoencoder.Scaling.NONE,
                  IntStream.range(0, LATENTS).toArray()));
        }
        return model.withAutoencoders(Autoencoders.of(all, true, place));
      }
    }

    private static void run(
        PatchableModel model, Work work, int circuits, List<PromptBatch> batches, More more) {
      SplittableRandom random = new SplittableRandom(3);
      int edges = model.graph().edgeCount();
      if (work == Work.SOURCES) {
        try (TensorScope scope = new TensorScope()) {
          SourceOutputs.of(model, batches.get(0).corrupt());
        }
        return;
      }
      boolean each = work.name().contains("PROMPT_GRADIENT");
      int instances = each ? batches.get(0).clean().batchSize() : 0;
      float[] values = new float[Math.max(1, instances) * edges];
      for (int i = 0; i < values.length; i++) {
        values[i] = random.nextInt(1 << 10) / 1024f;
      }
      if (work.name().contains("UNIFORM")) {
        Arrays.fill(values, 0.3f);
      }
      PatchMask mask = new PatchMask(model.graph(), values, instances);
      try (AblationValues ablation = AblationValues.prepare(model, Ablation.RESAMPLE, batches);
          Evaluations all =
              Evaluations.once(
                  model, batches, ablation, Evaluations.Direction.CORRUPT_INTO_CLEAN, work, more)) {
        all.forEach(
            part -> {
              part.corrupt();
              switch (work) {
                case CIRCUITS -> {
                  for (double share : new double[] {1, 0.5}) {
                    List<Circuit> some = new ArrayList<>();
                    for (int c = 0; c < circuits; c++) {
                      BitSet set = new BitSet();
                      for (int e = 0; e < edges; e++) {
                        set.set(e, random.nextDouble() < share);
                      }
                      some.add(Circuit.of(model.graph(), set));
                    }
                    try (TensorScope scope = new TensorScope()) {
                      part.run().logits(some, PatchType.TREE_PATCH);
                    }
                  }
                }
                case MASKS -> {
                  try (TensorScope scope = new TensorScope()) {
                    part.run().logits(mask);
                    part.run().logitsFrom(PatchMask.uniform(model.graph(), 0), 1);
                  }
                }
                case BLOCK_GRADIENT, BLOCK_PROMPT_GRADIENT -> {
                  part.run().gradient(mask, LOSS, part.prompts(), part.clean());
                  Arrays.fill(values, 0);
                  part.run()
                      .gradientFrom(mask, 1, new GradientOf(LOSS, part.prompts(), part.clean()));
                }
                default -> {
                  if (more.equals(More.NOTHING)) {
                    part.run().gradient(mask, LOSS, part.prompts(), part.clean());
                  } else {
                    GradientOf of =
                        new GradientOf(
                            LOSS,
                            part.prompts(),
                            part.clean(),
                            GradientRules.of(GradientRules.Rule.TSG),
                            new NeuronSums(model));
                    part.run().gradient(PatchMask.uniform(model.graph(), 0), of);
                  }
                }
              }
            });
      }
    }
  }
}
