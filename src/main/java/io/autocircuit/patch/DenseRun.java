package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.Unembedding;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Runs with any mask, stage by stage. Owns the working memory of such runs: Δ of every source, and
 * the inputs of one stage.
 */
final class DenseRun implements AutoCloseable {
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

  private Tensor qkv;
  private Tensor z;
  private Tensor mlpOut;
  private Tensor inputs;

  /**
   * What a stage keeps for its gradient.
   *
   * @param rows its mask
   * @param inputs its normalised inputs, {@code [unique,B,T,D]}
   * @param rstd the reciprocal root of each of their rows, {@code [unique,B,T]}
   * @param qkv queries, keys and values; null unless of attention
   * @param mlp null unless of an MLP
   */
  record Kept(MaskRows rows, Tensor inputs, Tensor rstd, Tensor qkv, Transformer.MlpState mlp) {

    /** Moves them out of a scope, so that nothing else of a block stays. */
    void keep(TensorScope scope) {
      scope.keep(rows.mask());
      for (Tensor t : new Tensor[] {inputs, rstd, qkv, mlp == null ? null : mlp.hidden()}) {
        if (t != null) {
          scope.keep(t);
        }
      }
      if (mlp != null && mlp.gate() != null) {
        scope.keep(mlp.gate());
      }
    }
  }

  /** A run on its way. */
  private static final class Pass {
    final PatchMask mask;
    final Tensor stream;

    /** Which sources' Δ are written; null for all. */
    final boolean[] read;

    /** The sum of all Δ so far, where all edges have one mask value other than 0; else null. */
    final Tensor sum;

    /** What stages keep, by their index; null if nothing follows. */
    final Kept[] kept;

    /** The stream as it was before the stage before this one wrote, if this one reads that. */
    Tensor earlierStream;

    Tensor earlierSum;

    /** The mask of the stage that follows attention in its block. */
    MaskRows follower;

    /** What the follower reads of the sources that attention reads too; null if it is not known. */
    Tensor carry;

    Pass(PatchMask mask, Tensor stream, boolean[] read, Tensor sum, Kept[] kept) {
      this.mask = mask;
      this.stream = stream;
      this.read = read;
      this.sum = sum;
      this.kept = kept;
    }

    boolean keeps() {
      return kept != null;
    }

    Tensor takeEarlierStream() {
      Tensor t = earlierStream == null ? stream : earlierStream;
      earlierStream = null;
      return t;
    }

    Tensor takeEarlierSum() {
      Tensor t = earlierSum == null ? sum : earlierSum;
      earlierSum = null;
      return t;
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

  /** Δ of some sources in the last run, {@code [count,B,T,D]}. */
  Tensor delta(int first, int count) {
    return delta.narrow(0, first, count);
  }

  /**
   * The forward pass.
   *
   * @param firstBlock the first block that is computed; Δ of the sources before it are there
   * @param stream before that block, {@code [B,T,D]}; overwritten
   * @param kept receives what gradients need, by the index of the stage; may be null
   * @param streams receives the stream before each block and at the end; may be null
   * @param end makes the logits: of all outputs, or some
   * @return the sliced logits, {@code [B,P,V]}
   */
  Tensor logits(
      PatchMask mask,
      int firstBlock,
      Tensor stream,
      Kept[] kept,
      Tensor[] streams,
      Unembedding end) {
    // Δ is written for every source when it may be needed beyond this mask.
    if (in.once && (delta != null || kept == null)) {
      throw new IllegalStateException(
          "the evaluation was opened for one gradient; open another for what follows");
    }
    prepare();
    boolean[] read = kept != null || streams != null ? null : sourcesRead(mask);
    define(read);
    // One mask value for all edges: destinations read the sum of all Δ, which is kept up to date.
    double uniform = mask.uniformValue();
    Tensor sum =
        uniform != 0 && !Double.isNaN(uniform) && firstBlock == 0
            ? place.zeros(batch, length, d)
            : null;
    Pass pass = new Pass(mask, stream, read, sum, kept);
    if (firstBlock == 0) {
      Stage embedding = graph.stages().get(0);
      writeDelta(embedding, stream, read);
      addDelta(sum, embedding);
    }
    for (int b = firstBlock; b < graph.blocks(); b++) {
      if (streams != null) {
        streams[b] = stream.clone();
      }
      try (TensorScope scope = new TensorScope()) {
        block(b, pass);
        if (kept != null) {
          graph.stages(b).forEach(stage -> kept[stage.index()].keep(scope));
        }
      }
    }
    if (streams != null) {
      streams[graph.blocks()] = stream.clone();
    }
    Tensor logits = end.logits(end(pass));
    Arrays.fill(defined, true);
    return logits;
  }

  private void block(int b, Pass pass) {
    List<Stage> stages = graph.stages(b);
    for (int i = 0; i < stages.size(); i++) {
      Stage stage = stages.get(i);
      Stage next = i + 1 < stages.size() ? stages.get(i + 1) : null;
      switch (stage.kind()) {
        case ATTENTION -> attention(stage, next, pass);
        case MLP -> mlp(stage, pass);
        case EMBEDDING, END ->
            throw new IllegalStateException("stage " + stage.kind() + " is in no block");
      }
    }
  }

  /** What is unembedded, {@code [B,P,D]}. */
  private Tensor end(Pass pass) {
    Stage stage = graph.end();
    int first = in.firstSliced();
    int positions = length - first;
    MaskRows mask = MaskRows.of(pass.mask, stage, first, positions, place);
    Tensor x = place.empty(1, batch, positions, d);
    Tensor rstd = pass.keeps() ? place.empty(1, batch, positions) : null;
    patch(
        stage,
        pass.stream.narrow(1, first, positions),
        deltas(pass.sum, stage.sources()).narrow(2, first, positions),
        mask,
        pass.sum,
        x,
        rstd);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new Kept(mask, x, rstd, null, null);
    }
    return model.affine(stage).apply(x.select(0, 0));
  }

