package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The checked arguments of {@code patch_forward}. */
record PatchForwardArguments(
    ElementType type,
    long prompts,
    long positions,
    long destinations,
    long sources,
    long channels,
    TensorView resid,
    TensorView delta,
    TensorView mask,
    Normalization norm,
    TensorView out,
    TensorView rstd) {

  /** For the CPU. */
  static PatchForwardArguments of(Kernels.PatchForward args) {
    return of(args, Device.CPU, false);
  }

  /** For CUDA kernels, which take bfloat16 too; tensors on {@code device}. */
  static PatchForwardArguments of(Kernels.PatchForward args, Device device) {
    return of(args, device, true);
  }

  private static PatchForwardArguments of(
      Kernels.PatchForward args, Device device, boolean bfloat16) {
    TensorView.present(args.norm());
    ScalarType type = TensorView.type("resid", args.resid(), bfloat16);
    TensorView resid = TensorView.of("resid", args.resid(), type, 3, device).positive();
    long b = resid.shape()[0];
    long t = resid.shape()[1];
    long d = resid.shape()[2];
    TensorView out =
        TensorView.of("out", args.out(), type, 4, device).contiguous().written().positive();
    long k = out.shape()[0];
    out.shaped(k, b, t, d);
    TensorView rstd = TensorView.NONE;
    if (args.rstd() != null) {
      rstd = TensorView.of("rstd", args.rstd(), type, 3, device).contiguous().shaped(k, b, t);
    }
    TensorView.together(args.delta(), args.mask());
    TensorView delta = TensorView.NONE;
    TensorView mask = TensorView.NONE;
    long s = 0;
    if (args.delta() != null) {
      delta = TensorView.of("delta", args.delta(), type, 4, device);
      s = delta.shape()[0];
      delta.shaped(s, b, t, d);
      mask = TensorView.mask(args.mask(), type, b, t, k, s, device);
    }
    return new PatchForwardArguments(
        ElementType.of(type), b, t, k, s, d, resid, delta, mask, args.norm(), out, rstd);
  }

  /** The call. */
  long[] call() {
    return write(CallLayout.PATCH_FORWARD.writer()).words();
  }

  /** Writes the call, or the beginning of a larger one. */
  CallLayout.Writer write(CallLayout.Writer to) {
    return to.integers(type.code(), prompts, positions, destinations, sources, channels)
        .tensor(resid, 2)
        .tensor(delta, 3)
        .tensor(mask, 3)
        .integers(CallLayout.code(norm))
        .real(norm.epsilon())
        .tensor(out, 0)
        .tensor(rstd, 0);
  }
}
