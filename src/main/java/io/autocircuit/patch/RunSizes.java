package io.autocircuit.patch;

import io.autocircuit.graph.KeyValues;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Features.AttentionKind;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.TransformerConfig.Alibi;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Device;
import java.util.function.ToLongFunction;
import org.bytedeco.pytorch.global.torch;

/**
 * How many numbers the runs of one prompt take, added up over the stages of the graph; {@link
 * MemoryEstimate} has the formula.
 *
 * @param length number of positions T
 * @param outputs rows of a tensor of all sources' outputs
 */
record RunSizes(PatchableModel patchable, int length, int outputs) {

  /** Numbers, for each logit, that a loss with its gradient or a metric makes on its way. */
  private static final int LOSS_COPIES = 12;

  RunSizes(PatchableModel patchable, int length) {
    this(patchable, length, patchable.sourceRows().count());
  }

  private Transformer model() {
    return patchable.model();
  }

  private TransformerConfig config() {
    return patchable.model().config();
  }

  /** An MLP is one, with an autoencoder too. */
  private static Stage.Kind like(Stage stage) {
    return stage.kind() == Stage.Kind.LATENTS ? Stage.Kind.MLP : stage.kind();
  }

  /** The largest over the stages of a kind; 0 without any. */
  private long largest(Stage.Kind kind, ToLongFunction<Stage> size) {
    return patchable.graph().stages().stream()
        .filter(s -> like(s) == kind)
        .mapToLong(size)
        .max()
        .orElse(0);
  }

  /** The sum over the stages of a kind. */
  private long sum(Stage.Kind kind, ToLongFunction<Stage> size) {
    return patchable.graph().stages().stream().filter(s -> like(s) == kind).mapToLong(size).sum();
  }

  int edges() {
    return patchable.graph().edgeCount();
  }

  /** The masks of all edges, spread over a prompt's positions; 0 unless positions are spans. */
  long spread() {
    return patchable.graph().spans().isEmpty()
        ? 0
        : (long) length * (edges() / patchable.graph().positionCopies());
  }

  /** The same of a block's inputs. */
  long spreadBlock() {
    return spread() == 0
        ? 0
        : length * largest(Stage.Kind.ATTENTION, s -> (long) (s.rows() + 1) * s.sources());
  }

  /** The stream before each block and at the end. */
  long streams() {
    return (patchable.graph().blocks() + 1) * stream();
  }

  /** What stages read when all is ablated; those of one layer read the same. */
  long bases() {
    long distinct =
        patchable.graph().stages().stream()
            .mapToInt(Stage::layer)
            .filter(l -> l > 0)
            .distinct()
            .count();
    return distinct * stream();
  }

  /** The sums of the stream that circuits hold beside the outputs of all sources. */
  long sums() {
    return sum(Stage.Kind.RESIDUAL, s -> stream());
  }

  /** Inputs of a stage of attention; without destinations it reads the stream. */
  private static long inputs(Stage stage) {
    return Math.max(1, stage.rows());
  }

  /** Queries, keys and values of all stages. */
  long parts() {
    return sum(Stage.Kind.ATTENTION, this::parts);
  }

  private long parts(Stage stage) {
    return (long) length * stage.parts() * config().dHead();
  }

  /** Attention inputs of a block. */
  long inputs() {
    return largest(Stage.Kind.ATTENTION, RunSizes::inputs);
  }

  long stream() {
    return (long) length * config().dModel();
  }

  /** Outputs of every source, or their Δ. */
  long delta() {
    return outputs * stream();
  }

  /** Whether some sources are latents. */
  boolean latent() {
    return patchable.graph().latents() != null;
  }

  /** The sums over latents of a stage's destinations, beside Δ. */
  long latentSums() {
    return latent()
        ? stream() * patchable.graph().stages().stream().mapToLong(Stage::rows).max().orElse(0)
        : 0;
  }

  /** Activations of all latents. */
  long activations() {
    return latent() ? (long) length * patchable.graph().latents().total() : 0;
  }

  /** What an autoencoder makes on its way: latents in several forms, and reconstructions. */
  long encoding() {
    return largest(
        Stage.Kind.MLP,
        s -> s.kind() == Stage.Kind.LATENTS ? 6L * length * s.written() + 6 * stream() : 0);
  }

  /** What active latents write, copied, whatever the number of prompts. */
  long decoders() {
    return latent() ? (long) patchable.graph().latents().total() * config().dModel() : 0;
  }

  /** The mixed values of a block. */
  long width() {
    return largest(Stage.Kind.ATTENTION, s -> (long) length * s.written() * config().dHead());
  }

  private int positions() {
    return length - patchable.slice().first(length);
  }

  long logits() {
    return (long) positions() * config().outputs();
  }

  /** The most coordinates of a head that some block rotates. */
  private int rotated() {
    return config().attentionKinds().stream()
        .mapToInt(k -> k.positions() instanceof Rotary r ? r.dimensions() : 0)
        .max()
        .orElse(0);
  }

  /** What the tokens fix for every block: masks and rotations of each kind of attention. */
  long context() {
    long masks = 0;
    for (AttentionKind kind : config().attentionKinds()) {
      long heads = kind.positions() instanceof Alibi ? 2L * config().heads() : 1;
      masks += heads * length * length + 2L * length * rotated();
    }
    return masks;
  }

  /** Whether attention is computed in libtorch's operations on every device. */
  private boolean scoresAreWritten() {
    return config().features().scoreCap() > 0
        || config().attentionKinds().stream().anyMatch(k -> k.positions() instanceof Alibi);
  }

  /** Copies of queries, keys and values before the scores, and of what is scaled after them. */
  private long prepared() {
    long before = config().features().preparesAttention() ? 3L * 4 * width() : 0;
    return before + (normalizesOutputs() ? 4 * width() + 4 * stream() : 0);
  }

