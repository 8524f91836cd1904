package io.autocircuit.benchmarks;

import io.autocircuit.objective.Divergence;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchType;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the algorithms are made of, on a whole model: a dense evaluation, a step of ACDC, the scores
 * of EAP. {@code plain}, the model's unpatched pass, is the yardstick.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "-Xmx2g")
public class EngineBenchmark {
  /** Edges that take turns in {@link #acdcStep}. */
  private static final int TRIALS = 16;

  /** ACDC keeps about one edge in ten. */
  private static final int ONE_KEPT_OF = 10;

  /** Of the mask in the difference quotient that checks a score. */
  private static final double STEP = 0.05;

  /** Of the score: curvature over ±{@link #STEP}, and float32. */
  private static final double SCORE_TOLERANCE = 0.05;

  /** The sizes. */
  @Param public ModelShape shape;

  private Engine engine;
  private PatchMask dense;
  private Tensor cleanLogits;
  private BitSet kept;
  private int first;
  private int trial;

  /** Makes the model and checks the answers. */
  @Setup
  public void setUp() {
    engine = new Engine(shape);
    dense = engine.randomMask();
    try (TensorScope scope = new TensorScope()) {
      cleanLogits = engine.model.logits(engine.batch.clean());
      cleanLogits.retainReference();
    }
    kept = new BitSet(engine.graph.edgeCount());
    first = engine.graph.edgeCount() / 2;
    for (int e = 0; e < engine.graph.edgeCount(); e++) {
      kept.set(e, e >= first || e % ONE_KEPT_OF == 0);
    }
    for (int i = 0; i < 3; i++) {
      engine.requireCompiledIsDense("acdcStep", nextTrial());
    }
    requireScoresAreSlopes();
  }

  /** The largest score against a difference quotient of the loss. */
  private void requireScoresAreSlopes() {
    PruneScores scores = MaskGradient.eap().score(engine.model, List.of(engine.batch));
    int edge = scores.ranking()[0];
    double slope = (loss(edge, STEP) - loss(edge, -STEP)) / (2 * STEP);
    double score = scores.values()[edge];
    if (!(Math.abs(slope - score) <= SCORE_TOLERANCE * Math.abs(score)) || score == 0) {
      throw new IllegalStateException(
          "EAP's score of edge "
              + engine.graph.edge(edge)
              + " is "
              + score
              + " but the loss has slope="
              + slope
              + "; the benchmark would time a wrong answer");
    }
  }

  private double loss(int edge, double maskValue) {
    float[] values = new float[engine.graph.edgeCount()];
    values[edge] = (float) maskValue;
    try (TensorScope scope = new TensorScope()) {
      Tensor logits = engine.run.logits(PatchMask.of(engine.graph, values));
      Tensor losses = MaskGradient.eap().loss().perPrompt(logits, engine.batch, null);
      double sum = 0;
      for (double v : Tensors.doubles(losses)) {
        sum += v;
      }
      return sum / engine.batch.clean().batchSize();
    }
  }

  /** Frees the model. */
  @TearDown
  public void tearDown() {
    cleanLogits.releaseReference();
    engine.close();
  }

  /** The yardstick: the model's unpatched pass. */
  @Benchmark
  public long plain() {
    return engine.plain();
  }

  /** A mask with a random value on every edge. */
  @Benchmark
  public long dense() {
    return Engine.scoped(() -> engine.run.logits(dense));
  }

  /** The scores of all edges, corrupt activations included. */
  @Benchmark
  public PruneScores eap() {
    return MaskGradient.eap().score(engine.model, List.of(engine.batch));
  }

  /**
   * One step in the middle of an ACDC pass: of the edges before it one in ten is kept, those after
   * it are undecided; the step before kept its edge, so two edges differ. Sixteen edges take turns.
   * (The mean over a whole pass is {@code acdc_per_edge} of the command {@code bench}.)
   */
  @Benchmark
  public double acdcStep() {
    Circuit circuit = nextTrial();
    try (TensorScope scope = new TensorScope()) {
      Tensor logits = engine.run.logits(circuit, PatchType.TREE_PATCH);
      double sum = 0;
      for (double v : Tensors.doubles(Divergence.kl(logits, cleanLogits))) {
        sum += v;
      }
      return sum / engine.batch.clean().batchSize();
    }
  }

  private Circuit nextTrial() {
    kept.set(first + trial);
    trial = (trial + 1) % TRIALS;
    kept.clear(first + trial);
    return Circuit.of(engine.graph, kept);
  }
}
