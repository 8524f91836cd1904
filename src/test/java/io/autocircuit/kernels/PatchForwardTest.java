package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.Kernels.PatchForward;
import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PatchForwardTest {
  private final Kernels reference = new ReferenceKernels();

  /** The tensors of one call; {@code out} and {@code rstd} poisoned. */
  record Call(PatchForward args, KernelCase.Placed out, KernelCase.Placed rstd) {}

  static Call call(KernelCase c) {
    Tensor resid = c.stream(1).view();
    Tensor delta = c.s() == 0 && c.index() % 2 == 0 ? null : c.sources(2).view();
    Tensor mask = delta == null ? null : c.mask();
    KernelCase.Placed out = c.poisoned(c.k(), c.b(), c.t(), c.d());
    KernelCase.Placed rstd = c.poisoned(c.k(), c.b(), c.t());
    return new Call(
        new PatchForward(resid, delta, mask, c.norm(), out.view(), rstd.view()), out, rstd);
  }

  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void everyInstructionSetEqualsTheNaiveTwin(ScalarType type) {
    for (KernelCase c : KernelCase.all(type)) {
      try (TensorScope scope = new TensorScope()) {
        Call expected = call(c);
        PatchForward args = expected.args();
        reference.patchForward(args);
        double steepest = torch.max(args.rstd()).item_double();
        // x has S + 1 terms of magnitude one; the normalisation scales their rounding errors
        Tolerance x = Tolerance.of(type, c.s() + 1).scaled(4);
        for (InstructionSet set : InstructionSet.available()) {
          boolean withRstd = c.index() % 3 != 0;
          KernelCase.Placed fastOut = c.poisoned(c.k(), c.b(), c.t(), c.d());
          KernelCase.Placed fastRstd = c.poisoned(c.k(), c.b(), c.t());
          new CpuKernels(set, 2)
              .patchForward(
                  new PatchForward(
                      args.resid(),
                      args.delta(),
                      args.mask(),
                      c.norm(),
                      fastOut.view(),
                      withRstd ? fastRstd.view() : null));
          String name = set + " " + c;
          x.scaled(steepest).check(name + " out", expected.out().base(), fastOut.base());
          if (withRstd) {
            x.scaled(steepest * steepest)
                .check(name + " rstd", expected.rstd().base(), fastRstd.base());
          }
        }
      }
    }
  }

  @Test
  void naiveTwinEqualsLibtorch() {
    for (KernelCase c : KernelCase.all(ScalarType.Double)) {
      if (c.index() % 5 != 0) {
        continue;
      }
      try (TensorScope scope = new TensorScope()) {
        Tensor resid = c.stream(1).view();
        Tensor delta = c.sources(2).view();
        Tensor mask = c.mask();
        Tensor out = c.poisoned(c.k(), c.b(), c.t(), c.d()).view();
        reference.patchForward(new PatchForward(resid, delta, mask, c.norm(), out, null));
        // mask [B,T,K,S] x delta [B,T,S,D] -> [B,T,K,D] -> [K,B,T,D]
        Tensor x =
            torch
                .matmul(mask.expand(c.b(), c.t(), c.k(), c.s()), delta.permute(1, 2, 0, 3))
                .permute(2, 0, 1, 3)
                .add(resid);
        Tensor centred =
            c.norm().kind() == Normalization.Kind.LAYER_NORM
                ? x.sub(
                    x.mean(new long[] {-1}, true, new org.bytedeco.pytorch.ScalarTypeOptional()))
                : x;
        Tensor expected =
            c.norm().kind() == Normalization.Kind.NONE
                ? x
                : centred.div(
                    centred
                        .mul(centred)
                        .mean(new long[] {-1}, true, new org.bytedeco.pytorch.ScalarTypeOptional())
                        .add(new Scalar(c.norm().epsilon()))
                        .sqrt());
        Tolerance.of(ScalarType.Double, c.s() + 1).scaled(4e3).check(c.toString(), expected, out);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(InstructionSet.class)
  void bitsDependNeitherOnThreadsNorOnOtherRows(InstructionSet set) {
    org.junit.jupiter.api.Assumptions.assumeTrue(
        InstructionSet.available().contains(set), () -> "skipped: this machine has no " + set);
    try (TensorScope scope = new TensorScope()) {
      KernelCase c =
          new KernelCase(
              9999,
              ScalarType.Float,
              3,
              5,
              29,
              37,
              // enough work that the kernel uses the threads it is offered
              332,
              false,
              true,
              KernelCase.Fill.SPARSE,
              KernelCase.Layout.NARROWED,
              KernelCase.norms().get(1));
      Tensor resid = c.stream(1).view();
      Tensor delta = c.sources(2).view();
      Tensor mask = c.mask();
      Tensor one = run(new CpuKernels(set, 1), c, resid, delta, mask);
      for (int threads : new int[] {2, 3}) {
        Tensor more = run(new CpuKernels(set, threads), c, resid, delta, mask);
        assertTrue(torch.equal(one, more), "threads=" + threads);
      }
      for (int k = 0; k < c.k(); k++) {
        Tensor alone = run(new CpuKernels(set, 2), c, resid, delta, mask.narrow(2, k, 1));
        assertTrue(torch.equal(one.narrow(0, k, 1), alone), "k=" + k);
      }
      Tensor prompt =
          run(new CpuKernels(set, 2), c, resid.narrow(0, 1, 1), delta.narrow(1, 1, 1), mask);
      assertTrue(torch.equal(one.narrow(1, 1, 1), prompt));
    }
  }

  private static Tensor run(
      Kernels kernels, KernelCase c, Tensor resid, Tensor delta, Tensor mask) {
    Tensor out =
        torch.full(
            new long[] {mask.size(2), resid.size(0), resid.size(1), c.d()},
            new Scalar(Double.NaN),
            KernelCase.options(c.type()));
    kernels.patchForward(new PatchForward(resid, delta, mask, c.norm(), out, null));
    return out;
  }

  @Test
  void manySourcesAndChannelsTakeSeveralRounds() {
    // more sources and channels than one chunk of the kernel holds
    for (int s : new int[] {255, 256, 257, 600}) {
      KernelCase c =
          new KernelCase(
              7000 + s,
              ScalarType.Float,
              2,
              2,
              13,
              s,
              533,
              false,
              false,
              KernelCase.Fill.DENSE,
              KernelCase.Layout.CONTIGUOUS,
              KernelCase.norms().get(2));
      try (TensorScope scope = new TensorScope()) {
        Tensor resid = c.stream(1).view();
        Tensor delta = c.sources(2).view();
        Tensor mask = c.mask();
        Tensor expected = run(reference, c, resid, delta, mask);
        for (InstructionSet set : InstructionSet.available()) {
          Tolerance.of(c.type(), s)
              .check(set + " " + c, expected, run(new CpuKernels(set, 2), c, resid, delta, mask));
        }
      }
    }
  }

  @Test
  void aRowOfZerosIsTheUnpatchedInputWhateverDeltaHolds() {
    try (TensorScope scope = new TensorScope()) {
      Tensor resid = torch.randn(new long[] {1, 2, 33}, KernelCase.options(ScalarType.Float));
      Tensor delta =
          torch.full(
              new long[] {3, 1, 2, 33},
              new Scalar(Double.POSITIVE_INFINITY),
              KernelCase.options(ScalarType.Float));
      Tensor mask = torch.zeros(new long[] {1, 1, 2, 3}, KernelCase.options(ScalarType.Float));
      mask.select(2, 1).fill_(new Scalar(1.0));
      for (InstructionSet set : InstructionSet.available()) {
        Tensor out =
            torch.full(
                new long[] {2, 1, 2, 33},
                new Scalar(Double.NaN),
                KernelCase.options(ScalarType.Float));
        new CpuKernels(set)
            .patchForward(new PatchForward(resid, delta, mask, Normalization.NONE, out, null));
        assertTrue(torch.equal(resid, out.select(0, 0)), set.label());
        assertEquals(Double.POSITIVE_INFINITY, torch.min(out.select(0, 1)).item_double());
      }
    }
  }
}
