package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.ReferenceKernels;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Graphs with spans: where every position is a span of its own they give what graphs with token
 * positions give, to the last bit; else what a token graph of each prompt alone gives, whose masks
 * are spread over the positions of the spans.
 */
class SpanGraphTest {
  private static final int LENGTH = 5;
  private static final int PROMPTS = 3;

  /** The span of each position of each prompt; the fourth span has no position in the first two. */
  private static final int[] SPANS = {0, 0, 1, 2, 2, 2, 0, 1, 2, 1, 1, 2, 2, 3, 0};

  private static final List<String> NAMES = List.of("a", "b", "c", "d");

  static Stream<Architecture> architectures() {
    return RandomModels.architectures();
  }

  private static PatchableModel token(Transformer t, Kernels kernels) {
    return PatchableModel.of(t, true, LENGTH, OutputSlice.LAST_SEQ, kernels);
  }

  private static PromptBatch with(PromptBatch batch, int[] spans) {
    return new PromptBatch(
        batch.clean().withSpans(spans),
        batch.corrupt().withSpans(spans),
        batch.answers(),
        batch.wrongAnswers(),
        batch.rows());
  }

  private static float[] mask(int length, long seed) {
    Random random = new Random(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = random.nextInt(3) == 0 ? 0 : random.nextInt(1 << 10) / 1024f;
    }
    return values;
  }

  private static List<Circuit> circuits(ComputationGraph graph) {
    Random random = new Random(5);
    List<Circuit> all = new ArrayList<>();
    for (double share : new double[] {1, 0.8, 0.5, 0.1}) {
      BitSet set = new BitSet();
      for (int e = 0; e < graph.edgeCount(); e++) {
        set.set(e, random.nextDouble() < share);
      }
      all.add(Circuit.of(graph, set));
    }
    return all;
  }

  private static double[] numbers(Tensor t) {
    return Tensors.doubles(t);
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void aSpanForEachPositionIsTheTokenGraph(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    int[] own = IntStream.range(0, PROMPTS * LENGTH).map(i -> i % LENGTH).toArray();
    PromptBatch named = with(batch, own);
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      PatchableModel tokens = token(t, choice.kernels());
      PatchableModel spans = tokens.withSpans(List.of("0", "1", "2", "3", "4"));
      assertFalse(tokens.graph().equals(spans.graph()));
      for (MaskGradient g :
          List.of(
              MaskGradient.eap(),
              MaskGradient.integrated(2),
              MaskGradient.integrated(2).along(MaskGradient.Path.BLOCK))) {
        assertArrayEquals(
            g.score(tokens, List.of(batch)).values(), g.score(spans, List.of(named)).values());
        PromptScores each = g.scorePrompts(tokens, List.of(batch), Progress.SILENT);
        PromptScores same = g.scorePrompts(spans, List.of(named), Progress.SILENT);
        for (int i = 0; i < PROMPTS; i++) {
          assertArrayEquals(each.values().get(i), same.values().get(i));
        }
      }
      assertArrayEquals(
          Acdc.kl(0.01).score(tokens, List.of(batch)).values(),
          Acdc.kl(0.01).score(spans, List.of(named)).values());
      for (PatchType type : PatchType.values()) {
        assertSameCircuits(tokens, batch, spans, named, type);
      }
    }
  }

  private static void assertSameCircuits(
      PatchableModel tokens,
      PromptBatch batch,
      PatchableModel spans,
      PromptBatch named,
      PatchType type) {
    try (AblationValues values = AblationValues.prepare(tokens, Ablation.RESAMPLE, List.of(batch));
        Evaluation one = Evaluation.of(tokens, batch.clean(), values, batch.corrupt());
        Evaluation two = Evaluation.of(spans, named.clean(), values, named.corrupt());
        TensorScope scope = new TensorScope()) {
      assertArrayEquals(
          numbers(one.logits(circuits(tokens.graph()), type)),
          numbers(two.logits(circuits(spans.graph()), type)));
    }
  }

