package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.Kernels.Attention;
import io.autocircuit.kernels.Kernels.AttentionBackward;
import io.autocircuit.kernels.Kernels.AttentionPattern;
import io.autocircuit.kernels.Kernels.Rotation;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AttentionTest {
  /** The definition: libtorch's operations. */
  private static final Kernels LIBTORCH = new LibtorchKernels(300); // in parts

  private record Shape(int prompts, int length, int heads, int width, Mask mask, int rotated) {}

  private enum Mask {
    NONE,
    CAUSAL,
    PADDED,
    /** Finite numbers, and keys that some queries do not see. */
    ANY
  }

  private record Case(int seed, ScalarType type, Shape shape) {
    TensorOptions options() {
      return new TensorOptions(type);
    }

    Tensor random(long... size) {
      return torch.randn(size, options());
    }

    private long rows() {
      return (long) shape.prompts() * shape.length();
    }

    Tensor qkv() {
      torch.manual_seed(seed);
      return random(rows(), 3L * shape.heads() * shape.width()).mul(new Scalar(1.5));
    }

    Tensor gradZ() {
      torch.manual_seed(seed + 1);
      return random(rows(), (long) shape.heads() * shape.width());
    }

    AttentionPattern pattern() {
      torch.manual_seed(seed + 2);
      Random random = new Random(seed);
      int t = shape.length();
      boolean own = shape.mask() == Mask.PADDED || random.nextBoolean();
      int n = own ? shape.prompts() : 1;
      Tensor mask = null;
      if (shape.mask() != Mask.NONE) {
        float[] m = new float[n * t * t];
        for (int i = 0; i < n; i++) {
          int pad = shape.mask() == Mask.PADDED ? random.nextInt(t) : 0;
          for (int q = 0; q < t; q++) {
            for (int k = 0; k < t; k++) {
              boolean seen =
                  switch (shape.mask()) {
                    case ANY -> q == k || random.nextInt(3) > 0;
                    default -> q == k || (k <= q && k >= pad && q >= pad);
                  };
              float value = shape.mask() == Mask.ANY ? (float) random.nextGaussian() : 0;
              m[(i * t + q) * t + k] = seen ? value : Float.NEGATIVE_INFINITY;
            }
          }
        }
        mask = torch.tensor(m).view(n, 1, t, t).to(type);
      }
      Rotation rotation = null;
      if (shape.rotated() > 0) {
        long tables = random.nextBoolean() ? shape.prompts() : 1;
        // no angles: any numbers, so that each is used in its place
        rotation =
            new Rotation(
                random(tables, 1, t, shape.rotated()),
                random(tables, 1, t, shape.rotated()),
                random.nextBoolean());
      }
      return new AttentionPattern(
          shape.heads(), shape.width(), 1 / Math.sqrt(shape.width()), mask, rotation);
    }
  }

  private static List<Shape> shapes() {
    Random random = new Random(3);
    List<Shape> all = new ArrayList<>();
    for (int length : new int[] {1, 2, 7, 19, 32, 33, 48, 49, 97, 130}) {
      for (int width : new int[] {1, 4, 8, 31, 32, 33, 64}) {
        int rotated = random.nextBoolean() ? 0 : 2 * random.nextInt(width / 2 + 1);
        all.add(
            new Shape(
                1 + random.nextInt(3),
                length,
                1 + random.nextInt(3),
                width,
                Mask.values()[random.nextInt(4)],
                rotated));
      }
    }
    return all;
  }

  /** Makes the calls of shapes that are not too large. */
  static void record(CallRecorder recorder, ScalarType type) {
    int seed = 0;
    for (Shape shape : shapes()) {
      long pairs = (long) shape.prompts() * shape.heads() * shape.length() * shape.length();
      if (pairs * shape.width() > NativeSanitizersTest.LARGEST) {
        continue;
      }
      Case c = new Case(++seed * 10, type, shape);
      try (TensorScope scope = new TensorScope()) {
        AttentionPattern pattern = c.pattern();
        Tensor qkv = c.qkv();
        Tensor z = c.gradZ();
        recorder.attention(new Attention(qkv, shape.prompts(), pattern, z));
        recorder.attentionBackward(
            new AttentionBackward(qkv, shape.prompts(), pattern, z, torch.empty_like(qkv)));
      }
    }
  }

  /** {@code inverse} by the same tables is no inverse unless they are angles; nor need it be. */
  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void everyInstructionSetEqualsLibtorch(ScalarType type) {
    int seed = 0;
    for (Shape shape : shapes()) {
      Case c = new Case(++seed * 10, type, shape);
      try (TensorScope scope = new TensorScope()) {
        AttentionPattern pattern = c.pattern();
        Tensor qkv = c.qkv();
        Tensor gradZ = c.gradZ();
        Tensor z = torch.empty_like(gradZ);
        Tensor gradQkv = torch.empty_like(qkv);
        LIBTORCH.attention(new Attention(qkv, shape.prompts(), pattern, z));
        LIBTORCH.attentionBackward(
            new AttentionBackward(qkv, shape.prompts(), pattern, gradZ, gradQkv));
        double largest = Math.max(1, torch.max(torch.abs(qkv)).item_double());
        Tolerance tolerance =
            Tolerance.of(type, (long) shape.width() + shape.length()).scaled(8 * largest * largest);
        for (InstructionSet set : InstructionSet.available()) {
          Kernels kernels = new CpuKernels(set, 2);
          Guarded mixed = new Guarded(z);
          Guarded gradient = new Guarded(qkv);
          kernels.attention(new Attention(qkv, shape.prompts(), pattern, mixed.view()));
          kernels.attentionBackward(
              new AttentionBackward(qkv, shape.prompts(), pattern, gradZ, gradient.view()));
          tolerance.check(set + " z " + c, z, mixed.view());
          tolerance.check(set + " gradQkv " + c, gradQkv, gradient.view());
          mixed.check(set + " " + c);
          gradient.check(set + " " + c);
        }
      }
    }
  }

  /** Memory full of NaN with guards before and behind it. */
  private record Guarded(Tensor base, Tensor view) {
    Guarded(Tensor like) {
      this(
          torch.full(new long[] {like.numel() + 64}, new Scalar(Double.NaN), like.options()), like);
    }

    @Override
    public Tensor view() {
      return base.narrow(0, 32, view.numel()).view(view.shape());
    }

    void check(String name) {
      long n = base.numel();
      assertTrue(
          torch.all(base.narrow(0, 0, 32).isnan()).item_bool()
              && torch.all(base.narrow(0, n - 32, 32).isnan()).item_bool(),
          name + ": written beside the output");
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void scoresOfAnySizeGiveFiniteWeights(ScalarType type) {
    Case c = new Case(5, type, new Shape(2, 9, 2, 8, Mask.CAUSAL, 0));
    for (double size : new double[] {0, 1e-30, 3, 30, 1000}) {
      try (TensorScope scope = new TensorScope()) {
        Tensor qkv = c.qkv().mul(new Scalar(size));
        Tensor z = torch.empty_like(c.gradZ());
        Tensor want = torch.empty_like(z);
        LIBTORCH.attention(new Attention(qkv, 2, c.pattern(), want));
        for (InstructionSet set : InstructionSet.available()) {
          new CpuKernels(set, 1).attention(new Attention(qkv, 2, c.pattern(), z));
          // an error of the scores, which grow with the square, moves the weights
          Tolerance.of(type, 8)
              .scaled(Math.max(1, 40 * size * size * size))
              .check(set + " size=" + size, want, z);
        }
      }
    }
  }

  @Test
  void theSameBitsWithOneThreadAndTwoAndForAPromptAlone() {
    Case c = new Case(7, ScalarType.Float, new Shape(9, 40, 5, 24, Mask.CAUSAL, 8));
    InstructionSet set = InstructionSet.available().iterator().next();
    try (TensorScope scope = new TensorScope()) {
      AttentionPattern p = c.pattern();
      AttentionPattern same =
          new AttentionPattern(
              p.heads(),
              p.width(),
              p.scale(),
              p.mask().narrow(0, 0, 1).contiguous(),
              new Rotation(
                  p.rotation().cosines().narrow(0, 0, 1).contiguous(),
                  p.rotation().sines().narrow(0, 0, 1).contiguous(),
                  true));
      Tensor one = torch.empty_like(c.qkv());
      Tensor two = torch.empty_like(one);
      new CpuKernels(set, 1)
          .attentionBackward(new AttentionBackward(c.qkv(), 9, same, c.gradZ(), one));
      new CpuKernels(set, 2)
          .attentionBackward(new AttentionBackward(c.qkv(), 9, same, c.gradZ(), two));
      assertTrue(torch.equal(one, two), "threads change the bits");
      Tensor alone = torch.empty_like(one.narrow(0, 120, 40));
      new CpuKernels(set, 1)
          .attentionBackward(
              new AttentionBackward(
                  c.qkv().narrow(0, 120, 40), 1, same, c.gradZ().narrow(0, 120, 40), alone));
      assertTrue(torch.equal(one.narrow(0, 120, 40), alone), "other prompts change the bits");
    }
  }

  @Test
  void wrongArgumentsAreNamed() {
    Case c = new Case(7, ScalarType.Float, new Shape(3, 4, 2, 8, Mask.CAUSAL, 8));
    Kernels kernels = new CpuKernels(InstructionSet.available().iterator().next());
    try (TensorScope scope = new TensorScope()) {
      AttentionPattern p = c.pattern();
      Tensor z = torch.empty_like(c.gradZ());
      refused(kernels, new Attention(c.qkv(), 5, p, z), "prompts=5");
      refused(kernels, new Attention(c.qkv(), 2, p, z), "mask.shape");
      refused(kernels, new Attention(c.qkv(), 3, p, z.narrow(1, 0, 8)), "z.");
      refused(kernels, new Attention(c.qkv().narrow(1, 0, 40), 3, p, z), "qkv");
      AttentionPattern odd =
          new AttentionPattern(
              2, 8, 1, null, new Rotation(c.random(1, 1, 4, 7), c.random(1, 1, 4, 7), true));
      refused(kernels, new Attention(c.qkv(), 3, odd, z), "cosines.shape=[1, 1, 4, 7]");
    }
  }

  private static void refused(Kernels kernels, Attention args, String what) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> kernels.attention(args));
    assertTrue(e.getMessage().contains(what), e.getMessage());
  }
}
