package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Attention and its gradient against {@link LibtorchAttention} in float64 on the processor, at
 * awkward sizes, with and without a mask and a rotation. What must be written is NaN before.
 *
 * @param kernels those to check
 * @param device where they compute
 * @param type of all tensors
 * @param seed of the input
 */
record AttentionCheck(Kernels kernels, Device device, ScalarType type, long seed) {
  private static final int[] WIDTHS = {4, 7, 20, 64};
  private static final int[] LENGTHS = {1, 5, 33, 70};
  private static final int CASES = 16;

  /** A tensor in float64, rounded to the type, and the same where the kernels compute. */
  private record Twin(Tensor exact, Tensor there) {}

  /**
   * Runs all cases.
   *
   * @return a line for attention and one for its gradient
   */
  List<KernelCheck.Line> run() {
    KernelCheck.Worst forward = new KernelCheck.Worst();
    KernelCheck.Worst backward = new KernelCheck.Worst();
    Random random = new Random(seed);
    try (Generator generator = torch.createCPUGenerator(seed);
        GeneratorOptional optional = new GeneratorOptional(generator)) {
      for (int i = 0; i < CASES; i++) {
        int width = WIDTHS[i % WIDTHS.length];
        int length = LENGTHS[(i + i / LENGTHS.length) % LENGTHS.length];
        try (TensorScope scope = new TensorScope()) {
          check(optional, random, width, length, forward, backward);
        }
      }
    }
    String range = WIDTHS[0] + "-" + WIDTHS[WIDTHS.length - 1];
    return List.of(
        forward.line("attention", type, range), backward.line("attn_backward", type, range));
  }

  private void check(
      GeneratorOptional generator,
      Random random,
      int width,
      int length,
      KernelCheck.Worst forward,
      KernelCheck.Worst backward) {
    int prompts = 1 + random.nextInt(3);
    int heads = 1 + random.nextInt(3);
    boolean masked = random.nextInt(4) != 0;
    boolean rotated = random.nextBoolean();
    boolean adjacent = random.nextBoolean();
    long rows = (long) prompts * length;
    long mixed = (long) heads * width;
    double scale = 1 / Math.sqrt(width);
    Twin qkv = twin(normal(generator, rows, 3 * mixed));
    Twin mask = masked ? twin(causal(length)) : null;
    long turned = width / 2 * 2L;
    Twin cosines = rotated ? twin(normal(generator, 1, 1, length, turned).cos()) : null;
    Twin sines = rotated ? twin(normal(generator, 1, 1, length, turned).sin()) : null;
    Twin gradZ = twin(normal(generator, rows, mixed));
    String where =
        "prompts="
            + prompts
            + " positions="
            + length
            + " heads="
            + heads
            + " width="
            + width
            + " masked="
            + masked
            + " rotated="
            + rotated
            + " adjacent="
            + adjacent;
    Kernels.AttentionPattern exact =
        new Kernels.AttentionPattern(
            heads,
            width,
            scale,
            mask == null ? null : mask.exact(),
            cosines == null
                ? null
                : new Kernels.Rotation(cosines.exact(), sines.exact(), adjacent));
    Kernels.AttentionPattern there =
        new Kernels.AttentionPattern(
            heads,
            width,
            scale,
            mask == null ? null : mask.there(),
            cosines == null
                ? null
                : new Kernels.Rotation(cosines.there(), sines.there(), adjacent));
    Twin z = written(rows, mixed);
    LibtorchAttention.forward(new Kernels.Attention(qkv.exact(), prompts, exact, z.exact()));
    kernels.attention(new Kernels.Attention(qkv.there(), prompts, there, z.there()));
    Tolerance tolerance = Tolerance.of(type, (long) width + length);
    forward.compare(tolerance, z.exact(), z.there(), where);
    Twin gradQkv = written(rows, 3 * mixed);
    LibtorchAttention.backward(
        new Kernels.AttentionBackward(qkv.exact(), prompts, exact, gradZ.exact(), gradQkv.exact()));
    kernels.attentionBackward(
        new Kernels.AttentionBackward(qkv.there(), prompts, there, gradZ.there(), gradQkv.there()));
    backward.compare(tolerance.scaled(Math.sqrt(width)), gradQkv.exact(), gradQkv.there(), where);
  }

  private static Tensor normal(GeneratorOptional generator, long... shape) {
    return Tensors.empty(ScalarType.Double, shape).normal_(0, 1, generator);
  }

  private static Tensor causal(long length) {
    Tensor mask = Tensors.zeros(ScalarType.Double, 1, 1, length, length);
    mask.fill_(new Scalar(Double.NEGATIVE_INFINITY));
    return mask.triu(1);
  }

  private Twin twin(Tensor values) {
    Tensor rounded = values.to(type);
    return new Twin(rounded.to(ScalarType.Double), Tensors.copy(rounded, device));
  }

  private Twin written(long... shape) {
    Tensor nan = Tensors.zeros(ScalarType.Double, shape).fill_(new Scalar(Double.NaN));
    return new Twin(nan, Tensors.copy(nan.to(type), device));
  }
}
