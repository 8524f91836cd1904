package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.internal.NativeKernels;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@SuppressWarnings("try") // scopes work without being mentioned
@Tag("slow")
class ProductsTest {
  /** Rows, columns and depth: blocks, panels, cache blocks and what is left over of each. */
  private static final int[][] SIZES = {
    {1, 1, 1},
    {1, 33, 7},
    {2, 16, 64},
    {5, 100, 385},
    {7, 17, 3},
    {13, 32, 800},
    {24, 31, 65},
    {152, 64, 64},
    {152, 172, 64},
    {145, 70, 390},
    {289, 1100, 40},
    {300, 65, 770},
  };

  private static Tensor random(ScalarType type, long seed, long... shape) {
    SplittableRandom random = new SplittableRandom(seed);
    int n = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return Tensors.of(type, values, shape);
  }

  /** Makes a call of every form, of sizes that are not too large. */
  static void record(CallRecorder recorder, ScalarType type) {
    for (int[] size : SIZES) {
      if ((long) size[0] * size[1] * size[2] > NativeSanitizersTest.LARGEST) {
        continue;
      }
      for (int form = 0; form < 6; form++) {
        try (TensorScope scope = new TensorScope()) {
          Operands o = Operands.of(type, size, form);
          Tensor out = Tensors.empty(type, size[0], size[1]);
          recorder.matrixProduct(MatrixProductArguments.of(out, o.start, o.x, o.w));
          // weights of 16 bits in turn
          ScalarType narrow = form / 2 % 2 == 0 ? ScalarType.BFloat16 : ScalarType.Half;
          Tensor w = o.w.to(narrow);
          recorder.matrixProduct(MatrixProductArguments.of(out, o.start, o.x, w));
        }
      }
    }
  }

  /** What is multiplied: rows that lie apart, in memory that the call must leave alone. */
  record Operands(Tensor start, Tensor x, Tensor w) {
    static Operands of(ScalarType type, int[] size, int form) {
      long m = size[0];
      long n = size[1];
      long k = size[2];
      Tensor x = random(type, 1, m, k + 3).narrow(1, 2, k);
      Tensor w =
          form % 2 == 1
              ? random(type, 2, n, k + 1).narrow(1, 1, k).t()
              : random(type, 2, k, n + 5).narrow(1, 4, n);
      Tensor start = form < 2 ? null : form < 4 ? random(type, 3, n) : random(type, 3, m, n);
      return new Operands(start, x, w);
    }
  }

