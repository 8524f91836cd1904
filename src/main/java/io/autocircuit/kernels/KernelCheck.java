package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * All kernels against {@link ReferenceKernels}, at awkward sizes and layouts, on random input. What
 * a kernel must write is NaN before, and so are the elements before and after it, which must stay.
 *
 * @param kernels those to check
 * @param device where they compute
 * @param seed of the input; the same seed gives the same input on every device
 */
public record KernelCheck(Kernels kernels, Device device, long seed) {
  private static final int[] CHANNELS = {1, 2, 31, 32, 33, 64, 65, 100, 127, 128, 768};
  private static final int[] DESTINATIONS = {1, 2, 5, 7, 36};
  private static final int[] SOURCES = {0, 1, 3, 7, 31, 32, 33, 144};
  private static final int[] LENGTHS = {1, 2, 3, 5};

  /** Larger products of the axes get fewer tokens, as the reference is slow. */
  private static final long LARGE = 100_000;

  private static final int GUARD = 16;

  /** Rounding errors, in units of ε, allowed per root of the number of terms. */
  private static final double FACTOR = 8;

  /**
   * What came out of one kernel at sizes of one kind.
   *
   * @param kernel {@code patch_forward} or {@code patch_backward}
   * @param type the dtype, as libtorch writes it
   * @param channels which channels, as {@code smallest-largest}
   * @param cases how many cases
   * @param worst the largest error of an element over its tolerance: 1 or less is right
   * @param worstCase the case and tensor of {@code worst}
   */
  public record Line(
      String kernel, String type, String channels, int cases, double worst, String worstCase) {
    /** Whether every element was within its tolerance. */
    public boolean right() {
      return worst <= 1; // false for NaN
    }
  }

  /** What rounding to bfloat16 may change a number by, over the number. */
  private static final double BFLOAT16_EPSILON = 1.0 / 256;

  /** Memory, and the part of it that is meant. */
  private record Placed(Tensor base, UnaryOperator<Tensor> part) {
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

  /**
   * Sizes, layouts and random numbers of one case.
   *
   * @param type of the reference
   * @param bfloat16 whether the kernels get bfloat16; all inputs are then numbers that it can hold
   */
  private record Case(
      ScalarType type,
      boolean bfloat16,
      int b,
      int t,
      int k,
      int s,
      int d,
      Normalization norm,
      int layout,
      int variant,
      GeneratorOptional generator) {

    @Override
    public String toString() {
      return String.format(
          "B=%d T=%d K=%d S=%d D=%d %s layout=%d variant=%d",
          b, t, k, s, d, norm.kind(), layout, variant);
    }

    Tensor random(long... shape) {
      Tensor x = Tensors.empty(type, shape).normal_(0, 1, generator);
      return bfloat16 ? x.to(ScalarType.BFloat16).to(type) : x;
    }

    Placed poisoned(long... shape) {
      long n = 1;
      for (long size : shape) {
        n *= size;
      }
      long elements = n;
      return new Placed(
          torch.full(
              new long[] {elements + 2 * GUARD}, new Scalar(Double.NaN), new TensorOptions(type)),
          base -> base.narrow(0, GUARD, elements).view(shape));
    }

    Placed mask() {
      long[] shape = {variant % 2 == 0 ? 1 : b, variant % 3 == 0 ? 1 : t, k, s};
      Tensor mask = random(shape);
      if (variant % 4 == 1) { // ones and zeros, as in circuits
        mask = mask.gt(new Scalar(0.3)).to(type);
      }
      return new Placed(mask, x -> x);
    }

    /** {@code [S,B,T,D]}, not always contiguous. */
    Placed sources() {
      return switch (layout) {
        case 0 -> new Placed(random(s, b, t, d), x -> x);
        case 1 ->
            new Placed(
                random(s + 2, b + 1, t + 1, d + 3),
                x -> x.narrow(0, 1, s).narrow(1, 0, b).narrow(2, 1, t).narrow(3, 2, d));
        case 2 -> new Placed(random(s, b, t, 2, d), x -> x.select(3, 1));
        default -> new Placed(random(t, b, s, d), x -> x.transpose(0, 2));
      };
    }

    /** {@code [B,T,D]}, not always contiguous. */
    Placed stream() {
      return switch (layout) {
        case 0 -> new Placed(random(b, t, d), x -> x);
        case 1 ->
            new Placed(
                random(b + 1, t + 2, d + 1),
                x -> x.narrow(0, 1, b).narrow(1, 1, t).narrow(2, 1, d));
        case 2 -> new Placed(random(b, 3, t, d), x -> x.select(1, 2));
        default -> new Placed(random(t, b, d), x -> x.transpose(0, 1));
      };
    }
  }

