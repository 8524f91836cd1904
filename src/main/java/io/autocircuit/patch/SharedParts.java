package io.autocircuit.patch;

import io.autocircuit.graph.Stage;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Keys and values of a stage of attention that groups of heads share ({@link Stage#shared}):
 * computed for the first head of each group, and copied to the others where all heads are mixed.
 *
 * @param size heads of a group; 1 where nothing is shared
 * @param groups G
 * @param width of a head
 */
record SharedParts(int size, int groups, int width) {
  /** Those of a stage of attention. */
  static SharedParts of(Stage stage, int width) {
    int groups = stage.reads().size() <= 1 ? stage.written() : stage.reads().get(1).nodes().size();
    return new SharedParts(stage.written() / groups, groups, width);
  }

  boolean none() {
    return size == 1;
  }

  /**
   * Copies those of each first head to the other heads of its group.
   *
   * @param qkv contiguous, {@code [N, 3·H·width]}
   */
  void copy(Tensor qkv) {
    if (!none()) {
      Tensor kv = keysAndValues(qkv);
      kv.narrow(3, 1, size - 1L).copy_(kv.narrow(3, 0, 1));
    }
  }

  /**
   * The gradient of what is computed: of each group the sum over its heads.
   *
   * @param qkv {@code [N, 3·H·width]}, contiguous
   * @return {@code [N, (H + 2·G)·width]}, contiguous
   */
  Tensor sums(Tensor qkv) {
    return none() ? qkv : joined(qkv, keysAndValues(qkv).sum(new long[] {3}, false, null));
  }

  /**
   * The columns of what is computed.
   *
   * @param weight {@code [D, 3·H·width]}
   * @return {@code [D, (H + 2·G)·width]}
   */
  Tensor columns(Tensor weight) {
    return none() ? weight : joined(weight, keysAndValues(weight).select(3, 0));
  }

  /** {@code [N, 2, G, size, width]}. */
  private Tensor keysAndValues(Tensor qkv) {
    long heads = (long) size * groups;
    return qkv.narrow(1, heads * width, 2 * heads * width)
        .unflatten(1, new long[] {2, groups, size, width});
  }

  private Tensor joined(Tensor qkv, Tensor keysAndValues) {
    Tensor queries = qkv.narrow(1, 0, (long) size * groups * width);
    return torch.cat(new TensorVector(queries, keysAndValues.flatten(1, 3)), 1);
  }
}
