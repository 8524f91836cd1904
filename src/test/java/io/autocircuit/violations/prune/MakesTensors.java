package io.autocircuit.violations.prune;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Makes a tensor on the processor by libtorch's own factory. */
final class MakesTensors {
  static Tensor make() {
    return torch.zeros(1);
  }
}
