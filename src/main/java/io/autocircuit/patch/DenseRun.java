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
import java.util.Objects;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Runs with any mask, stage by stage. Owns the working memory of such runs: Δ of every source, and
 * the inputs of one stage.
 */
final class DenseRun implements MaskedRun {
  /** From how many parts to an input on they are projected by one product of libtorch's. */
  private static final int SHARED_INPUT = 4;

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

  /** Which sources' Δ a run has written or cleared. */
  private final boolean[] defined;

  /** Whether runs leave Δ as it is. */
  private boolean frozen;

  /** In the runs that follow. */
  private DensePass.Moved moved = DensePass.Moved.NOTHING;

  private Tensor qkv;
  private Tensor z;
  private Tensor mlpOut;
  private Tensor inputs;

  /**
   * What a stage keeps for its gradient.
   *
   * @param rows its mask; null where it has no destinations
   * @param inputs its normalised inputs, {@code [unique,B,T,D]}; null of a sum of the stream
   * @param rstd the reciprocal root of each of their rows, {@code [unique,B,T]}; null likewise
   * @param qkv queries, keys and values; null unless of attention
   * @param mixed values before they are scaled; null unless attention's output is normalised
   * @param mlp null unless of an MLP
   * @param encoded what an autoencoder made of its output; null without
   */
  record Kept(
      MaskRows rows,
      Tensor inputs,
      Tensor rstd,
      Tensor qkv,
      Tensor mixed,
      Transformer.MlpState mlp,
      Autoencoder.Encoded encoded) {

    /** Moves them out of a scope, so that nothing else of a block stays. */
    void keep(TensorScope scope) {
      List<Tensor> all = new ArrayList<>(Arrays.asList(inputs, rstd, qkv, mixed));
      all.add(rows == null ? null : rows.mask());
      if (mlp != null) {
        all.addAll(Arrays.asList(mlp.hidden(), mlp.gate(), mlp.output()));
      }
      if (encoded != null) {
        encoded.keep(scope);
      }
      all.stream().filter(Objects::nonNull).forEach(scope::keep);
    }
  }

