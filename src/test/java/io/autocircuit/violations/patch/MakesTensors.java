package io.autocircuit.violations.patch;

import io.autocircuit.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/** Makes a tensor on the processor, wherever the model is. */
final class MakesTensors {
  static Tensor make() {
    return Tensors.of(new long[] {1}, 1);
  }
}
