package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.Kernels.PatchBackward;
import io.autocircuit.kernels.Kernels.PatchForward;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PatchBackwardTest {
  private final Kernels reference = new ReferenceKernels();

  /** All that one call writes, guards included. */
  private record Gradients(
      KernelCase.Placed grad,
      KernelCase.Placed mask,
      KernelCase.Placed resid,
      KernelCase.Placed delta) {}

  private static Gradients run(Kernels kernels, KernelCase c, Tensor normalized, Tensor rstd) {
    int wanted = c.index() % 8;
    boolean perPrompt = (c.index() / 2) % 2 == 0;
    boolean perPosition = (c.index() / 3) % 2 == 0;
    KernelCase.Placed grad = c.poisoned(c.k(), c.b(), c.t(), c.d());
    c.seed(5);
    grad.view().copy_(c.random(c.k(), c.b(), c.t(), c.d()));
    KernelCase.Placed mask =
        wanted == 1
            ? null
            : c.poisoned(perPrompt ? c.b() : 1, perPosition ? c.t() : 1, c.k(), c.s());
    KernelCase.Placed resid = wanted == 2 ? null : c.stream(6);
    KernelCase.Placed delta = wanted == 3 ? null : c.sources(7);
    kernels.patchBackward(
        new PatchBackward(
            grad.view(),
            normalized,
            rstd,
            mask == null ? null : c.sources(2).view(),
            delta == null ? null : c.mask(),
            c.norm(),
            mask == null ? null : mask.view(),
            resid == null ? null : resid.view(),
            delta == null ? null : delta.view()));
    return new Gradients(grad, mask, resid, delta);
  }

  /** Makes the call of a case, with any numbers as the forward call's results. */
  static void record(CallRecorder recorder, KernelCase c) {
    boolean none = c.norm().kind() == Normalization.Kind.NONE;
    Tensor normalized = none ? null : c.random(c.k(), c.b(), c.t(), c.d());
    run(recorder, c, normalized, none ? null : c.random(c.k(), c.b(), c.t()));
  }

  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void everyInstructionSetEqualsTheNaiveTwin(ScalarType type) {
    for (KernelCase c : KernelCase.all(type)) {
      try (TensorScope scope = new TensorScope()) {
        boolean shared = c.index() % 4 == 0; // all destinations had one input
        int inputs = shared ? 1 : c.k();
        Tensor normalized = c.poisoned(inputs, c.b(), c.t(), c.d()).view();
        Tensor rstd = c.poisoned(inputs, c.b(), c.t()).view();
        reference.patchForward(
            new PatchForward(
                c.stream(1).view(),
                c.sources(2).view(),
                c.mask().narrow(2, 0, inputs),
                c.norm(),
                normalized,
                rstd));
        double steepest = torch.max(rstd).item_double();
        if (shared) {
          normalized = normalized.expand(c.k(), c.b(), c.t(), c.d());
          rstd = rstd.expand(c.k(), c.b(), c.t());
        }
        boolean none = c.norm().kind() == Normalization.Kind.NONE;
        Gradients expected = run(reference, c, none ? null : normalized, none ? null : rstd);
        // sums over D in the normalisation, then over rows and channels, destinations, destinations
        Tolerance grad = Tolerance.of(type, 4).scaled(4 * steepest);
        long rows = (long) c.b() * c.t();
        for (InstructionSet set : InstructionSet.available()) {
          Gradients actual =
              run(new CpuKernels(set, 2), c, none ? null : normalized, none ? null : rstd);
          String name = set + " " + c;
          grad.check(name + " gradOut", expected.grad().base(), actual.grad().base());
          if (expected.mask() != null) {
            Tolerance.of(type, rows * c.d())
                .scaled(4 * steepest)
                .check(name + " maskGrad", expected.mask().base(), actual.mask().base());
          }
          if (expected.resid() != null) {
            Tolerance.of(type, c.k())
                .scaled(4 * steepest)
                .check(name + " residGrad", expected.resid().base(), actual.resid().base());
          }
          if (expected.delta() != null) {
            Tolerance.of(type, c.k())
                .scaled(8 * steepest)
                .check(name + " deltaGrad", expected.delta().base(), actual.delta().base());
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(InstructionSet.class)
  void bitsDoNotDependOnThreads(InstructionSet set) {
    org.junit.jupiter.api.Assumptions.assumeTrue(
        InstructionSet.available().contains(set), () -> "skipped: this machine has no " + set);
    // wanted == 0: everything; the mask gradient summed over both axes, over 5 chunks of rows
    KernelCase c =
        new KernelCase(
            40,
            ScalarType.Float,
            3,
            13,
            29,
            37,
            // enough work that the kernel uses the threads it is offered
            65,
            false,
            false,
            KernelCase.Fill.DENSE,
            KernelCase.Layout.CONTIGUOUS,
            KernelCase.norms().get(1));
    for (int index : new int[] {40, 48, 56, 64, 88}) {
      try (TensorScope scope = new TensorScope()) {
        KernelCase i =
            new KernelCase(
                index,
                c.type(),
                c.b(),
                c.t(),
                c.k(),
                c.s(),
                c.d(),
                false,
                false,
                c.fill(),
                c.layout(),
                c.norm());
        Tensor normalized = i.random(c.k(), c.b(), c.t(), c.d());
        Tensor rstd = torch.rand(new long[] {c.k(), c.b(), c.t()}, KernelCase.options(c.type()));
        Gradients one = run(new CpuKernels(set, 1), i, normalized, rstd);
        for (int threads : new int[] {2, 3}) {
          Gradients more = run(new CpuKernels(set, threads), i, normalized, rstd);
          String name = "index=" + index + " threads=" + threads;
          assertTrue(torch.equal(one.grad().view(), more.grad().view()), name + " gradOut");
          assertTrue(torch.equal(one.mask().view(), more.mask().view()), name + " maskGrad");
          assertTrue(torch.equal(one.resid().view(), more.resid().view()), name + " residGrad");
          assertTrue(torch.equal(one.delta().view(), more.delta().view()), name + " deltaGrad");
        }
      }
    }
  }

  /** The loss ⟨weights, out⟩ of the naive forward pass. */
  private double loss(Tensor resid, Tensor delta, Tensor mask, Normalization norm, Tensor weights) {
    try (TensorScope scope = new TensorScope()) {
      Tensor out = torch.empty_like(weights);
      reference.patchForward(new PatchForward(resid, delta, mask, norm, out, null));
      return out.mul(weights).sum().item_double();
    }
  }

  @ParameterizedTest
  @EnumSource(Normalization.Kind.class)
  void gradientsEqualFiniteDifferences(Normalization.Kind kind) {
    Normalization norm = new Normalization(kind, 1e-5);
    try (TensorScope scope = new TensorScope()) {
      torch.manual_seed(11);
      var options = KernelCase.options(ScalarType.Double);
      int k = 3;
      int s = 4;
      int b = 2;
      int t = 3;
      int d = 5;
      for (int broadcast = 0; broadcast < 4; broadcast++) {
        Tensor resid = torch.randn(new long[] {b, t, d}, options);
        Tensor delta = torch.randn(new long[] {s, b, t, d}, options);
        Tensor mask =
            torch.rand(
                new long[] {broadcast % 2 == 0 ? b : 1, broadcast < 2 ? t : 1, k, s}, options);
        Tensor weights = torch.randn(new long[] {k, b, t, d}, options);
        for (InstructionSet set : InstructionSet.available()) {
          Kernels kernels = new CpuKernels(set);
          Tensor out = torch.empty_like(weights);
          Tensor rstd = torch.empty(new long[] {k, b, t}, options, null);
          kernels.patchForward(new PatchForward(resid, delta, mask, norm, out, rstd));
          Tensor maskGrad = torch.empty_like(mask);
          Tensor residGrad = torch.zeros_like(resid);
          Tensor deltaGrad = torch.zeros_like(delta);
          kernels.patchBackward(
              new PatchBackward(
                  weights.clone(), out, rstd, delta, mask, norm, maskGrad, residGrad, deltaGrad));
          String name = set + " " + kind + " broadcast=" + broadcast;
          compare(name + " mask", mask, maskGrad, resid, delta, mask, norm, weights);
          compare(name + " resid", resid, residGrad, resid, delta, mask, norm, weights);
          compare(name + " delta", delta, deltaGrad, resid, delta, mask, norm, weights);
        }
      }
    }
  }

  private void compare(
      String name,
      Tensor variable,
      Tensor gradient,
      Tensor resid,
      Tensor delta,
      Tensor mask,
      Normalization norm,
      Tensor weights) {
    DoublePointer memory = new DoublePointer(variable.data_ptr());
    double[] expected = new double[(int) variable.numel()];
    double step = 1e-5;
    for (int i = 0; i < expected.length; i++) {
      double old = memory.get(i);
      memory.put(i, old + step);
      double above = loss(resid, delta, mask, norm, weights);
      memory.put(i, old - step);
      double below = loss(resid, delta, mask, norm, weights);
      memory.put(i, old);
      expected[i] = (above - below) / (2 * step);
    }
    // truncation step², rounding ulp/step, both times the curvature of the normalisation
    new Tolerance(2e-7, 2e-7)
        .check(name, new long[] {expected.length}, expected, Tensors.doubles(gradient));
  }

  @Test
  void manyRowsTakeLongerChunks() {
    // 1050 rows: 62 chunks of 17; channels shorter than any vector
    for (int index : new int[] {8, 16, 24, 32, 40, 48}) {
      KernelCase c =
          new KernelCase(
              index,
              ScalarType.Float,
              21,
              50,
              5,
              7,
              3,
              index % 16 == 0,
              false,
              KernelCase.Fill.SPARSE,
              KernelCase.Layout.TRANSPOSED,
              KernelCase.norms().get(2));
      try (TensorScope scope = new TensorScope()) {
        Tensor normalized = c.random(c.k(), c.b(), c.t(), c.d());
        Tensor rstd = torch.rand(new long[] {c.k(), c.b(), c.t()}, KernelCase.options(c.type()));
        Gradients expected = run(reference, c, normalized, rstd);
        for (InstructionSet set : InstructionSet.available()) {
          Gradients actual = run(new CpuKernels(set, 2), c, normalized, rstd);
          Tolerance.of(c.type(), 1050 * 3)
              .scaled(4)
              .check(set + " " + c + " maskGrad", expected.mask().base(), actual.mask().base());
          Tolerance.of(c.type(), c.k())
              .scaled(8)
              .check(set + " " + c + " deltaGrad", expected.delta().base(), actual.delta().base());
        }
      }
    }
  }

  @Test
  void unusedSourcesAndNoSources() {
    try (TensorScope scope = new TensorScope()) {
      var options = KernelCase.options(ScalarType.Float);
      Tensor grad = torch.ones(new long[] {2, 1, 3, 4}, options);
      Tensor residGrad = torch.ones(new long[] {1, 3, 4}, options);
      for (InstructionSet set : InstructionSet.available()) {
        Kernels kernels = new CpuKernels(set);
        kernels.patchBackward(
            new PatchBackward(
                grad, null, null, null, null, Normalization.NONE, null, residGrad, null));
      }
      assertEquals(1 + 2 * InstructionSet.available().size(), torch.max(residGrad).item_double());
      // a source whose mask is zero keeps its gradient as it is
      Tensor deltaGrad = torch.full(new long[] {2, 1, 3, 4}, new Scalar(7.0), options);
      Tensor mask = torch.zeros(new long[] {1, 1, 2, 2}, options);
      mask.select(3, 1).fill_(new Scalar(0.5));
      new CpuKernels(InstructionSet.BASELINE)
          .patchBackward(
              new PatchBackward(
                  grad, null, null, null, mask, Normalization.NONE, null, null, deltaGrad));
      assertEquals(7, torch.max(deltaGrad.select(0, 0)).item_double());
      assertEquals(8, torch.min(deltaGrad.select(0, 1)).item_double());
    }
  }
}
