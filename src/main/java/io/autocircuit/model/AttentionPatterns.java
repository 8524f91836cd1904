package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Products;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
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
   * @return {@code [blocks, B, heads, T, T]}, queries before keys, each row of sum 1 (of a padded
   *     query, which sees nothing, 0); in the current scope
   */
  public static Tensor of(Transformer model, TokenBatch tokens) {
    TransformerConfig config = model.config();
    try (TensorScope scope = new TensorScope()) {
      PromptContext context = model.context(tokens);
      long n = context.rows();
      long width = (long) config.heads() * config.dHead();
      Tensor stream = model.embed(tokens).view(n, config.dModel()).clone();
      Tensor qkv = model.placement().empty(n, 3 * width);
      Tensor z = model.placement().empty(n, width);
      List<Tensor> patterns = new ArrayList<>();
      Tensor before = null;
      PlainRun plain = new PlainRun(model, model.stages(), (block, encoded) -> {});
      for (Stage stage : model.stages()) {
        Tensor read = before == null ? stream : before;
        before = stage.streamReadAgain() ? stream.clone() : null;
        switch (stage.kind()) {
          case ATTENTION -> {
            model.projectQkv(stage, model.read(stage, read), qkv, 0, stage.parts());
            AttentionStep step = model.attentionStep(stage);
            Tensor prepared = step.prepare(qkv);
            Kernels.AttentionPattern how = step.pattern(context);
            patterns.add(pattern(prepared, context, how));
            LibtorchAttention.forward(new Kernels.Attention(prepared, context.batchSize(), how, z));
            step.scale(z);
            stream =
                Products.addmm(stream, z, model.attentionOutput(stage))
                    .add_(model.attentionOutputBias(stage));
          }
          case MLP -> {
            Tensor out = model.placement().empty(n, config.dModel());
            model.mlp(stage, model.read(stage, read), out);
            stream = stream.add(plain.reconstructed(stage, out));
          }
          case EMBEDDING, LATENTS, RESIDUAL, END -> {
            // the first is done, the last is not needed
          }
        }
      }
      return scope.keep(torch.stack(new TensorVector(patterns.toArray(new Tensor[0]))));
    }
  }

  /** Of queries and keys of one block, {@code [B,heads,T,T]}. */
  private static Tensor pattern(Tensor qkv, PromptContext context, Kernels.AttentionPattern how) {
    Tensor split = qkv.view(context.batchSize(), context.length(), 3, how.heads(), how.width());
    Tensor q = LibtorchAttention.rotate(split.select(2, 0).transpose(1, 2), how.rotation(), false);
    Tensor k = LibtorchAttention.rotate(split.select(2, 1).transpose(1, 2), how.rotation(), false);
    Tensor scores = torch.matmul(q, k.transpose(2, 3)).mul(new Scalar(how.scale()));
    if (how.cap() > 0) {
      scores = scores.div(new Scalar(how.cap())).tanh().mul(new Scalar(how.cap()));
    }
    if (how.mask() != null) {
      scores = scores.add(how.mask());
    }
    return torch.nan_to_num(torch.softmax(scores, -1));
  }
}
