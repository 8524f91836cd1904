package io.autocircuit.kernels;

import io.autocircuit.kernels.KernelCase.Placed;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * All kernels against {@link ReferenceKernels}, or the same in Java where there is no native
 * library, at awkward sizes and layouts, on random input. What a kernel must write is NaN before,
 * and so are the elements before and after it, which must stay.
 *
 * @param kernels those to check
 * @param device where they compute
 * @param seed of the input; the same seed gives the same input on every device
 */
public record KernelCheck(Kernels kernels, Device device, long seed) {
  /** Cases of these many channels at most make a line each. */
  private static final int[] GROUPS = {33, 128, 768};

  /**
   * What came out of one kernel at sizes of one kind.
   *
   * @param kernel {@code patch_forward}, {@code patch_backward}, {@code attention} or {@code
   *     attn_backward}
   * @param type the dtype, as libtorch writes it
   * @param channels which channels (of a head in attention's), as {@code smallest-largest}
   * @param cases how many cases
   * @param worst the largest error of an element over its tolerance: 1 or less is right
   * @param worstCase the case and tensor of {@code worst}
   */
  public record Line(
      String kernel, String type, String channels, int cases, double worst, String worstCase) {
    /**
     * Whether every element was within its tolerance.
     *
     * @return whether it was
     */
    public boolean right() {
      return worst <= 1; // false for NaN
    }
  }

  /** The largest error over tolerance so far. */
  static final class Worst {
    private double value;
    private String where = "";
    private int cases;

    void add(double error, String case1) {
      if (!(error <= value)) { // NaN is worst of all
        value = error;
        where = case1;
      }
    }

    /** One more case: all elements of a tensor. */
    void compare(Tolerance tolerance, Tensor reference, Tensor actual, String where) {
      cases++;
      add(tolerance.worst(Tensors.doubles(reference), Tensors.doubles(actual)), where);
    }

    Line line(String kernel, ScalarType type, String channels) {
      return new Line(kernel, type.toString(), channels, cases, value, where);
    }
  }

  /**
   * Runs all cases.
   *
   * @param types float32, float64, bfloat16 or several of them
   * @param done called for each line as soon as it is known
   * @return all lines
   */
  public List<Line> run(List<ScalarType> types, Consumer<Line> done) {
    List<Line> lines = new ArrayList<>();
    Kernels reference = NativeLibrary.missing() ? new PlainKernels() : new ReferenceKernels();
    for (ScalarType type : types) {
      List<KernelCase> cases = KernelCase.every(type, seed);
      int above = 0;
      for (int most : GROUPS) {
        int least = above;
        List<KernelCase> group =
            cases.stream().filter(c -> c.d() > least && c.d() <= most).toList();
        above = most;
        Map<String, Worst> worst = new LinkedHashMap<>();
        worst.put("patch_forward", new Worst());
        worst.put("patch_backward", new Worst());
        group.forEach(c -> run(reference, c, worst));
        String range = group.get(0).d() + "-" + group.get(group.size() - 1).d();
        worst.forEach(
            (kernel, w) -> {
              Line line = w.line(kernel, type, range);
              lines.add(line);
              done.accept(line);
            });
      }
      for (Line line : new AttentionCheck(kernels, device, type, seed).run()) {
        lines.add(line);
        done.accept(line);
      }
    }
    return lines;
  }

  private void run(Kernels reference, KernelCase c, Map<String, Worst> worst) {
    try (TensorScope scope = new TensorScope()) {
      Placed resid = c.stream(1);
      Placed delta = c.sources(2);
      Placed mask = Placed.whole(c.mask());
      Placed normalized = c.poisoned(c.k(), c.b(), c.t(), c.d());
      Placed rstd = c.poisoned(c.k(), c.b(), c.t());
      Placed actual = normalized.on(device, c.bfloat16());
      Placed actualRstd = rstd.on(device, c.bfloat16());
      boolean withRstd = c.index() % 3 != 0;
      Placed there = delta.on(device, c.bfloat16());
      Placed maskThere = mask.on(device, c.bfloat16());
      reference.patchForward(forward(c, resid, delta, mask, normalized, rstd));
      kernels.patchForward(
          forward(
              c,
              resid.on(device, c.bfloat16()),
              there,
              maskThere,
              actual,
              withRstd ? actualRstd : null));
      double steepest = torch.max(rstd.view()).item_double();
      Worst forward = worst.get("patch_forward");
      forward.cases++;
      // x has S + 1 terms of magnitude one; the normalisation scales their rounding errors
      double x = 4 * steepest;
      compare(forward, c, "out", normalized, actual, c.s() + 1, x);
      if (withRstd) {
        compare(forward, c, "rstd", rstd, actualRstd, c.s() + 1, x * steepest);
      }
      if (c.bfloat16()) {
        normalized.round();
        rstd.round();
      }
      Worst backward = worst.get("patch_backward");
      backward.cases++;
      backward(reference, c, delta, mask, normalized, rstd, there, maskThere, steepest, backward);
    }
  }

