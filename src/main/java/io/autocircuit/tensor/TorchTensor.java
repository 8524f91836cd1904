package io.autocircuit.tensor;

import io.autocircuit.tensor.Safetensors.Entry;

/** A tensor in a {@link TorchArchive}; its elements are read by the archive while that is open. */
public final class TorchTensor {
  private final Entry entry;

  TorchTensor(Entry entry) {
    this.entry = entry;
  }

  Entry entry() {
    return entry;
  }

  /**
   * Its shape.
   *
   * @return the length of each axis; none for a scalar
   */
  public long[] shape() {
    return entry.shape().clone();
  }

  /**
   * Its element type under the name that safetensors give it.
   *
   * @return {@code F32}, {@code BF16}, {@code BOOL}, …
   */
  public String dtype() {
    return entry.dtype().name();
  }
}
