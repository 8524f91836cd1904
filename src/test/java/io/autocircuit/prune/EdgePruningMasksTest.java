package io.autocircuit.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.RandomModels;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.EdgeGroups;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

/** The masks of edge pruning, and what holds them at a sparsity. */
class EdgePruningMasksTest {
  private static final int SAMPLES = 20_000;
  private static final ComputationGraph GRAPH =
      ComputationGraph.factorized(1, 1, Wiring.SEQUENTIAL, true, 0);
  private static final EdgePruningMasks MASKS =
      new EdgePruningMasks(HardConcrete.STANDARD, EdgeGroups.each(GRAPH), GRAPH.nodes().groups());

  private static double[] theta(int size, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] theta = new double[size];
    Arrays.setAll(theta, i -> random.nextDouble(-5, 3));
    return theta;
  }

  @Test
  void masksAreOpenAsOftenAsTheFormulaSays() {
    SplittableRandom random = new SplittableRandom(3);
    for (HardConcrete f :
        new HardConcrete[] {HardConcrete.STANDARD, new HardConcrete(0.3, -0.4, 1.2)}) {
      for (double theta : new double[] {-4, -1.5, f.even(), 0, 2}) {
        int open = 0;
        for (int i = 0; i < SAMPLES; i++) {
          open += f.value(theta, random.nextDouble()) > 0 ? 1 : 0;
        }
        double p = f.open(theta);
        double error = 4 * Math.sqrt(p * (1 - p) / SAMPLES);
        assertEquals(p, (double) open / SAMPLES, error, f + " θ=" + theta);
        double step = 1e-5;
        assertEquals(
            (f.open(theta + step) - f.open(theta - step)) / (2 * step), f.openSlope(theta), 1e-9);
      }
      assertEquals(0.5, f.open(f.even()), 1e-15);
    }
  }

  /** 8 edges and 2 nodes: all ways in which masks can be open. */
  @Test
  void theSparsityIsThatOfAllWays() {
    assertEquals(8, MASKS.groups());
    assertEquals(2, MASKS.nodes());
    double[] theta = theta(MASKS.size(), 5);
    double edges = 0;
    double nodes = 0;
    for (int way = 0; way < 1 << theta.length; way++) {
      double[] open = new double[theta.length];
      double p = 1;
      for (int i = 0; i < open.length; i++) {
        open[i] = way >> i & 1;
        double there = HardConcrete.STANDARD.open(theta[i]);
        p *= open[i] == 1 ? there : 1 - there;
      }
      int none = 0;
      for (float kept : MASKS.kept(open)) {
        none += kept == 0 ? 1 : 0;
      }
      edges += p * none / 8;
      nodes += p * (2 - open[8] - open[9]) / 2;
    }
    assertEquals(edges, MASKS.sparsity(theta), 1e-12);
    assertEquals(nodes, MASKS.nodeSparsity(theta), 1e-12);
  }

  @Test
  void theSparsityIsThatOfSamples() {
    double[] theta = theta(MASKS.size(), 6);
    SplittableRandom random = new SplittableRandom(1);
    long none = 0;
    for (int i = 0; i < SAMPLES; i++) {
      for (float kept : MASKS.kept(MASKS.values(theta, MASKS.uniform(random)))) {
        none += kept == 0 ? 1 : 0;
      }
    }
    assertEquals(MASKS.sparsity(theta), none / (8.0 * SAMPLES), 0.01);
  }

  /** Of the Lagrangian of both sparsities, after some steps of its multipliers. */
  @Test
  void itsGradientIsThatOfFiniteDifferences() {
    double[] theta = theta(MASKS.size(), 7);
    Lagrangian edges = new Lagrangian(0, 0.9, 4, 0.3);
    Lagrangian nodes = new Lagrangian(0.2, 0.5, 0, 0.3);
    for (int step = 0; step < 3; step++) {
      edges.ascend(MASKS.sparsity(theta), step, 1);
      nodes.ascend(MASKS.nodeSparsity(theta), step, 0.5);
    }
    ToDoubleFunction<double[]> value =
        t -> edges.value(MASKS.sparsity(t), 3) + nodes.value(MASKS.nodeSparsity(t), 3);
    double[] gradient = new double[theta.length];
    MASKS.addSparsity(theta, edges.slope(MASKS.sparsity(theta), 3), gradient);
    MASKS.addNodeSparsity(theta, nodes.slope(MASKS.nodeSparsity(theta), 3), gradient);
    double largest = 0;
    for (int i = 0; i < theta.length; i++) {
      double[] more = theta.clone();
      double[] less = theta.clone();
      more[i] += 1e-5;
      less[i] -= 1e-5;
      double slope = (value.applyAsDouble(more) - value.applyAsDouble(less)) / 2e-5;
      assertEquals(slope, gradient[i], 1e-8, "θ " + i);
      largest = Math.max(largest, Math.abs(slope));
    }
    assertTrue(largest > 0.01, "nothing depends on θ: " + largest);
  }

  /** The first step of Adam is the learning rate, whatever the gradient. */
  @Test
  void multipliersAscend() {
    Lagrangian below = new Lagrangian(0, 0.8, 2, 0.1);
    assertEquals(0, below.target(0));
    assertEquals(0.4, below.target(1), 1e-15);
    assertEquals(0.8, below.target(7));
    below.ascend(0.5, 2, 1);
    assertEquals(-0.1, below.linear(), 1e-6);
    assertEquals(0.1, below.quadratic(), 1e-6);
    assertTrue(below.slope(0.5, 2) < 0, "more sparsity must be a gain");
    Lagrangian above = new Lagrangian(0, 0.8, 0, 0.1);
    above.ascend(0.9, 0, 0.5);
    assertEquals(0.05, above.linear(), 1e-6);
    assertEquals(0.05, above.quadratic(), 1e-6);
  }

  @Test
  void theScoreIsTheProbabilityThatBothAreOpen() {
    double[] theta = new double[10];
    int node = GRAPH.nodes().node("A0.0", -1).index();
    int fromHead = GRAPH.nodes().groups().first(node);
    theta[fromHead] = 3;
    theta[8 + node] = -3;
    float[] scores = MASKS.scores(theta);
    double both = HardConcrete.STANDARD.open(3) * HardConcrete.STANDARD.open(-3);
    assertEquals(both, scores[fromHead], 1e-7);
    assertEquals(HardConcrete.STANDARD.open(0), scores[0], 1e-7);
    double sum = 0;
    for (float score : scores) {
      sum += score;
    }
    assertEquals(1 - sum / 8, MASKS.sparsity(theta), 1e-7);
  }

  @Test
  void distributionsThatAreNoneAreRefused() {
    for (double[] wrong :
        new double[][] {{0, -0.1, 1.1}, {0.5, 0, 1.1}, {0.5, -0.1, 1}, {Double.NaN, -0.1, 1.1}}) {
      assertThrows(
          IllegalArgumentException.class, () -> new HardConcrete(wrong[0], wrong[1], wrong[2]));
    }
  }

  /** A prompt counts alike, whatever the size of the batch it is in. */
  @Test
  void batchesCountByTheirPrompts() {
    List<PromptBatch> batches = List.of(RandomModels.batch(3, 4, 1), RandomModels.batch(1, 5, 2));
    assertEquals(1.5, MaskTraining.weight(batches, 0));
    assertEquals(0.5, MaskTraining.weight(batches, 1));
  }
}
