package io.autocircuit.benchmarks;

import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.PatchType;
import java.util.BitSet;
import java.util.concurrent.TimeUnit;
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
 * Circuits under tree patching and resampling: planned, run from nothing, and run as a neighbour of
 * the circuit before. They are drawn by seeded random walks, so that every edge is live. {@code
 * plain}, the model's unpatched pass, is the yardstick.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "-Xmx2g")
public class CircuitBenchmark {
  private static final long SEED = 1;

  /** The sizes. */
  @Param public ModelShape shape;

  /** Of the circuit; 325 are a hundredth of GPT-2 small's edges. */
  @Param({"32", "325"})
  public int edges;

  private Engine engine;
  private Circuit circuit;
  private Circuit neighbour;
  private boolean odd;

  /** Makes the model and the circuits and checks the answers. */
  @Setup
  public void setUp() {
    engine = new Engine(shape);
    circuit = io.autocircuit.benchmark.Benchmark.randomWalks(engine.graph, edges, SEED);
    BitSet without = circuit.edgeSet();
    without.clear(circuit.edges().get(edges / 2).index());
    neighbour = Circuit.of(engine.graph, without);
    engine.requireCompiledIsDense("fromNothing", circuit);
    engine.requireCompiledIsDense("asNeighbour", neighbour);
    engine.requireCompiledIsDense("asNeighbour, back", circuit);
    engine.run.forget();
    engine.requireCompiledIsDense("fromNothing, again", circuit);
  }

  /** Frees the model. */
  @TearDown
  public void tearDown() {
    engine.close();
  }

  /** The yardstick: the model's unpatched pass. */
  @Benchmark
  public long plain() {
    return engine.plain();
  }

  /**
   * Planning the circuit: what must be computed, and where. Timed through {@code
   * Evaluation.liveShare}, which plans as a run does and then adds up the operations of the plan.
   */
  @Benchmark
  public double compile() {
    return engine.run.liveShare(circuit, PatchType.TREE_PATCH);
  }

  /** Everything the circuit needs, planning included. */
  @Benchmark
  public long fromNothing() {
    engine.run.forget();
    return engine.circuit(circuit);
  }

  /** After a circuit that has one edge, in the middle of the canonical order, more or less. */
  @Benchmark
  public long asNeighbour() {
    odd = !odd;
    return engine.circuit(odd ? neighbour : circuit);
  }
}
