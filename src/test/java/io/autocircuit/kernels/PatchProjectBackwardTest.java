package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.kernels.Kernels.PatchProjectBackward;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("slow")
class PatchProjectBackwardTest {
  private static final int[] WIDTHS = {1, 3, 8, 16, 31, 33, 64};
  private static final Kernels REFERENCE = new ReferenceKernels();

  /** The tensors of one call; {@code maskGrad} poisoned. */
  record Call(
      PatchProjectBackward args,
      KernelCase.Placed maskGrad,
      KernelCase.Placed residGrad,
      KernelCase.Placed deltaGrad,
      double steepest) {}

  static Call call(KernelCase c) {
    Random random = new Random(c.index());
    int width = WIDTHS[random.nextInt(c.d() > 100 ? 4 : WIDTHS.length)];
    // each input once, or some more often
    int more = random.nextBoolean() ? 0 : random.nextInt(2 * c.k());
    int[] inputs =
        IntStream.concat(
                IntStream.range(0, c.k()), IntStream.range(0, more).map(i -> random.nextInt(c.k())))
            .toArray();
    boolean carries = random.nextBoolean();
    boolean scaled = random.nextBoolean();
    boolean shared = random.nextInt(4) == 0; // all destinations had one input
    boolean perPrompt = random.nextBoolean();
    boolean perPosition = random.nextBoolean();
    int wanted = random.nextInt(6);
    int forward = shared ? 1 : c.k();
    Tensor normalized = c.poisoned(forward, c.b(), c.t(), c.d()).view();
    Tensor rstd = c.poisoned(forward, c.b(), c.t()).view();
    Tensor delta = c.sources(2).view();
    Tensor mask = c.mask();
    REFERENCE.patchForward(
        new Kernels.PatchForward(
            c.stream(1).view(), delta, mask.narrow(2, 0, forward), c.norm(), normalized, rstd));
    double steepest = Math.max(1, torch.max(rstd).item_double());
    if (shared) {
      normalized = normalized.expand(c.k(), c.b(), c.t(), c.d());
      rstd = rstd.expand(c.k(), c.b(), c.t());
    }
    if (carries) {
      mask = torch.cat(new TensorVector(mask, c.random(mask.size(0), mask.size(1), 1, c.s())), 2);
    }
    int rows = carries ? c.k() + 1 : c.k();
    c.seed(5);
    long columns = (long) inputs.length * width;
    Tensor gradOut = c.random(c.b(), c.t(), columns);
    Tensor weight =
        c.random(c.d(), columns + 2)
            .narrow(1, 1, columns)
            .mul(new Scalar(1 / Math.sqrt((double) columns / c.k())));
    Tensor scale = scaled ? c.random(c.d()) : null;
    Tensor carry = carries ? c.stream(8).view() : null;
    boolean none = c.norm().kind() == Normalization.Kind.NONE;
    KernelCase.Placed maskGrad =
        wanted == 1
            ? null
            : c.poisoned(perPrompt ? c.b() : 1, perPosition ? c.t() : 1, rows, c.s());
    KernelCase.Placed residGrad = wanted == 2 ? null : c.stream(6);
    KernelCase.Placed deltaGrad = wanted == 3 || c.s() == 0 ? null : c.sources(7);
    return new Call(
        new PatchProjectBackward(
            gradOut,
            c.k(),
            weight,
            scale,
            width,
            inputs,
            none ? null : normalized,
            none ? null : rstd,
            maskGrad == null ? null : delta,
            deltaGrad == null ? null : mask,
            c.norm(),
            carry,
            maskGrad == null ? null : maskGrad.view(),
            residGrad == null ? null : residGrad.view(),
            deltaGrad == null ? null : deltaGrad.view()),
        maskGrad,
        residGrad,
        deltaGrad,
        steepest);
  }

  /** More rows in a chunk than a tile holds, and prompts and positions that do not divide it. */
  private static KernelCase manyRows(ScalarType type, int index) {
    return new KernelCase(
        index,
        type,
        41,
        45,
        5,
        7,
        33,
        false,
        false,
        KernelCase.Fill.DENSE,
        KernelCase.Layout.CONTIGUOUS,
        KernelCase.norms().get(1));
  }

  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void everyKernelEqualsTheComposition(ScalarType type) {
    List<KernelCase> cases = new ArrayList<>(Exhaustive.sample(KernelCase.all(type), 2));
    for (int i = 0; i < 6; i++) {
      cases.add(manyRows(type, 1000 + i));
    }
    for (KernelCase c : cases) {
      try (TensorScope scope = new TensorScope()) {
        Call expected = call(c);
        REFERENCE.patchProjectBackward(expected.args());
        long terms = (long) expected.args().inputs().length * expected.args().width();
        double steep = 16 * expected.steepest();
        Tolerance mask = Tolerance.of(type, (long) c.b() * c.t() * c.d() + terms).scaled(steep);
        Tolerance stream = Tolerance.of(type, terms + c.k()).scaled(steep);
        for (Kernels kernels : PatchProjectTest.kernels()) {
          Call actual = call(c);
          kernels.patchProjectBackward(actual.args());
          String name = kernels.name() + " " + c;
          check(mask, name + " maskGrad", expected.maskGrad(), actual.maskGrad());
          check(stream, name + " residGrad", expected.residGrad(), actual.residGrad());
          check(stream, name + " deltaGrad", expected.deltaGrad(), actual.deltaGrad());
        }
      }
    }
  }

  private static void check(
      Tolerance tolerance, String name, KernelCase.Placed expected, KernelCase.Placed actual) {
    if (expected != null) {
      tolerance.check(name, expected.base(), actual.base());
    }
  }

  @Test
  void theSameBitsWithOneThreadAndTwo() {
    try (TensorScope scope = new TensorScope()) {
      KernelCase c = manyRows(ScalarType.Float, 1000);
      InstructionSet set = InstructionSet.available().iterator().next();
      Call one = call(c);
      Call two = call(c);
      assertTrue(one.maskGrad() != null && one.deltaGrad() != null, "little would be compared");
      new CpuKernels(set, 1).patchProjectBackward(one.args());
      new CpuKernels(set, 2).patchProjectBackward(two.args());
      assertTrue(torch.equal(one.maskGrad().view(), two.maskGrad().view()), "mask gradients");
      assertTrue(torch.equal(one.deltaGrad().view(), two.deltaGrad().view()), "Δ gradients");
    }
  }

  @Test
  void everyInputNeedsAPart() {
    try (TensorScope scope = new TensorScope()) {
      KernelCase c = manyRows(ScalarType.Float, 1000);
      PatchProjectBackward a = call(c).args();
      int[] inputs = a.inputs().clone();
      inputs[2] = 0;
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  new CpuKernels(InstructionSet.available().iterator().next())
                      .patchProjectBackward(
                          new PatchProjectBackward(
                              a.gradOut().narrow(2, 0, 5L * a.width()).contiguous(),
                              a.count(),
                              a.weight().narrow(1, 0, 5L * a.width()),
                              a.scale(),
                              a.width(),
                              java.util.Arrays.copyOf(inputs, 5),
                              a.normalized(),
                              a.rstd(),
                              a.delta(),
                              a.mask(),
                              a.norm(),
                              a.carry(),
                              a.maskGrad(),
                              a.residGrad(),
                              a.deltaGrad())));
      assertTrue(e.getMessage().contains("inputs=[0, 1, 0, 3, 4]"), e.getMessage());
    }
  }
}
