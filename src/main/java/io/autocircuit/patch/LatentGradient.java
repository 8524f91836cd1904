package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.Affine;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The gradient of a {@link LatentRun} with respect to its masks. The kernels see the sum over
 * latents that a destination r reads as a source with mask 1, so the gradient g_r of its patched
 * input comes out as that source's. Of a latent k with {@code Δ_k = (p_k − f_k) decode[k]} then
 *
 * <pre>
 * ∂L/∂m[r,k] = Σ_{b,t} (p_k − f_k) ⟨g_r, decode[k]⟩
 * ∂L/∂f_k    = −Σ_r m[r,k] ⟨g_r, decode[k]⟩ + what comes through the stream
 * </pre>
 */
final class LatentGradient {
  private final RunInputs in;
  private final LatentRun run;
  private final BackwardRules rules;
  private final PatchMask masks;
  private final Transformer model;
  private final Placement place;
  private final ComputationGraph graph;
  private final SourceRows sources;
  private final Kernels kernels;
  private final int batch;
  private final int length;
  private final int rows;
  private final int d;
  private final int lead;
  private final DenseRun.Kept[] kept;
  private final int firstBlock;
  private final MaskGradients out;

  /** ∂L/∂stream, behind the stage that comes next. */
  private final Tensor stream;

  /**
   * ∂L/∂Δ through the masks, {@code [lead + S,B,T,D]}: first of what destinations sum of latents.
   */
  private final Tensor delta;

  /** ∂L/∂f of active latents through the masks, {@code [B,T − first,A]}, by block. */
  private final Tensor[] activations;

  /**
   * Prepares the backward pass of the last run.
   *
   * @param way what its stages kept, and how far to go
   * @param out receives the gradients
   */
  LatentGradient(RunInputs in, LatentRun run, MaskedRun.Way way, MaskGradients out) {
    this.in = in;
    this.run = run;
    this.rules = way.rules();
    this.masks = way.mask();
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    this.sources = run.sources();
    this.kernels = in.patchable.kernels();
    this.batch = in.batch();
    this.length = in.length();
    this.rows = in.rows();
    this.d = in.width();
    this.lead = run.lead();
    this.kept = way.kept();
    this.firstBlock = way.firstBlock();
    this.out = out;
    stream = place.zeros(batch, length, d);
    delta = place.zeros(lead + sources.dense(), batch, length, d);
    activations = new Tensor[graph.blocks()];
    for (BlockLatents l : run.read(graph.end())) {
      activations[l.stage.block()] = place.zeros(l.delta.shape());
    }
  }

  /**
   * Goes back from the end of the stream.
   *
   * @param unembedded ∂L/∂ what is unembedded, {@code [B,P,D]}
   */
  void from(Tensor unembedded) {
    try (TensorScope scope = new TensorScope()) {
      Stage end = graph.end();
      int first = in.firstSliced();
      input(
          end,
          first,
          model.affine(end).backward(unembedded).view(1, batch, length - first, d).contiguous());
    }
    Tensor mixed = place.empty(rows, (long) model.config().heads() * model.config().dHead());
    for (int b = graph.blocks() - 1; b >= firstBlock; b--) {
      try (TensorScope scope = new TensorScope()) {
        List<Stage> stages = graph.stages(b);
        int first = in.firstRead(stages.get(0));
        // what stages of one layer write is added to one stream: its gradient is the same for both
        Tensor written = stages.get(0).streamReadAgain() ? stream.clone() : stream;
        for (int i = stages.size() - 1; i >= 0; i--) {
          Stage stage = stages.get(i);
          if (stage.kind() == Stage.Kind.ATTENTION) {
            attention(stage, first, written, mixed);
          } else {
            mlp(stage, first);
          }
        }
      }
    }
  }

  /** What lies behind a position along an axis of positions. */
  private static Tensor behind(Tensor t, int axis, int first) {
    return first == 0 ? t : t.narrow(axis, first, t.size(axis) - first);
  }

  /** ∂L/∂Δ of a source that is no latent, {@code [B,T,D]}. */
  private Tensor delta(int source) {
    return delta.select(0, (long) lead + sources.row(source));
  }

