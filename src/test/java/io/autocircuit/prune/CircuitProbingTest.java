package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Circuit probing against probing for each of its sizes, and with edges to avoid. */
class CircuitProbingTest {
  private static final List<PromptBatch> BATCHES =
      List.of(RandomModels.batch(3, 5, 11), RandomModels.batch(2, 4, 12));
  private static Transformer transformer;
  private static PatchableModel model;

  @BeforeAll
  static void open() {
    transformer =
        RandomModels.model(RandomModels.named("sequential LN, folded"), ScalarType.Float, 5);
    model =
        PatchableModel.of(
            transformer, true, 0, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels());
  }

  @AfterAll
  static void close() {
    transformer.close();
  }

  private static SubnetworkProbing probing(
      MaskFunction function, PatchType type, int size, Circuit avoid, double avoidLambda) {
    return new SubnetworkProbing(
        0.05,
        3,
        0.4,
        function,
        type,
        null,
        SubnetworkProbing.Target.KL_DIV,
        size,
        0,
        avoid,
        avoidLambda,
        -MaskFunction.INITIAL,
        7);
  }

  static Stream<Arguments> ways() {
    return Stream.of(MaskFunction.values())
        .flatMap(f -> Stream.of(PatchType.values()).map(p -> Arguments.of(f, p)));
  }

  /** The score of an edge says which size first had it among its best. */
  @ParameterizedTest
  @MethodSource("ways")
  void everySizeIsProbedForByItself(MaskFunction function, PatchType type) {
    List<Integer> sizes = List.of(4, 9, 20);
    CircuitProbing algorithm =
        new CircuitProbing(probing(function, type, 0, null, 1), List.of(20, 4, 9, 9));
    assertEquals(sizes, algorithm.sizes());
    List<String> steps = new ArrayList<>();
    PruneScores scores =
        algorithm.score(
            model, BATCHES, (what, done, all) -> steps.add(what + " " + done + "/" + all));
    float[] expected = new float[model.graph().edgeCount()];
    float[] within = new float[expected.length];
    for (int i = sizes.size() - 1; i >= 0; i--) {
      float[] alone = probing(function, type, sizes.get(i), null, 1).score(model, BATCHES).values();
      float[] sorted = alone.clone();
      Arrays.sort(sorted);
      float threshold = sorted[sorted.length - sizes.get(i)];
      for (int e = 0; e < expected.length; e++) {
        if (alone[e] >= threshold) {
          expected[e] = sizes.size() - i;
          within[e] = alone[e];
        } else if (i == sizes.size() - 1) {
          within[e] = alone[e];
        }
      }
    }
    assertArrayEquals(expected, scores.values());
    assertArrayEquals(within, scores.tieBreaks());
    assertEquals("training steps 18/18", steps.get(steps.size() - 1));
    assertEquals(18, steps.size());
    List<Integer> found =
        algorithm.found(scores.values(), "edges").stream().map(PruneAlgorithm.Found::size).toList();
    for (int i = 0; i < sizes.size(); i++) {
      float least = sizes.size() - i;
      int there = 0;
      for (float score : scores.values()) {
        there += score >= least ? 1 : 0;
      }
      assertEquals(there, found.get(i));
    }
    assertEquals(4, found.get(0));
  }

  /** A step of next to no length leaves all edges where they began. */
  @Test
  void trainingBeginsWhereItIsTold() {
    for (PatchType type : PatchType.values()) {
      for (double init : new double[] {MaskFunction.INITIAL, -MaskFunction.INITIAL, 0.25}) {
        SubnetworkProbing one =
            new SubnetworkProbing(
                1e-9,
                1,
                0,
                MaskFunction.SIGMOID,
                type,
                null,
                SubnetworkProbing.Target.KL_DIV,
                0,
                0,
                null,
                1,
                init,
                1);
        // |max θ| − θ with θ = init, and |min θ| + θ with θ = −init
        double want = Math.abs(init) - init;
        for (float score : one.score(model, BATCHES).values()) {
          assertEquals(want, score, 1e-5, type + " " + init);
        }
      }
    }
  }

  @Test
  void anotherCircuitHasTheSizeAndAvoidsEdges() {
    CircuitProbing free =
        new CircuitProbing(
            probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, 0, null, 1), List.of(8));
    Circuit first = free.circuit(model, BATCHES, Progress.SILENT);
    assertEquals(free.score(model, BATCHES).top(8), first);
    Circuit other =
        new CircuitProbing(
                probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, 0, first, 50), List.of(8))
            .circuit(model, BATCHES, Progress.SILENT);
    assertEquals(8, other.size());
    assertEquals(0, first.edges().stream().filter(e -> other.contains(e.index())).count());
    CircuitProbing meant = CircuitProbing.avoiding(first, 8, 3);
    assertEquals(2000, meant.each().epochs());
    assertEquals(first, meant.each().avoid());
    assertEquals("Circuit tree probing (avoiding 8 edges)", meant.title());
  }

  @Test
  void whatDoesNotFitIsRefusedByName() {
    SubnetworkProbing each = probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, 0, null, 1);
    int edges = model.graph().edgeCount();
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    new CircuitProbing(each, List.of(3, 10_000, 5)).requireFit(model.graph(), null))
            .getMessage()
            .contains(
                "--circuit-sizes=10000 exceeds the graph's edges="
                    + edges
                    + "; give smaller ones, such as --circuit-sizes 3,5"));
    assertThrows(IllegalArgumentException.class, () -> new CircuitProbing(each, List.of()));
    assertThrows(IllegalArgumentException.class, () -> new CircuitProbing(each, List.of(0, 3)));
    SubnetworkProbing all =
        probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, 0, Circuit.full(model.graph()), 1);
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () -> new CircuitProbing(all, List.of(3)).circuit(model, BATCHES, Progress.SILENT))
            .getMessage()
            .contains("avoided edges=" + edges + " are all edges of the graph"));
    Circuit elsewhere = Circuit.empty(model.graph().withPositions(4));
    SubnetworkProbing foreign =
        probing(MaskFunction.SIGMOID, PatchType.TREE_PATCH, 0, elsewhere, 1);
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    new CircuitProbing(foreign, List.of(3))
                        .circuit(model, BATCHES, Progress.SILENT))
            .getMessage()
            .contains("the circuit to avoid is for another graph"));
  }
}
