package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.Unembedding;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Runs along an unfactorized graph with any mask: at a sum of the stream {@code stream += Σ_s m_s
 * (p_s − c_s)} over the sources of its window, and what follows reads that. Attention and MLPs read
 * the stream as it is.
 *
 * <p>Every source is read by one sum, so a run costs the plain forward and one pass over what its
 * sources write. Where all of a sum's sources are ablated, it is the sum of their values p and of
 * biases, with no rounding of what they wrote: zeros stay zeros, which a normalisation would blow
 * up.
 */
final class ResidualRun implements MaskedRun {
  private final RunInputs in;
  private final Transformer model;
  private final Placement place;
  private final ComputationGraph graph;
  private final Kernels kernels;
  private final int batch;
  private final int length;
  private final int rows;
  private final int d;
  private final List<Tensor> owned = new ArrayList<>();

  /** Δ of every source, {@code [S,B,T,D]}; null until it is needed. */
  private Tensor delta;

  /** Whether runs leave Δ as it is. */
  private boolean frozen;

  private Tensor qkv;
  private Tensor z;
  private Tensor mlpOut;
  private Tensor input;

  /** What the sum that comes next is where all of its sources are ablated, {@code [B,T,D]}. */
  private Tensor base;

  /** Where that is so, by stage: {@code [1 or B][1 or T]} row-major; null for nowhere. */
  private float[][] full;

  ResidualRun(RunInputs in) {
    this.in = in;
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    this.kernels = in.patchable.kernels();
    this.batch = in.batch();
    this.length = in.length();
    this.rows = in.rows();
    this.d = in.width();
  }

  private Tensor own(Tensor t) {
    t.retainReference();
    owned.add(t);
    return t;
  }

  /** The working memory, made when first needed. */
  private void prepare() {
    if (delta != null) {
      return;
    }
    try (TensorScope scope = new TensorScope()) {
      delta = own(in.once ? in.ablations : place.empty(graph.sources().size(), batch, length, d));
      long width = (long) model.config().heads() * model.config().dHead();
      qkv = own(place.empty(rows, 3 * width));
      z = own(place.empty(rows, width));
      mlpOut = own(place.empty(rows, d));
      input = own(place.empty(1, batch, length, d));
    }
  }

  /** Δ of some sources in the last run from a position on, {@code [count,B,T − first,D]}. */
  Tensor delta(int firstSource, int count, int first) {
    return delta.narrow(0, firstSource, count).narrow(2, first, length - first);
  }

  /** Which sources' Δ a mask reads: those of every sum at which it ablates something. */
  private boolean[] read(PatchMask mask) {
    boolean[] some = mask.sourcesRead();
    boolean[] read = new boolean[some.length];
    for (Stage stage : graph.stages()) {
      int first = stage.firstSource();
      int end = first + stage.sources();
      boolean any = IntStream.range(first, end).anyMatch(s -> some[s]);
      IntStream.range(first, end).forEach(s -> read[s] = any);
    }
    return read;
  }

  /** Finds where all sources of a sum are ablated. */
  private void prepareFull(PatchMask mask) {
    full = new float[graph.stages().size()][];
    int instances = Math.max(1, mask.instances());
    int copies = graph.positionCopies();
    for (Stage stage : graph.stages()) {
      float[] rows = new float[instances * copies];
      boolean any = false;
      for (int i = 0; i < rows.length && stage.sources() > 0; i++) {
        int at =
            i / copies * graph.edgeCount()
                + graph.index(stage.module(0), 0, stage.firstSource(), i % copies);
        boolean all = true;
        for (int s = 0; s < stage.sources(); s++) {
          all &= mask.values()[at + s * copies] == 1;
        }
        rows[i] = all ? 1 : 0;
        any |= all;
      }
      full[stage.index()] = any ? rows : null;
    }
    if (base == null && Arrays.stream(full).anyMatch(f -> f != null)) {
      try (TensorScope scope = new TensorScope()) {
        base = own(place.empty(batch, length, d));
      }
    }
  }

