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
    return of(a.qkv(), a.prompts(), a.pattern(), "z", a.z(), null);
  }

  /** For the CPU. */
  static AttentionArguments of(Kernels.AttentionBackward a) {
    return of(a.qkv(), a.prompts(), a.pattern(), "gradZ", a.gradZ(), a.gradQkv());
  }

  private static AttentionArguments of(
      Tensor qkv, int prompts, Kernels.AttentionPattern p, String name, Tensor z, Tensor gradQkv) {
    ScalarType type = TensorView.type("qkv", qkv, false);
    TensorView joint = TensorView.of("qkv", qkv, type, 2, Device.CPU).contiguous().positive();
    long rows = joint.shape()[0];
    if (prompts < 1 || p.heads() < 1 || p.width() < 1 || rows % prompts != 0) {
      throw TensorView.invalid(
          "prompts=" + prompts + " heads=" + p.heads() + " width=" + p.width(),
          "all must be positive, and prompts divide the rows=" + rows + " of qkv");
    }
    long t = rows / prompts;
    long width = (long) p.heads() * p.width();
    joint.shaped(rows, 3 * width);
    TensorView mixed = TensorView.of(name, z, type, 2, Device.CPU).contiguous().shaped(rows, width);
    TensorView grad = TensorView.NONE;
    if (gradQkv != null) {
      grad =
          TensorView.of("gradQkv", gradQkv, type, 2, Device.CPU).contiguous().shaped(joint.shape());
    }
    TensorView mask = TensorView.NONE;
    if (p.mask() != null) {
      mask = table("mask", p.mask(), type, prompts);
      mask.shaped(mask.shape()[0], 1, t, t);
    }
    TensorView cosines = TensorView.NONE;
    TensorView sines = TensorView.NONE;
    long rotated = 0;
    if (p.rotation() != null) {
      cosines = table("cosines", p.rotation().cosines(), type, prompts);
      sines = table("sines", p.rotation().sines(), type, prompts);
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

  private static TensorView table(String name, Tensor tensor, ScalarType type, int prompts) {
    TensorView view = TensorView.of(name, tensor, type, 4, Device.CPU).contiguous();
    view.kept(0, prompts);
    return view;
  }

  /** The call. */
  long[] call() {
    return CallLayout.ATTENTION
        .writer()
        .integers(type.code(), prompts, length, pattern.heads(), pattern.width())
        .tensor(qkv, 0)
        .real(pattern.scale())
        .tensor(mask, 1)
        .integers(rotated)
        .tensor(cosines, 0)
        .tensor(sines, 1)
        .flag(pattern.rotation() != null && pattern.rotation().adjacentPairs())
        .tensor(z, 0)
        .tensor(gradZ, 0)
        .tensor(gradQkv, 0)
        .words();
  }
}
