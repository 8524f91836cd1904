package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.PromptContext;
import io.autocircuit.model.Transformer;
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
   * @param patchable the model and its graph
   * @param tokens the prompts
   * @return {@code [S,B,T,D]} by source index, in the current scope; with autoencoders by {@link
   *     SourceRows}
   */
  public static Tensor of(PatchableModel patchable, TokenBatch tokens) {
    return of(patchable, tokens, 0);
  }

  /**
   * As {@link #of(PatchableModel, TokenBatch)}, but of the last block from a position on.
   *
   * @param from the first position at which its outputs are recorded; before it they are whatever
   *     lay there
   */
  static Tensor of(PatchableModel patchable, TokenBatch tokens, int from) {
    Transformer model = patchable.model();
    ComputationGraph graph = patchable.graph();
    Placement place = model.placement();
    try (TensorScope scope = new TensorScope()) {
      PromptContext context = model.context(tokens);
      int n = context.rows();
      int d = model.config().dModel();
      long width = (long) model.config().heads() * model.config().dHead();
      SourceRows rows = patchable.sourceRows();
      Tensor all = place.empty(rows.count(), n, d);
      Tensor stream = model.embed(tokens).view(n, d).clone();
      Attention attention =
          new Attention(patchable, context, place.empty(n, 3 * width), place.empty(n, width));
      all.select(0, graph.stages().get(0).firstWritten()).copy_(stream);
      for (int b = 0; b < graph.blocks(); b++) {
        int first = b == graph.blocks() - 1 ? from : 0;
        try (TensorScope inner = new TensorScope()) {
          Tensor earlier = null;
          for (Stage stage : graph.stages(b)) {
            Tensor read = earlier == null ? stream : earlier;
            Tensor input = stage.kind() == Stage.Kind.RESIDUAL ? null : model.read(stage, read);
            if (stage.kind() == Stage.Kind.ATTENTION) {
              // what reads its outputs does so from there on
              stream = attention.behind(stream, first);
            }
            earlier = stage.streamReadAgain() ? stream.clone() : null;
            Tensor written = written(rows, stage, all);
            switch (stage.kind()) {
              case ATTENTION -> attention.run(stage, input, written, stream, first);
              case MLP -> {
                if (first == 0) {
                  Tensor out = written.select(0, 0);
                  model.mlp(stage, input, out);
                  stream.add_(out);
                } else {
                  // the last stage but the end: nothing records the stream behind it
                  Tensor out = place.empty(input.shape());
                  model.mlp(stage, input, out);
                  attention.write(written.select(0, 0), first, out);
                }
              }
              case LATENTS -> latents(patchable, context, rows, stage, input, all, stream, first);
              case RESIDUAL -> attention.write(written.select(0, 0), first, stream);
              case EMBEDDING, END ->
                  throw new IllegalStateException("stage " + stage.kind() + " is in no block");
            }
          }
        }
      }
      return scope.keep(all.view(rows.count(), context.batchSize(), context.length(), d));
    }
  }

  /** What a stage writes, of all that are written; null where that is latents alone. */
  private static Tensor written(SourceRows rows, Stage stage, Tensor all) {
    int latents = SourceRows.latents(stage);
    int count = stage.written() - latents;
    return count == 0 ? null : all.narrow(0, rows.row(stage.firstWritten() + latents), count);
  }

  /**
   * An MLP and its autoencoder.
   *
   * @param input {@code [B·(T − first),D]}
   * @param stream what they write is added
   */
  private static void latents(
      PatchableModel patchable,
      PromptContext context,
      SourceRows rows,
      Stage stage,
      Tensor input,
      Tensor all,
      Tensor stream,
      int first) {
    Transformer model = patchable.model();
    Autoencoder autoencoder = model.autoencoders().block(stage.block());
    Tensor out = Placement.of(input).empty(input.shape());
    model.mlp(stage, input, out);
    Autoencoder.Encoded encoded = autoencoder.encode(out);
    Tensor made = autoencoder.reconstruct(encoded);
    long b = context.batchSize();
    long t = context.length();
    rows.write(encoded.activations(), stage.block(), all.view(all.size(0), b, t, all.size(2)));
    Tensor error = written(rows, stage, all);
    if (error != null) {
      error
          .view(b, t, all.size(2))
          .narrow(1, first, t - first)
          .copy_(out.sub(made).view(b, t - first, all.size(2)));
    }
    if (first == 0) {
      stream.add_(error == null ? made : out);
    }
  }

  /**
   * The attention of a run.
   *
   * @param qkv working memory, {@code [B·T, 3·H·dHead]}
   * @param z working memory, {@code [B·T, H·dHead]}
   */
  private record Attention(PatchableModel patchable, PromptContext context, Tensor qkv, Tensor z) {

    /** Writes the rows of the positions from one on. */
    void write(Tensor rows, int first, Tensor values) {
      long b = context.batchSize();
      long t = context.length();
      long d = rows.size(1);
      rows.view(b, t, d).narrow(1, first, t - first).copy_(values.view(b, t - first, d));
    }

    /** Of {@code [B·T,D]} the rows of the positions from one on, {@code [B·(T − first),D]}. */
    Tensor behind(Tensor rows, int first) {
      if (first == 0) {
        return rows;
      }
      long t = context.length();
      return rows.view(context.batchSize(), t, rows.size(1))
          .narrow(1, first, t - first)
          .reshape(-1, rows.size(1))
          .contiguous();
    }

    /**
     * Runs a stage.
     *
     * @param written the outputs of its heads, {@code [H,B·T,D]}
     * @param stream accumulated, {@code [B·(T − first),D]}
     * @param first the first position whose outputs are recorded
     */
    void run(Stage stage, Tensor input, Tensor written, Tensor stream, int first) {
      Transformer model = patchable.model();
      long b = context.batchSize();
      long t = context.length();
      long positions = t - first;
      int heads = stage.written();
      model.projectQkv(stage, input, qkv, 0, stage.parts());
      AttentionStep step = model.attentionStep(stage);
      patchable
          .kernels()
          .attention(
              new Kernels.Attention(
                  step.prepare(qkv), context.batchSize(), step.pattern(context), z));
      step.scale(z);
      patchable
          .kernels()
          .headOutputs(
              new Kernels.HeadOutputs(
                  z.view(b, t, z.size(1)).narrow(1, first, positions),
                  model.attentionOutput(stage),
                  model.config().dHead(),
                  IntStream.range(0, heads).toArray(),
                  null,
                  written.view(heads, b, t, written.size(2)).narrow(2, first, positions),
                  stream.view(b, positions, stream.size(1))));
      stream.add_(model.attentionOutputBias(stage));
    }
  }
}