  /** The largest error over tolerance so far. */
  private static final class Worst {
    private double value;
    private String where = "";
    private int cases;

    void add(double error, String case1) {
      if (!(error <= value)) { // NaN is worst of all
        value = error;
        where = case1;
      }
    }
  }

  /**
   * Runs all cases.
   *
   * @param types float32, float64, bfloat16 or several of them
   * @param done called for each line as soon as it is known
   */
  public List<Line> run(List<ScalarType> types, Consumer<Line> done) {
    List<Line> lines = new ArrayList<>();
    ReferenceKernels reference = new ReferenceKernels();
    for (ScalarType type : types) {
      for (int[] channels : groups()) {
        Map<String, Worst> worst = new LinkedHashMap<>();
        worst.put("patch_forward", new Worst());
        worst.put("patch_backward", new Worst());
        for (int d : channels) {
          for (int k : DESTINATIONS) {
            for (int s : SOURCES) {
              run(reference, type, k, s, d, worst);
            }
          }
        }
        String range = channels[0] + "-" + channels[channels.length - 1];
        worst.forEach(
            (kernel, w) -> {
              Line line = new Line(kernel, type.toString(), range, w.cases, w.value, w.where);
              lines.add(line);
              done.accept(line);
            });
      }
    }
    return lines;
  }

  private static List<int[]> groups() {
    return List.of(
        java.util.Arrays.copyOfRange(CHANNELS, 0, 5),
        java.util.Arrays.copyOfRange(CHANNELS, 5, 10),
        java.util.Arrays.copyOfRange(CHANNELS, 10, 11));
  }

  private void run(
      ReferenceKernels reference, ScalarType type, int k, int s, int d, Map<String, Worst> worst) {
    boolean bfloat16 = type == ScalarType.BFloat16;
    long caseSeed = seed + 1_000_003L * d + 1009L * k + s;
    SplittableRandom random = new SplittableRandom(caseSeed);
    boolean large = (long) d * k * s > LARGE;
    try (TensorScope scope = new TensorScope();
        Generator generator = torch.createCPUGenerator(caseSeed);
        GeneratorOptional optional = new GeneratorOptional(generator)) {
      Case c =
          new Case(
              bfloat16 ? ScalarType.Float : type,
              bfloat16,
              LENGTHS[random.nextInt(large ? 2 : LENGTHS.length)],
              LENGTHS[random.nextInt(large ? 3 : LENGTHS.length)],
              k,
              s,
              d,
              norms().get(random.nextInt(3)),
              random.nextInt(4),
              random.nextInt(24),
              optional);
      Placed resid = c.stream();
      Placed delta = c.sources();
      Placed mask = c.mask();
      Placed normalized = c.poisoned(k, c.b, c.t, d);
      Placed rstd = c.poisoned(k, c.b, c.t);
      Placed actual = normalized.on(device, c.bfloat16);
      Placed actualRstd = rstd.on(device, c.bfloat16);
      boolean withRstd = c.variant % 3 != 0;
      Placed there = delta.on(device, c.bfloat16);
      Placed maskThere = mask.on(device, c.bfloat16);
      reference.patchForward(forward(c, resid, delta, mask, normalized, rstd));
      kernels.patchForward(
          forward(
              c,
              resid.on(device, c.bfloat16),
              there,
              maskThere,
              actual,
              withRstd ? actualRstd : null));
      double steepest = torch.max(rstd.view()).item_double();
      Worst forward = worst.get("patch_forward");
      forward.cases++;
      // x has S + 1 terms of magnitude one; the normalisation scales their rounding errors
      double x = 4 * steepest;
      compare(forward, c, "out", normalized, actual, s + 1, x);
      if (withRstd) {
        compare(forward, c, "rstd", rstd, actualRstd, s + 1, x * steepest);
      }
      if (bfloat16) {
        normalized.round();
        rstd.round();
      }
      Worst backward = worst.get("patch_backward");
      backward.cases++;
      backward(reference, c, delta, mask, normalized, rstd, there, maskThere, steepest, backward);
    }
  }

  private static List<Normalization> norms() {
    return List.of(
        Normalization.NONE,
        new Normalization(Normalization.Kind.LAYER_NORM, 1e-5),
        new Normalization(Normalization.Kind.RMS_NORM, 1e-6));
  }