  /**
   * @param next the stage that follows in the block, or null
   */
  private void attention(Stage stage, Stage next, Pass pass) {
    MaskRows mask = MaskRows.of(pass.mask, stage, 0, length, place);
    MaskRows after = next == null ? null : MaskRows.of(pass.mask, next, 0, length, place);
    // Many different inputs are projected without being written to memory; the next stage's input
    // then takes its share of the sources that both read from the same pass over them.
    boolean fused =
        !pass.keeps() && pass.sum == null && mask.unique() * SHARED_INPUT > stage.parts();
    boolean carried =
        fused && next != null && !stage.streamReadAgain() && !mask.zero() && !after.zero();
    pass.follower = after;
    pass.carry = carried ? place.empty(batch, length, d) : null;
    Tensor projected = pass.keeps() ? place.empty(qkv.shape()) : qkv;
    Tensor x = null;
    Tensor rstd = null;
    if (fused) {
      project(stage, pass.stream, mask, carried ? after : null, pass.carry);
    } else {
      x = inputs(mask.unique(), pass.keeps());
      rstd = pass.keeps() ? place.empty(mask.unique(), batch, length) : null;
      patch(stage, pass.stream, deltas(pass.sum, stage.sources()), mask, pass.sum, x, rstd);
      projectInputs(stage, mask, x, projected);
    }
    kernels.attention(new Kernels.Attention(projected, batch, in.pattern, z));
    if (stage.streamReadAgain()) {
      pass.earlierStream = pass.stream.clone();
      pass.earlierSum = pass.sum == null ? null : pass.sum.clone();
    }
    boolean everyHead = headOutputs(stage, pass.stream, pass.read);
    addDelta(pass.sum, stage);
    Tensor flat = pass.stream.view(rows, d);
    if (!everyHead) {
      Products.addmmOut(flat, flat, z, model.attentionOutput(stage));
    }
    flat.add_(model.attentionOutputBias(stage));
    if (pass.keeps()) {
      pass.kept[stage.index()] = new Kept(mask, x, rstd, projected, null);
    }
  }

  /** Queries, keys and values from inputs in memory; equal neighbouring ones together. */
  private void projectInputs(Stage stage, MaskRows mask, Tensor x, Tensor projected) {
    Tensor affine = model.affine(stage).apply(x).view(mask.unique(), rows, d);
    int[] input = mask.inputOfParts(stage);
    for (int from = 0; from < input.length; ) {
      int to = from + 1;
      while (to < input.length && input[to] == input[from]) {
        to++;
      }
      model.projectQkv(stage, affine.select(0, input[from]), projected, from, to - from);
      from = to;
    }
  }

