package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.internal.NativeKernels;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.ShortPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Weights of 16 bits give the bits that the same numbers give in the type that is computed in. */
@SuppressWarnings("try") // scopes work without being mentioned
class NarrowWeightsTest {
  /** Every instruction set with two threads, the definition, and libtorch's operations. */
  private static List<Kernels> kernels() {
    List<Kernels> kernels = new ArrayList<>(List.of(new ReferenceKernels(), new LibtorchKernels()));
    InstructionSet.available().forEach(set -> kernels.add(new CpuKernels(set, 2)));
    return kernels;
  }

  /** Makes one call of each fused operation. */
  static void record(CallRecorder recorder, KernelCase c) {
    ScalarType narrow = c.index() % 2 == 0 ? ScalarType.BFloat16 : ScalarType.Half;
    project(recorder, c, w -> w.to(narrow));
    projectBackward(recorder, c, w -> w.to(narrow));
    heads(recorder, c, w -> w.to(narrow));
  }

  /** What some tensors hold, one after the other; of those that are null, nothing. */
  private static double[] bits(Tensor... tensors) {
    return Arrays.stream(tensors)
        .filter(Objects::nonNull)
        .flatMapToDouble(t -> Arrays.stream(Tensors.doubles(t)))
        .toArray();
  }

  /** All 65536 patterns but NaN. */
  @ParameterizedTest
  @EnumSource(
      value = ScalarType.class,
      names = {"BFloat16", "Half"})
  void everyPatternIsWidenedExactly(ScalarType narrow) {
    int n = 1 << 16;
    short[] patterns = new short[n];
    double[] values = new double[n];
    for (int i = 0; i < n; i++) {
      values[i] = narrow == ScalarType.Half ? half((short) i) : upper((short) i);
      patterns[i] = Double.isNaN(values[i]) ? 0 : (short) i;
      values[i] = Double.isNaN(values[i]) ? 0 : values[i] + 0.0; // a sum with 0 has no -0
    }
    try (TensorScope scope = new TensorScope()) {
      for (ScalarType type : List.of(ScalarType.Float, ScalarType.Double)) {
        // rows of weights, and columns; a remainder too
        for (int columns : new int[] {n, n / 64 - 3}) {
          Tensor w = Tensors.empty(narrow, 1, columns);
          new ShortPointer(w.data_ptr()).put(patterns, 0, columns);
          double[] expected = Arrays.copyOf(values, columns);
          Tensor one = Tensors.of(type, new float[] {1}, 1, 1);
          for (InstructionSet set : InstructionSet.available()) {
            Tensor out = Tensors.empty(type, 1, columns);
            product(set, out, one, w);
            assertArrayEquals(expected, Tensors.doubles(out), set + " " + type);
            // turned: a column of one channel for each row of w
            Tensor turned = Tensors.empty(type, 1, columns);
            Tensor column = w.view(columns, 1).expand(columns, 1).contiguous();
            product(set, turned, one, column.t());
            assertArrayEquals(expected, Tensors.doubles(turned), set + " " + type + " turned");
          }
        }
      }
    }
  }

  private static void product(InstructionSet set, Tensor out, Tensor x, Tensor w) {
    NativeKernels.matrix_product(set.code(), 2, MatrixProductArguments.of(out, null, x, w).call());
  }

