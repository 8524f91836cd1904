package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.tensor.Device;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A self-test that finds nothing proves nothing: it must find these. */
@Tag("slow")
class KernelCheckTest {
  private static final List<ScalarType> FLOAT = List.of(ScalarType.Float);

  /** The right kernels, then something done to what they wrote. */
  private record Spoilt(
      java.util.function.Consumer<Kernels.PatchForward> forward,
      java.util.function.Consumer<Kernels.PatchBackward> backward)
      implements Kernels {
    private static final Kernels RIGHT = KernelsProvider.choose("baseline").kernels();

    @Override
    public String name() {
      return "spoilt";
    }

    @Override
    public void patchForward(PatchForward args) {
      RIGHT.patchForward(args);
      forward.accept(args);
    }

    @Override
    public void patchBackward(PatchBackward args) {
      RIGHT.patchBackward(args);
      backward.accept(args);
    }
  }

  private static List<KernelCheck.Line> run(Kernels kernels) {
    List<KernelCheck.Line> seen = new ArrayList<>();
    List<KernelCheck.Line> lines = new KernelCheck(kernels, Device.CPU, 5).run(FLOAT, seen::add);
    assertEquals(lines, seen);
    return lines;
  }

  private static void findsForward(java.util.function.Consumer<Kernels.PatchForward> spoil) {
    for (KernelCheck.Line line : run(new Spoilt(spoil, a -> {}))) {
      assertEquals(!line.kernel().equals("patch_forward"), line.right(), line::toString);
    }
  }

  private static void findsBackward(java.util.function.Consumer<Kernels.PatchBackward> spoil) {
    for (KernelCheck.Line line : run(new Spoilt(a -> {}, spoil))) {
      assertEquals(!line.kernel().equals("patch_backward"), line.right(), line::toString);
    }
  }

  @Test
  void rightKernelsAreRight() {
    List<KernelCheck.Line> lines = run(new Spoilt(a -> {}, a -> {}));
    assertEquals(8, lines.size());
    assertTrue(lines.stream().allMatch(KernelCheck.Line::right), lines::toString);
    assertTrue(lines.stream().allMatch(l -> l.worst() > 0 && l.worst() < 0.9), lines::toString);
  }

  /** Attention with an error in one element of what it or its gradient writes. */
  private record SpoiltAttention(double forward, double backward) implements Kernels {
    @Override
    public String name() {
      return "spoilt attention";
    }

    @Override
    public void patchForward(PatchForward args) {
      Spoilt.RIGHT.patchForward(args);
    }

    @Override
    public void patchBackward(PatchBackward args) {
      Spoilt.RIGHT.patchBackward(args);
    }

    @Override
    public void attention(Attention args) {
      LibtorchAttention.forward(args);
      args.z().view(-1).narrow(0, 0, 1).add_(new Scalar(forward));
    }

    @Override
    public void attentionBackward(AttentionBackward args) {
      LibtorchAttention.backward(args);
      args.gradQkv().view(-1).narrow(0, 1, 1).add_(new Scalar(backward));
    }
  }

  @Test
  void aSmallErrorOfAttentionIsFound() {
    List<KernelCheck.Line> lines =
        new AttentionCheck(new SpoiltAttention(1e-3, 0), Device.CPU, ScalarType.Float, 5).run();
    assertEquals(List.of(false, true), lines.stream().map(KernelCheck.Line::right).toList());
    lines = new AttentionCheck(new SpoiltAttention(0, 1e-3), Device.CPU, ScalarType.Float, 5).run();
    assertEquals(List.of(true, false), lines.stream().map(KernelCheck.Line::right).toList());
    lines = new AttentionCheck(new SpoiltAttention(0, 0), Device.CPU, ScalarType.Float, 5).run();
    assertEquals(List.of(true, true), lines.stream().map(KernelCheck.Line::right).toList());
  }