  DenseRun(RunInputs in) {
    this.in = in;
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    this.kernels = in.patchable.kernels();
    this.batch = in.batch();
    this.length = in.length();
    this.rows = in.rows();
    this.d = in.width();
    this.defined = new boolean[graph.sources().size()];
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
      delta = own(in.once ? in.ablations : place.empty(defined.length, batch, length, d));
      long width = (long) model.config().heads() * model.config().dHead();
      qkv = own(place.empty(rows, 3 * width));
      z = own(place.empty(rows, width));
      mlpOut = own(place.empty(rows, d));
      inputs = own(place.empty(1, batch, length, d));
    }
  }

  /**
   * A run leaves the Δ of unread sources as they are; times a mask of 0 they must give 0, so memory
   * that no run has written yet is cleared.
   *
   * @param read which sources the run writes; null for all
   */
  private void define(boolean[] read) {
    for (int s = 0; s < defined.length; s++) {
      if (!defined[s] && read != null && !read[s]) {
        delta.select(0, s).zero_();
        defined[s] = true;
      }
    }
  }

  @Override
  public Tensor delta(int first, int count) {
    return delta.narrow(0, first, count);
  }

  /** The Δ of the sources before the first block must be there. */
  @Override
  public Tensor logits(
      PatchMask mask,
      int firstBlock,
      Tensor stream,
      Kept[] kept,
      Tensor[] streams,
      Unembedding end) {
    // Δ is written for every source when it may be needed beyond this mask.
    in.requireRuns(delta != null || kept == null);
    prepare();
    boolean[] read = kept != null || streams != null ? null : mask.sourcesRead();
    read = frozen ? new boolean[defined.length] : read;
    define(read);
    // One mask value for all edges: destinations read the sum of all Δ, which is kept up to date.
    double uniform = mask.uniformValue();
    Tensor sum =
        uniform != 0 && !Double.isNaN(uniform) && firstBlock == 0
            ? place.zeros(batch, length, d)
            : null;
    DensePass pass = new DensePass(mask, stream, read, sum, kept, streams == null);
    if (firstBlock == 0) {
      Stage embedding = graph.stages().get(0);
      writeDelta(embedding, stream, pass);
      addDelta(pass, embedding);
    }
    pass.blocks(graph, firstBlock, streams, b -> block(b, pass));
    Tensor logits = end.logits(end(pass));
    Arrays.fill(defined, true);
    return logits;
  }

  @Override
  public MaskedBackward steps(Way way, MaskGradients out) {
    return new DenseGradient(in, this, way, out);
  }

  @Override
  public void freeze(boolean on) {
    frozen = on;
  }

  void move(DensePass.Moved by) {
    moved = by;
  }

  private void block(int b, DensePass pass) {
    List<Stage> stages = graph.stages(b);
    for (int i = 0; i < stages.size(); i++) {
      Stage stage = stages.get(i);
      Stage next = i + 1 < stages.size() ? stages.get(i + 1) : null;
      switch (stage.kind()) {
        case ATTENTION -> attention(stage, next, pass);
        case MLP -> mlp(stage, pass);
        case LATENTS, EMBEDDING, RESIDUAL, END ->
            throw new IllegalStateException("stage " + stage.kind() + " is in no block");
      }
    }
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
        deltas(pass, pass.sum, 0, stage.sources()).narrow(2, first - pass.first, positions),
        mask,
        pass.sum,
        x,
        rstd);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new Kept(mask, x, rstd, null, null, null, null);
    }
    return model.affine(stage).apply(x.select(0, 0));
  }

  /**
   * @param next the stage that follows in the block, or null
   */
  private void attention(Stage stage, Stage next, DensePass pass) {
    int first = pass.cuts ? in.firstRead(stage) : 0;
    MaskRows mask = MaskRows.of(pass.mask, stage, 0, length, in);
    MaskRows after = next == null ? null : MaskRows.of(pass.mask, next, first, length - first, in);
    // Many different inputs are projected without being written to memory; the next stage's input
    // then takes its share of the sources that both read from the same pass over them.
    boolean fused =
        !pass.keeps() && pass.sum == null && mask.unique() * SHARED_INPUT > stage.parts();
    boolean carried =
        fused && next != null && !stage.streamReadAgain() && !mask.zero() && !after.zero();
    pass.follower = after;
    pass.carry = carried ? place.empty(batch, length - first, d) : null;
    Tensor projected = pass.keeps() ? place.empty(qkv.shape()) : qkv;
    Tensor x = null;
    Tensor rstd = null;
    if (fused) {
      project(stage, pass, mask, first, carried ? after : null);
    } else {
      x = inputs(mask.unique(), pass.keeps());
      rstd = pass.keeps() ? place.empty(mask.unique(), batch, length) : null;
      Tensor deltas = deltas(pass, pass.sum, 0, stage.sources());
      patch(stage, pass.stream, deltas, mask, pass.sum, x, rstd);
      projectInputs(stage, mask, x, first, projected);
    }
    SharedParts.of(stage, model.config().dHead()).copy(projected);
    if (first > 0) {
      // queries that nobody asks: any finite number will do
      queries(projected).narrow(1, 0, first).zero_();
    }
    AttentionStep step = model.attentionStep(stage);
    kernels.attention(new Kernels.Attention(step.prepare(projected), batch, in.pattern(stage), z));
    Tensor unscaled = step.scale(z);
    pass.cut(first);
    if (stage.streamReadAgain()) {
      pass.rememberStream();
    }
    boolean everyHead = headOutputs(stage, pass);
    addDelta(pass, stage);
    Tensor flat = pass.stream.view(-1, d);
    if (!everyHead) {
      Tensor mixed = behind(z.view(batch, length, z.size(1)), 1, pass).reshape(-1, z.size(1));
      Products.addmmOut(flat, flat, mixed, model.attentionOutput(stage));
    }
    flat.add_(model.attentionOutputBias(stage));
    moved.add(stage, pass);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new Kept(mask, x, rstd, projected, unscaled, null, null);
    }
  }

  /** Of the joint matrix {@code [B·T, 3·H·dHead]}, {@code [B,T,H·dHead]}. */
  private Tensor queries(Tensor projected) {
    return projected.view(batch, length, projected.size(1)).narrow(2, 0, z.size(1));
  }

  /**
   * Queries, keys and values from inputs in memory; equal neighbouring ones together.
   *
   * @param first the first position of queries
   */
  private void projectInputs(Stage stage, MaskRows mask, Tensor x, int first, Tensor projected) {
    Tensor affine = model.affine(stage).apply(x);
    int[] input = mask.inputOfParts(stage);
    int heads = stage.written();
    Tensor few =
        first == 0 ? null : place.empty((long) batch * (length - first), projected.size(1));
    for (int from = 0; from < input.length; ) {
      int to = from + 1;
      while (to < input.length
          && input[to] == input[from]
          && stage.shared(to) == to
          && (first == 0 || to != heads)) {
        to++;
      }
      Tensor whole = affine.select(0, input[from]);
      if (first > 0 && from < heads) {
        Tensor last = whole.narrow(1, first, length - first).reshape(-1, d);
        model.projectQkv(stage, last, few, from, to - from);
      } else {
        model.projectQkv(stage, whole.view(rows, d), projected, from, to - from);
      }
      from = to;
      while (from < input.length && stage.shared(from) != from) {
        from++;
      }
    }
    if (first > 0) {
      queries(projected)
          .narrow(1, first, length - first)
          .copy_(few.view(batch, length - first, few.size(1)).narrow(2, 0, z.size(1)));
    }
  }

  /**
   * Queries, keys and values of a stage from Δ, and what the next stage reads of it.
   *
   * @param first the first position of queries
   * @param next the mask of the next stage from that position on; null if it is not to be computed
   */
  private void project(Stage stage, DensePass pass, MaskRows mask, int first, MaskRows next) {
    int queries = first == 0 ? 0 : stage.written();
    if (first > 0) {
      project(stage, pass.stream, mask, IntStream.range(0, queries).toArray(), first, next, pass);
    }
    int[] rest = IntStream.of(stage.distinctParts()).filter(p -> p >= queries).toArray();
    project(stage, pass.stream, mask, rest, 0, first == 0 ? next : null, pass);
  }

  /**
   * @param columns which parts of the joint matrix
   * @param first the first position at which they are computed
   */
  private void project(
      Stage stage,
      Tensor stream,
      MaskRows mask,
      int[] columns,
      int first,
      MaskRows next,
      DensePass pass) {
    int sources = stage.sources();
    int positions = length - first;
    int[] inputs = mask.inputOfParts(stage);
    int[] used = IntStream.of(columns).map(c -> inputs[c]).distinct().sorted().toArray();
    Tensor all = null;
    if (!mask.zero()) {
      all = used.length == mask.unique() ? mask.mask() : Placement.slices(mask.mask(), 2, used);
      all = all.size(1) == 1 ? all : all.narrow(1, first, positions);
      if (next != null) {
        all = torch.cat(new TensorVector(all, next.mask().narrow(3, 0, sources)), 2);
      }
    }
    in.patchable.project(
        stage,
        stream.narrow(1, first, positions),
        mask.zero() ? null : delta(0, sources).narrow(2, first, positions),
        all,
        used.length,
        IntStream.of(columns).map(c -> Arrays.binarySearch(used, inputs[c])).toArray(),
        columns,
        qkv.view(batch, length, qkv.size(1)).narrow(1, first, positions),
        next == null ? null : pass.carry);
  }

  private void mlp(Stage stage, DensePass pass) {
    MaskRows mask = pass.follower;
    int positions = length - pass.first;
    Tensor x = place.empty(1, batch, positions, d);
    Tensor rstd = pass.keeps() ? place.empty(1, batch, positions) : null;
    Tensor stream = pass.takeEarlierStream();
    Tensor sum = pass.takeEarlierSum();
    if (pass.carry == null) {
      patch(stage, stream, deltas(pass, sum, 0, stage.sources()), mask, sum, x, rstd);
    } else {
      // the rest of its sources: those that attention has written since
      Stage before = graph.stages().get(stage.index() - 1);
      int own = before.firstWritten();
      kernels.patchForward(
          new Kernels.PatchForward(
              pass.carry.add_(stream),
              deltas(pass, null, own, before.written()),
              mask.mask().narrow(3, own, before.written()),
              model.normalization(stage),
              x,
              null));
    }
    Tensor out = mlpOut.narrow(0, 0, (long) batch * positions);
    Transformer.MlpState state = model.mlp(stage, model.affine(stage).apply(x.view(-1, d)), out);
    writeDelta(stage, out.view(batch, positions, d), pass);
    addDelta(pass, stage);
    pass.stream.view(-1, d).add_(out);
    moved.add(stage, pass);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new Kept(mask, x, rstd, null, null, state, null);
    }
  }

  /**
   * Writes the Δ of a stage's heads, and adds the heads to the stream where all are computed
   * anyway.
   *
   * @return whether they were added
   */
  private boolean headOutputs(Stage stage, DensePass pass) {
    boolean[] read = pass.read;
    int source = stage.firstWritten();
    int heads = stage.written();
    int[] some = IntStream.range(0, heads).filter(h -> read == null || read[source + h]).toArray();
    boolean every = 2 * some.length > heads;
    if (every) {
      some = IntStream.range(0, heads).toArray();
    }
    if (some.length > 0) {
      int dHead = model.config().dHead();
      Tensor mixed = behind(z.view(batch, length, z.size(1)), 1, pass);
      if (!every) {
        mixed =
            Placement.slices(mixed.unflatten(2, new long[] {heads, dHead}), 2, some).flatten(2, 3);
      }
      kernels.headOutputs(
          new Kernels.HeadOutputs(
              mixed,
              model.attentionOutput(stage),
              dHead,
              some,
              behind(in.ablations.narrow(0, source, heads), 2, pass),
              behind(delta(source, heads), 2, pass),
              every ? pass.stream : null));
    }
    return every;
  }

  private Tensor inputs(int unique, boolean fresh) {
    if (fresh) {
      return place.empty(unique, batch, length, d);
    }
    if (inputs.size(0) < unique) {
      owned.remove(inputs);
      inputs.releaseReference();
      inputs = own(place.empty(unique, batch, length, d));
    }
    return inputs.narrow(0, 0, unique);
  }

  /** Δ of a stage that writes one source. */
  private void writeDelta(Stage stage, Tensor output, DensePass pass) {
    int source = stage.firstWritten();
    if (pass.read == null || pass.read[source]) {
      torch.sub_out(
          behind(delta.select(0, source), 1, pass),
          behind(in.ablations.select(0, source), 1, pass),
          output);
    }
  }

  private void patch(
      Stage stage, Tensor stream, Tensor deltas, MaskRows r, Tensor sum, Tensor out, Tensor rstd) {
    Tensor used = r.zero() ? null : deltas;
    Tensor mask = r.zero() ? null : sum == null ? r.mask() : r.mask().narrow(3, 0, 1);
    kernels.patchForward(
        new Kernels.PatchForward(stream, used, mask, model.normalization(stage), out, rstd));
  }

  /** The positions that a run still computes. */
  private static Tensor behind(Tensor t, int axis, DensePass pass) {
    return pass.first == 0 ? t : t.narrow(axis, pass.first, t.size(axis) - pass.first);
  }

  /** Δ of some sources, or the sum of all as if it were one source, where it is computed. */
  private Tensor deltas(DensePass pass, Tensor sum, int first, int sources) {
    return sum == null ? behind(delta(first, sources), 2, pass) : sum.unsqueeze(0);
  }

  private void addDelta(DensePass pass, Stage stage) {
    if (pass.sum != null) {
      Tensor written = deltas(pass, null, stage.firstWritten(), stage.written());
      pass.sum.add_(written.sum(new long[] {0}, false, null));
    }
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
