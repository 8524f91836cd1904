package io.autocircuit.kernels;

import io.autocircuit.kernels.Kernels.HeadOutputs;
import io.autocircuit.tensor.TensorScope;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("slow")
class HeadOutputsTest {
  private static final int[] WIDTHS = {1, 3, 8, 33, 64};
  private final Kernels reference = new ReferenceKernels();

  /** The tensors of one call; Δ poisoned. */
  record Call(HeadOutputs args, KernelCase.Placed delta, Tensor stream) {}

  static Call call(KernelCase c) {
    Random random = new Random(c.index());
    int width = WIDTHS[random.nextInt(WIDTHS.length)];
    int heads = 1 + random.nextInt(6);
    int[] some = IntStream.range(0, heads).filter(h -> h == 0 || random.nextInt(3) > 0).toArray();
    c.seed(9);
    Tensor z = c.random(c.t(), c.b(), (long) some.length * width + 1);
    z = z.narrow(2, 0, (long) some.length * width);
    z = c.layout() == KernelCase.Layout.TRANSPOSED ? z.transpose(0, 1) : z.transpose(0, 1).clone();
    Tensor ablation =
        switch (random.nextInt(3)) {
          case 0 -> null;
          case 1 -> c.random(heads, 1, 1, c.d()).expand(heads, c.b(), c.t(), c.d());
          default -> c.random(heads, c.b(), c.t(), c.d());
        };
    KernelCase.Placed delta = c.poisoned(heads, c.b(), c.t(), c.d());
    Tensor stream = random.nextBoolean() ? c.random(c.b(), c.t(), c.d()) : null;
    return new Call(
        new HeadOutputs(
            z, c.random((long) heads * width, c.d()), width, some, ablation, delta.view(), stream),
        delta,
        stream);
  }

  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void everyKernelEqualsTheComposition(ScalarType type) {
    for (KernelCase c : KernelCase.all(type)) {
      if (c.k() > 2) {
        continue;
      }
      for (int rows : new int[] {1, 40}) {
        KernelCase sized =
            new KernelCase(
                c.index(),
                type,
                c.b() * rows,
                c.t(),
                c.k(),
                c.s(),
                c.d(),
                false,
                false,
                c.fill(),
                c.layout(),
                c.norm());
        try (TensorScope scope = new TensorScope()) {
          Call expected = call(sized);
          reference.headOutputs(expected.args());
          int terms = expected.args().heads().length * expected.args().width() + 1;
          Tolerance tolerance = Tolerance.of(type, terms).scaled(4);
          for (Kernels kernels : PatchProjectTest.kernels()) {
            Call actual = call(sized);
            kernels.headOutputs(actual.args());
            String name = kernels.name() + " " + sized;
            tolerance.check(name + " delta", expected.delta().base(), actual.delta().base());
            if (expected.stream() != null) {
              tolerance.check(name + " stream", expected.stream(), actual.stream());
            }
          }
        }
      }
    }
  }
}