  private void mlp(Stage stage, int first) {
    int positions = length - first;
    Tensor written = behind(stream, 1, first);
    Tensor output =
        stage.kind() == Stage.Kind.LATENTS
            ? encoded(stage, written, first)
            : written.sub(behind(delta(stage.firstWritten()), 1, first)).reshape(-1, d);
    Tensor g = place.empty(1, batch, positions, d);
    rules.mlp(model, stage, kept[stage.index()].mlp(), output, g.view(-1, d));
    input(stage, first, model.affine(stage).backward(g));
  }

  /**
   * The gradient of an MLP's output from those of what its autoencoder makes of it.
   *
   * @param written ∂L/∂stream, {@code [B,T − first,D]}
   * @return {@code [B·(T − first),D]}
   */
  private Tensor encoded(Stage stage, Tensor written, int first) {
    Autoencoder autoencoder = model.autoencoders().block(stage.block());
    BlockLatents l = run.latents(stage);
    Tensor base = written.reshape(-1, d);
    Tensor rest = null;
    int error = SourceRows.latents(stage);
    if (error < stage.written()) {
      // the stream has the whole output; what is left over is the output less the reconstruction
      rest = written.sub(behind(delta(stage.firstWritten() + error), 1, first)).reshape(-1, d);
      base = base.sub(rest);
    }
    Tensor f = Products.mm(base, l.decode.t());
    f.add_(activations[stage.block()].view(-1, l.size()));
    Tensor g = autoencoder.backward(kept[stage.index()].encoded(), l.all(f), base);
    return rest == null ? g : g.add_(rest);
  }

  private void attention(Stage stage, int first, Tensor written, Tensor mixed) {
    int dHead = model.config().dHead();
    mixed(stage, first, written, mixed);
    Tensor qkv = place.empty(rows, (long) stage.parts() * dHead);
    DenseRun.Kept k = kept[stage.index()];
    AttentionStep step = model.attentionStep(stage);
    rules.attentionOutput(step, k.mixed(), mixed);
    rules.attention(
        kernels,
        stage,
        new Kernels.AttentionBackward(step.prepare(k.qkv()), batch, in.pattern(stage), mixed, qkv));
    rules.projections(step, k.qkv(), qkv);
    SharedParts shared = SharedParts.of(stage, dHead);
    Tensor parts = shared.sums(qkv);
    Affine affine = model.affine(stage);
    int count = stage.rows();
    Tensor mask = LatentMasks.withSums(k.rows().ofEveryRow(), sources, stage, place);
    Tensor maskGradient = maskGradient(mask, length);
    Tensor gradients = gradients(stage, count, 0, length);
    rules.attentionInputs(
        kernels,
        stage,
        new Kernels.PatchProjectBackward(
            parts.view(batch, length, parts.size(1)),
            count,
            shared.columns(model.qkvWeight(stage)),
            affine.weight(),
            dHead,
            stage.rowOfDistinctParts(),
            k.rows().spread(k.inputs()),
            k.rows().spread(k.rstd()),
            run.deltas(stage, count, 0, length),
            mask,
            model.normalization(stage),
            null,
            maskGradient,
            stream,
            gradients));
    collect(stage, k.rows().ofEveryRow(), maskGradient, 0, length);
  }

  /**
   * The gradient of the mixed values of all heads.
   *
   * @param first the first position whose output is read; before it the gradient is zero
   * @param mixed written, {@code [B·T, H·dHead]}
   */
  private void mixed(Stage stage, int first, Tensor written, Tensor mixed) {
    int dHead = model.config().dHead();
    int few = batch * (length - first);
    Tensor flat = behind(written, 1, first).reshape(few, d);
    Tensor some = first == 0 ? mixed : mixed.narrow(0, 0, few);
    for (int h = 0; h < stage.written(); h++) {
      Tensor through = behind(delta(stage.firstWritten() + h), 1, first).reshape(few, d);
      Products.mmOut(
          some.narrow(1, (long) h * dHead, dHead),
          flat.sub(through),
          model.headOutput(stage, h).t());
    }
    if (first > 0) {
      Tensor copy = some.clone();
      mixed.zero_();
      behind(mixed.view(batch, length, mixed.size(1)), 1, first)
          .copy_(copy.view(batch, length - first, mixed.size(1)));
    }
  }

