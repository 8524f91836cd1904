package io.autocircuit.kernels;

import io.autocircuit.tensor.Device;
import java.util.Arrays;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The checked arguments of {@code head_outputs}.
 *
 * @param width columns of a head
 * @param weightType how {@code weight} is stored
 * @param heads which heads
 */
record HeadOutputsArguments(
    ElementType type,
    long prompts,
    long positions,
    long width,
    long channels,
    int[] heads,
    TensorView z,
    TensorView weight,
    ElementType weightType,
    TensorView ablation,
    TensorView delta,
    TensorView stream) {

  /** For the CPU. */
  static HeadOutputsArguments of(Kernels.HeadOutputs args) {
    ScalarType type = TensorView.type("z", args.z(), false);
    TensorView z = TensorView.of("z", args.z(), type, 3, Device.CPU).positive();
    long b = z.shape()[0];
    long t = z.shape()[1];
    TensorView weight = TensorView.weights("weight", args.weight(), type).contiguous();
    long d = weight.shape()[1];
    long w = args.width();
    if (w < 1 || weight.shape()[0] % w != 0) {
      throw TensorView.invalid(
          "width=" + w, "it must divide the rows=" + weight.shape()[0] + " of weight");
    }
    long heads = weight.shape()[0] / w;
    z.shaped(b, t, args.heads().length * w);
    if (!Compositions.below(args.heads(), heads)) {
      throw TensorView.invalid(
          "heads=" + Arrays.toString(args.heads()), "there are " + heads + " heads");
    }
    TensorView ablation = TensorView.NONE;
    if (args.ablation() != null) {
      ablation =
          TensorView.of("ablation", args.ablation(), type, 4, Device.CPU).shaped(heads, b, t, d);
    }
    TensorView delta =
        TensorView.of("delta", args.delta(), type, 4, Device.CPU).written().shaped(heads, b, t, d);
    TensorView stream = TensorView.NONE;
    if (args.stream() != null) {
      stream =
          TensorView.of("stream", args.stream(), type, 3, Device.CPU).contiguous().shaped(b, t, d);
    }
    return new HeadOutputsArguments(
        ElementType.of(type),
        b,
        t,
        w,
        d,
        args.heads(),
        z,
        weight,
        ElementType.of(args.weight()),
        ablation,
        delta,
        stream);
  }

  /** The call. */
  long[] call() {
    return CallLayout.HEAD_OUTPUTS
        .writer()
        .integers(type.code(), prompts, positions, heads.length, width, channels)
        .tensor(z, 2)
        .tensor(weight, 0)
        .integers(weightType.code())
        .tensor(ablation, 3)
        .tensor(delta, 3)
        .tensor(stream, 0)
        .words(heads);
  }
}
