package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Tolerance;
import io.autocircuit.metric.Roc;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.objective.Divergence;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Evaluation;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.CircuitProbing;
import io.autocircuit.prune.ExactPatching;
import io.autocircuit.prune.GroundTruth;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneContext;
import io.autocircuit.prune.RandomScores;
import io.autocircuit.prune.SubnetworkProbing;
import io.autocircuit.prune.SummedGradient;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Nodes: what belongs to them, their circuits and scores, in graphs of every form. */
class NodeLevelTest {
  private static final int LENGTH = 4;
  private static final Tolerance EXACT = new Tolerance(1e-11, 1e-11);

  static Stream<ComputationGraph> graphs() {
    return Stream.of(
        ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0),
        ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, false, 3),
        ComputationGraph.factorized(2, 4, 2, Wiring.PARALLEL, true, 0),
        ComputationGraph.factorized(3, 2, Wiring.ATTENTION_ONLY, true, 2),
        ComputationGraph.unfactorized(2, 2, Wiring.SEQUENTIAL, 0),
        ComputationGraph.unfactorized(3, 2, Wiring.ATTENTION_ONLY, 3));
  }

  private static NodeScores random(GraphNodes nodes, long seed) {
    Random random = new Random(seed);
    float[] values = new float[nodes.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return new NodeScores(nodes, values, new float[0]);
  }

  private static List<String> names(ComputationGraph graph, BitSet edges) {
    return edges.stream().mapToObj(e -> graph.edge(e).toString()).toList();
  }

  @Test
  void aCircuitOfNodesHasTheEdgesWithBothEndsInIt() {
    ComputationGraph graph = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0);
    GraphNodes nodes = graph.nodes();
    assertEquals(
        List.of("MLP 1", "A1.0", "A1.1", "MLP 0", "A0.0", "A0.1"),
        nodes.all().stream().map(GraphNodes.Node::name).toList());
    assertEquals(List.of("Resid Start->Resid End"), names(graph, nodes.edges(new BitSet())));
    BitSet two = new BitSet();
    two.set(nodes.node("A0.1", -1).index());
    two.set(nodes.node("MLP 1", -1).index());
    assertEquals(
        List.of(
            "Resid Start->Resid End",
            "A0.1->Resid End",
            "MLP 1->Resid End",
            "Resid Start->MLP 1",
            "A0.1->MLP 1",
            "Resid Start->A0.1.K",
            "Resid Start->A0.1.Q",
            "Resid Start->A0.1.V"),
        names(graph, nodes.edges(two)));
    assertEquals(two, nodes.joined(nodes.edges(two)));
    assertEquals(
        graph.edges("A0.1->MLP 1").get(0).index(),
        nodes.groups().edges(nodes.node("A0.1", -1).index()).skip(1).findFirst().getAsInt());
    assertThrows(UnknownNameException.class, () -> nodes.node("Resid Start", -1));
  }

  @Test
  void aPositionThatDoesNotFitIsRefused() {
    GraphNodes without = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 0).nodes();
    GraphNodes with = ComputationGraph.factorized(2, 2, Wiring.SEQUENTIAL, true, 3).nodes();
    assertEquals("A0.1@2", with.node("A0.1", 2).toString());
    assertEquals(
        "position=0 of node \"A0.1\" does not fit: this graph has positions=0; give -1",
        message(without, 0));
    for (int position : new int[] {-1, 3}) {
      assertEquals(
          "position=" + position + " of node \"A0.1\" does not fit: this graph has positions=3",
          message(with, position));
    }
  }

  private static String message(GraphNodes nodes, int position) {
    return assertThrows(IllegalArgumentException.class, () -> nodes.node("A0.1", position))
        .getMessage();
  }

  @Test
  void theStreamIsInEveryCircuitOfAnUnfactorizedGraph() {
    ComputationGraph graph = ComputationGraph.unfactorized(2, 2, Wiring.SEQUENTIAL, 0);
    GraphNodes nodes = graph.nodes();
    BitSet one = new BitSet();
    one.set(nodes.node("A1.1", -1).index());
    assertEquals(
        List.of(
            "Resid Mid 1->Resid End",
            "Resid Post 0->Resid Mid 1",
            "A1.1->Resid Mid 1",
            "Resid Mid 0->Resid Post 0",
            "Resid Start->Resid Mid 0"),
        names(graph, nodes.edges(one)));
  }

  /** Queries of any position may look at keys and values of every position. */
  @Test
  void keysAndValuesBelongToTheirHeadAtEveryPosition() {
    ComputationGraph graph = ComputationGraph.factorized(1, 1, Wiring.ATTENTION_ONLY, true, 2);
    GraphNodes nodes = graph.nodes();
    BitSet last = new BitSet();
    last.set(nodes.node("A0.0", 1).index());
    assertEquals(
        List.of(
            "Resid Start->Resid End@0",
            "Resid Start->Resid End@1",
            "A0.0->Resid End@1",
            "Resid Start->A0.0.K@0",
            "Resid Start->A0.0.K@1",
            "Resid Start->A0.0.Q@1",
            "Resid Start->A0.0.V@0",
            "Resid Start->A0.0.V@1"),
        names(graph, nodes.edges(last)));
    assertEquals(last, nodes.joined(nodes.edges(last)));
  }

  /**
   * So the k best nodes are a threshold on the edges' scores, and both can be had from the other.
   */
  @ParameterizedTest
  @MethodSource("graphs")
  void edgesHaveTheScoreOfTheirLessImportantEnd(ComputationGraph graph) {
    GraphNodes nodes = graph.nodes();
    NodeScores scores = random(nodes, 3);
    PruneScores edges = scores.edges();
    assertArrayEquals(scores.values(), NodeScores.of(nodes, edges).values());
    int[] order = scores.ranking();
    for (int k = 0; k <= nodes.size(); k++) {
      float least = k == 0 ? Float.POSITIVE_INFINITY : Math.abs(scores.values()[order[k - 1]]);
      BitSet above = new BitSet();
      for (int e = 0; e < graph.edgeCount(); e++) {
        above.set(e, Math.abs(edges.values()[e]) >= least);
      }
      assertEquals(above, nodes.edges(scores.best(k)), graph + " " + k);
      assertEquals(scores.best(k), scores.bestWithTies(k));
    }
    assertEquals(graph.edgeCount(), nodes.edges(scores.best(nodes.size())).cardinality());
    assertThrows(IllegalArgumentException.class, () -> scores.best(nodes.size() + 1));
  }

  @Test
  void groupsSpreadAndAddUp() {
    ComputationGraph graph = ComputationGraph.unfactorized(1, 2, Wiring.ATTENTION_ONLY, 0);
    EdgeGroups groups = EdgeGroups.of(graph, new int[] {-1, 0, 0}, 1);
    assertArrayEquals(new float[] {0, 5, 5, 0, 7, 7}, groups.spread(new float[] {5, 7}));
    assertArrayEquals(new double[] {5, 11}, groups.sum(new float[] {1, 2, 3, 4, 5, 6}));
    assertEquals(1, groups.first(0));
    assertEquals(3, EdgeGroups.each(graph).size());
    assertThrows(
        IllegalArgumentException.class, () -> EdgeGroups.of(graph, new int[] {0, 0, 2}, 3));
    assertThrows(IllegalArgumentException.class, () -> EdgeGroups.of(graph, new int[] {0}, 1));
  }

  @Test
  void theCurveIsOverNodes() {
    GraphNodes nodes = ComputationGraph.factorized(1, 3, Wiring.ATTENTION_ONLY, true, 0).nodes();
    BitSet truth = new BitSet();
    truth.set(1);
    NodeScores scores = new NodeScores(nodes, new float[] {1, -3, 2}, new float[0]);
    assertEquals(
        List.of(
            new Roc.Point(0, 0), new Roc.Point(0, 1), new Roc.Point(0.5, 1), new Roc.Point(1, 1)),
        Roc.curve(scores, truth, new int[] {1, 2}));
    assertThrows(
        IllegalArgumentException.class, () -> Roc.curve(scores, new BitSet(), new int[] {1}));
  }

  /** A use of a model and its nodes. */
  private interface Body {
    void run(PatchableModel model, GraphNodes nodes, PromptBatch batch);
  }

  private static void onTinyModels(Body body) {
    PromptBatch batch = RandomModels.batch(2, LENGTH, 5);
    try (TensorScope scope = new TensorScope();
        Transformer t =
            RandomModels.model(
                RandomModels.named("gated RMS, grouped heads, biases"), ScalarType.Double, 4)) {
      for (ComputationGraph graph :
          List.of(
              t.config().graph(true, 0),
              t.config().graph(false, LENGTH),
              t.config().unfactorizedGraph(0),
              t.config().unfactorizedGraph(LENGTH))) {
        body.run(
            new PatchableModel(t, graph, OutputSlice.LAST_SEQ, KernelsProvider.choose().kernels()),
            graph.nodes(),
            batch);
      }
    }
  }

  /** What enters a node outside the circuit is read by nobody. */
  @Test
  void circuitsOfNodesAblateWhatLeavesTheOthers() {
    onTinyModels(
        (model, nodes, batch) -> {
          NodeScores scores = random(nodes, 6);
          try (AblationValues values =
                  AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
              Evaluation run = Evaluation.of(model, batch.clean(), values, batch.corrupt());
              TensorScope scope = new TensorScope()) {
            for (int k = 0; k <= nodes.size(); k += Math.max(1, nodes.size() / 7)) {
              BitSet kept = scores.best(k);
              float[] out = new float[nodes.size()];
              for (int n = 0; n < out.length; n++) {
                out[n] = kept.get(n) ? 0 : 1;
              }
              PatchMask mask = PatchMask.of(model.graph(), nodes.groups().spread(out));
              EXACT.check(
                  model.graph() + " " + k,
                  run.logits(mask),
                  run.logits(scores.circuit(kept), PatchType.TREE_PATCH));
            }
          }
        });
  }

  @Test
  void gradientsAreThoseOfOneMaskValueForEachNode() {
    onTinyModels(
        (model, nodes, batch) -> {
          MaskGradient eap = MaskGradient.eap();
          float[] mine = eap.score(model, List.of(batch), nodes.groups(), Progress.SILENT).values();
          try (AblationValues values =
                  AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
              Evaluation run = Evaluation.of(model, batch.clean(), values.of(batch.corrupt()))) {
            float step = 0x1p-16f;
            for (int n = 0; n < nodes.size(); n++) {
              float[] up = new float[nodes.size()];
              up[n] = step;
              double rise =
                  loss(eap, run, batch, model.graph(), nodes.groups().spread(up))
                      - loss(eap, run, batch, model.graph(), new float[model.graph().edgeCount()]);
              assertEquals(rise / step, mine[n], 1e-3, model.graph() + " " + nodes.all().get(n));
            }
          }
        });
  }

  private static double loss(
      MaskGradient eap, Evaluation run, PromptBatch batch, ComputationGraph graph, float[] mask) {
    try (TensorScope scope = new TensorScope()) {
      return Arrays.stream(
              Tensors.doubles(
                  eap.loss().perPrompt(run.logits(PatchMask.of(graph, mask)), batch, null)))
          .average()
          .getAsDouble();
    }
  }

  @Test
  void nodesAreAblatedAsAWhole() {
    onTinyModels(
        (model, nodes, batch) -> {
          float[] exact =
              ExactPatching.logitDifference()
                  .score(model, List.of(batch), nodes.groups(), Progress.SILENT)
                  .values();
          double tau = 0.01;
          float[] acdc =
              Acdc.kl(tau).score(model, List.of(batch), nodes.groups(), Progress.SILENT).values();
          try (AblationValues values =
                  AblationValues.prepare(model, Ablation.RESAMPLE, List.of(batch));
              Evaluation run = Evaluation.of(model, batch.clean(), values.of(batch.corrupt()));
              TensorScope scope = new TensorScope()) {
            MaskGradient eap = MaskGradient.eap();
            int edges = model.graph().edgeCount();
            float[] removed = new float[nodes.size()];
            double before = 0;
            for (int n = 0; n < nodes.size(); n++) {
              float[] one = new float[nodes.size()];
              one[n] = 1;
              double rise =
                  loss(eap, run, batch, model.graph(), nodes.groups().spread(one))
                      - loss(eap, run, batch, model.graph(), new float[edges]);
              assertEquals(rise, exact[n], 1e-6, nodes.all().get(n).toString());
              removed[n] = 1;
              double distance =
                  Arrays.stream(
                          Tensors.doubles(
                              Divergence.kl(
                                  run.logits(
                                      PatchMask.of(model.graph(), nodes.groups().spread(removed))),
                                  model.logits(batch.clean()))))
                      .average()
                      .getAsDouble();
              boolean goes = distance - before < tau;
              assertEquals(
                  goes ? (float) tau : Float.POSITIVE_INFINITY,
                  acdc[n],
                  model.graph() + " " + nodes.all().get(n));
              before = goes ? distance : before;
              removed[n] = goes ? 1 : 0;
            }
            assertTrue(
                IntStream.range(0, acdc.length).anyMatch(n -> Float.isInfinite(acdc[n])),
                "some node stays");
          }
        });
  }

  @Test
  void otherAlgorithmsScoreNodesToo() {
    onTinyModels(
        (model, nodes, batch) -> {
          float[] drawn =
              new RandomScores(7)
                  .score(model, List.of(batch), nodes.groups(), Progress.SILENT)
                  .values();
          assertEquals(nodes.size(), drawn.length);
          Set<Float> distinct = new HashSet<>();
          for (float score : drawn) {
            assertTrue(score >= 0 && score < 1, "a score of " + score);
            distinct.add(score);
          }
          assertEquals(nodes.size(), distinct.size(), "each node is drawn by itself");
          float[] others =
              new RandomScores(8)
                  .score(model, List.of(batch), nodes.groups(), Progress.SILENT)
                  .values();
          assertFalse(Arrays.equals(drawn, others), "another seed draws others");
          Circuit best = NodeScores.of(nodes, random(nodes, 9).edges()).circuit(new BitSet());
          assertTrue(best.size() > 0, "the stream");
        });
  }

  @Test
  void aKnownCircuitIsThatOfTheNodesItJoins() {
    onTinyModels(
        (model, nodes, batch) -> {
          BitSet kept = new BitSet();
          kept.set(1, 3);
          Circuit known = Circuit.of(model.graph(), nodes.edges(kept));
          BitSet joined = nodes.joined(known.edgeSet());
          float[] truth =
              new GroundTruth(known)
                  .score(model, List.of(batch), nodes.groups(), Progress.SILENT)
                  .values();
          for (int n = 0; n < truth.length; n++) {
            assertEquals(joined.get(n) ? 1f : 0f, truth[n]);
          }
          PruneContext context =
              new PruneContext(1, PatchType.TREE_PATCH, Optional.of(known), Optional.empty(), true);
          assertEquals(joined.cardinality(), context.officialSize().getAsInt());
        });
  }

  @Test
  void sumsOfGradientsAddUpForEachNode() {
    onTinyModels(
        (model, nodes, batch) -> {
          SummedGradient eap = new SummedGradient(MaskGradient.eap());
          float[] edges = eap.score(model, List.of(batch)).values();
          float[] scores =
              eap.score(model, List.of(batch), nodes.groups(), Progress.SILENT).values();
          double[] sums = nodes.groups().sum(edges);
          for (int n = 0; n < scores.length; n++) {
            assertEquals(sums[n], scores[n], 1e-4);
          }
        });
  }

  @Test
  void avoidedEdgesLeaveSomeNodesButNotAll() {
    onTinyModels(
        (model, nodes, batch) -> {
          BitSet stream = nodes.edges(new BitSet());
          BitSet all = new BitSet();
          IntStream.range(0, nodes.size()).forEach(n -> all.set(nodes.groups().first(n)));
          for (BitSet edges : List.of(stream, all)) {
            SubnetworkProbing sp =
                CircuitProbing.avoiding(Circuit.of(model.graph(), edges), 2, 1).each();
            String message =
                assertThrows(
                        IllegalArgumentException.class, () -> sp.requireFit(nodes.groups(), null))
                    .getMessage();
            assertTrue(message.contains(edges == all ? "every one" : "none"), message);
          }
        });
  }
}