  private boolean normalizesOutputs() {
    return config().features().outputNormalization().kind() != Normalization.Kind.NONE;
  }

  /** What a stage keeps of an output before its normalisation. */
  private long unscaled() {
    return normalizesOutputs() ? Math.max(width(), stream()) : 0;
  }

  private long pattern() {
    return largest(Stage.Kind.ATTENTION, s -> (long) s.written() * length * length);
  }

  /** Copies that the rotation of queries and keys makes. */
  private long rotation() {
    if (rotated() == 0) {
      return 0;
    }
    long lead = largest(Stage.Kind.ATTENTION, s -> (long) length * s.written() * rotated());
    return 2 * (6 * lead + (rotated() < config().dHead() ? width() : 0));
  }

  /** Copies of what stages of a kind read, by scale and shift. */
  private long affine(Stage.Kind kind) {
    return largest(kind, s -> model().affine(s).copies());
  }

  /** Copies of a block's attention inputs, by scale and shift. */
  long scaledInputs() {
    return affine(Stage.Kind.ATTENTION) * inputs() * stream();
  }

  /** Scores, pattern, mixed values, rotations. */
  private long attention() {
    long scores = config().features().scoreCap() > 0 ? 3 : 2;
    return scores * pattern() + width() + rotation() + prepared();
  }

  /** Contiguous copies inside libtorch's batched products. */
  private long products() {
    return 3 * width();
  }

  private long mlp() {
    return largest(
        Stage.Kind.MLP,
        s ->
            (long) length * config().dMlp() * (config().gatedMlp() ? 3 : 2)
                + (1L + affine(Stage.Kind.MLP)) * stream());
  }

  /** What an MLP keeps for its gradient. */
  private long hidden() {
    return (long) length * config().dMlp() * (config().gatedMlp() ? 2 : 1);
  }

  /** What is kept for a stage that reads the stream as it was before the last. */
  private long streamsReadAgain() {
    return largest(Stage.Kind.ATTENTION, s -> s.streamReadAgain() ? 2 * stream() : 0);
  }

  /** The end of the stream, its logits, and what is made of them. */
  private long end() {
    return 4L * positions() * config().dModel() + LOSS_COPIES * logits();
  }

  /** A run that records every source's output. */
  long sources() {
    return delta()
        + context()
        + (5L + affine(Stage.Kind.ATTENTION)) * stream()
        + 4 * width()
        + attention()
        + products()
        + streamsReadAgain()
        + 2 * stream()
        + mlp();
  }

  /** A circuit on its way. */
  long circuit() {
    long read = inputs() * stream() + scaledInputs() + 4 * width();
    return Math.max(read + attention() + products() + mlp() + 2 * stream(), end());
  }

  /** A run with any mask on its way. */
  long masks() {
    long block =
        scaledInputs() + attention() + products() + streamsReadAgain() + mlp() + 3 * stream();
    return 2 * stream() + Math.max(block, end());
  }

  /** Whether the kernels make the gradients of a block's inputs and its attention on their way. */
  private boolean fused() {
    return model().placement().device().equals(Device.CPU);
  }

  /** What libtorch's operations write for a block's gradients, where the kernels do not. */
  private long unfused() {
    return (inputs() * (affine(Stage.Kind.ATTENTION) > 0 ? 3L : 2L)) * stream()
        + 2 * pattern()
        + rotation()
        + products()
        + pattern();
  }

  /** What the fused kernels need beside their arguments, for some threads. */
  long gradientScratch() {
    long weights = 3L * config().dModel() * config().heads() * config().dHead();
    long shared = config().dModel() * sharedColumns();
    return fused()
        ? weights + shared + torch.get_num_threads() * 32L * (inputs() + 5) * config().dModel()
        : shared;
  }

  /** Columns of what is computed where groups of heads share keys and values; else 0. */
  private long sharedColumns() {
    boolean grouped = KeyValues.of(patchable.graph()) == KeyValues.GROUPED;
    return grouped
        ? largest(Stage.Kind.ATTENTION, s -> (long) s.distinctParts().length * config().dHead())
        : 0;
  }

  /**
   * A gradient: what all stages keep, and what one step forwards or back takes.
   *
   * @param uniform whether all edges have one mask value, so that each stage keeps one input
   * @param more what it takes beside the usual
   */
  long gradient(boolean uniform, MemoryEstimate.More more) {
    long kept =
        sum(
            Stage.Kind.ATTENTION,
            s -> {
              long rows = uniform ? 1 : inputs(s);
              return rows * stream() + rows * length + parts(s) + unscaled();
            });
    kept += sum(Stage.Kind.MLP, s -> stream() + length + hidden() + unscaled());
    long rows = uniform ? 1 : inputs();
    long forward =
        affine(Stage.Kind.ATTENTION) * rows * stream() + mlp() + streamsReadAgain() + 2 * stream();
    long back =
        6 * stream()
            + 9 * width()
            + (long) length * config().dMlp() * (config().gatedMlp() ? 5 : 2)
            + (fused()
                ? scoresAreWritten() || more.scores() ? 5 * pattern() + rotation() : 0
                : unfused())
            + (more.scores() ? 2 * pattern() : 0)
            + (more.neurons() ? largest(Stage.Kind.ATTENTION, s -> s.written() * stream()) : 0)
            + (config().features().scoreCap() > 0 ? 2 * pattern() : 0)
            + length * sharedColumns()
            + prepared();
    boolean throughDelta = !uniform && patchable.graph().factorized();
    long moving = Math.max(forward, products() + back + (throughDelta ? delta() : 0));
    return 2 * stream() + kept + end() + moving;
  }
}
