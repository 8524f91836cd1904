package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.metric.Completeness;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Learned knockouts. Their gradient is checked against AutoCircuit's in {@code
 * ReferenceParityTest}.
 */
class KnockoutTrainingTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(6, 5, 11), RandomModels.batch(4, 4, 12));
  private static final float START = (float) -MaskFunction.INITIAL;

  private TensorScope scope;
  private Transformer transformer;
  private PatchableModel model;
  private ComputationGraph graph;
  private Circuit circuit;

  @BeforeEach
  void open() {
    scope = new TensorScope();
    transformer =
        RandomModels.model(RandomModels.named("sequential LN, folded"), ScalarType.Float, 5);
    model =
        PatchableModel.of(
            transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
    graph = model.graph();
    Random random = new Random(3);
    float[] values = new float[graph.edgeCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    circuit = new PruneScores(graph, values).top(graph.edgeCount() / 2);
  }

  @AfterEach
  void close() {
    transformer.close();
    scope.close();
  }

  private static KnockoutTraining training(
      MaskFunction function, KnockoutTraining.Target target, double lambda, int epochs, long seed) {
    return new KnockoutTraining(0.1, epochs, lambda, function, Ablation.RESAMPLE, target, seed);
  }

  private float[] train(KnockoutTraining training, Circuit of) {
    return training.train(model, BATCHES, of, Progress.SILENT).values();
  }

  @Test
  void bothRunsOfAPromptDrawOneSample() {
    // of the full circuit both runs are the same run, and their gradients cancel to the last bit
    float[] theta =
        train(
            training(MaskFunction.HARD_CONCRETE, KnockoutTraining.Target.LOGIT_DIFF, 0, 3, 7),
            Circuit.full(graph));
    float[] untouched = new float[theta.length];
    Arrays.fill(untouched, START);
    assertArrayEquals(untouched, theta);
  }

  @Test
  void findsKnockoutsThatTellTheCircuitFromTheModel() {
    for (MaskFunction function : List.of(MaskFunction.SIGMOID, MaskFunction.HARD_CONCRETE)) {
      PruneScores learned =
          training(function, KnockoutTraining.Target.KL_DIV, 0, 40, 7)
              .train(model, BATCHES, circuit, Progress.SILENT);
      Completeness found =
          Completeness.of(model, BATCHES, circuit, Completeness.knockedOut(circuit, learned, 0));
      assertTrue(found.knockedOut() > 0, found::toString);
      assertTrue(found.knockout() > 1.2 * found.normal(), found::toString);
    }
  }

  @Test
  void edgesOutsideTheCircuitAreParked() {
    float[] theta = train(KnockoutTraining.defaults(1), circuit);
    for (int e = 0; e < theta.length; e++) {
      assertEquals(circuit.contains(e), theta[e] != KnockoutTraining.OFF_CIRCUIT);
    }
  }

  @Test
  void thePenaltyKeepsKnockoutsToAFifth() {
    int fifth = circuit.size() / 5;
    double free = knockedOut(0);
    double kept = knockedOut(100);
    assertTrue(free > 1.5 * fifth, free + " knocked out without a penalty, a fifth is " + fifth);
    assertTrue(kept < 1.2 * fifth, kept + " knocked out, a fifth is " + fifth);
  }

  /** The sum of the masks. */
  private double knockedOut(double lambda) {
    KnockoutTraining training =
        training(MaskFunction.SIGMOID, KnockoutTraining.Target.LOGIT_DIFF, lambda, 60, 1);
    double sum = 0;
    for (float theta : train(training, circuit)) {
      sum += HardConcrete.sigmoid(theta);
    }
    return sum;
  }

  @Test
  void circuitsOfFewerThanFiveEdgesHaveAFifthToo() {
    for (int size = 1; size < 5; size++) {
      Circuit small = new PruneScores(graph, new float[graph.edgeCount()]).top(size);
      float[] theta = train(KnockoutTraining.defaults(1), small);
      for (int e = 0; e < size; e++) {
        assertTrue(Float.isFinite(theta[e]), Arrays.toString(theta));
      }
    }
  }

  @Test
  void theSeedDecides() {
    float[] first = train(KnockoutTraining.defaults(1), circuit);
    assertArrayEquals(first, train(KnockoutTraining.defaults(1), circuit));
    assertFalse(Arrays.equals(first, train(KnockoutTraining.defaults(2), circuit)));
  }

  @Test
  void mistakesAreNamed() {
    assertEquals(
        "circuit edges=0, batches=2; training knockouts needs at least one of each",
        assertThrows(
                IllegalArgumentException.class,
                () -> train(KnockoutTraining.defaults(1), Circuit.empty(graph)))
            .getMessage());
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    new KnockoutTraining(
                        0,
                        1,
                        1,
                        MaskFunction.SIGMOID,
                        Ablation.RESAMPLE,
                        KnockoutTraining.Target.KL_DIV,
                        1))
            .getMessage()
            .startsWith("learningRate=0.0, epochs=1"));
    ComputationGraph other = transformer.config().graph(false, 0);
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () -> train(KnockoutTraining.defaults(1), Circuit.full(other)))
            .getMessage()
            .startsWith("the circuit is for another graph"));
  }
}