  /** Queries, keys and values of a stage from Δ, and what the next stage reads of it. */
  private void project(Stage stage, Tensor stream, MaskRows mask, MaskRows next, Tensor carry) {
    int sources = stage.sources();
    Tensor all = mask.mask();
    if (next != null) {
      all = torch.cat(new TensorVector(all, next.mask().narrow(3, 0, sources)), 2);
    }
    in.patchable.project(
        stage,
        stream,
        mask.zero() ? null : delta(0, sources),
        mask.zero() ? null : all,
        mask.unique(),
        mask.inputOfParts(stage),
        IntStream.range(0, stage.parts()).toArray(),
        qkv.view(batch, length, qkv.size(1)),
        carry);
  }

  private void mlp(Stage stage, Pass pass) {
    MaskRows mask = pass.follower;
    Tensor x = place.empty(1, batch, length, d);
    Tensor rstd = pass.keeps() ? place.empty(1, batch, length) : null;
    Tensor stream = pass.takeEarlierStream();
    Tensor sum = pass.takeEarlierSum();
    if (pass.carry == null) {
      patch(stage, stream, deltas(sum, stage.sources()), mask, sum, x, rstd);
    } else {
      // the rest of its sources: those that attention has written since
      Stage before = graph.stages().get(stage.index() - 1);
      int own = before.firstWritten();
      kernels.patchForward(
          new Kernels.PatchForward(
              pass.carry.add_(stream),
              delta(own, before.written()),
              mask.mask().narrow(3, own, before.written()),
              model.normalization(stage),
              x,
              null));
    }
    Transformer.MlpState state =
        model.mlp(stage, model.affine(stage).apply(x.view(rows, d)), mlpOut);
    writeDelta(stage, mlpOut.view(batch, length, d), pass.read);
    addDelta(pass.sum, stage);
    pass.stream.view(rows, d).add_(mlpOut);
    if (pass.keeps()) {
      pass.kept[stage.index()] = new Kept(mask, x, rstd, null, state);
    }
  }

  /**
   * Writes the Δ of a stage's heads, and adds the heads to the stream where all are computed
   * anyway.
   *
   * @return whether they were added
   */
  private boolean headOutputs(Stage stage, Tensor stream, boolean[] read) {
    int source = stage.firstWritten();
    int heads = stage.written();
    int[] some = IntStream.range(0, heads).filter(h -> read == null || read[source + h]).toArray();
    boolean every = 2 * some.length > heads;
    if (every) {
      some = IntStream.range(0, heads).toArray();
    }
    if (some.length > 0) {
      int dHead = model.config().dHead();
      Tensor mixed = z.view(batch, length, z.size(1));
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
              in.ablations.narrow(0, source, heads),
              delta(source, heads),
              every ? stream : null));
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
  private void writeDelta(Stage stage, Tensor output, boolean[] read) {
    int source = stage.firstWritten();
    if (read == null || read[source]) {
      torch.sub_out(delta.select(0, source), in.ablations.select(0, source), output);
    }
  }

  private void patch(
      Stage stage, Tensor stream, Tensor deltas, MaskRows r, Tensor sum, Tensor out, Tensor rstd) {
    Tensor used = r.zero() ? null : deltas;
    Tensor mask = r.zero() ? null : sum == null ? r.mask() : r.mask().narrow(3, 0, 1);
    kernels.patchForward(
        new Kernels.PatchForward(stream, used, mask, model.normalization(stage), out, rstd));
  }

  /** Δ of the first sources, or their sum as if it were one source. */
  private Tensor deltas(Tensor sum, int sources) {
    return sum == null ? delta(0, sources) : sum.unsqueeze(0);
  }

  private void addDelta(Tensor sum, Stage stage) {
    if (sum != null) {
      sum.add_(delta(stage.firstWritten(), stage.written()).sum(new long[] {0}, false, null));
    }
  }

  /** Which sources some edge of the mask reads. */
  private boolean[] sourcesRead(PatchMask mask) {
    boolean[] read = new boolean[defined.length];
    float[] values = mask.values();
    int copies = graph.positionCopies();
    for (int i = 0; i < Math.max(1, mask.instances()); i++) {
      for (DestModule m : graph.modules()) {
        int base = i * graph.edgeCount() + m.offset();
        int count = m.nodes().size() * m.sources() * copies;
        for (int e = 0; e < count; e++) {
          if (values[base + e] != 0) {
            read[e / copies % m.sources()] = true;
          }
        }
      }
    }
    return read;
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
