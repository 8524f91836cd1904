package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/** The outputs of all sources in an unpatched run. */
public final class SourceOutputs {
  private SourceOutputs() {}

  /**
   * Runs the model and records what every source writes into the residual stream.
   *
   * @return {@code [S,B,T,D]} by source index, in the current scope
   */
  public static Tensor of(PatchableModel patchable, TokenBatch tokens) {
    Transformer model = patchable.model();
    TransformerConfig c = model.config();
    Placement place = model.placement();
    try (TensorScope scope = new TensorScope()) {
      Transformer.Context context = model.context(tokens);
      Kernels.AttentionPattern pattern = model.attentionPattern(context);
      int n = context.rows();
      int d = c.dModel();
      int sources = patchable.graph().sources().size();
      long width = (long) c.heads() * c.dHead();
      Tensor all = place.empty(sources, n, d);
      Tensor x = model.embed(tokens).view(n, d).clone();
      all.select(0, 0).copy_(x);
      Tensor qkv = place.empty(n, 3 * width);
      Tensor z = place.empty(n, width);
      int[] heads = IntStream.range(0, c.heads()).toArray();
      int s = 1;
      for (int b = 0; b < c.blocks(); b++) {
        try (TensorScope inner = new TensorScope()) {
          Tensor read = model.attentionAffine(b).apply(Transformer.normalize(c.normalization(), x));
          Tensor parallelRead = c.parallel() ? x.clone() : null;
          model.projectQkv(b, read, qkv, 0, 3 * c.heads());
          patchable
              .kernels()
              .attention(new Kernels.Attention(qkv, context.batchSize(), pattern, z));
          long bs = context.batchSize();
          long t = context.length();
          patchable
              .kernels()
              .headOutputs(
                  new Kernels.HeadOutputs(
                      z.view(bs, t, width),
                      model.attentionOutput(b),
                      c.dHead(),
                      heads,
                      null,
                      all.narrow(0, s, c.heads()).view(c.heads(), bs, t, d),
                      x.view(bs, t, d)));
          s += c.heads();
          x.add_(model.attentionOutputBias(b));
          if (!c.attentionOnly()) {
            Tensor mlpRead = c.parallel() ? parallelRead : x;
            Tensor out = all.select(0, s++);
            model.mlp(
                b,
                model.mlpAffine(b).apply(Transformer.normalize(c.normalization(), mlpRead)),
                out);
            x.add_(out);
          }
        }
      }
      return scope.keep(all.view(sources, context.batchSize(), context.length(), d));
    }
  }
}