  /** Prompts of one batch whose spans lie at different positions, against each prompt alone. */
  @ParameterizedTest
  @MethodSource("architectures")
  void masksAreSpreadAndGradientsSummed(Architecture a) {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    PromptBatch named = with(batch, SPANS);
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      for (Kernels kernels : List.of(choice.kernels(), new ReferenceKernels())) {
        PatchableModel tokens = token(t, kernels);
        PatchableModel spans = tokens.withSpans(NAMES);
        int edges = spans.graph().edgeCount();
        for (int instances : new int[] {0, PROMPTS}) {
          float[] values = mask(Math.max(1, instances) * edges, 7);
          PatchMask mask = new PatchMask(spans.graph(), values, instances);
          for (Ablation ablation : List.of(Ablation.RESAMPLE, Ablation.ZERO)) {
            assertAsAlone(tokens, spans, batch, named, mask, ablation);
          }
        }
        assertCircuitsAsAlone(tokens, spans, batch, named);
      }
    }
  }

  private static void assertAsAlone(
      PatchableModel tokens,
      PatchableModel spans,
      PromptBatch batch,
      PromptBatch named,
      PatchMask mask,
      Ablation ablation) {
    MaskGradient measure = MaskGradient.eap();
    int edges = spans.graph().edgeCount();
    double[] logits;
    float[] gradient;
    try (AblationValues values = AblationValues.prepare(spans, ablation, List.of(named));
        Evaluation run = Evaluation.of(spans, named.clean(), values, named.corrupt());
        TensorScope scope = new TensorScope()) {
      logits = numbers(run.logits(mask));
      gradient = run.gradient(mask, measure.loss(), named, null).maskGradient();
    }
    float[] expected = new float[gradient.length];
    int outputs = logits.length / PROMPTS;
    for (int i = 0; i < PROMPTS; i++) {
      PromptBatch alone = batch.slice(i, i + 1);
      int row = mask.instances() == 0 ? 0 : i * edges;
      float[] values = Arrays.copyOfRange(mask.values(), row, row + edges);
      PatchMask spread = spread(values, i, tokens.graph());
      try (AblationValues a = AblationValues.prepare(tokens, ablation, List.of(alone));
          Evaluation run = Evaluation.of(tokens, alone.clean(), a, alone.corrupt());
          TensorScope scope = new TensorScope()) {
        double[] mine = Arrays.copyOfRange(logits, i * outputs, (i + 1) * outputs);
        assertArrayEquals(numbers(run.logits(spread)), mine, 1e-9);
        float[] g = run.gradient(spread, measure.loss(), alone, null).maskGradient();
        for (int e = 0; e < g.length; e++) {
          expected[row + e / LENGTH * NAMES.size() + SPANS[i * LENGTH + e % LENGTH]] += g[e];
        }
      }
    }
    float most = 0;
    for (float g : expected) {
      most = Math.max(most, Math.abs(g));
    }
    assertTrue(most > 0);
    assertArrayEquals(expected, gradient, 64 * Math.ulp(1f) * most);
  }

  /** A prompt's mask of the token graph. */
  private static PatchMask spread(float[] values, int prompt, ComputationGraph tokens) {
    float[] spread = new float[tokens.edgeCount()];
    for (int e = 0; e < spread.length; e++) {
      spread[e] = values[e / LENGTH * NAMES.size() + SPANS[prompt * LENGTH + e % LENGTH]];
    }
    return PatchMask.of(tokens, spread);
  }

  private static void assertCircuitsAsAlone(
      PatchableModel tokens, PatchableModel spans, PromptBatch batch, PromptBatch named) {
    List<Circuit> some = circuits(spans.graph());
    for (PatchType type : PatchType.values()) {
      double[] together;
      List<double[]> inTurn = new ArrayList<>();
      try (AblationValues values =
              AblationValues.prepare(spans, Ablation.RESAMPLE, List.of(named));
          Evaluation run = Evaluation.of(spans, named.clean(), values, named.corrupt());
          TensorScope scope = new TensorScope()) {
        together = numbers(run.logits(some, type));
        some.forEach(c -> inTurn.add(numbers(run.logits(c, type))));
      }
      int outputs = inTurn.get(0).length / PROMPTS;
      for (int c = 0; c < some.size(); c++) {
        float[] values = new float[spans.graph().edgeCount()];
        for (int e = 0; e < values.length; e++) {
          values[e] = some.get(c).edgeSet().get(e) == (type == PatchType.EDGE_PATCH) ? 1 : 0;
        }
        for (int i = 0; i < PROMPTS; i++) {
          PromptBatch alone = batch.slice(i, i + 1);
          try (AblationValues a =
                  AblationValues.prepare(tokens, Ablation.RESAMPLE, List.of(alone));
              Evaluation run = Evaluation.of(tokens, alone.clean(), a, alone.corrupt());
              TensorScope scope = new TensorScope()) {
            double[] expected = numbers(run.logits(spread(values, i, tokens.graph())));
            int at = (c * PROMPTS + i) * outputs;
            assertArrayEquals(
                expected, Arrays.copyOfRange(together, at, at + outputs), 1e-9, c + " " + i);
            assertArrayEquals(
                expected, Arrays.copyOfRange(inTurn.get(c), i * outputs, (i + 1) * outputs), 1e-9);
          }
        }
      }
    }
  }

  /** Micro-batches cut spans along with the prompts; a sampled mask fits too. */
  @Test
  void microBatchesGiveTheSame() {
    PromptBatch named = with(RandomModels.batch(PROMPTS, LENGTH, 3), SPANS);
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Double, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      PatchableModel spans = token(t, choice.kernels()).withSpans(NAMES);
      SubnetworkProbing probing =
          new SubnetworkProbing(
              0.1,
              2,
              1,
              io.autocircuit.prune.MaskFunction.HARD_CONCRETE,
              PatchType.TREE_PATCH,
              Ablation.RESAMPLE,
              SubnetworkProbing.Target.KL_DIV,
              0,
              0,
              null,
              1,
              3);
      long bytes = 0;
      for (MemoryEstimate.Work work : MemoryEstimate.Work.values()) {
        if (work != MemoryEstimate.Work.CIRCUITS) {
          bytes =
              Math.max(bytes, MemoryEstimate.of(spans, work, Ablation.RESAMPLE, LENGTH).bytes(1));
        }
      }
      PatchableModel small = spans.withMemory(new MemoryBudget(bytes));
      for (io.autocircuit.prune.PruneAlgorithm algorithm :
          List.of(MaskGradient.integrated(2), probing)) {
        float[] whole = algorithm.score(spans, List.of(named)).values();
        float[] parts = algorithm.score(small, List.of(named)).values();
        assertArrayEquals(whole, parts, 1e-5f);
        assertTrue(whole.length == spans.graph().edgeCount());
      }
    }
  }

  @Test
  void edgesOfTheSharedPrefixChangeNothing() {
    TokenBatch clean = new TokenBatch(new int[] {1, 2, 3, 4, 1, 2, 5, 4}, 2, 4, new int[2]);
    TokenBatch corrupt = new TokenBatch(new int[] {1, 2, 6, 4, 1, 2, 7, 4}, 2, 4, new int[2]);
    int[] spans = {0, 1, 1, 2, 0, 0, 1, 2};
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      PatchableModel model =
          PatchableModel.of(t, true, 0, OutputSlice.LAST_SEQ, choice.kernels()).withSpans(NAMES);
      try (AblationValues values = AblationValues.prepare(model, Ablation.RESAMPLE, List.of());
          Evaluation run =
              Evaluation.of(model, clean.withSpans(spans), values, corrupt.withSpans(spans))) {
        assertEquals(2, run.sharedPrefix());
        assertTrue(run.changesNothing(0)); // both prompts' a is before position 2
        assertFalse(run.changesNothing(1)); // b is behind it
        assertFalse(run.changesNothing(2));
        assertTrue(run.changesNothing(3)); // d is nowhere
      }
    }
  }

  @Test
  void promptsOfOtherSpansAreRefused() {
    PromptBatch batch = RandomModels.batch(PROMPTS, LENGTH, 3);
    Architecture a = RandomModels.architectures().findFirst().orElseThrow();
    try (Transformer t = RandomModels.model(a, ScalarType.Float, 4);
        KernelsProvider.Choice choice = KernelsProvider.choose()) {
      PatchableModel spans = token(t, choice.kernels()).withSpans(NAMES);
      IllegalArgumentException none =
          assertThrows(
              IllegalArgumentException.class,
              () -> MaskGradient.eap().score(spans, List.of(batch)));
      assertTrue(none.getMessage().contains("prompts have none"), none::getMessage);
      PatchableModel few = spans.withSpans(List.of("a"));
      IllegalArgumentException other =
          assertThrows(
              IllegalArgumentException.class,
              () -> MaskGradient.eap().score(few, List.of(with(batch, SPANS))));
      assertTrue(other.getMessage().contains("other spans"), other::getMessage);
      assertThrows(
          IllegalArgumentException.class, () -> spans.graph().withSpans(List.of("a", "a")));
      assertThrows(IllegalArgumentException.class, () -> batch.clean().withSpans(new int[1]));
    }
  }
}
