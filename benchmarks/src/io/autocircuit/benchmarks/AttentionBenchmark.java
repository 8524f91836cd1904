package io.autocircuit.benchmarks;

import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Kernels.Attention;
import io.autocircuit.kernels.Kernels.AttentionBackward;
import io.autocircuit.kernels.Kernels.AttentionPattern;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.tensor.TensorScope;
import java.util.concurrent.TimeUnit;
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

/** Causal attention of one block and its gradient, float32. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class AttentionBenchmark {
  /** 32 × 16 tokens; 8 heads of 8 channels, or 12 of 64. */
  @Param public ModelShape shape;

  /** The operation. */
  @Param public Direction direction;

  /** Attention or its gradient. */
  public enum Direction {
    /** Attention. */
    FORWARD,
    /** Its gradient. */
    BACKWARD
  }

  private final Kernels fast = KernelsProvider.choose().kernels();
  private final Kernels libtorch = new LibtorchKernels();
  private TensorScope scope;
  private AttentionPattern pattern;
  private Tensor qkv;
  private Tensor z;
  private Tensor gradZ;
  private Tensor gradQkv;

  /** Makes the inputs and checks that both variants agree. */
  @Setup
  public void setUp() {
    scope = new TensorScope();
    torch.manual_seed(1);
    boolean small = shape == ModelShape.STORIES260K;
    int heads = small ? 8 : 12;
    int width = small ? 8 : 64;
    int t = ModelShape.POSITIONS;
    long rows = (long) ModelShape.PROMPTS * t;
    float[] mask = new float[t * t];
    for (int q = 0; q < t; q++) {
      for (int k = q + 1; k < t; k++) {
        mask[q * t + k] = Float.NEGATIVE_INFINITY;
      }
    }
    pattern =
        new AttentionPattern(
            heads, width, 1 / Math.sqrt(width), torch.tensor(mask).view(1, 1, t, t), null);
    qkv = torch.randn(rows, 3L * heads * width);
    gradZ = torch.randn(rows, (long) heads * width);
    z = torch.zeros_like(gradZ);
    gradQkv = torch.zeros_like(qkv);
    try (TensorScope check = new TensorScope()) {
      Tensor expected = libtorch().clone();
      Variants.requireClose("fused", expected, fused());
    }
  }

  /** Frees the inputs. */
  @TearDown
  public void tearDown() {
    scope.close();
  }

  /** Our kernel; the mixed values, or the gradient of queries, keys and values. */
  @Benchmark
  public Tensor fused() {
    return run(fast);
  }

  /** libtorch's fused operation, or its operations one by one for the gradient. */
  @Benchmark
  public Tensor libtorch() {
    return run(libtorch);
  }

  private Tensor run(Kernels kernels) {
    if (direction == Direction.BACKWARD) {
      kernels.attentionBackward(
          new AttentionBackward(qkv, ModelShape.PROMPTS, pattern, gradZ, gradQkv));
      return gradQkv;
    }
    kernels.attention(new Attention(qkv, ModelShape.PROMPTS, pattern, z));
    return z;
  }
}