  private static Kernels.PatchForward forward(
      KernelCase c, Placed resid, Placed delta, Placed mask, Placed out, Placed rstd) {
    boolean none = c.s() == 0 && c.index() % 2 == 0;
    return new Kernels.PatchForward(
        resid.view(),
        none ? null : delta.view(),
        none ? null : mask.view(),
        c.norm(),
        out.view(),
        rstd == null ? null : rstd.view());
  }

  private void backward(
      Kernels reference,
      KernelCase c,
      Placed delta,
      Placed mask,
      Placed normalized,
      Placed rstd,
      Placed deltaThere,
      Placed maskThere,
      double steepest,
      Worst worst) {
    int wanted = c.index() % 8;
    c.seed(5);
    Placed grad = c.poisoned(c.k(), c.b(), c.t(), c.d());
    grad.view().copy_(c.random(c.k(), c.b(), c.t(), c.d()));
    Placed maskGrad =
        wanted == 1
            ? null
            : c.poisoned(
                (c.index() / 2) % 2 == 0 ? c.b() : 1,
                (c.index() / 3) % 2 == 0 ? c.t() : 1,
                c.k(),
                c.s());
    Placed residGrad = wanted == 2 ? null : c.stream(6);
    Placed deltaGrad = wanted == 3 ? null : c.sources(7);
    Placed gradThere = grad.on(device, c.bfloat16());
    Placed maskGradThere = maskGrad == null ? null : maskGrad.on(device, c.bfloat16());
    Placed residGradThere = residGrad == null ? null : residGrad.on(device, c.bfloat16());
    Placed deltaGradThere = deltaGrad == null ? null : deltaGrad.on(device, c.bfloat16());
    reference.patchBackward(
        backward(c, grad, normalized, rstd, delta, mask, maskGrad, residGrad, deltaGrad));
    kernels.patchBackward(
        backward(
            c,
            gradThere,
            normalized.on(device, c.bfloat16()),
            rstd.on(device, c.bfloat16()),
            deltaThere,
            maskThere,
            maskGradThere,
            residGradThere,
            deltaGradThere));
    double scale = 4 * steepest;
    compare(worst, c, "gradOut", grad, gradThere, 4, scale);
    if (maskGrad != null) {
      long terms = (long) c.b() * c.t() * c.d();
      compare(worst, c, "maskGrad", maskGrad, maskGradThere, terms, scale);
    }
    if (residGrad != null) {
      compare(worst, c, "residGrad", residGrad, residGradThere, c.k(), scale);
    }
    if (deltaGrad != null) {
      compare(worst, c, "deltaGrad", deltaGrad, deltaGradThere, c.k(), 2 * scale);
    }
  }

  private static Kernels.PatchBackward backward(
      KernelCase c,
      Placed grad,
      Placed normalized,
      Placed rstd,
      Placed delta,
      Placed mask,
      Placed maskGrad,
      Placed residGrad,
      Placed deltaGrad) {
    boolean plain = c.norm().kind() == Normalization.Kind.NONE;
    return new Kernels.PatchBackward(
        grad.view(),
        plain ? null : normalized.view(),
        plain ? null : rstd.view(),
        maskGrad == null ? null : delta.view(),
        deltaGrad == null ? null : mask.view(),
        c.norm(),
        maskGrad == null ? null : maskGrad.view(),
        residGrad == null ? null : residGrad.view(),
        deltaGrad == null ? null : deltaGrad.view());
  }

  /** Compares all of the memory, also what lies around the part that is meant. */
  private static void compare(
      Worst worst,
      KernelCase c,
      String name,
      Placed reference,
      Placed actual,
      long terms,
      double magnitude) {
    Tolerance tolerance =
        Tolerance.of(c.bfloat16() ? ScalarType.BFloat16 : c.type(), terms).scaled(magnitude);
    worst.add(
        tolerance.worst(Tensors.doubles(reference.base()), Tensors.doubles(actual.base())),
        name + " of " + c);
  }
}