  /** Adds the values of what a stage writes, before its Δ may take their place. */
  private void addBase(Stage stage, int first) {
    if (full[Sums.behind(graph, stage).index()] == null) {
      return;
    }
    Tensor to = base.narrow(1, first, length - first);
    Tensor p = ablations(stage.firstWritten(), stage.written(), first);
    if (stage.readsStream()) {
      to.add_(p.sum(new long[] {0}, false, null));
      if (stage.kind() == Stage.Kind.ATTENTION) {
        to.add_(model.attentionOutputBias(stage));
      }
    } else {
      to.copy_(p.select(0, 0));
    }
  }

  @Override
  public Tensor logits(
      PatchMask mask,
      int firstBlock,
      Tensor stream,
      DenseRun.Kept[] kept,
      Tensor[] streams,
      Unembedding end) {
    if (in.once && (delta != null || kept == null)) {
      throw new IllegalStateException(
          "the evaluation was opened for one gradient; open another for what follows");
    }
    prepare();
    prepareFull(mask);
    // what writes streams writes the unpatched Δ of all sources too
    boolean[] read = kept == null && streams == null ? read(mask) : null;
    read = frozen ? new boolean[graph.sources().size()] : read;
    DensePass pass = new DensePass(mask, stream, read, null, kept, streams == null);
    // the end has sources of the last block
    int from = Math.min(firstBlock, graph.blocks() - 1);
    writeDelta(graph.stages().get(graph.stages(from).get(0).index() - 1), stream, pass);
    pass.blocks(graph, from, streams, b -> block(b, pass));
    return end.logits(end(pass));
  }

  private void block(int b, DensePass pass) {
    for (Stage stage : graph.stages(b)) {
      switch (stage.kind()) {
        case ATTENTION -> attention(stage, pass);
        case MLP -> mlp(stage, pass);
        case RESIDUAL -> sum(stage, pass);
        case LATENTS, EMBEDDING, END ->
            throw new IllegalStateException("stage " + stage.kind() + " is in no block");
      }
    }
  }

  @Override
  public MaskedBackward steps(Way way, MaskGradients out) {
    return new ResidualGradient(in, this, way, out);
  }

  @Override
  public void freeze(boolean on) {
    frozen = on;
  }

