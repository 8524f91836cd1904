package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * The plain forward pass.
 *
 * @param stages of the model's factorized graph, without latents
 * @param listener is told of attention and of the latents of every autoencoder
 */
record PlainRun(Transformer model, List<Stage> stages, Listener listener) {

  /** Is told what a plain run computes on its way; the tensors are freed when it returns. */
  interface Listener {
    /** Is told nothing. */
    Listener NONE = new Listener() {};

    /** The latents of a block's autoencoder. */
    default void latents(int block, Autoencoder.Encoded encoded) {}

    /**
     * The queries, keys and values of a block, as the scores take them.
     *
     * @param read the stream that the block's attention reads, {@code [N,D]}
     * @param prepared {@code [N, 3·H·dHead]}, before their rotation
     */
    default void attention(Tensor read, Tensor prepared, Kernels.AttentionPattern pattern) {}
  }

  /** {@code [B, positions, outputs]}, in the current scope. */
  Tensor logits(TokenBatch tokens, OutputSlice slice) {
    TransformerConfig config = model.config();
    Placement place = model.placement();
    try (TensorScope scope = new TensorScope()) {
      PromptContext context = model.context(tokens);
      int n = context.rows();
      long width = (long) config.heads() * config.dHead();
      Tensor stream = model.embed(tokens).view(n, config.dModel());
      Tensor qkv = place.empty(n, 3 * width);
      Tensor z = place.empty(n, width);
      Tensor out = place.empty(n, config.dModel());
      Tensor before = null;
      for (Stage stage : stages) {
        Tensor read = before == null ? stream : before;
        before = stage.streamReadAgain() ? stream : null;
        try (TensorScope inner = new TensorScope()) {
          switch (stage.kind()) {
            case ATTENTION -> {
              model.projectQkv(stage, model.read(stage, read), qkv, 0, stage.parts());
              AttentionStep step = model.attentionStep(stage);
              Tensor prepared = step.prepare(qkv);
              Kernels.AttentionPattern pattern = step.pattern(context);
              listener.attention(read, prepared, pattern);
              LibtorchAttention.forward(
                  new Kernels.Attention(prepared, context.batchSize(), pattern, z));
              step.scale(z);
              stream =
                  inner.keep(
                      Products.addmm(stream, z, model.attentionOutput(stage))
                          .add_(model.attentionOutputBias(stage)));
            }
            case MLP -> {
              model.mlp(stage, model.read(stage, read), out);
              stream.add_(reconstructed(stage, out));
            }
            case EMBEDDING, LATENTS, RESIDUAL, END -> {
              // the first is done, the last follows, a sum is the stream
            }
          }
        }
      }
      Stage end = stages.get(stages.size() - 1);
      Tensor sliced =
          slice.apply(stream.view(context.batchSize(), context.length(), config.dModel()));
      return scope.keep(model.unembed(model.read(end, sliced)));
    }
  }

  /** What takes the place of an MLP's output. */
  private Tensor reconstructed(Stage stage, Tensor output) {
    Autoencoders all = model.autoencoders();
    Autoencoder autoencoder = all == null ? null : all.block(stage.block());
    if (autoencoder == null) {
      return output;
    }
    Autoencoder.Encoded encoded = autoencoder.encode(output);
    listener.latents(stage.block(), encoded);
    return all.errorTerm() ? output : autoencoder.reconstruct(encoded);
  }

  /** See {@link Transformer#normalize}. */
  static Tensor normalize(Normalization norm, Tensor x) {
    return switch (norm.kind()) {
      case NONE -> x;
      case LAYER_NORM ->
          x.is_meta() // libtorch has no rule for its shape
              ? torch.empty_like(x)
              : torch.layer_norm(
                  x,
                  new long[] {x.size(-1)},
                  new TensorOptional(),
                  new TensorOptional(),
                  norm.epsilon(),
                  false);
      case RMS_NORM -> {
        Tensor mean = x.mul(x).mean(new long[] {-1}, true, null);
        yield x.mul(mean.add_(new Scalar(norm.epsilon())).rsqrt_());
      }
    };
  }
}
