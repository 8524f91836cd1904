package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Features;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PlainAcdc;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/**
 * In a graph whose key and value inputs are shared by groups of heads, an edge stands for those of
 * the whole group: masks, circuits and gradients agree with the graph in which every head has its
 * own.
 */
class GroupedInputsTest {
  private static final double TOLERANCE = 1e-9;

  /** Both graphs of one model. */
  private record Pair(PatchableModel single, PatchableModel grouped, KeyValueGroups groups) {
    static Pair of(Transformer model, int positions, Kernels kernels) {
      ComputationGraph g = model.graph(true, KeyValues.GROUPED, positions);
      return new Pair(
          PatchableModel.of(model, true, positions, OutputSlice.LAST_SEQ, kernels),
          new PatchableModel(model, g, OutputSlice.LAST_SEQ, kernels),
          KeyValueGroups.of(g));
    }

    /** By the names of edges, which say it in another way than the classes under test. */
    int[] standIn() {
      ComputationGraph all = single.graph();
      int size = all.heads() / grouped.graph().keyValueHeads();
      return IntStream.range(0, all.edgeCount())
          .map(
              e -> {
                Edge edge = all.edge(e);
                DestNode d = edge.destination();
                boolean shared = d.input() == Input.K || d.input() == Input.V;
                String name =
                    shared ? "A" + d.block() + "." + d.head() / size + "." + d.input() : d.name();
                return grouped
                    .graph()
                    .edge(edge.source().name() + "->" + name, edge.position())
                    .index();
              })
          .toArray();
    }
  }

  /**
   * Llama with one and with several groups, Qwen 3 and Gemma 3 (normalised queries and keys,
   * windows), Gemma 2 (caps, normalised outputs), Falcon (parallel, LN).
   */
  static List<Architecture> families() {
    Architecture llama = RandomModels.named("gated RMS, grouped heads, biases");
    Normalization rms = llama.config().normalization();
    return List.of(
        llama,
        RandomModels.named("gated RMS, one key head"),
        RandomModels.named("windows, a block without rotation, normalised queries and keys"),
        new Architecture(llama.config(), llama.groups(), true, false)
            .with(new Features(List.of(), Normalization.NONE, false, 0, 1.5, 2.5, rms)),
        llama.with(new Features(List.of(), rms, true, 0, 0, 0, Normalization.NONE)),
        inParallel(llama));
  }

  private static Architecture inParallel(Architecture of) {
    TransformerConfig c = of.config();
    Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    return new Architecture(
        new TransformerConfig(
            "parallel LN, grouped heads",
            c.blocks(),
            c.heads(),
            c.dModel(),
            c.dHead(),
            c.dMlp(),
            c.vocabulary(),
            c.outputs(),
            c.contextLength(),
            TransformerConfig.Activation.GELU,
            false,
            norm,
            norm,
            true,
            true,
            c.positions(),
            c.attentionScale(),
            c.features()),
        of.groups(),
        true,
        true);
  }

  private static LossFunction loss() {
    return (logits, prompts, reference) ->
        Answers.difference(
            LogitFunction.LOGIT.apply(logits), prompts.answers(), prompts.wrongAnswers());
  }

  @Test
  void anEdgeOfAGroupStandsForThoseOfItsHeads() {
    SplittableRandom random = new SplittableRandom(11);
    Kernels best = KernelsProvider.choose().kernels();
    for (Architecture a : families()) {
      for (int positions : new int[] {0, 5}) {
        PromptBatch batch = RandomModels.batch(3, 5, 3);
        try (Transformer model = RandomModels.model(a, ScalarType.Double, 5);
            TensorScope scope = new TensorScope()) {
          Pair pair = Pair.of(model, positions, positions == 0 ? best : new LibtorchKernels());
          assertTrue(pair.grouped().graph().edgeCount() < pair.single().graph().edgeCount());
          int[] standIn = pair.standIn();
          for (int e = 0; e < standIn.length; e++) {
            assertEquals(standIn[e], pair.groups().standIn(e));
          }
          assertEquals(pair.single().graph(), pair.groups().perQuery());
          Tensor p = SourceOutputs.of(pair.single(), batch.corrupt());
          try (Evaluation single = Evaluation.of(pair.single(), batch.clean(), p);
              Evaluation grouped = Evaluation.of(pair.grouped(), batch.clean(), p)) {
            for (int trial = 0; trial < 3; trial++) {
              masks(pair, single, grouped, standIn, batch, random);
              circuits(pair, single, grouped, random);
            }
            slopes(pair, grouped, batch, random);
          }
        }
      }
    }
  }

  /** Gradients of the grouped graph against finite differences, of edges into keys and values. */
  private static void slopes(
      Pair pair, Evaluation grouped, PromptBatch batch, SplittableRandom random) {
    ComputationGraph graph = pair.grouped().graph();
    float[] at = new float[graph.edgeCount()];
    for (int e = 0; e < at.length; e++) {
      at[e] = random.nextInt(64) / 64f; // exact, also a step aside
    }
    float step = 1 / 4096f;
    for (DestModule m : graph.modules()) {
      if (m.input() != Input.K && m.input() != Input.V) {
        continue;
      }
      int node = random.nextInt(m.nodes().size());
      int edge =
          graph.index(m, node, random.nextInt(m.sources()), random.nextInt(graph.positionCopies()));
      try (TensorScope scope = new TensorScope()) {
        float got =
            grouped.gradient(PatchMask.of(graph, at), loss(), batch, null).maskGradient()[edge];
        float was = at[edge];
        at[edge] = was + step;
        double more = sum(grouped.gradient(PatchMask.of(graph, at), loss(), batch, null).losses());
        at[edge] = was - step;
        double less = sum(grouped.gradient(PatchMask.of(graph, at), loss(), batch, null).losses());
        at[edge] = was;
        assertEquals((more - less) / (2 * step), got, 1e-4 * (1 + Math.abs(got)), m.name());
      }
    }
  }