  private static void naive(Tensor out, Tensor start, Tensor x, Tensor w) {
    NativeKernels.matrix_product_naive(MatrixProductArguments.of(out, start, x, w).call());
  }

  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"Float", "Double"})
  void everyInstructionSetEqualsTheDefinitionAtAnyNumberOfThreads(ScalarType type) {
    for (int[] size : SIZES) {
      for (int form = 0; form < 6; form++) {
        try (TensorScope scope = new TensorScope()) {
          long m = size[0];
          long n = size[1];
          Operands o = Operands.of(type, size, form);
          Tensor start = o.start;
          Tensor x = o.x;
          Tensor w = o.w;
          Tensor expected = Tensors.empty(type, m, n);
          naive(expected, start, x, w);
          Tolerance tolerance = Tolerance.of(type, size[2] + 1).scaled(4);
          for (InstructionSet set : InstructionSet.available()) {
            double[] first = null;
            for (int threads : new int[] {1, 2, 3, 4, 6}) {
              String name = set + " " + Arrays.toString(size) + " form=" + form + " x" + threads;
              Tensor wide = random(type, 4, m, n + 2);
              double[] before = Tensors.doubles(wide);
              Tensor out = wide.narrow(1, 1, n);
              NativeKernels.matrix_product(
                  set.code(), threads, MatrixProductArguments.of(out, start, x, w).call());
              tolerance.check(name, expected, out.contiguous());
              double[] bits = Tensors.doubles(out.contiguous());
              first = first == null ? bits : first;
              assertArrayEquals(first, bits, name);
              double[] after = Tensors.doubles(wide);
              for (int row = 0; row < m; row++) {
                int at = row * (int) (n + 2);
                assertEquals(before[at], after[at], name);
                assertEquals(before[at + (int) n + 1], after[at + (int) n + 1], name);
              }
            }
          }
        }
      }
    }
  }

  /** Each row and each column has the bits that it has alone. */
  @Test
  void bitsDoNotDependOnCompany() {
    try (TensorScope scope = new TensorScope()) {
      Tensor x = random(ScalarType.Float, 5, 300, 770);
      Tensor w = random(ScalarType.Float, 6, 770, 200);
      Tensor whole = Products.mm(x, w);
      for (int[] part : new int[][] {{0, 1}, {17, 5}, {40, 13}, {100, 150}, {299, 1}}) {
        Tensor rows = Products.mm(x.narrow(0, part[0], part[1]), w);
        assertArrayEquals(
            Tensors.doubles(whole.narrow(0, part[0], part[1])), Tensors.doubles(rows));
        if (part[0] + part[1] <= 200) {
          Tensor columns = Products.mm(x, w.narrow(1, part[0], part[1]));
          assertArrayEquals(
              Tensors.doubles(whole.narrow(1, part[0], part[1]).contiguous()),
              Tensors.doubles(columns));
        }
      }
    }
  }

  @Test
  void allFormsAndPlaces() {
    try (TensorScope scope = new TensorScope();
        NativeThreads threads = NativeThreads.use(2)) {
      for (ScalarType type : new ScalarType[] {ScalarType.Float, ScalarType.Double}) {
        Tensor x = random(type, 7, 30, 20);
        Tensor w = random(type, 8, 20, 40);
        Tensor bias = random(type, 9, 40);
        Tolerance tolerance = Tolerance.of(type, 21).scaled(4);
        tolerance.check("mm", torch.mm(x, w), Products.mm(x, w));
        tolerance.check("addmm", torch.addmm(bias, x, w), Products.addmm(bias, x, w));
        tolerance.check("strided x", torch.mm(w.t(), x.t()), Products.mm(w.t(), x.t()));
        Tensor sum = random(type, 10, 30, 40);
        Tensor expected = torch.addmm(sum, x, w);
        Products.addmmOut(sum, sum, x, w);
        tolerance.check("in place", expected, sum);
        Products.mmOut(sum, x, w);
        tolerance.check("mm_out", torch.mm(x, w), sum);
        assertEquals(0, Products.mm(x.narrow(0, 0, 0), w).numel());
        tolerance.check(
            "no depth",
            bias.expand(30, 40).contiguous(),
            Products.addmm(bias, x.narrow(1, 0, 0), w.narrow(0, 0, 0)));
      }
      Tensor half = random(ScalarType.Float, 7, 3, 4).to(ScalarType.BFloat16);
      assertEquals(
          ScalarType.BFloat16, Products.mm(half, half.t()).scalar_type().intern(), "libtorch's");
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    try (TensorScope scope = new TensorScope()) {
      Tensor x = random(ScalarType.Float, 7, 3, 4);
      Tensor w = random(ScalarType.Float, 8, 4, 5);
      refused("w.shape=[3, 4]; with the other arguments it must be [4, 4]", null, x, x, 3, 4);
      refused("out.shape=[3, 4]; with the other arguments it must be [3, 5]", null, x, w, 3, 4);
      refused(
          "start.shape=[4]; with the other arguments it must be [5]", x.select(0, 0), x, w, 3, 5);
      refused("w.dtype=Double; all tensors", null, x, w.to(ScalarType.Double), 3, 5);
    }
  }

  private static void refused(String message, Tensor start, Tensor x, Tensor w, int m, int n) {
    Tensor out = Tensors.empty(ScalarType.Float, m, n);
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> {
              if (start == null) {
                Products.mmOut(out, x, w);
              } else {
                Products.addmmOut(out, start, x, w);
              }
            });
    assertTrue(e.getMessage().startsWith(message), e.getMessage());
  }
}
