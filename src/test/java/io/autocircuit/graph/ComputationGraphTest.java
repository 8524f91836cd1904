package io.autocircuit.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.ComputationGraph.Wiring;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ComputationGraphTest {
  @ParameterizedTest
  @CsvSource({
    "SEQUENTIAL, 12, 12, 32491, 11611", // GPT-2 small
    "SEQUENTIAL, 24, 16, 231877, 80965", // medium
    "SEQUENTIAL, 36, 20, 810703, 280063", // large
    "SEQUENTIAL, 48, 25, 2235025, 766225", // XL
    "ATTENTION_ONLY, 4, 8, 1281, 449", // attn-only-4l
    "PARALLEL, 6, 8, 3580, 1324", // Pythia 70m
    "PARALLEL, 24, 16, 231493, 80581", // 410m
    "PARALLEL, 32, 32, 1591857, 542257", // 2.8b
    "SEQUENTIAL, 2, 2, 46, 26"
  })
  void edgeCounts(Wiring wiring, int blocks, int heads, int separate, int joint) {
    ComputationGraph graph = ComputationGraph.factorized(blocks, heads, wiring, true, 0);
    assertEquals(separate, graph.edgeCount());
    assertEquals(joint, ComputationGraph.factorized(blocks, heads, wiring, false, 0).edgeCount());
    assertEquals(3 * separate, graph.withPositions(3).edgeCount());
    int sum = 0;
    for (DestNode d : graph.destinations()) {
      sum += d.sources();
    }
    assertEquals(separate, sum);
  }

  @Test
  void gpt2SmallHas445DestinationsAnd157Sources() {
    ComputationGraph graph = ComputationGraph.factorized(12, 12, Wiring.SEQUENTIAL, true, 0);
    assertEquals(445, graph.destinations().size());
    assertEquals(157, graph.sources().size());
    assertEquals(15 * 32491, graph.withPositions(15).edgeCount());
  }

  @Test
  void compiledPrograms() {
    assertEquals(77, ComputationGraph.factorized(4, 1, Wiring.SEQUENTIAL, true, 0).edgeCount());
    assertEquals(462, ComputationGraph.factorized(4, 1, Wiring.SEQUENTIAL, true, 6).edgeCount());
    assertEquals(138, ComputationGraph.factorized(2, 1, Wiring.SEQUENTIAL, true, 6).edgeCount());
  }

  static Stream<ComputationGraph> graphs() {
    List<ComputationGraph> list = new ArrayList<>();
    for (Wiring wiring : Wiring.values()) {
      for (boolean separate : new boolean[] {true, false}) {
        for (int positions : new int[] {0, 1, 3}) {
          list.add(ComputationGraph.factorized(3, 2, wiring, separate, positions));
        }
      }
    }
    return list.stream();
  }

  static Stream<ComputationGraph> unfactorized() {
    return Stream.of(Wiring.SEQUENTIAL, Wiring.ATTENTION_ONLY)
        .flatMap(w -> Stream.of(0, 1, 3).map(p -> ComputationGraph.unfactorized(3, 2, w, p)));
  }

  static Stream<ComputationGraph> bothForms() {
    return Stream.concat(graphs(), unfactorized());
  }

  @ParameterizedTest
  @MethodSource("bothForms")
  void edgesRoundTripByIndexAndName(ComputationGraph graph) {
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < graph.edgeCount(); i++) {
      Edge e = graph.edge(i);
      assertEquals(i, e.index());
      assertTrue(seen.add(e.toString()), e::toString);
      assertTrue(e.source().layer() < e.destination().layer(), e::toString);
      assertEquals(graph.positions() == 0, e.position() < 0);
      assertEquals(e, graph.edge(e.name(), e.position()));
      assertEquals(e, graph.edges(e.name()).get(Math.max(0, e.position())));
      DestModule module = graph.module(e.destination().module());
      assertEquals(
          i,
          graph.index(
              module,
              Math.max(0, e.destination().head()),
              e.source().index(),
              Math.max(0, e.position())));
      assertEquals(e.source(), graph.sources().get(e.source().index()));
    }
    assertEquals(graph.edgeCount() / graph.positionCopies(), graph.edgeNames().size());
    assertThrows(IndexOutOfBoundsException.class, () -> graph.edge(graph.edgeCount()));
    assertThrows(IndexOutOfBoundsException.class, () -> graph.edge(-1));
  }

  @ParameterizedTest
  @MethodSource("graphs")
  void everyPairOfAscendingLayersIsAnEdge(ComputationGraph graph) {
    Set<String> names = new HashSet<>(graph.edgeNames());
    for (SrcNode s : graph.sources()) {
      for (DestNode d : graph.destinations()) {
        assertEquals(
            s.layer() < d.layer(), names.contains(s.name() + "->" + d.name()), s + "->" + d);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("unfactorized")
  void edgesOfUnfactorizedGraphsLeadToTheNextLayer(ComputationGraph graph) {
    Set<String> names = new HashSet<>(graph.edgeNames());
    for (SrcNode s : graph.sources()) {
      int read = 0;
      for (DestNode d : graph.destinations()) {
        boolean edge = s.layer() + 1 == d.layer();
        assertEquals(edge, names.contains(s.name() + "->" + d.name()), s + "->" + d);
        assertEquals(edge, d.reads(s), s + "->" + d);
        read += edge ? 1 : 0;
      }
      assertEquals(1, read, s + " is read by one sum");
    }
    for (DestModule m : graph.modules()) {
      assertEquals(m.firstSource(), m.nodes().get(0).firstSource());
      assertEquals(m.sources(), m.nodes().get(0).sources());
      assertEquals(
          0, m.firstSource() == 0 ? 0 : graph.index(m, 0, m.firstSource(), 0) - m.offset());
    }
  }

  @Test
  void sizesOfUnfactorizedGraphs() {
    ComputationGraph gpt2 = ComputationGraph.unfactorized(12, 12, Wiring.SEQUENTIAL, 0);
    assertEquals(180, gpt2.edgeCount());
    assertEquals(180, gpt2.sources().size());
    assertEquals(24, gpt2.destinations().size());
    assertEquals(36, ComputationGraph.unfactorized(4, 8, Wiring.ATTENTION_ONLY, 0).edgeCount());
    assertEquals(15 * 180, gpt2.withPositions(15).edgeCount());
    assertTrue(!gpt2.factorized() && gpt2.withPositions(15).form() == gpt2.form());
    assertNotEquals(gpt2, ComputationGraph.factorized(12, 12, Wiring.SEQUENTIAL, false, 0));
    assertEquals("graph [unfactorized, blocks=12, heads=12", gpt2.toString().substring(0, 40));
  }

  @Test
  void unfactorizedGraphsByName() {
    ComputationGraph graph = ComputationGraph.unfactorized(2, 2, Wiring.SEQUENTIAL, 0);
    assertEquals(
        List.of(
            "Resid Mid 1->Resid End",
            "MLP 1->Resid End",
            "Resid Post 0->Resid Mid 1",
            "A1.0->Resid Mid 1",
            "A1.1->Resid Mid 1",
            "Resid Mid 0->Resid Post 0",
            "MLP 0->Resid Post 0",
            "Resid Start->Resid Mid 0",
            "A0.0->Resid Mid 0",
            "A0.1->Resid Mid 0"),
        graph.edgeNames());
    assertThrows(UnknownNameException.class, () -> graph.edge("A0.0->Resid End", -1));
    assertTrue(graph.stages(1).get(0).readsStream());
    assertTrue(!graph.stages(1).get(1).readsStream());
    assertEquals(
        List.of(Stage.Kind.ATTENTION, Stage.Kind.RESIDUAL, Stage.Kind.MLP, Stage.Kind.RESIDUAL),
        graph.stages(0).stream().map(Stage::kind).toList());
    assertTrue(
        ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0).stages().stream()
            .noneMatch(s -> s.kind() != Stage.Kind.EMBEDDING && s.reads().isEmpty()));
  }

  @Test
  void parallelBlocksHaveNoSumBetweenTheirParts() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> ComputationGraph.unfactorized(2, 2, Wiring.PARALLEL, 0));
    assertTrue(e.getMessage().contains("use graph=factorized"), e.getMessage());
  }

  @ParameterizedTest
  @MethodSource("bothForms")
  void theOrderIsCanonical(ComputationGraph graph) {
    List<Edge> edges = new ArrayList<>();
    for (int i = 0; i < graph.edgeCount(); i++) {
      edges.add(graph.edge(i));
    }
    List<Edge> sorted = new ArrayList<>(edges);
    sorted.sort(
        Comparator.comparingInt((Edge e) -> -e.destination().layer())
            .thenComparing(e -> e.destination().module())
            .thenComparingInt(e -> e.destination().head())
            .thenComparingInt(e -> e.source().index())
            .thenComparingInt(Edge::position));
    assertEquals(sorted, edges);
  }

  @Test
  void headsFeedTheMlpOfTheirBlockUnlessItIsParallel() {
    ComputationGraph sequential = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);
    assertEquals("A0.1->MLP 0", sequential.edge("A0.1->MLP 0", -1).name());
    ComputationGraph parallel = ComputationGraph.factorized(2, 2, Wiring.PARALLEL, true, 0);
    assertThrows(UnknownNameException.class, () -> parallel.edge("A0.1->MLP 0", -1));
    assertEquals("MLP 0->A1.0.K", parallel.edge("MLP 0->A1.0.K", -1).name());
  }

  @Test
  void maskShapes() {
    ComputationGraph graph = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 5);
    assertArrayEquals(new long[] {5, 2, 4}, graph.maskShape(graph.module("blocks.1.hook_k_input")));
    assertArrayEquals(new long[] {5, 7}, graph.maskShape(graph.module("blocks.1.hook_resid_post")));
    ComputationGraph joint = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, false, 0);
    assertArrayEquals(new long[] {2, 4}, joint.maskShape(joint.module("blocks.1.hook_attn_in")));
  }

  @Test
  void positionsMustFit() {
    ComputationGraph tokens = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 4);
    for (int position : new int[] {-1, 4}) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> tokens.edge("A0.0->MLP 0", position));
      assertTrue(e.getMessage().contains("0..3"), e.getMessage());
    }
    ComputationGraph plain = tokens.withPositions(0);
    assertThrows(IllegalArgumentException.class, () -> plain.edge("A0.0->MLP 0", 0));
  }

  @Test
  void argumentsOutOfRange() {
    assertThrows(
        IllegalArgumentException.class,
        () -> ComputationGraph.factorized(0, 1, Wiring.SEQUENTIAL, true, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> ComputationGraph.factorized(1, 0, Wiring.SEQUENTIAL, true, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> ComputationGraph.factorized(1, 1, Wiring.SEQUENTIAL, true, -1));
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> ComputationGraph.factorized(48, 25, Wiring.SEQUENTIAL, true, 1024));
    assertTrue(e.getMessage().contains("2^31"), e.getMessage());
  }

  @Test
  void equalityIsByShape() {
    ComputationGraph a = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 4);
    assertEquals(a, a.withPositions(0).withPositions(4));
    assertEquals(a.hashCode(), a.withPositions(4).hashCode());
    assertNotEquals(a, a.withPositions(0));
    assertNotEquals(a, ComputationGraph.factorized(2, 2, Wiring.PARALLEL, true, 4));
  }

  /** Other programs name the query head; a group's input has the group's number. */
  @Test
  void namesOfOtherProgramsMeanTheirHeadsInGroupedGraphs() {
    ComputationGraph grouped = ComputationGraph.factorized(2, 8, 4, Wiring.SEQUENTIAL, true, 0);
    assertEquals("A0.3->A1.1.K", grouped.edge("a0.h3->a1.h3<k>", -1).name());
    assertEquals("A0.3->A1.3.V", grouped.edge("a0.h3->a1.h7<v>", -1).name());
    assertEquals("A0.3->A1.7.Q", grouped.edge("a0.h3->a1.h7<q>", -1).name());
  }
}