  private static Kernels.PatchForward forward(
      Case c, Placed resid, Placed delta, Placed mask, Placed out, Placed rstd) {
    boolean none = c.s == 0 && c.variant % 2 == 0;
    return new Kernels.PatchForward(
        resid.view(),
        none ? null : delta.view(),
        none ? null : mask.view(),
        c.norm,
        out.view(),
        rstd == null ? null : rstd.view());
  }

  private void backward(
      ReferenceKernels reference,
      Case c,
      Placed delta,
      Placed mask,
      Placed normalized,
      Placed rstd,
      Placed deltaThere,
      Placed maskThere,
      double steepest,
      Worst worst) {
    int wanted = c.variant % 8;
    Placed grad = c.poisoned(c.k, c.b, c.t, c.d);
    grad.view().copy_(c.random(c.k, c.b, c.t, c.d));
    Placed maskGrad =
        wanted == 1
            ? null
            : c.poisoned(
                (c.variant / 2) % 2 == 0 ? c.b : 1, (c.variant / 3) % 2 == 0 ? c.t : 1, c.k, c.s);
    Placed residGrad = wanted == 2 ? null : c.stream();
    Placed deltaGrad = wanted == 3 ? null : c.sources();
    Placed gradThere = grad.on(device, c.bfloat16);
    Placed maskGradThere = maskGrad == null ? null : maskGrad.on(device, c.bfloat16);
    Placed residGradThere = residGrad == null ? null : residGrad.on(device, c.bfloat16);
    Placed deltaGradThere = deltaGrad == null ? null : deltaGrad.on(device, c.bfloat16);
    reference.patchBackward(
        backward(c, grad, normalized, rstd, delta, mask, maskGrad, residGrad, deltaGrad));
    kernels.patchBackward(
        backward(
            c,
            gradThere,
            normalized.on(device, c.bfloat16),
            rstd.on(device, c.bfloat16),
            deltaThere,
            maskThere,
            maskGradThere,
            residGradThere,
            deltaGradThere));
    double scale = 4 * steepest;
    compare(worst, c, "gradOut", grad, gradThere, 4, scale);
    if (maskGrad != null) {
      long terms = (long) c.b * c.t * c.d;
      compare(worst, c, "maskGrad", maskGrad, maskGradThere, terms, scale);
    }
    if (residGrad != null) {
      compare(worst, c, "residGrad", residGrad, residGradThere, c.k, scale);
    }
    if (deltaGrad != null) {
      compare(worst, c, "deltaGrad", deltaGrad, deltaGradThere, c.k, 2 * scale);
    }
  }

  private static Kernels.PatchBackward backward(
      Case c,
      Placed grad,
      Placed normalized,
      Placed rstd,
      Placed delta,
      Placed mask,
      Placed maskGrad,
      Placed residGrad,
      Placed deltaGrad) {
    boolean plain = c.norm.kind() == Normalization.Kind.NONE;
    return new Kernels.PatchBackward(
        grad.view(),
        plain ? null : normalized.view(),
        plain ? null : rstd.view(),
        maskGrad == null ? null : delta.view(),
        deltaGrad == null ? null : mask.view(),
        c.norm,
        maskGrad == null ? null : maskGrad.view(),
        residGrad == null ? null : residGrad.view(),
        deltaGrad == null ? null : deltaGrad.view());
  }

  /** Compares all of the memory, also what lies around the part that is meant. */
  private static void compare(
      Worst worst,
      Case c,
      String name,
      Placed reference,
      Placed actual,
      long terms,
      double magnitude) {
    double single = c.bfloat16 ? BFLOAT16_EPSILON : Math.ulp(1.0f);
    double epsilon = c.type == ScalarType.Double ? Math.ulp(1.0) : single;
    double relative = FACTOR * epsilon * Math.sqrt((double) Math.max(terms, 1));
    worst.add(
        error(
            Tensors.doubles(reference.base()),
            Tensors.doubles(actual.base()),
            relative * magnitude,
            relative),
        name + " of " + c);
  }

  /** The largest |actual − reference| over its tolerance; infinite where only one is finite. */
  static double error(double[] reference, double[] actual, double absolute, double relative) {
    double worst = 0;
    for (int i = 0; i < reference.length; i++) {
      if (Double.compare(reference[i], actual[i]) == 0) {
        continue;
      }
      double error =
          Math.abs(actual[i] - reference[i]) / (absolute + relative * Math.abs(reference[i]));
      worst = Math.max(worst, Double.isNaN(error) ? Double.POSITIVE_INFINITY : error);
    }
    return worst;
  }
}
