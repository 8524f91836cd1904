package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The checked arguments of {@code patch_project_backward}.
 *
 * @param back what follows the projections' gradients; it has no gradient of its own
 * @param width columns of a part
 * @param weightType how {@code weight} is stored
 * @param inputs the input of each part
 */
record PatchProjectBackwardArguments(
    PatchBackwardArguments back,
    TensorView gradOut,
    long width,
    int[] inputs,
    TensorView weight,
    ElementType weightType,
    TensorView scale,
    TensorView carry) {

  /** For the CPU. */
  static PatchProjectBackwardArguments of(Kernels.PatchProjectBackward args) {
    TensorView.present(args.norm());
    ScalarType type = TensorView.type("gradOut", args.gradOut(), false);
    TensorView grad =
        TensorView.of("gradOut", args.gradOut(), type, 3, Device.CPU).contiguous().positive();
    TensorView weight = TensorView.weights("weight", args.weight(), type).rows().positive();
    long parts = args.inputs().length;
    long k = args.count();
    if (k < 1 || args.width() < 1) {
      throw TensorView.invalid("count=" + k + " width=" + args.width(), "both must be positive");
    }
    if (!Compositions.below(args.inputs(), k)
        || IntStream.of(args.inputs()).distinct().count() != k) {
      throw TensorView.invalid(
          "inputs=" + Arrays.toString(args.inputs()),
          "give one of " + k + " inputs for each part, and each input at least once");
    }
    long d = weight.shape()[0];
    weight.shaped(d, parts * args.width());
    grad.shaped(grad.shape()[0], grad.shape()[1], parts * args.width());
    long[] shape = {k, grad.shape()[0], grad.shape()[1], d};
    TensorView carry = TensorView.NONE;
    if (args.carry() != null) {
      carry = TensorView.of("carry", args.carry(), type, 3, Device.CPU);
      carry.shaped(shape[1], shape[2], d);
    }
    Kernels.PatchBackward behind =
        new Kernels.PatchBackward(
            null,
            args.normalized(),
            args.rstd(),
            args.delta(),
            args.mask(),
            args.norm(),
            args.maskGrad(),
            args.residGrad(),
            args.deltaGrad());
    long rows = carry.present() ? k + 1 : k;
    return new PatchProjectBackwardArguments(
        PatchBackwardArguments.of(behind, type, TensorView.NONE, shape, rows, Device.CPU),
        grad,
        args.width(),
        args.inputs(),
        weight,
        ElementType.of(args.weight()),
        TensorView.channels("scale", args.scale(), type, d),
        carry);
  }

  /** The call. */
  long[] call() {
    return back.write(CallLayout.PATCH_PROJECT_BACKWARD.writer())
        .tensor(gradOut, 0)
        .integers(inputs.length, width)
        .address(weight.address())
        .integers(weightType.code(), weight.stride(0))
        .tensor(scale, 0)
        .tensor(carry, 2)
        .words(inputs);
  }
}