  private static double sum(double[] values) {
    return Arrays.stream(values).sum();
  }

  private static void masks(
      Pair pair,
      Evaluation single,
      Evaluation grouped,
      int[] standIn,
      PromptBatch batch,
      SplittableRandom random) {
    float[] g = new float[pair.grouped().graph().edgeCount()];
    for (int e = 0; e < g.length; e++) {
      g[e] = (float) random.nextDouble();
    }
    float[] s = new float[standIn.length];
    for (int e = 0; e < s.length; e++) {
      s[e] = g[standIn[e]];
    }
    PatchMask all = PatchMask.of(pair.single().graph(), s);
    PatchMask few = PatchMask.of(pair.grouped().graph(), g);
    try (TensorScope scope = new TensorScope()) {
      assertArrayEquals(
          Tensors.doubles(single.logits(all)), Tensors.doubles(grouped.logits(few)), TOLERANCE);
      float[] of = single.gradient(all, loss(), batch, null).maskGradient();
      float[] got = grouped.gradient(few, loss(), batch, null).maskGradient();
      double[] sums = new double[got.length];
      for (int e = 0; e < of.length; e++) {
        sums[standIn[e]] += of[e];
      }
      double largest = 0;
      for (int e = 0; e < got.length; e++) {
        assertEquals(sums[e], got[e], 1e-5 * (1 + Math.abs(sums[e])), "edge " + e);
        largest = Math.max(largest, Math.abs(sums[e]));
      }
      assertTrue(largest > 1e-3, "gradients are not all 0: " + largest);
    }
  }

  private static void circuits(
      Pair pair, Evaluation single, Evaluation grouped, SplittableRandom random) {
    ComputationGraph graph = pair.grouped().graph();
    BitSet few = new BitSet();
    double density = random.nextDouble();
    for (int e = 0; e < graph.edgeCount(); e++) {
      few.set(e, random.nextDouble() < density);
    }
    BitSet all = pair.groups().copies(few);
    assertEquals(few, pair.groups().union(all));
    for (PatchType type : PatchType.values()) {
      try (TensorScope scope = new TensorScope()) {
        double[] got = Tensors.doubles(grouped.logits(Circuit.of(graph, few), type));
        assertArrayEquals(
            Tensors.doubles(single.logits(Circuit.of(pair.single().graph(), all), type)),
            got,
            TOLERANCE);
        float[] mask = new float[graph.edgeCount()];
        for (int e = 0; e < mask.length; e++) {
          mask[e] = few.get(e) == (type == PatchType.TREE_PATCH) ? 0 : 1;
        }
        assertArrayEquals(
            Tensors.doubles(grouped.logits(PatchMask.of(graph, mask))), got, TOLERANCE);
      }
    }
    neighbours(graph, grouped, few, random);
  }

  /** Circuits that differ by an edge, several in one run: what is held is used again. */
  private static void neighbours(
      ComputationGraph graph, Evaluation grouped, BitSet few, SplittableRandom random) {
    List<Circuit> near = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      BitSet other = (BitSet) few.clone();
      other.flip(random.nextInt(graph.edgeCount()));
      near.add(Circuit.of(graph, other));
    }
    try (TensorScope scope = new TensorScope()) {
      Tensor together = grouped.logits(near, PatchType.TREE_PATCH);
      for (int i = 0; i < near.size(); i++) {
        double[] one = Tensors.doubles(together.select(0, i).contiguous());
        grouped.forget();
        assertArrayEquals(
            Tensors.doubles(grouped.logits(near.get(i), PatchType.TREE_PATCH)), one, TOLERANCE);
      }
    }
  }

  @Test
  void algorithmsScoreGroups() {
    PromptBatch batch = RandomModels.batch(3, 5, 3);
    for (Architecture a : families().subList(0, 3)) {
      try (Transformer model = RandomModels.model(a, ScalarType.Double, 5)) {
        Pair pair = Pair.of(model, 0, KernelsProvider.choose().kernels());
        float[] few = scores(MaskGradient.eap(), pair.grouped(), batch);
        float[] sums = pair.groups().sums(scores(MaskGradient.eap(), pair.single(), batch));
        assertEquals(pair.grouped().graph().edgeCount(), few.length);
        for (int e = 0; e < few.length; e++) {
          assertEquals(sums[e], few[e], 1e-5 * (1 + Math.abs(sums[e])));
        }
        float[] want = PlainAcdc.scores(pair.grouped(), batch, Acdc.Target.KL_DIV, 0.01);
        assertArrayEquals(want, scores(Acdc.kl(0.01), pair.grouped(), batch), a.toString());
        assertTrue(IntStream.range(0, want.length).anyMatch(e -> want[e] != want[0]), a.toString());
      }
    }
  }

  private static float[] scores(PruneAlgorithm a, PatchableModel model, PromptBatch batch) {
    return a.score(model, List.of(batch), Progress.SILENT).values();
  }
}
