package io.autocircuit.benchmarks;

import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Kernels.PatchForward;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.ReferenceKernels;
import io.autocircuit.tensor.TensorScope;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
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
 * The patched, normalised inputs of all destinations of a block, float32, dense mask, LayerNorm.
 *
 * <p>{@code matmul} is a yardstick, not a variant: libtorch's product of the mask with delta alone,
 * {@code 2·K·S·B·T·D} operations, without the residual stream and the normalisation.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class PatchForwardBenchmark {
  private static final Normalization LAYER_NORM =
      new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);

  /** The sizes. */
  @Param({"SMALL", "GPT2_BLOCK_11"})
  public Shape shape;

  private final Kernels fast = KernelsProvider.choose().kernels();
  private final Kernels naive = new ReferenceKernels();
  private TensorScope scope;
  private Tensor resid;
  private Tensor current;
  private Tensor ablation;
  private Tensor delta;
  private Tensor mask;
  private Tensor out;

  /** Makes the inputs and checks that all variants agree. */
  @Setup
  public void setUp() {
    scope = new TensorScope();
    torch.manual_seed(1);
    int b = shape.prompts;
    int t = shape.positions;
    int d = shape.channels;
    resid = torch.randn(b, t, d);
    current = torch.randn(shape.sources, b, t, d);
    ablation = torch.randn(shape.sources, b, t, d);
    delta = ablation.sub(current);
    mask = torch.rand(1, 1, shape.destinations, shape.sources);
    out = torch.empty(shape.destinations, b, t, d);
    try (TensorScope check = new TensorScope()) {
      Tensor expected = naive().clone();
      Variants.requireClose("fused", expected, fused());
      Variants.requireClose("einsum", expected, einsumOfDelta());
      Variants.requireClose("autocircuit", expected, autocircuit());
    }
  }

  /** Frees the inputs. */
  @TearDown
  public void tearDown() {
    scope.close();
  }

  /** Our kernel, for the best instruction set of the machine. */
  @Benchmark
  public Tensor fused() {
    fast.patchForward(new PatchForward(resid, delta, mask, LAYER_NORM, out, null));
    return out;
  }

  /** Plain loops, one thread. */
  @Benchmark
  public Tensor naive() {
    naive.patchForward(new PatchForward(resid, delta, mask, LAYER_NORM, out, null));
    return out;
  }

  /** libtorch: einsum over a difference tensor that is already there, add, layer_norm. */
  @Benchmark
  public Tensor einsumOfDelta() {
    try (TensorScope call = new TensorScope()) {
      return copyOut(patched(delta));
    }
  }

  /** AutoCircuit's design: the difference tensor is built for the call, then as above. */
  @Benchmark
  public Tensor autocircuit() {
    try (TensorScope call = new TensorScope()) {
      return copyOut(patched(ablation.sub(current)));
    }
  }

  /** libtorch's product alone. */
  @Benchmark
  public Tensor matmul() {
    try (TensorScope call = new TensorScope()) {
      torch.mm_out(
          out.view(shape.destinations, -1),
          mask.select(0, 0).select(0, 0),
          delta.view(shape.sources, -1));
    }
    return out;
  }

  private Tensor patched(Tensor difference) {
    Tensor sum =
        torch.einsum("ks,sbtd->kbtd", new TensorVector(mask.select(0, 0).select(0, 0), difference));
    return torch.layer_norm(
        sum.add_(resid),
        new long[] {shape.channels},
        new TensorOptional(),
        new TensorOptional(),
        LAYER_NORM.epsilon(),
        false);
  }

  /** Hands the result over without a copy: {@code out} takes its memory. */
  private Tensor copyOut(Tensor result) {
    out.set_data(result);
    return out;
  }
}
