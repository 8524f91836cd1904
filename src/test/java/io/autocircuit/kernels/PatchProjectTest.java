package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.BatchedProducts.Run;
import io.autocircuit.kernels.Kernels.PatchProject;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PatchProjectTest {
  private static final int[] WIDTHS = {1, 3, 8, 16, 31, 33, 64};
  private final Kernels reference = new ReferenceKernels();

  /** The tensors of one call; {@code out} and {@code carry} poisoned. */
  record Call(PatchProject args, KernelCase.Placed out, KernelCase.Placed carry) {}

  static Call call(KernelCase c) {
    Random random = new Random(c.index());
    int width = WIDTHS[random.nextInt(c.d() > 100 ? 4 : WIDTHS.length)];
    int places = 1 + random.nextInt(5);
    // some places, in order; each with any input
    int[] columns = IntStream.range(0, places).filter(p -> random.nextInt(4) > 0).toArray();
    int[] inputs = IntStream.range(0, columns.length).map(p -> random.nextInt(c.k())).toArray();
    boolean carries = random.nextBoolean();
    Tensor resid = c.stream(1).view();
    Tensor delta = c.s() == 0 ? null : c.sources(2).view();
    Tensor mask = null;
    if (delta != null) {
      mask = c.mask();
      if (carries) {
        Tensor row = c.random(mask.size(0), mask.size(1), 1, c.s());
        mask = torch.cat(new org.bytedeco.pytorch.TensorVector(mask, row), 2);
      }
    }
    c.seed(5);
    boolean scaled = random.nextBoolean();
    Tensor scale = scaled ? c.random(c.d()) : null;
    Tensor shift = scaled && random.nextBoolean() ? c.random(c.d()) : null;
    Tensor weight = c.random(c.d(), (long) places * width + 2).narrow(1, 1, (long) places * width);
    Tensor bias = c.random((long) places * width);
    KernelCase.Placed out = c.poisoned(c.b(), c.t(), (long) places * width);
    KernelCase.Placed carry = carries ? c.poisoned(c.b(), c.t(), c.d()) : null;
    return new Call(
        new PatchProject(
            resid,
            delta,
            mask,
            c.k(),
            c.norm(),
            scale,
            shift,
            weight,
            bias,
            width,
            inputs,
            columns,
            out.view(),
            carry == null ? null : carry.view()),
        out,
        carry);
  }

  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void everyKernelEqualsTheComposition(ScalarType type) {
    for (KernelCase c : KernelCase.all(type)) {
      try (TensorScope scope = new TensorScope()) {
        Call expected = call(c);
        reference.patchProject(expected.args());
        // the normalisation divides by what may be small: its rounding errors grow with 1/rstd
        Tensor rstd = c.poisoned(c.k(), c.b(), c.t()).view();
        Tensor x = c.poisoned(c.k(), c.b(), c.t(), c.d()).view();
        Tensor mask =
            expected.args().mask() == null ? null : expected.args().mask().narrow(2, 0, c.k());
        reference.patchForward(
            new Kernels.PatchForward(
                expected.args().resid(), expected.args().delta(), mask, c.norm(), x, rstd));
        double steepest = Math.max(1, torch.max(rstd).item_double());
        Tolerance sum = Tolerance.of(type, c.s() + 1).scaled(4);
        Tolerance product = Tolerance.of(type, c.d() + c.s() + 1).scaled(16 * steepest);
        for (Kernels kernels : kernels()) {
          Call actual = call(c);
          kernels.patchProject(actual.args());
          String name = kernels.name() + " " + c;
          product.check(name + " out", expected.out().base(), actual.out().base());
          if (expected.carry() != null) {
            sum.check(name + " carry", expected.carry().base(), actual.carry().base());
          }
        }
      }
    }
  }

  /** Every instruction set with one thread and two, and libtorch's operations in parts. */
  static List<Kernels> kernels() {
    List<Kernels> kernels =
        new ArrayList<>(
            // all rows at once, one at a time, and a few
            List.of(new LibtorchKernels(), new LibtorchKernels(1), new LibtorchKernels(3000)));
    for (InstructionSet set : InstructionSet.available()) {
      kernels.add(new CpuKernels(set, 1));
      kernels.add(new CpuKernels(set, 2));
    }
    return kernels;
  }

  @Test
  void partsAreProjectedInFewRuns() {
    int[] all = IntStream.range(0, 36).toArray();
    assertEquals(List.of(new Run(0, 36, false)), BatchedProducts.runs(all, all));
    assertEquals(List.of(new Run(0, 36, true)), BatchedProducts.runs(new int[36], all));
    // queries, keys and values of a head share their input
    int[] joint = IntStream.range(0, 36).map(p -> p % 12).toArray();
    assertEquals(
        List.of(new Run(0, 12, false), new Run(12, 12, false), new Run(24, 12, false)),
        BatchedProducts.runs(joint, all));
    assertEquals(
        List.of(new Run(0, 2, true), new Run(2, 3, false), new Run(5, 1, true)),
        BatchedProducts.runs(new int[] {3, 3, 0, 1, 2, 9}, new int[] {0, 1, 2, 3, 4, 8}));
    assertEquals(List.of(), BatchedProducts.runs(new int[0], new int[0]));
  }

  /** Many rows, so that scale and shift go into the weights. */
  @Test
  void scaleAndShiftInTheWeights() {
    KernelCase c =
        new KernelCase(
            2,
            ScalarType.Float,
            40,
            9,
            7,
            5,
            64,
            false,
            false,
            KernelCase.Fill.SPARSE,
            KernelCase.Layout.CONTIGUOUS,
            KernelCase.norms().get(1));
    try (TensorScope scope = new TensorScope()) {
      for (int scales = 0; scales < 4; scales++) {
        Call expected = scaled(call(c), c, scales);
        Call actual = scaled(call(c), c, scales);
        assertTrue(
            (long) c.k() * c.b() * c.t() * c.d() > expected.args().weight().numel(),
            "too few rows");
        reference.patchProject(expected.args());
        new LibtorchKernels().patchProject(actual.args());
        Tolerance.of(ScalarType.Float, c.d() + c.s() + 1)
            .scaled(16)
            .check("scales=" + scales, expected.out().base(), actual.out().base());
      }
    }
  }

  private static Call scaled(Call call, KernelCase c, int scales) {
    PatchProject a = call.args();
    c.seed(6);
    Tensor scale = c.random(c.d());
    Tensor shift = c.random(c.d());
    return new Call(
        new PatchProject(
            a.resid(),
            a.delta(),
            a.mask(),
            a.count(),
            a.norm(),
            scales % 2 == 0 ? null : scale,
            scales < 2 ? null : shift,
            a.weight(),
            a.bias(),
            a.width(),
            a.inputs(),
            a.columns(),
            a.out(),
            a.carry()),
        call.out(),
        call.carry());
  }

  @Test
  void theSameBitsWithOneThreadAndTwoAndForAPromptAlone() {
    KernelCase c =
        new KernelCase(
            7,
            ScalarType.Float,
            37,
            5,
            7,
            31,
            64,
            false,
            false,
            KernelCase.Fill.SPARSE,
            KernelCase.Layout.CONTIGUOUS,
            KernelCase.norms().get(1));
    try (TensorScope scope = new TensorScope()) {
      Call one = call(c);
      Call two = call(c);
      Call alone = call(c);
      assertTrue(one.args().columns().length > 0, "nothing would be compared");
      InstructionSet set = InstructionSet.available().iterator().next();
      new CpuKernels(set, 1).patchProject(one.args());
      new CpuKernels(set, 2).patchProject(two.args());
      assertTrue(
          torch.equal(one.out().view().nan_to_num(), two.out().view().nan_to_num()),
          "threads change the bits");
      PatchProject a = alone.args();
      Tensor carry = a.carry() == null ? null : torch.zeros(new long[] {1, c.t(), c.d()});
      new CpuKernels(set, 1)
          .patchProject(
              new PatchProject(
                  a.resid().narrow(0, 11, 1),
                  a.delta().narrow(1, 11, 1),
                  a.mask(),
                  a.count(),
                  a.norm(),
                  a.scale(),
                  a.shift(),
                  a.weight(),
                  a.bias(),
                  a.width(),
                  a.inputs(),
                  a.columns(),
                  a.out().narrow(0, 11, 1),
                  carry));
      assertTrue(
          torch.equal(
              one.out().view().narrow(0, 11, 1).nan_to_num(),
              alone.out().view().narrow(0, 11, 1).nan_to_num()),
          "other prompts change the bits");
    }
  }

  @Test
  void wrongArgumentsAreNamed() {
    try (TensorScope scope = new TensorScope()) {
      KernelCase c = KernelCase.all(ScalarType.Float).get(60);
      PatchProject a = call(c).args();
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  new CpuKernels(InstructionSet.available().iterator().next())
                      .patchProject(
                          new PatchProject(
                              a.resid(),
                              a.delta(),
                              a.mask(),
                              a.count(),
                              a.norm(),
                              a.scale(),
                              a.shift(),
                              a.weight(),
                              a.bias(),
                              a.width(),
                              new int[] {a.count()},
                              new int[] {0},
                              a.out(),
                              a.carry())));
      assertTrue(e.getMessage().contains("inputs=[" + a.count() + "]"), e.getMessage());
    }
  }
}
