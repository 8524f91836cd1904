package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Arrays;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The checked arguments of {@code patch_project}.
 *
 * @param patch what is projected; it writes nothing
 * @param width columns of a part
 * @param weightType how {@code weight} is stored
 * @param inputs the input of each part
 * @param columns the place of each part, in units of {@code width} columns
 */
record PatchProjectArguments(
    PatchForwardArguments patch,
    TensorView scale,
    TensorView shift,
    TensorView carry,
    long width,
    int[] inputs,
    int[] columns,
    TensorView weight,
    ElementType weightType,
    TensorView bias,
    TensorView out) {

  /** For the CPU. */
  static PatchProjectArguments of(Kernels.PatchProject args) {
    TensorView.present(args.norm());
    ScalarType type = TensorView.type("resid", args.resid(), false);
    TensorView resid = TensorView.of("resid", args.resid(), type, 3, Device.CPU).positive();
    long b = resid.shape()[0];
    long t = resid.shape()[1];
    long d = resid.shape()[2];
    long k = args.count();
    if (k < 1 || args.width() < 1) {
      throw TensorView.invalid("count=" + k + " width=" + args.width(), "both must be positive");
    }
    TensorView carry = TensorView.NONE;
    if (args.carry() != null) {
      carry =
          TensorView.of("carry", args.carry(), type, 3, Device.CPU).contiguous().shaped(b, t, d);
    }
    TensorView.together(args.delta(), args.mask());
    TensorView delta = TensorView.NONE;
    TensorView mask = TensorView.NONE;
    long s = 0;
    if (args.delta() != null) {
      delta = TensorView.of("delta", args.delta(), type, 4, Device.CPU);
      s = delta.shape()[0];
      delta.shaped(s, b, t, d);
      long rows = carry.present() ? k + 1 : k;
      mask = TensorView.mask(args.mask(), type, b, t, rows, s, Device.CPU);
    }
    TensorView weight = TensorView.weights("weight", args.weight(), type).rows();
    long columns = weight.shape()[1];
    weight.shaped(d, columns);
    TensorView bias =
        TensorView.of("bias", args.bias(), type, 1, Device.CPU).contiguous().shaped(columns);
    TensorView out =
        TensorView.of("out", args.out(), type, 3, Device.CPU).written().shaped(b, t, columns);
    parts(args, k, columns / args.width());
    return new PatchProjectArguments(
        new PatchForwardArguments(
            ElementType.of(type),
            b,
            t,
            k,
            s,
            d,
            resid,
            delta,
            mask,
            args.norm(),
            TensorView.NONE,
            TensorView.NONE),
        TensorView.channels("scale", args.scale(), type, d),
        TensorView.channels("shift", args.shift(), type, d),
        carry,
        args.width(),
        args.inputs(),
        args.columns(),
        weight,
        ElementType.of(args.weight()),
        bias,
        out);
  }

  private static void parts(Kernels.PatchProject args, long inputs, long places) {
    if (args.inputs().length != args.columns().length
        || !Compositions.below(args.inputs(), inputs)
        || !Compositions.below(args.columns(), places)) {
      throw TensorView.invalid(
          "inputs="
              + Arrays.toString(args.inputs())
              + " columns="
              + Arrays.toString(args.columns()),
          "give one of " + inputs + " inputs and one of " + places + " places for each part");
    }
  }

  /** The call. */
  long[] call() {
    return patch
        .write(CallLayout.PATCH_PROJECT.writer())
        .tensor(scale, 0)
        .tensor(shift, 0)
        .tensor(carry, 0)
        .integers(inputs.length, width)
        .address(weight.address())
        .integers(weightType.code(), weight.stride(0))
        .tensor(bias, 0)
        .tensor(out, 2)
        .words(inputs, columns);
  }
}
