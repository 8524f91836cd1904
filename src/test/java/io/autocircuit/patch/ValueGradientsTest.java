package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Divergence;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The gradient with respect to ablation values against finite differences, in float64. */
class ValueGradientsTest {
  private static final int PROMPTS = 2;
  private static final int LENGTH = 4;
  private static final double STEP = 1e-5;
  private static final LossFunction LOSS =
      (logits, batch, reference) -> Divergence.kl(logits, reference);

  static Stream<Architecture> architectures() {
    return RandomModels.sample(3);
  }

  /** Every form of the graph that the architecture has. */
  private static List<ComputationGraph> graphs(Transformer t) {
    List<ComputationGraph> graphs = new ArrayList<>();
    graphs.add(t.graph(true, KeyValues.GROUPED, 0));
    graphs.add(t.graph(true, KeyValues.PER_QUERY, LENGTH));
    graphs.add(t.graph(false, KeyValues.PER_QUERY, 0));
    if (t.config().wiring() != Wiring.PARALLEL) {
      graphs.add(t.config().unfactorizedGraph(0));
      graphs.add(t.config().unfactorizedGraph(LENGTH));
    }
    return graphs;
  }

  private static double[] gaussian(int length, Random random) {
    return random.doubles(length).map(u -> 2 * u - 1).toArray();
  }

  private static List<PatchMask> masks(ComputationGraph graph, Random random) {
    int edges = graph.edgeCount();
    float[] one = new float[edges];
    float[] each = new float[PROMPTS * edges];
    for (int i = 0; i < each.length; i++) {
      each[i] = random.nextInt(2);
      one[i % edges] = random.nextInt(3) == 0 ? 0 : random.nextFloat();
    }
    return List.of(
        PatchMask.of(graph, one),
        new PatchMask(graph, each, PROMPTS),
        PatchMask.uniform(graph, 0.4),
        PatchMask.uniform(graph, 1));
  }

  @ParameterizedTest
  @MethodSource("architectures")
  void isThatOfFiniteDifferences(Architecture a) {
    PromptBatch batch = RandomModels.batch(new int[] {LENGTH, LENGTH - 1}, LENGTH, 9);
    Random random = new Random(4);
    try (TensorScope scope = new TensorScope();
        Transformer t = RandomModels.model(a, ScalarType.Double, 6)) {
      for (ComputationGraph graph : graphs(t)) {
        PatchableModel model =
            new PatchableModel(t, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
        for (PatchMask mask : masks(graph, random)) {
          check(model, batch, mask, random);
        }
      }
    }
  }

  private static void check(
      PatchableModel model, PromptBatch batch, PatchMask mask, Random random) {
    int sources = model.graph().sources().size();
    int width = model.model().config().dModel();
    double[] at = gaussian(sources * width, random);
    double[] along = gaussian(at.length, random);
    Tensor reference = model.logits(batch.clean());
    ValueGradients found = new ValueGradients(model);
    loss(model, batch, mask, at, new double[at.length], reference, found);
    double product = 0;
    for (int i = 0; i < along.length; i++) {
      product += along[i] * found.sums()[i] * STEP;
    }
    double[] step = new double[along.length];
    for (int i = 0; i < step.length; i++) {
      step[i] = STEP * along[i];
    }
    double more = loss(model, batch, mask, at, step, reference, null);
    for (int i = 0; i < step.length; i++) {
      step[i] = -step[i];
    }
    double less = loss(model, batch, mask, at, step, reference, null);
    String name = model.graph() + ", instances=" + mask.instances() + " " + mask.uniformValue();
    assertTrue(Math.abs(product) > 1e-12, name);
    assertEquals((more - less) / 2, product, 1e-5 * Math.abs(product) + 1e-12, name);
  }

  private static double loss(
      PatchableModel model,
      PromptBatch batch,
      PatchMask mask,
      double[] at,
      double[] step,
      Tensor reference,
      ValueGradients values) {
    double[] moved = at.clone();
    for (int i = 0; i < moved.length; i++) {
      moved[i] += step[i];
    }
    int sources = model.graph().sources().size();
    try (TensorScope scope = new TensorScope()) {
      Tensor p = model.model().placement().tensor(moved, sources, 1, 1, moved.length / sources);
      try (Evaluation run = Evaluation.of(model, batch.clean(), p)) {
        GradientOf of =
            new GradientOf(LOSS, batch, reference, BackwardRules.TRUE_GRADIENT, null, values);
        double sum = 0;
        for (double loss : run.gradient(mask, of).losses()) {
          sum += loss;
        }
        return sum;
      }
    }
  }
}
