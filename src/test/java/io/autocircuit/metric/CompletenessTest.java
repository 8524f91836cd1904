package io.autocircuit.metric;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Divergence;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Circuits and the model under the same knockouts, against masks written down by hand. */
class CompletenessTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(3, 5, 11), RandomModels.batch(2, 4, 12));

  private TensorScope scope;
  private Transformer transformer;
  private PatchableModel model;
  private ComputationGraph graph;
  private Circuit circuit;
  private PruneScores knockouts;

  @BeforeEach
  void open() {
    scope = new TensorScope();
    transformer =
        RandomModels.model(RandomModels.named("sequential LN, folded"), ScalarType.Double, 5);
    model =
        PatchableModel.of(
            transformer, true, 0, OutputSlice.NOT_FIRST_SEQ, KernelsProvider.choose().kernels());
    graph = model.graph();
    circuit = random(1).top(graph.edgeCount() / 2);
    knockouts = random(2);
    knockouts.values()[circuit.edgeSet().nextSetBit(0)] = 0;
  }

  @AfterEach
  void close() {
    transformer.close();
    scope.close();
  }

  private PruneScores random(long seed) {
    Random random = new Random(seed);
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return new PruneScores(graph, values);
  }

  /** Mean KL(target ‖ circuit) of two masks over all prompts. */
  private double divergence(Ablation ablation, float[] target, float[] mask) {
    List<Double> all = new ArrayList<>();
    try (AblationValues values = AblationValues.prepare(model, ablation, BATCHES)) {
      for (PromptBatch batch : BATCHES) {
        try (TensorScope inner = new TensorScope();
            Evaluation run = Evaluation.of(model, batch.clean(), values.of(batch.corrupt()))) {
          Tensor p = run.logits(PatchMask.of(graph, target));
          Tensor q = run.logits(PatchMask.of(graph, mask));
          Arrays.stream(Tensors.doubles(Divergence.kl(q, p))).forEach(all::add);
        }
      }
    }
    return all.stream().mapToDouble(d -> d).average().orElseThrow();
  }

  @ParameterizedTest
  @ValueSource(strings = {"resample", "zero", "tokenwise_mean_corrupt"})
  void equalsTheFourRunsByHand(String key) {
    Ablation ablation = Ablation.of(key);
    int edges = graph.edgeCount();
    float[] off = new float[edges];
    float[] knockedOut = new float[edges];
    float[] both = new float[edges];
    int count = 0;
    for (int e = 0; e < edges; e++) {
      boolean out = circuit.contains(e) && knockouts.values()[e] > 0;
      count += out ? 1 : 0;
      off[e] = circuit.contains(e) ? 0 : 1;
      knockedOut[e] = out ? 1 : 0;
      both[e] = off[e] + knockedOut[e];
    }
    Completeness found =
        Completeness.of(
            model,
            BATCHES,
            ablation,
            circuit,
            Completeness.knockedOut(circuit, knockouts, 0),
            Progress.SILENT);
    assertEquals(edges / 2, found.edges());
    assertEquals(count, found.knockedOut());
    assertEquals(divergence(ablation, new float[edges], off), found.normal(), 1e-12);
    assertEquals(divergence(ablation, knockedOut, both), found.knockout(), 1e-12);
    assertTrue(found.normal() > 1e-3 && found.knockout() > 1e-3, found::toString);
  }

  @Test
  void theThresholdItselfIsNotKnockedOut() {
    Circuit out = Completeness.knockedOut(circuit, knockouts, 0);
    int zero = circuit.edgeSet().nextSetBit(0);
    assertEquals(0, knockouts.values()[zero]);
    assertTrue(!out.contains(zero) && out.size() > 1, out::toString);
    Circuit asAutoCircuit = Completeness.knockedOut(circuit, knockouts, -Float.MIN_VALUE);
    assertEquals(
        List.of(zero),
        Completeness.without(asAutoCircuit, out).edgeSet().stream().boxed().toList());
  }

  @Test
  void theFullCircuitIsComplete() {
    Circuit full = Circuit.full(graph);
    Completeness found =
        Completeness.of(model, BATCHES, full, Completeness.knockedOut(full, knockouts, 0));
    assertEquals(0, found.normal(), 1e-15);
    assertEquals(0, found.knockout(), 1e-15);
    assertTrue(found.knockedOut() > 10, found::toString);
  }

  @Test
  void knockoutsOutsideTheCircuitCountForNothing() {
    Completeness none = Completeness.of(model, BATCHES, circuit, Circuit.empty(graph));
    Circuit outside = Completeness.without(Circuit.full(graph), circuit);
    assertEquals(none, Completeness.of(model, BATCHES, circuit, outside));
    assertEquals(0, none.knockedOut());
    assertEquals(none.normal(), none.knockout());
  }

  @Test
  void mistakesAreNamed() {
    PruneScores other =
        new PruneScores(
            transformer.config().graph(false, 0),
            new float[transformer.config().graph(false, 0).edgeCount()]);
    assertTrue(
        assertThrows(
                IllegalArgumentException.class, () -> Completeness.knockedOut(circuit, other, 0))
            .getMessage()
            .startsWith("the knockout scores are for another graph"));
    assertEquals(
        "batches=0; give prompts to run",
        assertThrows(
                IllegalArgumentException.class,
                () -> Completeness.of(model, List.of(), circuit, circuit))
            .getMessage());
  }
}
