package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestNode;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Edge;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Answers;
import io.autocircuit.objective.LogitFunction;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.BitSet;
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
  private record Pair(PatchableModel single, PatchableModel grouped) {
    static Pair of(Transformer model, int groups, int positions) {
      ComputationGraph g =
          ComputationGraph.factorized(
              model.config().blocks(),
              model.config().heads(),
              groups,
              model.config().wiring(),
              true,
              positions);
      return new Pair(
          PatchableModel.of(
              model, true, positions, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels()),
          new PatchableModel(model, g, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels()));
    }

    /** The edge of the grouped graph that stands for each of the other's. */
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

  private static LossFunction loss() {
    return (logits, prompts, reference) ->
        Answers.difference(
            LogitFunction.LOGIT.apply(logits), prompts.answers(), prompts.wrongAnswers());
  }

  @Test
  void anEdgeOfAGroupStandsForThoseOfItsHeads() {
    SplittableRandom random = new SplittableRandom(11);
    for (String name :
        new String[] {"gated RMS, grouped heads, biases", "gated RMS, one key head"}) {
      RandomModels.Architecture a = RandomModels.named(name);
      for (int positions : new int[] {0, 5}) {
        PromptBatch batch = RandomModels.batch(3, 5, 3);
        try (Transformer model = RandomModels.model(a, ScalarType.Double, 5);
            TensorScope scope = new TensorScope()) {
          Pair pair = Pair.of(model, a.groups(), positions);
          assertTrue(pair.grouped().graph().edgeCount() < pair.single().graph().edgeCount());
          int[] standIn = pair.standIn();
          Tensor p = SourceOutputs.of(pair.single(), batch.corrupt());
          try (Evaluation single = Evaluation.of(pair.single(), batch.clean(), p);
              Evaluation grouped = Evaluation.of(pair.grouped(), batch.clean(), p)) {
            for (int trial = 0; trial < 4; trial++) {
              masks(pair, single, grouped, standIn, batch, random);
              circuits(pair, single, grouped, standIn, random);
            }
          }
        }
      }
    }
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
      Pair pair, Evaluation single, Evaluation grouped, int[] standIn, SplittableRandom random) {
    BitSet few = new BitSet();
    double density = random.nextDouble();
    for (int e = 0; e < pair.grouped().graph().edgeCount(); e++) {
      few.set(e, random.nextDouble() < density);
    }
    BitSet all = new BitSet();
    for (int e = 0; e < standIn.length; e++) {
      all.set(e, few.get(standIn[e]));
    }
    for (PatchType type : PatchType.values()) {
      try (TensorScope scope = new TensorScope()) {
        assertArrayEquals(
            Tensors.doubles(single.logits(Circuit.of(pair.single().graph(), all), type)),
            Tensors.doubles(grouped.logits(Circuit.of(pair.grouped().graph(), few), type)),
            TOLERANCE);
      }
    }
  }
}
