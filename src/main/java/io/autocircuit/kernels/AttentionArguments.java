package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The checked arguments of {@code attention} and {@code attention_backward}.
 *
 * @param rotated R, 0 without rotation
 * @param z none for the gradient
 * @param gradZ none for attention itself
 * @param gradQkv none for attention itself
 */
record AttentionArguments(
    ElementType type,
    long prompts,
    long length,
    Kernels.AttentionPattern pattern,
    TensorView qkv,
    TensorView mask,
    long rotated,
    TensorView cosines,
    TensorView sines,
    TensorView z,
    TensorView gradZ,
    TensorView gradQkv) {

  /** For the CPU. */
  static AttentionArguments of(Kernels.Attention a) {
    return of(new Checked(Device.CPU, false), a);
  }

  /** For the CPU. */
  static AttentionArguments of(Kernels.AttentionBackward a) {
    return of(new Checked(Device.CPU, false), a);
  }

  /** For a CUDA device, whose kernels take bfloat16 too. */
  static AttentionArguments of(Kernels.Attention a, Device device) {
    return of(new Checked(device, true), a);
  }

  /** For a CUDA device, whose kernels take bfloat16 too. */
  static AttentionArguments of(Kernels.AttentionBackward a, Device device) {
    return of(new Checked(device, true), a);
  }

  /** Where the tensors must be, and whether they may be bfloat16. */
  private record Checked(Device device, boolean bfloat16) {}

  private static AttentionArguments of(Checked on, Kernels.Attention a) {
    return of(on, a.qkv(), a.prompts(), a.pattern(), "z", a.z(), null);
  }

  private static AttentionArguments of(Checked on, Kernels.AttentionBackward a) {
    return of(on, a.qkv(), a.prompts(), a.pattern(), "gradZ", a.gradZ(), a.gradQkv());
  }

  private static AttentionArguments of(
      Checked on,
      Tensor qkv,
      int prompts,
      Kernels.AttentionPattern p,
      String name,
      Tensor z,
      Tensor gradQkv) {
    Device device = on.device();
    ScalarType type = TensorView.type("qkv", qkv, on.bfloat16());
    TensorView joint = TensorView.of("qkv", qkv, type, 2, device).contiguous().positive();
    long rows = joint.shape()[0];
    if (prompts < 1 || p.heads() < 1 || p.width() < 1 || rows % prompts != 0) {
      throw TensorView.invalid(
          "prompts=" + prompts + " heads=" + p.heads() + " width=" + p.width(),
          "all must be positive, and prompts divide the rows=" + rows + " of qkv");
    }
    long t = rows / prompts;
    long width = (long) p.heads() * p.width();
    joint.shaped(rows, 3 * width);
    TensorView mixed = TensorView.of(name, z, type, 2, device).contiguous().shaped(rows, width);
    TensorView grad = TensorView.NONE;
    if (gradQkv != null) {
      grad = TensorView.of("gradQkv", gradQkv, type, 2, device).contiguous().shaped(joint.shape());
    }
    TensorView mask = TensorView.NONE;
    if (p.mask() != null) {
      mask = table("mask", p.mask(), type, prompts, device);
      mask.shaped(mask.shape()[0], mask.shape()[1] == p.heads() ? p.heads() : 1, t, t);
    }
    TensorView cosines = TensorView.NONE;
    TensorView sines = TensorView.NONE;
    long rotated = 0;
    if (p.rotation() != null) {
      cosines = table("cosines", p.rotation().cosines(), type, prompts, device);
      sines = table("sines", p.rotation().sines(), type, prompts, device);
      rotated = cosines.shape()[3];
      cosines.shaped(cosines.shape()[0], 1, t, rotated);
      sines.shaped(cosines.shape());
      if (rotated % 2 != 0 || rotated > p.width()) {
        throw TensorView.invalid(
            "cosines.shape=" + Arrays.toString(cosines.shape()),
            "an even number of at most width=" + p.width() + " channels is rotated");
      }
    }
    boolean backward = gradQkv != null;
    return new AttentionArguments(
        ElementType.of(type),
        prompts,
        t,
        p,
        joint,
        mask,
        rotated,
        cosines,
        sines,
        backward ? TensorView.NONE : mixed,
        backward ? mixed : TensorView.NONE,
        grad);
  }

  private static TensorView table(
      String name, Tensor tensor, ScalarType type, int prompts, Device device) {
    TensorView view = TensorView.of(name, tensor, type, 4, device).contiguous();
    view.kept(0, prompts);
    return view;
  }

  /** The call. */
  long[] call() {
    return write(CallLayout.ATTENTION.writer()).words();
  }

  /** Writes the call's fields. */
  CallLayout.Writer write(CallLayout.Writer to) {
    return to.integers(type.code(), prompts, length, pattern.heads(), pattern.width())
        .tensor(qkv, 0)
        .real(pattern.scale())
        .tensor(mask, 1)
        .integers(rotated)
        .tensor(cosines, 0)
        .tensor(sines, 1)
        .flag(pattern.rotation() != null && pattern.rotation().adjacentPairs())
        .tensor(z, 0)
        .tensor(gradZ, 0)
        .tensor(gradQkv, 0);
  }
}
