package io.autocircuit.benchmarks;

import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Kernels.PatchBackward;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.ReferenceKernels;
import io.autocircuit.tensor.TensorScope;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
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
 * The gradient of the patch operation with respect to the mask, the residual stream and delta,
 * float32, dense mask, LayerNorm.
 *
 * <p>The reciprocal roots are one, so that the gradient, which is overwritten, keeps its size from
 * call to call. {@code matmuls} is a yardstick, not a variant: libtorch's two products alone,
 * {@code 4·K·S·B·T·D} operations.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class PatchBackwardBenchmark {
  private static final Normalization LAYER_NORM =
      new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);

  /** The sizes. */
  @Param({"SMALL", "GPT2_BLOCK_11"})
  public Shape shape;

  private final Kernels fast = KernelsProvider.choose().kernels();
  private final Kernels naive = new ReferenceKernels();
  private TensorScope scope;
  private Tensor grad;
  private Tensor normalized;
  private Tensor rstd;
  private Tensor delta;
  private Tensor mask;
  private Tensor maskGrad;
  private Tensor residGrad;
  private Tensor deltaGrad;

  /** Makes the inputs and checks that all variants agree. */
  @Setup
  public void setUp() {
    scope = new TensorScope();
    torch.manual_seed(1);
    int b = shape.prompts;
    int t = shape.positions;
    int d = shape.channels;
    int k = shape.destinations;
    int s = shape.sources;
    grad = torch.randn(k, b, t, d);
    normalized = torch.layer_norm(torch.randn(k, b, t, d), d);
    rstd = torch.ones(k, b, t);
    delta = torch.randn(s, b, t, d);
    mask = torch.rand(1, 1, k, s);
    maskGrad = torch.zeros(1, 1, k, s);
    residGrad = torch.zeros(b, t, d);
    deltaGrad = torch.zeros(s, b, t, d);
    try (TensorScope check = new TensorScope()) {
      Tensor start = grad.clone();
      naive();
      Tensor[] expected = {
        grad.clone(), maskGrad.clone(), residGrad.clone(), deltaGrad.clone(),
      };
      restart(start);
      fused();
      requireClose("fused", expected);
      restart(start);
      einsum();
      requireClose("einsum", expected);
      restart(start);
    }
  }

  private void restart(Tensor start) {
    grad.copy_(start);
    maskGrad.zero_();
    residGrad.zero_();
    deltaGrad.zero_();
  }

  private void requireClose(String variant, Tensor[] expected) {
    Variants.requireClose(variant + " grad", expected[0], grad);
    Variants.requireClose(variant + " maskGrad", expected[1], maskGrad);
    Variants.requireClose(variant + " residGrad", expected[2], residGrad);
    Variants.requireClose(variant + " deltaGrad", expected[3], deltaGrad);
  }

  /** Frees the inputs. */
  @TearDown
  public void tearDown() {
    scope.close();
  }

  /** Our kernel, for the best instruction set of the machine; the gradient of the mask. */
  @Benchmark
  public Tensor fused() {
    return run(fast);
  }

  /** Plain loops, one thread. */
  @Benchmark
  public Tensor naive() {
    return run(naive);
  }

  private Tensor run(Kernels kernels) {
    kernels.patchBackward(
        new PatchBackward(
            grad, normalized, rstd, delta, mask, LAYER_NORM, maskGrad, residGrad, deltaGrad));
    return maskGrad;
  }

  /** libtorch: the same with tensor operations and einsum. */
  @Benchmark
  public Tensor einsum() {
    try (TensorScope call = new TensorScope()) {
      long[] last = {-1};
      Tensor slope = grad.mul(normalized).mean(last, true, new ScalarTypeOptional());
      Tensor mean = grad.mean(last, true, new ScalarTypeOptional());
      grad.sub_(mean).sub_(normalized.mul(slope)).mul_(rstd.unsqueeze(-1));
      Tensor m = mask.select(0, 0).select(0, 0);
      maskGrad
          .select(0, 0)
          .select(0, 0)
          .copy_(torch.einsum("kbtd,sbtd->ks", new TensorVector(grad, delta)));
      residGrad.add_(grad.sum(0));
      deltaGrad.add_(torch.einsum("ks,kbtd->sbtd", new TensorVector(m, grad)));
    }
    return maskGrad;
  }

  /** libtorch's two products alone; the second overwrites the gradient of delta. */
  @Benchmark
  public Tensor matmuls() {
    try (TensorScope call = new TensorScope()) {
      Tensor m = mask.select(0, 0).select(0, 0);
      Tensor g = grad.view(shape.destinations, -1);
      torch.mm_out(maskGrad.view(shape.destinations, -1), g, delta.view(shape.sources, -1).t());
      torch.mm_out(deltaGrad.view(shape.sources, -1), m.t(), g);
    }
    return maskGrad;
  }
}