  /**
   * Mask gradients of a stage with one input, and the gradient of the stream that it reads.
   *
   * @param gradient ∂L/∂ its normalised input, {@code [1,B,T − first,D]}; overwritten
   */
  private void input(Stage stage, int first, Tensor gradient) {
    int positions = length - first;
    DenseRun.Kept k = kept[stage.index()];
    Tensor mask = LatentMasks.withSums(k.rows().mask(), sources, stage, place);
    Tensor maskGradient = maskGradient(mask, positions);
    rules.input(
        kernels,
        stage,
        new Kernels.PatchBackward(
            gradient.contiguous(),
            k.inputs(),
            k.rstd(),
            run.deltas(stage, 1, first, positions),
            mask,
            model.normalization(stage),
            maskGradient,
            stream.narrow(1, first, positions),
            gradients(stage, 1, first, positions)));
    collect(stage, k.rows().mask(), maskGradient, first, positions);
  }

  /** Room for the gradient of a mask. */
  private Tensor maskGradient(Tensor mask, int positions) {
    long instances = in.places.rows(masks.instances());
    long t = graph.positions() == 0 ? 1 : positions;
    return place.empty(instances, t, mask.size(2), mask.size(3));
  }

  /** ∂L/∂ of what a stage reads, {@code [count + S,B,positions,D]}; that of sums over latents 0. */
  private Tensor gradients(Stage stage, int count, int first, int positions) {
    long end = sources.denseBelow(stage.sources());
    delta.narrow(0, (long) lead - count, count).zero_();
    return delta.narrow(0, (long) lead - count, count + end).narrow(2, first, positions);
  }

  /**
   * Puts together the mask gradients of a stage: those of sources that are no latents, and those of
   * latents, which follow from the gradients of the stage's patched inputs.
   *
   * @param mask of every row and source
   * @param dense {@code [1 or B, 1 or T, rows, rows + S]}
   */
  private void collect(Stage stage, Tensor mask, Tensor dense, int first, int positions) {
    int count = stage.rows();
    Tensor all = out.add(stage.reads(), 0, stage.sources(), first, positions);
    List<BlockLatents> read = run.read(stage);
    int[] which = sources.denseSources(stage.sources());
    for (int i = 0; i < which.length; ) {
      int from = i++;
      while (i < which.length && which[i] == which[i - 1] + 1) {
        i++;
      }
      all.narrow(3, which[from], i - from).copy_(dense.narrow(3, (long) count + from, i - from));
    }
    for (int r = 0; r < count; r++) {
      Tensor g = delta.select(0, (long) lead - count + r).narrow(1, first, positions);
      for (BlockLatents l : read) {
        try (TensorScope scope = new TensorScope()) {
          latents(stage, r, l, g.reshape(-1, d), mask.select(2, r), all.select(2, r), first);
        }
      }
    }
  }

  /**
   * The latents of one block that one destination reads.
   *
   * @param g ∂L/∂ the destination's patched input, {@code [B·positions,D]}
   * @param mask of all sources, {@code [1 or B, 1 or T, sources]}
   * @param all receives the mask gradients, {@code [1 or B, 1 or T, sources]}
   */
  private void latents(
      Stage stage, int row, BlockLatents l, Tensor g, Tensor mask, Tensor all, int first) {
    long positions = g.size(0) / batch;
    Tensor along = Products.mm(g, l.decode.t()).view(batch, positions, l.size());
    Tensor product = along.mul(l.delta.narrow(1, (long) first - l.first, positions));
    if (all.size(1) == 1 && positions > 1) {
      product = product.sum(new long[] {1}, true, null);
    }
    if (all.size(0) == 1 && batch > 1) {
      product = product.sum(new long[] {0}, true, null);
    }
    all.narrow(2, l.stage.firstWritten(), l.total).copy_(l.all(product));
    float[] values = LatentMasks.values(masks, stage, row, l.stage, l.total);
    if (!LatentMasks.zero(values)) {
      Tensor m = l.some(mask.narrow(2, l.stage.firstWritten(), l.total));
      activations[l.stage.block()].narrow(1, (long) first - l.first, positions).sub_(along.mul(m));
    }
  }
}