  /** Which it compares with where there is no native library. */
  @Test
  void theDefinitionInJavaIsTheNativeOne() {
    List<ScalarType> types = List.of(ScalarType.Double);
    for (KernelCheck.Line l :
        new KernelCheck(new PlainKernels(), Device.CPU, 7).run(types, x -> {})) {
      assertTrue(l.right(), l::toString);
    }
  }

  /** Stores bfloat16 and computes in float32, as the CUDA kernels do. */
  private static final class Half implements Kernels {
    private static final Kernels SINGLE = KernelsProvider.choose("baseline").kernels();
    private final double spoil;

    Half(double spoil) {
      this.spoil = spoil;
    }

    @Override
    public String name() {
      return "half";
    }

    private static Tensor single(Tensor t) {
      return t == null ? null : t.to(ScalarType.Float).contiguous();
    }

    private static void back(Tensor from, Tensor to) {
      if (to != null) {
        assertEquals(ScalarType.BFloat16, to.scalar_type().intern());
        to.copy_(from);
      }
    }

    @Override
    public void patchForward(PatchForward a) {
      Tensor out = single(a.out());
      Tensor rstd = single(a.rstd());
      SINGLE.patchForward(
          new PatchForward(
              single(a.resid()), single(a.delta()), single(a.mask()), a.norm(), out, rstd));
      out.view(-1).narrow(0, 0, 1).add_(new Scalar(spoil));
      back(out, a.out());
      back(rstd, a.rstd());
    }

    @Override
    public void patchBackward(PatchBackward a) {
      Tensor grad = single(a.gradOut());
      Tensor mask = single(a.maskGrad());
      Tensor resid = single(a.residGrad());
      Tensor delta = single(a.deltaGrad());
      SINGLE.patchBackward(
          new PatchBackward(
              grad,
              single(a.normalized()),
              single(a.rstd()),
              single(a.delta()),
              single(a.mask()),
              a.norm(),
              mask,
              resid,
              delta));
      back(grad, a.gradOut());
      back(mask, a.maskGrad());
      back(resid, a.residGrad());
      back(delta, a.deltaGrad());
    }
  }

  @Test
  void bfloat16IsComparedWithWhatItCanHold() {
    List<ScalarType> types = List.of(ScalarType.BFloat16);
    for (KernelCheck.Line l : new KernelCheck(new Half(0), Device.CPU, 5).run(types, x -> {})) {
      assertEquals("BFloat16", l.type());
      assertTrue(l.right() && l.worst() > 0.01, l::toString);
    }
    // an error that no rounding explains
    List<KernelCheck.Line> spoilt =
        new KernelCheck(new Half(20), Device.CPU, 5).run(types, x -> {});
    assertTrue(
        spoilt.stream().noneMatch(l -> l.kernel().equals("patch_forward") && l.right()),
        spoilt::toString);
  }

  @Test
  void aSmallErrorInOneElementIsFound() {
    findsForward(a -> a.out().view(-1).narrow(0, 0, 1).add_(new Scalar(1e-2)));
    findsBackward(a -> a.gradOut().view(-1).narrow(0, 0, 1).add_(new Scalar(1e-1)));
  }

  @Test
  void anElementThatIsNotWrittenIsFound() {
    findsForward(a -> a.out().view(-1).narrow(0, 0, 1).fill_(new Scalar(Double.NaN)));
    findsBackward(
        a -> {
          if (a.maskGrad() != null && a.maskGrad().numel() > 0) {
            a.maskGrad().view(-1).narrow(0, 0, 1).fill_(new Scalar(Double.NaN));
          }
        });
  }

  @Test
  void writingBeyondTheEndIsFound() {
    findsForward(a -> new FloatPointer(a.out().data_ptr()).put(a.out().numel(), 0f));
    findsBackward(a -> new FloatPointer(a.gradOut().data_ptr()).put(-1, 0f));
  }

  @Test
  void nanIsNotRight() {
    assertFalse(new KernelCheck.Line("k", "Float", "1-2", 1, Double.NaN, "").right());
  }
}
