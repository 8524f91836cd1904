package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The checked arguments of {@code patch_backward}.
 *
 * @param perPrompt whether maskGrad's first axis has length B
 * @param perPosition whether maskGrad's second axis has length T
 */
record PatchBackwardArguments(
    ElementType type,
    long prompts,
    long positions,
    long destinations,
    long sources,
    long channels,
    TensorView gradOut,
    TensorView normalized,
    TensorView rstd,
    TensorView delta,
    TensorView mask,
    Normalization norm,
    TensorView maskGrad,
    boolean perPrompt,
    boolean perPosition,
    TensorView residGrad,
    TensorView deltaGrad) {

  /** For the CPU. */
  static PatchBackwardArguments of(Kernels.PatchBackward args) {
    return of(args, Device.CPU, false);
  }

  /** For CUDA kernels, which take bfloat16 too; tensors on {@code device}. */
  static PatchBackwardArguments of(Kernels.PatchBackward args, Device device) {
    return of(args, device, true);
  }

  private static PatchBackwardArguments of(
      Kernels.PatchBackward args, Device device, boolean bfloat16) {
    TensorView.present(args.norm());
    ScalarType type = TensorView.type("gradOut", args.gradOut(), bfloat16);
    TensorView grad =
        TensorView.of("gradOut", args.gradOut(), type, 4, device).contiguous().positive();
    return of(args, type, grad, grad.shape(), grad.shape()[0], device);
  }

  /**
   * All but the gradient.
   *
   * @param shape K, B, T, D
   * @param rows of the masks: K, or K + 1 with a carry
   */
  static PatchBackwardArguments of(
      Kernels.PatchBackward args,
      ScalarType type,
      TensorView grad,
      long[] shape,
      long rows,
      Device device) {
    long k = shape[0];
    long b = shape[1];
    long t = shape[2];
    long d = shape[3];
    TensorView normalized = TensorView.NONE;
    TensorView rstd = TensorView.NONE;
    if (args.norm().kind() != Normalization.Kind.NONE) {
      normalized =
          TensorView.of("normalized", args.normalized(), type, 4, device).shaped(k, b, t, d);
      rstd = TensorView.anyStrides("rstd", args.rstd(), type, 3, device).shaped(k, b, t);
    }
    TensorView delta = TensorView.NONE;
    TensorView mask = TensorView.NONE;
    TensorView maskGrad = TensorView.NONE;
    TensorView residGrad = TensorView.NONE;
    TensorView deltaGrad = TensorView.NONE;
    long s = 0;
    boolean perPrompt = false;
    boolean perPosition = false;
    if (args.maskGrad() != null) {
      delta = TensorView.of("delta", args.delta(), type, 4, device);
      s = delta.shape()[0];
      delta.shaped(s, b, t, d);
      maskGrad = TensorView.of("maskGrad", args.maskGrad(), type, 4, device).contiguous();
      perPrompt = maskGrad.kept(0, b);
      perPosition = maskGrad.kept(1, t);
      maskGrad.shaped(maskGrad.shape()[0], maskGrad.shape()[1], rows, s);
    }
    if (args.deltaGrad() != null) {
      deltaGrad = TensorView.of("deltaGrad", args.deltaGrad(), type, 4, device).written();
      if (args.maskGrad() == null) {
        s = deltaGrad.shape()[0];
      }
      deltaGrad.shaped(s, b, t, d);
      mask = TensorView.mask(args.mask(), type, b, t, rows, s, device);
    }
    if (args.residGrad() != null) {
      residGrad =
          TensorView.of("residGrad", args.residGrad(), type, 3, device).written().shaped(b, t, d);
    }
    return new PatchBackwardArguments(
        ElementType.of(type),
        b,
        t,
        k,
        s,
        d,
        grad,
        normalized,
        rstd,
        delta,
        mask,
        args.norm(),
        maskGrad,
        perPrompt,
        perPosition,
        residGrad,
        deltaGrad);
  }

  /** The same without sources: only the gradients that need none. */
  PatchBackwardArguments withoutSources() {
    return new PatchBackwardArguments(
        type,
        prompts,
        positions,
        destinations,
        0,
        channels,
        gradOut,
        normalized,
        rstd,
        TensorView.NONE,
        TensorView.NONE,
        norm,
        TensorView.NONE,
        false,
        false,
        residGrad,
        TensorView.NONE);
  }

  /** The call. */
  long[] call() {
    return write(CallLayout.PATCH_BACKWARD.writer()).words();
  }

  /** Writes the call, or the beginning of a larger one. */
  CallLayout.Writer write(CallLayout.Writer to) {
    return to.integers(type.code(), prompts, positions, destinations, sources, channels)
        .tensor(gradOut, 0)
        .tensor(normalized, 3)
        .tensor(rstd, 3)
        .tensor(delta, 3)
        .tensor(mask, 3)
        .integers(CallLayout.code(norm))
        .tensor(maskGrad, 0)
        .flag(perPrompt)
        .flag(perPosition)
        .tensor(residGrad, 2)
        .tensor(deltaGrad, 3);
  }
}
