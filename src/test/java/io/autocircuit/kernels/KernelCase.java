package io.autocircuit.kernels;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Sizes and layouts of one random call, and the tensors for it. */
record KernelCase(
    int index,
    ScalarType type,
    int b,
    int t,
    int k,
    int s,
    int d,
    boolean maskPerPrompt,
    boolean maskPerPosition,
    Fill fill,
    Layout layout,
    Normalization norm) {

  /** What the mask holds. */
  enum Fill {
    DENSE,
    ZERO,
    /** Whole rows and whole columns of zeros, other entries 0, 1 or in between. */
    SPARSE
  }

  /** How delta, resid and their gradients lie in memory. */
  enum Layout {
    CONTIGUOUS,
    NARROWED,
    SELECTED,
    TRANSPOSED
  }

  private static final int[] CHANNELS = {1, 2, 31, 32, 33, 64, 65, 100, 768};
  private static final int[] DESTINATIONS = {1, 2, 5, 7, 36};
  private static final int[] SOURCES = {0, 1, 3, 7, 144};
  private static final int[] LENGTHS = {1, 2, 3, 5};

  /** Every combination of channels, destinations and sources; the rest drawn, each value often. */
  static List<KernelCase> all(ScalarType type) {
    Random random = new Random(17);
    List<KernelCase> cases = new ArrayList<>();
    for (int d : CHANNELS) {
      for (int k : DESTINATIONS) {
        for (int s : SOURCES) {
          boolean large = (long) d * k * s > 100_000;
          int n = cases.size();
          cases.add(
              new KernelCase(
                  n,
                  type,
                  LENGTHS[random.nextInt(large ? 2 : 4)],
                  LENGTHS[random.nextInt(large ? 3 : 4)],
                  k,
                  s,
                  d,
                  random.nextBoolean(),
                  random.nextBoolean(),
                  Fill.values()[random.nextInt(8) == 0 ? 1 : 2 * random.nextInt(2)],
                  Layout.values()[random.nextInt(4)],
                  norms().get(random.nextInt(3))));
        }
      }
    }
    // more sources than a kernel takes at once
    for (Fill fill : new Fill[] {Fill.DENSE, Fill.SPARSE}) {
      for (boolean perPosition : new boolean[] {false, true}) {
        cases.add(
            new KernelCase(
                cases.size(),
                type,
                2,
                2,
                7,
                523,
                65,
                false,
                perPosition,
                fill,
                Layout.CONTIGUOUS,
                norms().get(1)));
      }
    }
    return cases;
  }

  static List<Normalization> norms() {
    return List.of(
        Normalization.NONE,
        new Normalization(Normalization.Kind.LAYER_NORM, 1e-5),
        new Normalization(Normalization.Kind.RMS_NORM, 1e-6));
  }

  static TensorOptions options(ScalarType type) {
    return new TensorOptions(type);
  }

  /**
   * A view into memory with other things around it.
   *
   * @param base all of the memory
   * @param view the part that is meant
   */
  record Placed(Tensor base, Tensor view) {}

  /** A tensor filled with NaN between two guards, as one allocation. */
  Placed poisoned(long... shape) {
    long n = 1;
    for (long size : shape) {
      n *= size;
    }
    Tensor base = torch.full(new long[] {n + 32}, new Scalar(Double.NaN), options(type));
    return new Placed(base, base.narrow(0, 16, n).view(shape));
  }

  /** {@code [S,B,T,D]} in this case's layout. */
  Placed sources(int seed) {
    seed(seed);
    return switch (layout) {
      case CONTIGUOUS -> whole(random(s, b, t, d));
      case NARROWED -> {
        Tensor base = random(s + 2, b + 1, t + 1, d + 3);
        yield new Placed(
            base, base.narrow(0, 1, s).narrow(1, 0, b).narrow(2, 1, t).narrow(3, 2, d));
      }
      case SELECTED -> {
        Tensor base = random(s, b, t, 2, d);
        yield new Placed(base, base.select(3, 1));
      }
      case TRANSPOSED -> {
        Tensor base = random(t, b, s, d);
        yield new Placed(base, base.transpose(0, 2));
      }
    };
  }

  /** {@code [B,T,D]} in this case's layout. */
  Placed stream(int seed) {
    seed(seed);
    return switch (layout) {
      case CONTIGUOUS -> whole(random(b, t, d));
      case NARROWED -> {
        Tensor base = random(b + 1, t + 2, d + 1);
        yield new Placed(base, base.narrow(0, 1, b).narrow(1, 1, t).narrow(2, 1, d));
      }
      case SELECTED -> {
        Tensor base = random(b, 3, t, d);
        yield new Placed(base, base.select(1, 2));
      }
      case TRANSPOSED -> {
        Tensor base = random(t, b, d);
        yield new Placed(base, base.transpose(0, 1));
      }
    };
  }

  Tensor mask() {
    seed(3);
    long[] shape = {maskPerPrompt ? b : 1, maskPerPosition ? t : 1, k, s};
    return switch (fill) {
      case DENSE -> torch.randn(shape, options(type));
      case ZERO -> torch.zeros(shape, options(type));
      case SPARSE -> {
        Tensor mask = torch.rand(shape, options(type)).mul(new Scalar(3.0)).sub(new Scalar(1.0));
        mask =
            mask.clamp_(
                new org.bytedeco.pytorch.ScalarOptional(new Scalar(0.0)),
                new org.bytedeco.pytorch.ScalarOptional(new Scalar(1.0)));
        Tensor rows = torch.rand(new long[] {k, 1}, options(type)).gt(new Scalar(0.4));
        Tensor columns = torch.rand(new long[] {1, s}, options(type)).gt(new Scalar(0.4));
        yield mask.mul(rows).mul(columns).contiguous();
      }
    };
  }

  Tensor random(long... shape) {
    return torch.randn(shape, options(type));
  }

  private Placed whole(Tensor tensor) {
    return new Placed(tensor, tensor);
  }

  void seed(int seed) {
    torch.manual_seed(1000L * index + seed);
  }
}
