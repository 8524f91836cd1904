package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Sizes and layouts of one call at awkward sizes, and random tensors for it: the one generator of
 * cases for the self-test and for the tests of kernels on blocks. The same case gives the same
 * numbers on every device.
 *
 * @param index which of the cases; tests choose further variants by it
 * @param type of the tensors
 * @param bfloat16 whether all numbers are some that bfloat16 can hold
 * @param b prompts
 * @param t positions
 * @param k destinations
 * @param s sources
 * @param d channels
 * @param maskPerPrompt whether the mask has an axis of prompts
 * @param maskPerPosition whether the mask has an axis of positions
 * @param fill what the mask holds
 * @param layout how tensors lie in memory
 * @param norm the normalisation
 * @param numbers where the numbers come from
 */
record KernelCase(
    int index,
    ScalarType type,
    boolean bfloat16,
    int b,
    int t,
    int k,
    int s,
    int d,
    boolean maskPerPrompt,
    boolean maskPerPosition,
    Fill fill,
    Layout layout,
    Normalization norm,
    Numbers numbers) {

  /** What the mask holds. */
  enum Fill {
    /** Any numbers. */
    DENSE,
    /** Zeros. */
    ZERO,
    /** Whole rows and whole columns of zeros, other entries 0, 1 or in between. */
    SPARSE
  }

  /** How delta, resid and their gradients lie in memory. */
  enum Layout {
    /** In one piece. */
    CONTIGUOUS,
    /** A part along every axis of something larger. */
    NARROWED,
    /** One of several, interleaved. */
    SELECTED,
    /** With two axes exchanged. */
    TRANSPOSED
  }

  /** Random numbers, begun anew by {@link KernelCase#seed}. */
  static final class Numbers {
    private final long seed;
    private SplittableRandom random;

    Numbers(long seed) {
      this.seed = seed;
      this.random = new SplittableRandom(seed);
    }
  }

  private static final int[] CHANNELS = {1, 2, 31, 32, 33, 64, 65, 100, 127, 128, 768};
  private static final int[] DESTINATIONS = {1, 2, 5, 7, 36};
  private static final int[] SOURCES = {0, 1, 3, 7, 31, 32, 33, 144};
  private static final int[] LENGTHS = {1, 2, 3, 5};

  /** Larger products of the axes get fewer tokens, as the reference is slow. */
  private static final long LARGE = 100_000;

  private static final int GUARD = 16;

  /** A case with numbers of its own. */
  KernelCase(
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
    this(
        index,
        type,
        false,
        b,
        t,
        k,
        s,
        d,
        maskPerPrompt,
        maskPerPosition,
        fill,
        layout,
        norm,
        new Numbers(0));
  }

  /** Every second combination of channels, destinations and sources, and more sources. */
  static List<KernelCase> all(ScalarType type) {
    List<KernelCase> cases = new ArrayList<>();
    for (KernelCase c : every(type, 17)) {
      if (c.index % 2 == 0) {
        cases.add(c.at(cases.size()));
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

  /**
   * Every combination of channels, destinations and sources; the rest drawn, each value often.
   *
   * @param type float32, float64 or bfloat16; the last in float32 tensors
   * @param seed of all that is drawn
   */
  static List<KernelCase> every(ScalarType type, long seed) {
    boolean bfloat16 = type == ScalarType.BFloat16;
    SplittableRandom random = new SplittableRandom(seed);
    List<KernelCase> cases = new ArrayList<>();
    for (int d : CHANNELS) {
      for (int k : DESTINATIONS) {
        for (int s : SOURCES) {
          boolean large = (long) d * k * s > LARGE;
          cases.add(
              new KernelCase(
                  cases.size(),
                  bfloat16 ? ScalarType.Float : type,
                  bfloat16,
                  LENGTHS[random.nextInt(large ? 2 : LENGTHS.length)],
                  LENGTHS[random.nextInt(large ? 3 : LENGTHS.length)],
                  k,
                  s,
                  d,
                  random.nextBoolean(),
                  random.nextBoolean(),
                  Fill.values()[random.nextInt(8) == 0 ? 1 : 2 * random.nextInt(2)],
                  Layout.values()[random.nextInt(4)],
                  norms().get(random.nextInt(3)),
                  new Numbers(seed)));
        }
      }
    }
    return cases;
  }

  private KernelCase at(int place) {
    return new KernelCase(
        place,
        type,
        bfloat16,
        b,
        t,
        k,
        s,
        d,
        maskPerPrompt,
        maskPerPosition,
        fill,
        layout,
        norm,
        numbers);
  }

  /** The kinds of normalisation. */
  static List<Normalization> norms() {
    return List.of(
        Normalization.NONE,
        new Normalization(Normalization.Kind.LAYER_NORM, 1e-5),
        new Normalization(Normalization.Kind.RMS_NORM, 1e-6));
  }

  /** What libtorch makes a tensor of this type with. */
  static TensorOptions options(ScalarType type) {
    return new TensorOptions(type);
  }

  @Override
  public String toString() {
    return String.format(
        "case %d: B=%d T=%d K=%d S=%d D=%d %s %s %s, mask per prompt=%b, per position=%b",
        index, b, t, k, s, d, norm.kind(), fill, layout, maskPerPrompt, maskPerPosition);
  }

  /**
   * Memory, and the part of it that is meant.
   *
   * @param base all of the memory
   * @param part takes the part out of it
   */
  record Placed(Tensor base, UnaryOperator<Tensor> part) {
    /** All of a tensor. */
    static Placed whole(Tensor tensor) {
      return new Placed(tensor, x -> x);
    }

    Tensor view() {
      return part.apply(base);
    }

    /** The same on another device; a copy in any case. */
    Placed on(Device device, boolean bfloat16) {
      Tensor there = Tensors.copy(base, device);
      return new Placed(bfloat16 ? there.to(ScalarType.BFloat16) : there, part);
    }

    /** Rounds it to what bfloat16 can hold. */
    void round() {
      base.copy_(base.to(ScalarType.BFloat16));
    }
  }

  /** A tensor filled with NaN between two guards, as one allocation. */
  Placed poisoned(long... shape) {
    long n = elements(shape);
    Tensor base =
        torch.full(new long[] {n + 2 * GUARD}, new Scalar(Double.NaN), new TensorOptions(type));
    return new Placed(base, x -> x.narrow(0, GUARD, n).view(shape));
  }

  /** {@code [S,B,T,D]} in this case's layout. */
  Placed sources(int seed) {
    seed(seed);
    return switch (layout) {
      case CONTIGUOUS -> Placed.whole(random(s, b, t, d));
      case NARROWED ->
          new Placed(
              random(s + 2, b + 1, t + 1, d + 3),
              x -> x.narrow(0, 1, s).narrow(1, 0, b).narrow(2, 1, t).narrow(3, 2, d));
      case SELECTED -> new Placed(random(s, b, t, 2, d), x -> x.select(3, 1));
      case TRANSPOSED -> new Placed(random(t, b, s, d), x -> x.transpose(0, 2));
    };
  }

  /** {@code [B,T,D]} in this case's layout. */
  Placed stream(int seed) {
    seed(seed);
    return switch (layout) {
      case CONTIGUOUS -> Placed.whole(random(b, t, d));
      case NARROWED ->
          new Placed(
              random(b + 1, t + 2, d + 1), x -> x.narrow(0, 1, b).narrow(1, 1, t).narrow(2, 1, d));
      case SELECTED -> new Placed(random(b, 3, t, d), x -> x.select(1, 2));
      case TRANSPOSED -> new Placed(random(t, b, d), x -> x.transpose(0, 1));
    };
  }

  /** {@code [B or 1, T or 1, K, S]}. */
  Tensor mask() {
    seed(3);
    int groups = (maskPerPrompt ? b : 1) * (maskPerPosition ? t : 1);
    long[] shape = {maskPerPrompt ? b : 1, maskPerPosition ? t : 1, k, s};
    return switch (fill) {
      case DENSE -> random(shape);
      case ZERO -> Tensors.zeros(type, shape);
      case SPARSE -> rounded(Tensors.of(type, sparse(groups), shape));
    };
  }

  private double[] sparse(int groups) {
    SplittableRandom random = numbers.random;
    boolean[] rows = new boolean[k];
    boolean[] columns = new boolean[s];
    for (int i = 0; i < k; i++) {
      rows[i] = random.nextDouble() > 0.4;
    }
    for (int j = 0; j < s; j++) {
      columns[j] = random.nextDouble() > 0.4;
    }
    double[] mask = new double[groups * k * s];
    for (int i = 0; i < mask.length; i++) {
      double x = Math.min(1, Math.max(0, 3 * random.nextDouble() - 1));
      mask[i] = rows[i / s % k] && columns[i % s] ? x : 0;
    }
    return mask;
  }

  /** Normally distributed numbers, other ones at every call. */
  Tensor random(long... shape) {
    double[] values = new double[Math.toIntExact(elements(shape))];
    for (int i = 0; i < values.length; i++) {
      values[i] = numbers.random.nextGaussian();
    }
    return rounded(Tensors.of(type, values, shape));
  }

  private Tensor rounded(Tensor x) {
    return bfloat16 ? x.to(ScalarType.BFloat16).to(type) : x;
  }

  private static long elements(long... shape) {
    long n = 1;
    for (long size : shape) {
      n *= size;
    }
    return n;
  }

  /** Begins the numbers anew; the same seed gives the same ones. */
  void seed(int seed) {
    numbers.random = new SplittableRandom((numbers.seed * 31 + index) * 1000L + seed);
  }
}