  /** What is unembedded, {@code [B,P,D]}. */
  private Tensor end(DensePass pass) {
    Stage stage = graph.end();
    int first = in.firstSliced();
    int positions = length - first;
    MaskRows mask = MaskRows.of(pass.mask, stage, first, positions, in);
    Tensor x = place.empty(1, batch, positions, d);
    Tensor rstd = pass.keeps() ? place.empty(1, batch, positions) : null;
    patch(
        stage,
        pass.stream.narrow(1, first - pass.first, positions),
        first,
        mask,
        model.normalization(stage),
        x,
        rstd);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new DenseRun.Kept(mask, x, rstd, null, null, null, null);
    }
    return model.affine(stage).apply(x.select(0, 0));
  }

  private void attention(Stage stage, DensePass pass) {
    int first = pass.cuts ? in.firstRead(stage) : 0;
    Tensor x = pass.keeps() ? place.empty(1, batch, length, d) : input;
    Tensor rstd = pass.keeps() ? place.empty(1, batch, length) : null;
    kernels.patchForward(
        new Kernels.PatchForward(pass.stream, null, null, model.normalization(stage), x, rstd));
    Tensor projected = pass.keeps() ? place.empty(qkv.shape()) : qkv;
    model.projectQkv(
        stage, model.affine(stage).apply(x.view(rows, d)), projected, 0, stage.parts());
    AttentionStep step = model.attentionStep(stage);
    kernels.attention(new Kernels.Attention(step.prepare(projected), batch, in.pattern(stage), z));
    Tensor unscaled = step.scale(z);
    pass.cut(first);
    int source = stage.firstWritten();
    int heads = stage.written();
    addBase(stage, pass.first);
    Tensor mixed = z.view(batch, length, z.size(1));
    mixed = first == 0 ? mixed : mixed.narrow(1, first, length - first);
    Tensor flat = pass.stream.view(-1, d);
    if (pass.read == null || pass.read[source]) {
      kernels.headOutputs(
          new Kernels.HeadOutputs(
              mixed,
              model.attentionOutput(stage),
              model.config().dHead(),
              IntStream.range(0, heads).toArray(),
              ablations(source, heads, first),
              delta(source, heads, first),
              pass.stream));
    } else {
      Products.addmmOut(flat, flat, mixed.reshape(-1, z.size(1)), model.attentionOutput(stage));
    }
    flat.add_(model.attentionOutputBias(stage));
    if (pass.keeps()) {
      pass.kept[stage.index()] = new DenseRun.Kept(null, x, rstd, projected, unscaled, null, null);
    }
  }

  private void mlp(Stage stage, DensePass pass) {
    int positions = length - pass.first;
    Tensor x = place.empty(1, batch, positions, d);
    Tensor rstd = pass.keeps() ? place.empty(1, batch, positions) : null;
    kernels.patchForward(
        new Kernels.PatchForward(pass.stream, null, null, model.normalization(stage), x, rstd));
    Tensor out = mlpOut.narrow(0, 0, (long) batch * positions);
    Transformer.MlpState state = model.mlp(stage, model.affine(stage).apply(x.view(-1, d)), out);
    writeDelta(stage, out.view(batch, positions, d), pass);
    pass.stream.view(-1, d).add_(out);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new DenseRun.Kept(null, x, rstd, null, null, state, null);
    }
  }

  private void sum(Stage stage, DensePass pass) {
    int positions = length - pass.first;
    MaskRows mask = MaskRows.of(pass.mask, stage, pass.first, positions, in);
    if (!mask.zero()) {
      Tensor patched = place.empty(1, batch, positions, d);
      patch(stage, pass.stream, pass.first, mask, Normalization.NONE, patched, null);
      pass.stream.copy_(patched.select(0, 0));
    }
    writeDelta(stage, pass.stream, pass);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new DenseRun.Kept(mask, null, null, null, null, null, null);
    }
  }

  /**
   * @param stream what a stage would read unpatched, from position {@code first} on
   */
  private void patch(
      Stage stage,
      Tensor stream,
      int first,
      MaskRows r,
      Normalization norm,
      Tensor out,
      Tensor rstd) {
    float[] rows = full[stage.index()];
    if (rows == null) {
      patchRows(stage, stream, first, r, norm, out, rstd);
      return;
    }
    Tensor x = base.narrow(1, first, length - first);
    boolean everywhere = true;
    for (float row : rows) {
      everywhere &= row == 1;
    }
    if (!everywhere) {
      Tensor some = fullRows(rows, first);
      Tensor patched = place.empty(out.shape());
      patchRows(stage, stream, first, r, Normalization.NONE, patched, null);
      x = torch.where(some.ne(new Scalar(0.0)), x, patched.select(0, 0));
    }
    kernels.patchForward(new Kernels.PatchForward(x, null, null, norm, out, rstd));
  }

  /** Where a sum has all its sources ablated, {@code [1 or B, 1 or T − first, 1]}. */
  private Tensor fullRows(float[] full, int first) {
    int copies = graph.positionCopies();
    int instances = full.length / copies;
    int prompts = in.places.rows(instances == 1 ? 0 : instances);
    int positions = graph.positions() == 0 ? 1 : length - first;
    float[] rows = new float[prompts * positions];
    for (int i = 0; i < prompts; i++) {
      for (int t = 0; t < positions; t++) {
        int instance = instances == 1 ? 0 : i;
        rows[i * positions + t] = full[instance * copies + in.places.column(i, first + t)];
      }
    }
    return place.tensor(rows, prompts, positions, 1);
  }

  private void patchRows(
      Stage stage,
      Tensor stream,
      int first,
      MaskRows r,
      Normalization norm,
      Tensor out,
      Tensor rstd) {
    kernels.patchForward(
        new Kernels.PatchForward(
            stream,
            r.zero() ? null : delta(stage.firstSource(), stage.sources(), first),
            r.zero() ? null : r.mask(),
            norm,
            out,
            rstd));
  }

  /** Δ of a stage that writes one source, at the positions that are still computed. */
  private void writeDelta(Stage stage, Tensor output, DensePass pass) {
    int source = stage.firstWritten();
    addBase(stage, pass.first);
    if (pass.read == null || pass.read[source]) {
      torch.sub_out(
          delta(source, 1, pass.first).select(0, 0),
          ablations(source, 1, pass.first).select(0, 0),
          output);
    }
  }

  private Tensor ablations(int firstSource, int count, int first) {
    return in.ablations.narrow(0, firstSource, count).narrow(2, first, length - first);
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
