package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Which positions each head looks at in the plain forward pass. */
public final class AttentionPatterns {
  private AttentionPatterns() {}

  /**
   * Runs the model, unpatched, and records the attention of every head: the softmax of scaled and
   * masked products of queries and keys.
   *
   * @param model any transformer
   * @param tokens B prompts
   * @return {@code [blocks, B, heads, T, T]}, queries before keys, each row of sum 1 (a pad sees
   *     itself); in the current scope
   */
  public static Tensor of(Transformer model, TokenBatch tokens) {
    TransformerConfig config = model.config();
    long t = tokens.length();
    try (TensorScope scope = new TensorScope()) {
      Tensor all =
          model.placement().empty(config.blocks(), tokens.batchSize(), config.heads(), t, t);
      PlainRun.Listener listener =
          new PlainRun.Listener() {
            private int block;

            @Override
            public void attention(Tensor read, Tensor prepared, Kernels.AttentionPattern how) {
              all.select(0, block++).copy_(pattern(prepared, tokens, how));
            }
          };
      new PlainRun(model, model.stages(), listener).logits(tokens, OutputSlice.LAST_SEQ);
      return scope.keep(all);
    }
  }

  /**
   * What attention reads, and makes of it.
   *
   * @param inputs the stream that each block's attention reads, before its normalisation, {@code
   *     [blocks, B·T, D]}
   * @param prepared queries, keys and values of all heads as the scores take them, before their
   *     rotation, {@code [blocks, B·T, 3·H·dHead]}
   */
  public record Recorded(Tensor inputs, Tensor prepared) {}

  /**
   * Runs the model, unpatched, and records what every block's attention reads.
   *
   * @param model any transformer
   * @param tokens B prompts
   * @return tensors in the current scope
   */
  public static Recorded recorded(Transformer model, TokenBatch tokens) {
    TransformerConfig config = model.config();
    long n = (long) tokens.batchSize() * tokens.length();
    try (TensorScope scope = new TensorScope()) {
      Tensor inputs = model.placement().empty(config.blocks(), n, config.dModel());
      Tensor all =
          model.placement().empty(config.blocks(), n, 3L * config.heads() * config.dHead());
      PlainRun.Listener listener =
          new PlainRun.Listener() {
            private int block;

            @Override
            public void attention(Tensor read, Tensor prepared, Kernels.AttentionPattern how) {
              inputs.select(0, block).copy_(read);
              all.select(0, block++).copy_(prepared);
            }
          };
      new PlainRun(model, model.stages(), listener).logits(tokens, OutputSlice.LAST_SEQ);
      return new Recorded(scope.keep(inputs), scope.keep(all));
    }
  }

  /**
   * Which positions one query of one head looks at.
   *
   * @param prepared of one prompt and one block, {@code [T, 3·H·dHead]}
   * @param how positions attend to each other in that block
   * @param head from 0
   * @param query a position
   * @return the share of each key, {@code [T]}, of sum 1; in the current scope
   */
  public static Tensor row(Tensor prepared, Kernels.AttentionPattern how, int head, int query) {
    Tensor split = prepared.view(1, -1, 3, how.heads(), how.width());
    Tensor one = split.narrow(3, head, 1).transpose(1, 3); // [1,1,3,T,W]
    Kernels.Rotation rotation = how.rotation();
    Kernels.Rotation own =
        rotation == null
            ? null
            : new Kernels.Rotation(
                rotation.cosines().narrow(2, query, 1),
                rotation.sines().narrow(2, query, 1),
                rotation.adjacentPairs());
    Tensor q = LibtorchAttention.rotate(one.select(2, 0).narrow(2, query, 1), own, false);
    Tensor k = LibtorchAttention.rotate(one.select(2, 1), rotation, false);
    Tensor mask = how.mask();
    if (mask != null) {
      mask = mask.narrow(1, mask.size(1) == 1 ? 0 : head, 1).narrow(2, query, 1);
    }
    return shares(q, k, how, mask).flatten();
  }

  /** Of queries and keys of one block, {@code [B,heads,T,T]}. */
  private static Tensor pattern(Tensor qkv, TokenBatch tokens, Kernels.AttentionPattern how) {
    Tensor split = qkv.view(tokens.batchSize(), tokens.length(), 3, how.heads(), how.width());
    Tensor q = LibtorchAttention.rotate(split.select(2, 0).transpose(1, 2), how.rotation(), false);
    Tensor k = LibtorchAttention.rotate(split.select(2, 1).transpose(1, 2), how.rotation(), false);
    return shares(q, k, how, how.mask());
  }

  private static Tensor shares(Tensor q, Tensor k, Kernels.AttentionPattern how, Tensor mask) {
    Tensor scores = torch.matmul(q, k.transpose(2, 3)).mul(new Scalar(how.scale()));
    if (how.cap() > 0) {
      scores = scores.div(new Scalar(how.cap())).tanh().mul(new Scalar(how.cap()));
    }
    if (mask != null) {
      scores = scores.add(mask);
    }
    return torch.softmax(scores, -1);
  }
}
