package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.graph.GraphNodes;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.RandomModels;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.Parallelism;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import io.autocircuit.task.RandomPrompts;
import io.autocircuit.task.Task;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class DiscoveryBuilderTest {
  private static Task task;

  @BeforeAll
  static void load() {
    var model = RandomModels.of(RandomModels.shape("tiny"), 1);
    task = new Task(model, new RandomPrompts(40, 6).of(model.config(), 1));
  }

  @AfterAll
  static void close() {
    task.close();
  }

  private static DiscoveryBuilder builder() {
    return Discovery.builder(task, MaskGradient.eap());
  }

  @Test
  void whatIsNotSaidIsTheUsual() {
    Discovery usual = Discovery.of(task, MaskGradient.eap());
    Discovery built = builder().build();
    assertEquals(usual.model().graph(), built.model().graph());
    assertEquals(usual.runs(), built.runs());
    assertEquals(usual.counts(), built.counts());
    assertEquals(usual.metrics(), built.metrics());
    assertEquals(MemoryBudget.UNLIMITED, built.model().memory());
    assertEquals(1, built.model().workers());
    assertEquals(List.of(32, 8), built.train().stream().map(b -> b.clean().batchSize()).toList());
    assertSame(built.train(), built.test());
  }

  /** A curve needs nodes that are in the known circuit, and others. */
  @Test
  void noCurveWhereTheKnownCircuitHasNoOrAllNodes() {
    Discovery plain = builder().level(Level.NODE).sizes(EdgeCounts.exactly(0, 2)).build();
    GraphNodes nodes = plain.model().graph().nodes();
    PruneScores scores = plain.score(Progress.SILENT);
    BitSet kept = new BitSet();
    for (boolean curve : new boolean[] {false, true, false}) {
      Circuit known = Circuit.of(plain.model().graph(), nodes.edges(kept));
      Discovery d =
          builder().level(Level.NODE).sizes(EdgeCounts.exactly(0, 2)).official(known).build();
      assertEquals(curve, !d.judge(scores, Progress.SILENT).roc().isEmpty(), kept::toString);
      kept.set(0, curve ? nodes.size() : 2);
    }
  }

  @Test
  void everyMethodReturnsAnotherBuilder() {
    DiscoveryBuilder first = builder();
    DiscoveryBuilder second =
        first
            .slice(OutputSlice.ALL)
            .separateQkv(false)
            .tokenPositions(true)
            .batchSize(10)
            .padded(true)
            .split(new PromptSplit(10, 20, false), 0)
            .ablation(Ablation.ZERO)
            .ties(true)
            .metrics(List.of())
            .memory(new MemoryBudget(1 << 20))
            .threads(4)
            .sizes(EdgeCounts.exactly(3));
    assertEquals(OutputSlice.LAST_SEQ, first.build().model().slice());
    assertTrue(first.graph().separateQkv());
    Discovery d = second.build();
    assertEquals(OutputSlice.ALL, d.model().slice());
    assertEquals(6, d.model().graph().positions());
    assertEquals(10, d.trainPrompts());
    assertEquals(20, d.prompts());
    assertEquals(Ablation.ZERO, d.runs().ablation());
    assertEquals(1 << 20, d.model().memory().bytes());
    assertEquals(0, d.train().get(0).rows()[0], "in the order of the file");
    assertEquals(second.graph(), d.model().graph());
  }

  @Test
  void whatDoesNotFitIsSaidBeforeTheWork() {
    unfit("size=99999 exceeds the graph's edges", builder().sizes(EdgeCounts.exactly(99_999)));
    unfit("leaves none of prompts=40", builder().split(new PromptSplit(0, 40, true), 1));
    unfit("train=30 and test=20", builder().split(new PromptSplit(30, 20, true), 1));
    PruneAlgorithmProvider sp = PruneAlgorithmProvider.catalogue().get("sp");
    unfit(
        "--circuit-size=99999 exceeds the graph's edges",
        builder()
            .algorithm(
                sp.create(
                    io.autocircuit.catalogue.Settings.of(
                        sp.settings(), java.util.Map.of("circuit_size", 99_999)),
                    PruneContext.STANDARD)));
    assertThrows(IllegalStateException.class, () -> Discovery.builder(task).build());
  }

  private static void unfit(String part, DiscoveryBuilder builder) {
    IllegalArgumentException e = assertThrows(IllegalArgumentException.class, builder::build);
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  @Test
  void promptsThatCannotBeUsedAreBadData() {
    TokenizedDataset data = task.prompts();
    var pairs = new java.util.ArrayList<>(data.prompts());
    var first = pairs.get(0);
    pairs.set(
        0,
        new io.autocircuit.data.TokenizedPair(
            0,
            java.util.Arrays.copyOf(first.clean(), 5),
            first.corrupt(),
            first.answers(),
            first.wrongAnswers()));
    Task uneven =
        new Task(
            task.model(), new TokenizedDataset("x", pairs, List.of(), new java.util.TreeMap<>()));
    assertThrows(DataException.class, () -> Discovery.of(uneven, MaskGradient.eap()));
    assertEquals(40, Discovery.builder(uneven, MaskGradient.eap()).padded(true).build().prompts());
    assertThrows(
        DataException.class,
        () -> Discovery.builder(uneven, MaskGradient.eap()).tokenPositions(true).graph());
  }

  @Test
  void threadsBecomeWorkersWhereTheModelIsSmall() {
    assertEquals(4, builder().threads(9).build().model().workers(), "of 8 prompts at least");
    assertEquals(2, builder().threads(2).build().model().workers());
    var batches = builder().build().train();
    assertEquals(new Parallelism(1, 4), Parallelism.of(RandomModels.shape("tiny"), batches, 9));
    assertEquals(
        new Parallelism(9, 1), Parallelism.of(RandomModels.shape("gpt2-small"), batches, 9));
    assertEquals(new Parallelism(1, 1), Parallelism.of(RandomModels.shape("tiny"), List.of(), 9));
  }
}