  private static double upper(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  private static double half(short bits) {
    int exponent = bits >> 10 & 31;
    int fraction = bits & 1023;
    double magnitude =
        exponent == 31
            ? fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN
            : exponent == 0
                ? Math.scalb((double) fraction, -24)
                : Math.scalb(1024.0 + fraction, exponent - 25);
    return bits < 0 ? -magnitude : magnitude;
  }

  @ParameterizedTest
  @CsvSource({"Float,BFloat16", "Float,Half", "Double,BFloat16", "Double,Half"})
  void productsHaveTheBitsOfWideWeights(ScalarType type, ScalarType narrow) {
    for (int[] size :
        new int[][] {{1, 33, 7}, {5, 100, 385}, {13, 32, 800}, {145, 70, 390}, {289, 300, 40}}) {
      for (int form = 0; form < 6; form++) {
        try (TensorScope scope = new TensorScope()) {
          ProductsTest.Operands o = ProductsTest.Operands.of(type, size, form);
          Tensor w = form % 2 == 1 ? turned(o.w(), narrow) : o.w().to(narrow);
          for (InstructionSet set : InstructionSet.available()) {
            Tensor expected = Tensors.empty(type, size[0], size[1]);
            Tensor actual = Tensors.empty(type, size[0], size[1]);
            NativeKernels.matrix_product(
                set.code(),
                2,
                MatrixProductArguments.of(expected, o.start(), o.x(), w.to(type)).call());
            NativeKernels.matrix_product(
                set.code(), 2, MatrixProductArguments.of(actual, o.start(), o.x(), w).call());
            assertArrayEquals(bits(expected), bits(actual), set + " form=" + form);
          }
          Tensor definition = Tensors.empty(type, size[0], size[1]);
          Tensor same = Tensors.empty(type, size[0], size[1]);
          NativeKernels.matrix_product_naive(
              MatrixProductArguments.of(definition, o.start(), o.x(), w.to(type)).call());
          NativeKernels.matrix_product_naive(
              MatrixProductArguments.of(same, o.start(), o.x(), w).call());
          assertArrayEquals(bits(definition), bits(same), "the definition, form=" + form);
        }
      }
    }
  }

  /** The transpose of a matrix that lies row by row. */
  private static Tensor turned(Tensor w, ScalarType narrow) {
    return w.t().to(narrow).t();
  }

  @ParameterizedTest
  @CsvSource({"Float,BFloat16", "Float,Half", "Double,BFloat16", "Double,Half"})
  void fusedOperationsHaveTheBitsOfWideWeights(ScalarType type, ScalarType narrow) {
    for (KernelCase c : KernelCase.all(type)) {
      if (c.index() % 9 != 0) {
        continue; // the others' code is the same
      }
      for (Kernels kernels : kernels()) {
        String name = kernels.name() + " " + c;
        assertArrayEquals(
            project(kernels, c, w -> w.to(narrow).to(type)),
            project(kernels, c, w -> w.to(narrow)),
            name);
        assertArrayEquals(
            projectBackward(kernels, c, w -> w.to(narrow).to(type)),
            projectBackward(kernels, c, w -> w.to(narrow)),
            name);
        assertArrayEquals(
            heads(kernels, c, w -> w.to(narrow).to(type)),
            heads(kernels, c, w -> w.to(narrow)),
            name);
      }
    }
  }

  private static double[] project(Kernels kernels, KernelCase c, UnaryOperator<Tensor> stored) {
    try (TensorScope scope = new TensorScope()) {
      PatchProjectTest.Call call = PatchProjectTest.call(c);
      Kernels.PatchProject a = call.args();
      kernels.patchProject(
          new Kernels.PatchProject(
              a.resid(),
              a.delta(),
              a.mask(),
              a.count(),
              a.norm(),
              a.scale(),
              a.shift(),
              stored.apply(a.weight()),
              a.bias(),
              a.width(),
              a.inputs(),
              a.columns(),
              a.out(),
              a.carry()));
      return bits(call.out().base(), a.carry());
    }
  }

  private static double[] projectBackward(
      Kernels kernels, KernelCase c, UnaryOperator<Tensor> stored) {
    try (TensorScope scope = new TensorScope()) {
      Kernels.PatchProjectBackward a = PatchProjectBackwardTest.call(c).args();
      kernels.patchProjectBackward(
          new Kernels.PatchProjectBackward(
              a.gradOut(),
              a.count(),
              stored.apply(a.weight()),
              a.scale(),
              a.width(),
              a.inputs(),
              a.normalized(),
              a.rstd(),
              a.delta(),
              a.mask(),
              a.norm(),
              a.carry(),
              a.maskGrad(),
              a.residGrad(),
              a.deltaGrad()));
      return bits(a.maskGrad(), a.residGrad(), a.deltaGrad());
    }
  }

  private static double[] heads(Kernels kernels, KernelCase c, UnaryOperator<Tensor> stored) {
    try (TensorScope scope = new TensorScope()) {
      HeadOutputsTest.Call call = HeadOutputsTest.call(c);
      Kernels.HeadOutputs a = call.args();
      kernels.headOutputs(
          new Kernels.HeadOutputs(
              a.z(),
              stored.apply(a.weight()),
              a.width(),
              a.heads(),
              a.ablation(),
              a.delta(),
              a.stream()));
      return bits(call.delta().base(), a.stream());
    }
  }

  @Test
  void onlyWeightsMayBeNarrow() {
    try (TensorScope scope = new TensorScope()) {
      Tensor x = Tensors.zeros(ScalarType.Float, 3, 4);
      Tensor w = Tensors.zeros(ScalarType.BFloat16, 4, 5);
      Tensor out = Tensors.empty(ScalarType.BFloat16, 3, 5);
      String refused =
          assertThrows(IllegalArgumentException.class, () -> Products.mmOut(out, x, w))
              .getMessage();
      assertEquals("out.dtype=BFloat16; all tensors of a call need one dtype, here Float", refused);
      Tensor whole = Tensors.zeros(ScalarType.Int, 4, 5);
      assertTrue(
          assertThrows(IllegalArgumentException.class, () -> Products.mm(x, whole))
              .getMessage()
              .startsWith("w.dtype=Int;"));
    }
  }
}
