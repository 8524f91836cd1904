package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Autoencoder;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.Unembedding;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Runs along a graph whose MLPs are taken apart by autoencoders, with any mask. What a destination
 * reads of all latents, {@code E = Σ_k m_k Δ_k}, is summed from their activations ({@link
 * BlockLatents}) and handed to the kernels as one more source, with mask 1: so what a run costs
 * beside the others' sources is a product of the active latents with what they write.
 */
final class LatentRun implements MaskedRun {
  private final RunInputs in;
  private final Transformer model;
  private final Placement place;
  private final ComputationGraph graph;
  private final SourceRows sources;
  private final Kernels kernels;
  private final int batch;
  private final int length;
  private final int rows;
  private final int d;

  /** Rows of Δ before those of sources: for the E of a stage's destinations. */
  private final int lead;

  private final List<Tensor> owned = new ArrayList<>();

  /** By block; of the last run that computed it. */
  private final BlockLatents[] latents;

  /** The E of destinations, then Δ of sources that are no latents, {@code [lead + S,B,T,D]}. */
  private Tensor delta;

  private Tensor qkv;
  private Tensor z;
  private Tensor mlpOut;

  LatentRun(RunInputs in) {
    this.in = in;
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    this.sources = in.where;
    this.kernels = in.patchable.kernels();
    this.batch = in.batch();
    this.length = in.length();
    this.rows = in.rows();
    this.d = in.width();
    this.lead = graph.stages().stream().mapToInt(Stage::rows).max().orElse(0);
    this.latents = new BlockLatents[graph.blocks()];
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
      // what no mask reads is multiplied by 0, so it may never hold NaN
      delta = own(place.zeros(lead + sources.dense(), batch, length, d));
      long width = (long) model.config().heads() * model.config().dHead();
      qkv = own(place.empty(rows, 3 * width));
      z = own(place.empty(rows, width));
      mlpOut = own(place.empty(rows, d));
    }
  }

  SourceRows sources() {
    return sources;
  }

  int lead() {
    return lead;
  }

  /** What a stage has written in the last run. */
  BlockLatents latents(Stage stage) {
    return latents[stage.block()];
  }

  /** The latents of blocks that a stage reads. */
  List<BlockLatents> read(Stage stage) {
    List<BlockLatents> read = new ArrayList<>();
    for (Stage s : graph.stages()) {
      if (s.kind() == Stage.Kind.LATENTS && s.firstWritten() < stage.sources()) {
        read.add(latents[s.block()]);
      }
    }
    return read;
  }

  /**
   * What a stage reads, {@code [count + S,B,positions,D]}: the E of some destinations, then Δ.
   *
   * @param count how many destinations
   */
  Tensor deltas(Stage stage, int count, int first, int positions) {
    long end = sources.denseBelow(stage.sources());
    return delta.narrow(0, (long) lead - count, count + end).narrow(2, first, positions);
  }

  @Override
  public Tensor logits(
      PatchMask mask,
      int firstBlock,
      Tensor stream,
      DenseRun.Kept[] kept,
      Tensor[] streams,
      Unembedding end) {
    prepare();
    DensePass pass = new DensePass(mask, stream, null, null, kept, streams == null);
    if (firstBlock == 0) {
      writeDelta(graph.stages().get(0).firstWritten(), stream, pass);
    }
    pass.blocks(graph, firstBlock, streams, b -> block(b, pass));
    return end.logits(end(pass));
  }

  private void block(int b, DensePass pass) {
    for (Stage stage : graph.stages(b)) {
      switch (stage.kind()) {
        case ATTENTION -> attention(stage, pass);
        case MLP, LATENTS -> mlp(stage, pass);
        case EMBEDDING, RESIDUAL, END ->
            throw new IllegalStateException("stage " + stage.kind() + " is in no block");
      }
    }
  }

  @Override
  public void backward(Way way, MaskGradients out, Tensor unembedded) {
    new LatentGradient(in, this, way, out).from(unembedded);
  }

  /** What is unembedded, {@code [B,P,D]}. */
  private Tensor end(DensePass pass) {
    Stage stage = graph.end();
    int first = in.firstSliced();
    int positions = length - first;
    Tensor x = place.empty(1, batch, positions, d);
    Tensor rstd = pass.keeps() ? place.empty(1, batch, positions) : null;
    MaskRows mask = MaskRows.of(pass.mask, stage, first, positions, in);
    Tensor stream = pass.stream.narrow(1, first - pass.first, positions);
    patch(stage, stream, mask, pass, first, x, rstd);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new DenseRun.Kept(mask, x, rstd, null, null, null, null);
    }
    return model.affine(stage).apply(x.select(0, 0));
  }

  /** The inputs of a stage's distinct destinations from a position on. */
  private void patch(
      Stage stage,
      Tensor stream,
      MaskRows mask,
      DensePass pass,
      int first,
      Tensor out,
      Tensor rstd) {
    int positions = (int) out.size(2);
    Tensor all = mask.zero() ? null : patched(stage, mask, pass.mask, first, positions);
    kernels.patchForward(
        new Kernels.PatchForward(
            stream,
            all == null ? null : deltas(stage, mask.unique(), first, positions),
            all,
            model.normalization(stage),
            out,
            rstd));
  }

  /**
   * Sums what a stage's distinct destinations read of latents, and puts it before the sources.
   *
   * @return the mask of those sums and of the other sources, {@code [1 or B, 1 or T,unique,unique +
   *     S]}
   */
  private Tensor patched(Stage stage, MaskRows mask, PatchMask from, int first, int positions) {
    int unique = mask.unique();
    List<BlockLatents> read = read(stage);
    try (TensorScope scope = new TensorScope()) {
      for (int u = 0; u < unique; u++) {
        try (TensorScope inner = new TensorScope()) {
          Tensor sum = place.zeros((long) batch * positions, d);
          for (BlockLatents l : read) {
            float[] values = LatentMasks.values(from, stage, mask, u, l.stage, l.total);
            Tensor some = mask.mask().select(2, u).narrow(2, l.stage.firstWritten(), l.total);
            boolean one = graph.positions() == 0 && from.instances() == 0;
            l.add(sum, some, one ? values : null, LatentMasks.uniform(values), first, positions);
          }
          delta
              .select(0, (long) lead - unique + u)
              .narrow(1, first, positions)
              .copy_(sum.view(batch, positions, d));
        }
      }
      return scope.keep(LatentMasks.withSums(mask.mask(), sources, stage, place));
    }
  }

  private void attention(Stage stage, DensePass pass) {
    int first = pass.cuts ? in.firstRead(stage) : 0;
    MaskRows mask = MaskRows.of(pass.mask, stage, 0, length, in);
    Tensor projected = pass.keeps() ? place.empty(qkv.shape()) : qkv;
    Tensor x = null;
    Tensor rstd = null;
    int[] inputs = mask.inputOfParts(stage);
    if (pass.keeps()) {
      x = place.empty(mask.unique(), batch, length, d);
      rstd = place.empty(mask.unique(), batch, length);
      patch(stage, pass.stream, mask, pass, 0, x, rstd);
      project(stage, model.affine(stage).apply(x), inputs, projected);
    } else {
      Tensor all = mask.zero() ? null : patched(stage, mask, pass.mask, 0, length);
      in.patchable.project(
          stage,
          pass.stream,
          all == null ? null : deltas(stage, mask.unique(), 0, length),
          all,
          mask.unique(),
          IntStream.of(stage.distinctParts()).map(p -> inputs[p]).toArray(),
          stage.distinctParts(),
          projected.view(batch, length, projected.size(1)),
          null);
    }
    SharedParts.of(stage, model.config().dHead()).copy(projected);
    AttentionStep step = model.attentionStep(stage);
    kernels.attention(new Kernels.Attention(step.prepare(projected), batch, in.pattern(stage), z));
    Tensor unscaled = step.scale(z);
    pass.cut(first);
    if (stage.streamReadAgain()) {
      pass.rememberStream();
    }
    int row = sources.row(stage.firstWritten());
    int heads = stage.written();
    Tensor mixed = z.view(batch, length, z.size(1));
    kernels.headOutputs(
        new Kernels.HeadOutputs(
            behind(mixed, 1, pass),
            model.attentionOutput(stage),
            model.config().dHead(),
            IntStream.range(0, heads).toArray(),
            behind(in.ablations.narrow(0, row, heads), 2, pass),
            behind(delta.narrow(0, (long) lead + row, heads), 2, pass),
            pass.stream));
    pass.stream.add_(model.attentionOutputBias(stage));
    if (pass.keeps()) {
      pass.kept[stage.index()] = new DenseRun.Kept(mask, x, rstd, projected, unscaled, null, null);
    }
  }

  /** Queries, keys and values but for copies; neighbours of one input together. */
  private void project(Stage stage, Tensor x, int[] inputs, Tensor projected) {
    for (int from = 0; from < inputs.length; ) {
      int to = from + 1;
      while (to < inputs.length && inputs[to] == inputs[from] && stage.shared(to) == to) {
        to++;
      }
      model.projectQkv(
          stage, x.select(0, inputs[from]).reshape(rows, d), projected, from, to - from);
      from = to;
      while (from < inputs.length && stage.shared(from) != from) {
        from++;
      }
    }
  }

  private void mlp(Stage stage, DensePass pass) {
    int positions = length - pass.first;
    MaskRows mask = MaskRows.of(pass.mask, stage, pass.first, positions, in);
    Tensor x = place.empty(1, batch, positions, d);
    Tensor rstd = pass.keeps() ? place.empty(1, batch, positions) : null;
    patch(stage, pass.takeEarlierStream(), mask, pass, pass.first, x, rstd);
    Tensor out = mlpOut.narrow(0, 0, (long) batch * positions);
    Transformer.MlpState state = model.mlp(stage, model.affine(stage).apply(x.view(-1, d)), out);
    Autoencoder.Encoded encoded = null;
    if (stage.kind() == Stage.Kind.LATENTS) {
      encoded = encode(stage, out, pass);
    } else {
      writeDelta(stage.firstWritten(), out.view(batch, positions, d), pass);
      pass.stream.view(-1, d).add_(out);
    }
    if (pass.keeps()) {
      pass.kept[stage.index()] = new DenseRun.Kept(mask, x, rstd, null, null, state, encoded);
    }
  }

  /**
   * Takes the output of an MLP apart, and adds what takes its place to the stream.
   *
   * @param out {@code [B·(T − first),D]}
   */
  private Autoencoder.Encoded encode(Stage stage, Tensor out, DensePass pass) {
    Autoencoder autoencoder = model.autoencoders().block(stage.block());
    Autoencoder.Encoded encoded = autoencoder.encode(out);
    Tensor p = behind(sources.activations(in.ablations, stage.block()), 1, pass);
    BlockLatents before = latents[stage.block()];
    latents[stage.block()] = null; // closed once, also if there is no memory for what follows
    if (before != null) {
      before.close();
    }
    latents[stage.block()] =
        BlockLatents.of(stage, autoencoder, p.contiguous(), encoded.activations(), pass.first);
    Tensor stream = pass.stream.view(-1, d);
    Tensor made = reconstruct(autoencoder, encoded, latents[stage.block()]);
    int error = SourceRows.latents(stage);
    if (error < stage.written()) {
      Tensor rest = out.sub(made).view(batch, length - pass.first, d);
      writeDelta(stage.firstWritten() + error, rest, pass);
      stream.add_(out);
    } else {
      stream.add_(made);
    }
    return encoded;
  }

  /** The reconstruction, from active latents alone. */
  private Tensor reconstruct(Autoencoder a, Autoencoder.Encoded encoded, BlockLatents active) {
    Tensor f = active.some(encoded.activations());
    return Products.mm(f, active.decode).add_(a.base(encoded));
  }

  /** The positions that a run still computes. */
  private static Tensor behind(Tensor t, int axis, DensePass pass) {
    return pass.first == 0 ? t : t.narrow(axis, pass.first, t.size(axis) - pass.first);
  }

  /** Δ of a source that is no latent. */
  private void writeDelta(int source, Tensor output, DensePass pass) {
    int row = sources.row(source);
    torch.sub_out(
        behind(delta.select(0, (long) lead + row), 1, pass),
        behind(in.ablations.select(0, row), 1, pass),
        output);
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
    for (BlockLatents l : latents) {
      if (l != null) {
        l.close();
      }
    }
    Arrays.fill(latents, null);
  }
}
