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
            public void attention(Tensor prepared, Kernels.AttentionPattern how) {
              all.select(0, block++).copy_(pattern(prepared, tokens, how));
            }
          };
      new PlainRun(model, model.stages(), listener).logits(tokens, OutputSlice.LAST_SEQ);
      return scope.keep(all);
    }
  }

  /** Of queries and keys of one block, {@code [B,heads,T,T]}. */
  private static Tensor pattern(Tensor qkv, TokenBatch tokens, Kernels.AttentionPattern how) {
    Tensor split = qkv.view(tokens.batchSize(), tokens.length(), 3, how.heads(), how.width());
    Tensor q = LibtorchAttention.rotate(split.select(2, 0).transpose(1, 2), how.rotation(), false);
    Tensor k = LibtorchAttention.rotate(split.select(2, 1).transpose(1, 2), how.rotation(), false);
    Tensor scores = torch.matmul(q, k.transpose(2, 3)).mul(new Scalar(how.scale()));
    if (how.cap() > 0) {
      scores = scores.div(new Scalar(how.cap())).tanh().mul(new Scalar(how.cap()));
    }
    if (how.mask() != null) {
      scores = scores.add(how.mask());
    }
    return torch.softmax(scores, -1);
  }
}
