package io.autocircuit.benchmarks;

import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Kernels.PatchBackward;
import io.autocircuit.kernels.Kernels.PatchProjectBackward;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.tensor.TensorScope;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
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
 * From the gradient of a block's queries, keys and values to that of its mask and of the stream,
 * one mask value for all edges (EAP, integrated gradients), the MLP's share included; float32,
 * LayerNorm.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class PatchProjectBackwardBenchmark {
  private static final Normalization LAYER_NORM =
      new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);

  /** The sizes. */
  @Param({"SMALL", "GPT2_BLOCK_11"})
  public Shape shape;

  private final Kernels kernels = KernelsProvider.choose().kernels();
  private TensorScope scope;
  private Tensor gradOut;
  private Tensor weight;
  private Tensor normalized;
  private Tensor rstd;
  private Tensor delta;
  private Tensor carry;
  private Tensor maskGrad;
  private Tensor residGrad;
  private Tensor grad;

  /** Makes the inputs and checks that both variants agree. */
  @Setup
  public void setUp() {
    scope = new TensorScope();
    torch.manual_seed(1);
    int b = shape.prompts;
    int t = shape.positions;
    int d = shape.channels;
    int k = shape.destinations;
    long columns = (long) k * width();
    gradOut = torch.randn(b, t, columns);
    weight = torch.randn(d, columns).mul(new Scalar(1 / Math.sqrt(width())));
    normalized = torch.layer_norm(torch.randn(1, b, t, d), d).expand(k, b, t, d);
    rstd = torch.ones(1, b, t).expand(k, b, t);
    delta = torch.randn(shape.sources, b, t, d);
    carry = torch.randn(b, t, d);
    maskGrad = torch.zeros(1, 1, k + 1L, shape.sources);
    residGrad = torch.zeros(b, t, d);
    grad = torch.empty(k, b, t, d);
    try (TensorScope check = new TensorScope()) {
      Tensor expected = separate().clone();
      Tensor stream = residGrad.clone();
      residGrad.zero_();
      Variants.requireClose("fused maskGrad", expected, fused());
      Variants.requireClose("fused residGrad", stream, residGrad);
    }
  }

  private int width() {
    return shape.channels == 768 ? 64 : 8;
  }

  /** Frees the inputs. */
  @TearDown
  public void tearDown() {
    scope.close();
  }

  /** One kernel; the gradient of the mask. */
  @Benchmark
  public Tensor fused() {
    kernels.patchProjectBackward(
        new PatchProjectBackward(
            gradOut,
            shape.destinations,
            weight,
            null,
            width(),
            IntStream.range(0, shape.destinations).toArray(),
            normalized,
            rstd,
            delta,
            null,
            LAYER_NORM,
            carry,
            maskGrad,
            residGrad,
            null));
    return maskGrad;
  }

  /** libtorch's product for every destination, then {@code patchBackward} twice. */
  @Benchmark
  public Tensor separate() {
    try (TensorScope call = new TensorScope()) {
      int k = shape.destinations;
      long rows = (long) shape.prompts * shape.positions;
      for (int i = 0; i < k; i++) {
        long from = (long) i * width();
        torch.mm_out(
            grad.select(0, i).view(rows, shape.channels),
            gradOut.view(rows, gradOut.size(2)).narrow(1, from, width()),
            weight.narrow(1, from, width()).t());
      }
      backward(grad, LAYER_NORM, maskGrad.narrow(2, 0, k), residGrad);
      backward(carry.unsqueeze(0), Normalization.NONE, maskGrad.narrow(2, k, 1), null);
      return maskGrad;
    }
  }

  private void backward(Tensor g, Normalization norm, Tensor mask, Tensor stream) {
    kernels.patchBackward(
        new PatchBackward(g, normalized, rstd, delta, null, norm, mask, stream, null));
  }
}
