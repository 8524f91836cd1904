package io.autocircuit.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.graph.Stage.Kind;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The stages of a graph say what a run reads and writes, in order. */
class StageTest {

  private static List<ComputationGraph> graphs() {
    List<ComputationGraph> all = new ArrayList<>();
    for (Wiring wiring : Wiring.values()) {
      for (boolean separate : new boolean[] {true, false}) {
        for (int positions : new int[] {0, 3}) {
          all.add(ComputationGraph.factorized(3, 4, wiring, separate, positions));
        }
      }
      all.add(ComputationGraph.factorized(2, 6, 2, wiring, true, 0));
    }
    return all;
  }

  @Test
  void everySourceIsWrittenOnceAndEveryDestinationReadOnce() {
    for (ComputationGraph graph : graphs()) {
      List<SrcNode> written = new ArrayList<>();
      int destinations = 0;
      for (Stage stage : graph.stages()) {
        assertEquals(graph.stages().get(stage.index()), stage);
        assertEquals(written.size(), stage.firstWritten(), graph.toString());
        if (stage.writes() != null) {
          written.addAll(stage.writes().nodes());
        }
        for (DestModule module : stage.reads()) {
          assertEquals(stage, graph.stage(module));
          for (DestNode node : module.nodes()) {
            assertEquals(stage.sources(), node.sources());
            int row = stage.row(node);
            assertEquals(node, stage.module(row).nodes().get(stage.node(row)));
            destinations++;
          }
        }
        // what it reads: the sources of smaller layers
        assertEquals(
            graph.sources().stream().filter(s -> s.layer() < stage.layer()).count(),
            stage.sources());
      }
      assertEquals(graph.sources(), written);
      assertEquals(graph.destinations().size(), destinations);
      assertEquals(Kind.EMBEDDING, graph.stages().get(0).kind());
      assertEquals(Kind.END, graph.end().kind());
      assertNull(graph.end().writes());
    }
  }

  @Test
  void onlyParallelBlocksReadAStreamAgain() {
    for (ComputationGraph graph : graphs()) {
      for (Stage stage : graph.stages()) {
        assertEquals(
            graph.wiring() == Wiring.PARALLEL && stage.kind() == Kind.ATTENTION,
            stage.streamReadAgain());
      }
    }
  }

  @Test
  void rowsFeedPartsAndSources() {
    Stage separate = ComputationGraph.factorized(1, 2, Wiring.SEQUENTIAL, true, 0).stages(0).get(0);
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5}, separate.rowOfParts());
    assertEquals(List.of(Input.Q, Input.K, Input.V), inputs(separate));
    Stage joint = ComputationGraph.factorized(1, 2, Wiring.SEQUENTIAL, false, 0).stages(0).get(0);
    assertArrayEquals(new int[] {0, 1, 0, 1, 0, 1}, joint.rowOfParts());
    Stage grouped =
        ComputationGraph.factorized(1, 4, 2, Wiring.SEQUENTIAL, true, 0).stages(0).get(0);
    assertEquals(8, grouped.rows());
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7}, grouped.rowOfParts());
    assertEquals(1, grouped.fed(3));
    assertEquals(2, grouped.fed(5));
    assertEquals(1 + 3, grouped.firstFed(3));
    assertEquals(1 + 2, grouped.firstFed(5));
    assertFalse(grouped.readEverywhere(3));
    assertTrue(grouped.readEverywhere(4));
    assertTrue(joint.readEverywhere(0));
    Stage mlp = ComputationGraph.factorized(1, 4, Wiring.SEQUENTIAL, true, 0).stages(0).get(1);
    assertArrayEquals(new int[] {0}, mlp.rowOfParts());
    assertEquals(5, mlp.firstFed(0));
    assertEquals(1, mlp.fed(0));
  }

  private static List<Input> inputs(Stage stage) {
    return stage.reads().stream().map(DestModule::input).toList();
  }

  @Test
  void keysAndValuesMayHaveFewerHeads() {
    ComputationGraph graph = ComputationGraph.factorized(2, 6, 2, Wiring.SEQUENTIAL, true, 0);
    assertEquals(6, graph.module("blocks.1.hook_q_input").nodes().size());
    assertEquals(2, graph.module("blocks.1.hook_k_input").nodes().size());
    assertEquals(2, graph.module("blocks.1.hook_v_input").nodes().size());
    assertArrayEquals(new long[] {2, 8}, graph.maskShape(graph.module("blocks.1.hook_k_input")));
    for (int e = 0; e < graph.edgeCount(); e++) {
      Edge edge = graph.edge(e);
      assertEquals(edge, graph.edge(edge.name(), -1));
    }
    assertEquals(graph, graph.withPositions(4).withPositions(0));
    assertFalse(graph.equals(ComputationGraph.factorized(2, 6, Wiring.SEQUENTIAL, true, 0)));
  }

  @Test
  void groupsThatDoNotFitAreRefused() {
    for (int wrong : new int[] {0, 4, 12}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> ComputationGraph.factorized(2, 6, wrong, Wiring.SEQUENTIAL, true, 0));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> ComputationGraph.factorized(2, 6, 3, Wiring.SEQUENTIAL, false, 0));
  }
}
