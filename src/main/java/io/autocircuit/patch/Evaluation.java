package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.objective.LossFunction;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Patched runs of one model on one batch with one set of ablation values, one after another. Holds
 * the working memory that they share; not for use by several threads at once (make one for each).
 *
 * <p>Memory: Δ of every source, {@code S·B·T·D} numbers, and the inputs of one block's
 * destinations, up to {@code 3H·B·T·D}; gradients keep each block's inputs, queries, keys, values
 * and MLP activations besides.
 */
public final class Evaluation implements AutoCloseable {
  /** From how many parts to an input on they are projected by one product of libtorch's. */
  private static final int SHARED_INPUT = 4;

  private final PatchableModel patchable;
  private final Transformer model;
  private final Placement place;
  private final TransformerConfig config;
  private final ComputationGraph graph;
  private final Kernels kernels;
  private final int batch;
  private final int length;
  private final int rows;
  private final int d;
  private final List<Tensor> owned = new ArrayList<>();
  private final Transformer.Context context;
  private final Kernels.AttentionPattern pattern;
  private final Tensor embedded;
  private final Tensor ablations;
  private Tensor delta;

  /** Which sources' Δ a run has written or cleared. */
  private final boolean[] defined;

  private Tensor qkv;
  private Tensor z;
  private Tensor mlpOut;
  private final List<BlockModules> modules;
  private final DestModule endModule;
  private Tensor inputs;
  private final boolean constantsAreAblations;

  /** Leading positions at which every Δ is 0. */
  private final int prefix;

  private CircuitEngine engine;

  /** The residual stream before each block of the clean run; filled by {@link #prepareRestarts}. */
  private Tensor[] cleanResid;

  /** How many leading blocks' Δ are those of the clean run; later ones belong to the last run. */
  private int cleanBlocks;

  /** The destinations of a block: query, key, value (or the one attention) module, and the MLP. */
  private record BlockModules(List<DestModule> attention, DestModule mlp) {}

  /** Rows of a block's destinations, equal ones shared. */
  private record Rows(Tensor mask, int unique, int[] group, boolean zero) {}

  /** What a block keeps for its gradient. */
  private record Saved(
      Rows attentionRows,
      Tensor attentionInputs,
      Tensor attentionRstd,
      Tensor qkv,
      Rows mlpRows,
      Tensor mlpInput,
      Tensor mlpRstd,
      Transformer.MlpState mlp) {}

  /**
   * Losses and mask gradients of a batch.
   *
   * @param losses one per prompt
   * @param maskGradient ∂(sum of the losses)/∂mask by canonical edge index; {@code [instances ×
   *     edges]} for masks with instances
   */
  public record Gradient(double[] losses, float[] maskGradient) {}

  Evaluation(
      PatchableModel patchable,
      TokenBatch input,
      Tensor ablations,
      boolean constantsAreAblations,
      int prefix) {
    this.prefix = prefix;
    this.constantsAreAblations = constantsAreAblations;
    this.patchable = patchable;
    this.model = patchable.model();
    this.place = model.placement();
    this.config = model.config();
    this.graph = patchable.graph();
    this.kernels = patchable.kernels();
    this.batch = input.batchSize();
    this.length = input.length();
    this.rows = batch * length;
    this.d = config.dModel();
    if (graph.positions() > 0 && graph.positions() != length) {
      throw new IllegalArgumentException(
          "prompt length="
              + length
              + " but the graph has positions="
              + graph.positions()
              + "; with token positions all prompts need that length");
    }
    int sources = graph.sources().size();
    defined = new boolean[sources];
    if (ablations.dim() != 4 || ablations.size(0) != sources || ablations.size(3) != d) {
      throw new IllegalArgumentException(
          "ablations of shape="
              + Arrays.toString(ablations.shape())
              + " but [sources="
              + sources
              + ", 1 or B, 1 or T, d_model="
              + d
              + "] is needed");
    }
    try (TensorScope scope = new TensorScope()) {
      Transformer.Context c = model.context(input);
      context =
          new Transformer.Context(
              c.batchSize(), c.length(), own(c.mask()), own(c.cosines()), own(c.sines()));
      pattern = model.attentionPattern(context);
      embedded = own(model.embed(input).contiguous());
      this.ablations = own(ablations.expand(sources, batch, length, d));
    }
    List<BlockModules> list = new ArrayList<>();
    for (int b = 0; b < graph.blocks(); b++) {
      List<DestModule> attention = new ArrayList<>();
      for (Input i : new Input[] {Input.Q, Input.K, Input.V, Input.ATTENTION}) {
        DestModule m = find(b, i);
        if (m != null) {
          attention.add(m);
        }
      }
      list.add(new BlockModules(attention, find(b, Input.MLP)));
    }
    modules = List.copyOf(list);
    endModule = find(graph.blocks(), Input.END);
  }

  /**
   * A run leaves the Δ of unread sources as they are; times a mask of 0 they must give 0, so memory
   * that no run has written yet is cleared.
   *
   * @param read which sources the run writes; null for all
   */
  private void defineDelta(boolean[] read) {
    for (int s = 0; s < defined.length; s++) {
      if (!defined[s] && read != null && !read[s]) {
        delta.select(0, s).zero_();
        defined[s] = true;
      }
    }
  }

  /** The working memory of dense masks and gradients, made when first needed. */
  private void prepareDense() {
    if (delta != null) {
      return;
    }
    try (TensorScope scope = new TensorScope()) {
      int sources = graph.sources().size();
      delta = own(place.empty(sources, batch, length, d));
      long width = (long) config.heads() * config.dHead();
      qkv = own(place.empty(rows, 3 * width));
      z = own(place.empty(rows, width));
      mlpOut = own(place.empty(rows, d));
      inputs = own(place.empty(1, batch, length, d));
    }
  }

  private DestModule find(int block, Input input) {
    return graph.modules().stream()
        .filter(m -> m.block() == block && m.input() == input)
        .findFirst()
        .orElse(null);
  }

  private Tensor own(Tensor t) {
    if (t != null) {
      t.retainReference();
      owned.add(t);
    }
    return t;
  }

  /**
   * Runs the model with that mask.
   *
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   */
  public Tensor logits(PatchMask mask) {
    return logitsFrom(mask, 0);
  }

  /**
   * Runs a circuit. Only what it contains is computed, and of that only what differs from the
   * circuit run before. ({@link PatchType#EDGE_PATCH} ablates the circuit's edges: it runs the
   * circuit's complement.)
   *
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   */
  public Tensor logits(Circuit circuit, PatchType type) {
    try (TensorScope scope = new TensorScope()) {
      return scope.keep(logits(List.of(circuit), type).select(0, 0));
    }
  }

  /**
   * Runs several circuits at once: as {@link #logits(Circuit, PatchType)} gives them one after
   * another, but for rounding. Takes the memory of an evaluation for each ({@link
   * MemoryEstimate#of(PatchableModel, MemoryEstimate.Work, Ablation, int, int)}).
   *
   * @param circuits one or more
   * @return the sliced logits, {@code [circuits,B,P,V]}, in the current scope
   * @throws IllegalArgumentException if there is none, or one is for another graph
   */
  public Tensor logits(List<Circuit> circuits, PatchType type) {
    if (circuits.isEmpty()) {
      throw new IllegalArgumentException("circuits=[]; give one or more");
    }
    for (Circuit c : circuits) {
      if (!c.graph().equals(graph)) {
        throw new IllegalArgumentException("the circuit is for another graph: " + c.graph());
      }
    }
    try (TensorScope scope = new TensorScope()) {
      prepareCircuits(circuits.size());
      return scope.keep(engine.logits(circuits.stream().map(c -> notAblated(c, type)).toList()));
    }
  }

  /** The working memory of so many circuits at once, made when first needed. */
  void prepareCircuits(int count) {
    if (engine != null && engine.capacity() >= count) {
      return;
    }
    if (engine != null) {
      engine.close();
    }
    engine =
        new CircuitEngine(
            patchable, context, embedded, ablations, constantsAreAblations, prefix, count);
  }

  /** The edges that carry what is computed; all others carry ablation values. */
  private static Circuit notAblated(Circuit circuit, PatchType type) {
    if (type == PatchType.TREE_PATCH) {
      return circuit;
    }
    BitSet rest = circuit.edgeSet();
    rest.flip(0, circuit.graph().edgeCount());
    return Circuit.of(circuit.graph(), rest);
  }

  /**
   * Forgets the circuit run before, so that the next one is computed from nothing; results do not
   * change, only the time they take.
   */
  public void forget() {
    if (engine != null) {
      engine.forget();
    }
  }

  /**
   * The operations that a circuit needs, over those of the plain forward: multiplications and
   * additions of its live nodes at the positions at which they are read, and of its live edges.
   */
  public double liveShare(Circuit circuit, PatchType type) {
    boolean last = patchable.slice() == OutputSlice.LAST_SEQ;
    return CircuitPlan.of(notAblated(circuit, type), constantsAreAblations, last)
        .share(config, batch, length, prefix, length - patchable.slice().first(length));
  }

  /**
   * Runs from a block on, taking what comes before from the unpatched run. Exact when the mask is
   * zero on every edge into an earlier block.
   *
   * @param firstBlock the first block to compute; the number of blocks computes the end alone
   * @return the sliced logits, {@code [B,P,V]}, in the current scope
   */
  public Tensor logitsFrom(PatchMask mask, int firstBlock) {
    check(mask);
    try (TensorScope scope = new TensorScope()) {
      if (firstBlock > 0) {
        prepareRestarts(firstBlock);
      }
      cleanBlocks = Math.min(cleanBlocks, firstBlock);
      Tensor resid = firstBlock == 0 ? embedded.clone() : cleanResid[firstBlock].clone();
      return scope.keep(forward(mask, firstBlock, resid, null, null));
    }
  }

  private void check(PatchMask mask) {
    if (!mask.graph().equals(graph)) {
      throw new IllegalArgumentException("the mask is for another graph: " + mask.graph());
    }
    if (mask.instances() != 0 && mask.instances() != batch) {
      throw new IllegalArgumentException(
          "mask instances=" + mask.instances() + " but the batch has prompts=" + batch);
    }
  }

  /**
   * Runs the unpatched model, filling Δ and the residual stream before every block, unless the Δ of
   * the blocks before {@code firstBlock} are those of the clean run already.
   */
  private void prepareRestarts(int firstBlock) {
    if (cleanResid != null && cleanBlocks >= firstBlock) {
      return;
    }
    try (TensorScope scope = new TensorScope()) {
      Tensor[] residuals = new Tensor[graph.blocks() + 1];
      forward(PatchMask.uniform(graph, 0), 0, embedded.clone(), null, residuals);
      if (cleanResid == null) {
        for (Tensor r : residuals) {
          own(r);
        }
        cleanResid = residuals;
      }
      cleanBlocks = graph.blocks();
    }
  }

  /**
   * The forward pass.
   *
   * @param resid the residual stream before {@code firstBlock}, {@code [B,T,D]}; overwritten
   * @param saved receives what gradients need; may be null
   * @param residuals receives the residual stream before each block and at the end; may be null
   */
  private Tensor forward(
      PatchMask mask, int firstBlock, Tensor resid, List<Saved> saved, Tensor[] residuals) {
    // Δ is written for every source when it may be needed beyond this mask.
    prepareDense();
    boolean everySource = saved != null || residuals != null;
    boolean[] read = everySource ? null : sourcesRead(mask);
    defineDelta(read);
    // One mask value for all edges: destinations read the sum of all Δ, which is kept up to date.
    double uniform = mask.uniformValue();
    Tensor sum =
        uniform != 0 && !Double.isNaN(uniform) && firstBlock == 0
            ? place.zeros(batch, length, d)
            : null;
    if (firstBlock == 0) {
      writeDelta(0, resid, read);
      addDelta(sum, 0, 1);
    }
    int perBlock = config.heads() + (config.attentionOnly() ? 0 : 1);
    for (int b = firstBlock; b < graph.blocks(); b++) {
      int source = 1 + b * perBlock;
      if (residuals != null) {
        residuals[b] = resid.clone();
      }
      Saved kept;
      if (saved == null) {
        try (TensorScope scope = new TensorScope()) {
          block(mask, b, source, resid, read, sum, false);
        }
      } else {
        kept = block(mask, b, source, resid, read, sum, true);
        saved.add(kept);
      }
    }
    if (residuals != null) {
      residuals[graph.blocks()] = resid.clone();
    }
    int first = patchable.slice().first(length);
    int positions = length - first;
    Rows end = rows(mask, List.of(endModule), first, positions);
    boolean keep = saved != null;
    Tensor x = place.empty(1, batch, positions, d);
    Tensor rstd = keep ? place.empty(1, batch, positions) : null;
    patch(
        resid.narrow(1, first, positions),
        deltas(sum, endModule.sources()).narrow(2, first, positions),
        end,
        sum,
        config.finalNormalization(),
        x,
        rstd);
    Arrays.fill(defined, true);
    if (keep) {
      saved.add(new Saved(end, x, rstd, null, null, null, null, null));
    }
    return model.unembed(model.finalAffine().apply(x.select(0, 0)));
  }

  private Saved block(
      PatchMask mask, int b, int source, Tensor resid, boolean[] read, Tensor sum, boolean keep) {
    BlockModules m = modules.get(b);
    int heads = config.heads();
    DestModule firstModule = m.attention().get(0);
    Rows rowsA = rows(mask, m.attention(), 0, length);
    int parts = 3 * heads;
    boolean mlp = !config.attentionOnly();
    Rows rowsM = mlp ? rows(mask, List.of(m.mlp()), 0, length) : null;
    // Many different inputs are projected without being written to memory; the MLP's input then
    // takes its share of the sources that both read from the same pass over them.
    boolean fused = !keep && sum == null && rowsA.unique() * SHARED_INPUT > parts;
    boolean carried = fused && mlp && !config.parallel() && !rowsA.zero() && !rowsM.zero();
    Tensor carry = carried ? place.empty(batch, length, d) : null;
    Tensor projected = keep ? place.empty(qkv.shape()) : qkv;
    Tensor x = null;
    Tensor rstdA = null;
    if (fused) {
      project(b, resid, rowsA, carried ? rowsM : null, firstModule.sources(), carry);
    } else {
      x = inputs(rowsA.unique(), keep);
      rstdA = keep ? place.empty(rowsA.unique(), batch, length) : null;
      Tensor deltas = deltas(sum, firstModule.sources());
      patch(resid, deltas, rowsA, sum, config.normalization(), x, rstdA);
      Tensor affine = model.attentionAffine(b).apply(x).view(rowsA.unique(), rows, d);
      // Equal neighbouring inputs are projected together.
      for (int from = 0; from < parts; ) {
        int group = attentionGroup(rowsA, from);
        int to = from + 1;
        while (to < parts && attentionGroup(rowsA, to) == group) {
          to++;
        }
        model.projectQkv(b, affine.select(0, group), projected, from, to - from);
        from = to;
      }
    }
    kernels.attention(new Kernels.Attention(projected, batch, pattern, z));
    Tensor parallelRead = config.parallel() ? resid.clone() : null;
    boolean everyHead = headOutputs(b, source, resid, read);
    Tensor sumM = sum == null || !config.parallel() || config.attentionOnly() ? sum : sum.clone();
    addDelta(sum, source, heads);
    Tensor stream = resid.view(rows, d);
    if (!everyHead) {
      Products.addmmOut(stream, stream, z, model.attentionOutput(b));
    }
    stream.add_(model.attentionOutputBias(b));
    if (!mlp) {
      return keep ? new Saved(rowsA, x, rstdA, projected, null, null, null, null) : null;
    }
    Tensor xm = place.empty(1, batch, length, d);
    Tensor rstdM = keep ? place.empty(1, batch, length) : null;
    if (carried) {
      Tensor own = rowsM.mask().narrow(3, source, heads);
      kernels.patchForward(
          new Kernels.PatchForward(
              carry.add_(resid),
              delta.narrow(0, source, heads),
              own,
              config.normalization(),
              xm,
              null));
    } else {
      patch(
          config.parallel() ? parallelRead : resid,
          deltas(sumM, m.mlp().sources()),
          rowsM,
          sumM,
          config.normalization(),
          xm,
          rstdM);
    }
    Transformer.MlpState state = model.mlp(b, model.mlpAffine(b).apply(xm.view(rows, d)), mlpOut);
    writeDelta(source + heads, mlpOut.view(batch, length, d), read);
    addDelta(sum, source + heads, 1);
    stream.add_(mlpOut);
    return keep ? new Saved(rowsA, x, rstdA, projected, rowsM, xm, rstdM, state) : null;
  }

  /** Queries, keys and values of a block from its patched inputs, and the MLP's carry. */
  private void project(int b, Tensor resid, Rows r, Rows mlp, int sources, Tensor carry) {
    int parts = 3 * config.heads();
    int[] inputs = new int[parts];
    int[] columns = new int[parts];
    for (int p = 0; p < parts; p++) {
      inputs[p] = attentionGroup(r, p);
      columns[p] = p;
    }
    Tensor mask = r.mask();
    if (mlp != null) {
      mask = torch.cat(new TensorVector(mask, mlp.mask().narrow(3, 0, sources)), 2);
    }
    patchable.project(
        b,
        resid,
        r.zero() ? null : delta.narrow(0, 0, sources),
        r.zero() ? null : mask,
        r.unique(),
        inputs,
        columns,
        qkv.view(batch, length, qkv.size(1)),
        carry);
  }

  /**
   * Writes the Δ of a block's heads, and adds the heads to the stream where all are computed
   * anyway.
   *
   * @return whether they were added
   */
  private boolean headOutputs(int b, int source, Tensor resid, boolean[] read) {
    int heads = config.heads();
    int[] some = IntStream.range(0, heads).filter(h -> read == null || read[source + h]).toArray();
    boolean every = 2 * some.length > heads;
    if (every) {
      some = IntStream.range(0, heads).toArray();
    }
    if (some.length > 0) {
      Tensor mixed = z.view(batch, length, z.size(1));
      if (!every) {
        mixed =
            Placement.slices(mixed.unflatten(2, new long[] {heads, config.dHead()}), 2, some)
                .flatten(2, 3);
      }
      kernels.headOutputs(
          new Kernels.HeadOutputs(
              mixed,
              model.attentionOutput(b),
              config.dHead(),
              some,
              ablations.narrow(0, source, heads),
              delta.narrow(0, source, heads),
              every ? resid : null));
    }
    return every;
  }

  /** The unique input that feeds part {@code part} of the 3·H queries, keys and values. */
  private int attentionGroup(Rows r, int part) {
    return r.group()[graph.separateQkv() ? part : part % config.heads()];
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

  private void writeDelta(int source, Tensor output, boolean[] read) {
    if (read == null || read[source]) {
      torch.sub_out(delta.select(0, source), ablations.select(0, source), output);
    }
  }

  private void patch(
      Tensor resid,
      Tensor deltas,
      Rows r,
      Tensor sum,
      Normalization norm,
      Tensor out,
      Tensor rstd) {
    Tensor used = r.zero() ? null : deltas;
    Tensor mask = r.zero() ? null : sum == null ? r.mask() : r.mask().narrow(3, 0, 1);
    kernels.patchForward(new Kernels.PatchForward(resid, used, mask, norm, out, rstd));
  }

  /** Δ of the first sources, or their sum as if it were one source. */
  private Tensor deltas(Tensor sum, int sources) {
    return sum == null ? delta.narrow(0, 0, sources) : sum.unsqueeze(0);
  }

  private void addDelta(Tensor sum, int source, int count) {
    if (sum != null) {
      sum.add_(delta.narrow(0, source, count).sum(new long[] {0}, false, null));
    }
  }

  /** Which sources some edge of the mask reads. */
  private boolean[] sourcesRead(PatchMask mask) {
    boolean[] read = new boolean[graph.sources().size()];
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

  /**
   * The mask of some destinations that read the same sources, {@code [1 or B, 1 or T, K, S]}, with
   * equal destinations merged.
   */
  private Rows rows(PatchMask mask, List<DestModule> dests, int first, int positions) {
    int sources = dests.get(0).sources();
    int copies = graph.positionCopies();
    int bm = Math.max(1, mask.instances());
    int tm = graph.positions() == 0 ? 1 : positions;
    int total = dests.stream().mapToInt(m -> m.nodes().size()).sum();
    int[] group = new int[total];
    List<int[]> unique = new ArrayList<>();
    boolean zero = true;
    java.util.Map<Integer, List<Integer>> byHash = new java.util.HashMap<>();
    int row = 0;
    float[] values = mask.values();
    for (DestModule m : dests) {
      for (int h = 0; h < m.nodes().size(); h++, row++) {
        int start = m.offset() + h * sources * copies;
        int hash = 1;
        for (int i = 0; i < bm; i++) {
          int base = i * graph.edgeCount() + start;
          for (int e = 0; e < sources * copies; e++) {
            float v = values[base + e];
            zero &= v == 0;
            hash = 31 * hash + Float.floatToIntBits(v);
          }
        }
        int found = -1;
        for (int candidate : byHash.getOrDefault(hash, List.of())) {
          if (sameRow(values, unique.get(candidate)[0], start, bm, sources * copies)) {
            found = candidate;
            break;
          }
        }
        if (found < 0) {
          found = unique.size();
          unique.add(new int[] {start});
          byHash.computeIfAbsent(hash, k -> new ArrayList<>()).add(found);
        }
        group[row] = found;
      }
    }
    int k = unique.size();
    float[] dense = new float[bm * tm * k * sources];
    for (int i = 0; i < bm; i++) {
      for (int t = 0; t < tm; t++) {
        int position = graph.positions() == 0 ? 0 : first + t;
        for (int u = 0; u < k; u++) {
          int base = i * graph.edgeCount() + unique.get(u)[0] + position;
          int to = ((i * tm + t) * k + u) * sources;
          for (int s = 0; s < sources; s++) {
            dense[to + s] = values[base + s * copies];
          }
        }
      }
    }
    return new Rows(place.tensor(dense, bm, tm, k, sources), k, group, zero);
  }

  private boolean sameRow(float[] values, int a, int b, int instances, int count) {
    for (int i = 0; i < instances; i++) {
      int base = i * graph.edgeCount();
      if (!Arrays.equals(values, base + a, base + a + count, values, base + b, base + b + count)) {
        return false;
      }
    }
    return true;
  }

  /**
   * The gradient of a loss with respect to every mask value.
   *
   * @param mask where the gradient is taken
   * @param loss the loss of each prompt
   * @param prompts passed to the loss
   * @param reference passed to the loss, {@code [B,P,V]} or null
   */
  public Gradient gradient(
      PatchMask mask, LossFunction loss, PromptBatch prompts, Tensor reference) {
    try (TensorScope scope = new TensorScope()) {
      Unread g = unread(mask, loss, prompts, reference);
      return new Gradient(Tensors.doubles(g.losses()), g.blocks().read());
    }
  }

  /**
   * What {@link #gradient} computes, still where it was computed: nothing waits for the device
   * before it is read.
   */
  record Unread(Tensor losses, MaskGradients blocks) {}

  /** As {@link #gradient}; in the current scope. */
  Unread unread(PatchMask mask, LossFunction loss, PromptBatch prompts, Tensor reference) {
    check(mask);
    cleanBlocks = 0;
    List<Saved> saved = new ArrayList<>();
    Tensor logits = forward(mask, 0, embedded.clone(), saved, null);
    LossFunction.WithGradient l = loss.withGradient(logits, prompts, reference);
    MaskGradients blocks = new MaskGradients(mask);
    backward(mask, saved, l.gradient(), blocks);
    return new Unread(l.losses(), blocks);
  }

  /** The mask gradients of all blocks in one tensor, in the order in which they are computed. */
  final class MaskGradients {
    /** Kernels may write vectors: every part begins at such a multiple of numbers. */
    private static final int ALIGNMENT = 64;

    /** Destinations, and which of the sources that they read; from a position on; where. */
    private record Part(
        List<DestModule> dests, int firstSource, int sources, int first, int positions, int at) {}

    private final int instances;
    private final int length;
    private final Tensor values;
    private final List<Part> parts = new ArrayList<>();
    private int end;

    /** In the current scope. */
    MaskGradients(PatchMask mask) {
      instances = Math.max(1, mask.instances());
      length = mask.values().length;
      values = place.empty(length + 2L * ALIGNMENT * graph.modules().size());
    }

    /** Room for some destinations and sources: {@code [1 or B, 1 or T, K, S]}. */
    Tensor add(List<DestModule> dests, int firstSource, int sources, int first, int positions) {
      parts.add(new Part(dests, firstSource, sources, first, positions, end));
      int tm = graph.positions() == 0 ? 1 : positions;
      int k = dests.stream().mapToInt(m -> m.nodes().size()).sum();
      long count = (long) instances * tm * k * sources;
      Tensor room = values.narrow(0, end, count).view(instances, tm, k, sources);
      end += Math.toIntExact((count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
      return room;
    }

    /** Waits for them; by canonical edge index. */
    float[] read() {
      float[] out = new float[length];
      float[] g = Tensors.floats(values.narrow(0, 0, end));
      int copies = graph.positionCopies();
      for (Part part : parts) {
        int tm = graph.positions() == 0 ? 1 : part.positions();
        int sources = part.sources();
        int k = part.dests().stream().mapToInt(m -> m.nodes().size()).sum();
        int row = 0;
        for (DestModule m : part.dests()) {
          for (int h = 0; h < m.nodes().size(); h++, row++) {
            for (int i = 0; i < instances; i++) {
              for (int t = 0; t < tm; t++) {
                int position = graph.positions() == 0 ? 0 : part.first() + t;
                int from = part.at() + ((i * tm + t) * k + row) * sources;
                int source = h * m.sources() + part.firstSource();
                int to = i * graph.edgeCount() + m.offset() + source * copies + position;
                for (int s = 0; s < sources; s++) {
                  out[to + s * copies] = g[from + s];
                }
              }
            }
          }
        }
      }
      return out;
    }
  }

  private void backward(PatchMask mask, List<Saved> saved, Tensor gradLogits, MaskGradients out) {
    int heads = config.heads();
    int perBlock = heads + (config.attentionOnly() ? 0 : 1);
    Tensor gradResid = place.zeros(batch, length, d);
    // With one value α for all edges the gradient through Δ is −α times that of the stream, so a
    // source's gradient is (1 − α) times the stream's; else it is collected in gradDelta.
    double uniform = mask.uniformValue();
    boolean shared = !Double.isNaN(uniform);
    Scalar gain = new Scalar(shared ? 1 - uniform : 1.0);
    Tensor gradDelta = shared ? null : place.zeros(graph.sources().size(), batch, length, d);
    int first = patchable.slice().first(length);
    int positions = length - first;
    Saved end = saved.get(graph.blocks());
    Tensor gEnd =
        model
            .finalAffine()
            .backward(model.unembedBackward(gradLogits))
            .view(1, batch, positions, d)
            .contiguous();
    patchBackward(
        endModule,
        0,
        first,
        positions,
        end.attentionRows(),
        end.attentionInputs(),
        end.attentionRstd(),
        config.finalNormalization(),
        gEnd,
        gradResid,
        gradDelta,
        out);
    Tensor gz = place.empty(rows, (long) heads * config.dHead());
    Tensor gHead = place.empty(rows, d);
    for (int b = graph.blocks() - 1; b >= 0; b--) {
      try (TensorScope scope = new TensorScope()) {
        Saved s = saved.get(b);
        int source = 1 + b * perBlock;
        BlockModules m = modules.get(b);
        Tensor gradOut = config.parallel() ? gradResid.clone() : gradResid;
        Tensor gMlp = null;
        if (!config.attentionOnly()) {
          Tensor gOut = gradResid.view(rows, d);
          if (shared && uniform != 0) {
            gOut = gOut.mul(gain);
          }
          if (gradDelta != null) {
            gOut = gOut.sub(gradDelta.select(0, source + heads).view(rows, d));
          }
          Tensor gm = place.empty(1, batch, length, d);
          model.mlpBackward(b, s.mlp(), gOut, gm.view(rows, d));
          // the earlier sources, which attention reads too, are left to its pass over them
          gMlp = model.mlpAffine(b).backward(gm);
          patchBackward(
              m.mlp(),
              m.attention().get(0).sources(),
              0,
              length,
              s.mlpRows(),
              s.mlpInput(),
              s.mlpRstd(),
              config.normalization(),
              gMlp,
              gradResid,
              gradDelta,
              out);
        }
        Tensor gAttention = gradOut.view(rows, d);
        if (gradDelta == null) {
          Products.mmOut(gz, gAttention, model.attentionOutput(b).t());
          if (uniform != 0) {
            gz.mul_(gain);
          }
        } else {
          for (int h = 0; h < heads; h++) {
            torch.sub_out(gHead, gAttention, gradDelta.select(0, source + h).view(rows, d));
            Products.mmOut(
                gz.narrow(1, (long) h * config.dHead(), config.dHead()),
                gHead,
                model.headOutput(b, h).t());
          }
        }
        Tensor gQkv = place.empty(rows, 3L * heads * config.dHead());
        kernels.attentionBackward(new Kernels.AttentionBackward(s.qkv(), batch, pattern, gz, gQkv));
        attentionPatchBackward(b, s, gQkv, gMlp, gradResid, gradDelta, out);
      }
    }
  }

  /** Mask gradients of a block's queries, keys and values, and the MLP's of what they read. */
  private void attentionPatchBackward(
      int b,
      Saved s,
      Tensor gQkv,
      Tensor gMlp,
      Tensor gradResid,
      Tensor gradDelta,
      MaskGradients out) {
    BlockModules m = modules.get(b);
    int sources = m.attention().get(0).sources();
    int k = (graph.separateQkv() ? 3 : 1) * config.heads();
    int[] inputs = IntStream.range(0, 3 * config.heads()).map(p -> p % k).toArray();
    List<DestModule> dests = new ArrayList<>(m.attention());
    boolean zero = s.attentionRows().zero();
    if (gMlp != null) {
      dests.add(m.mlp());
      zero &= s.mlpRows().zero();
    }
    Tensor mask = null;
    if (gradDelta != null && !zero) {
      mask = maskOf(s.attentionRows(), k);
      if (gMlp != null) {
        mask = torch.cat(new TensorVector(mask, s.mlpRows().mask().narrow(3, 0, sources)), 2);
      }
    }
    kernels.patchProjectBackward(
        new Kernels.PatchProjectBackward(
            gQkv.view(batch, length, gQkv.size(1)),
            k,
            model.qkvWeight(b),
            model.attentionAffine(b).weight(),
            config.dHead(),
            inputs,
            spread(s.attentionInputs(), s.attentionRows(), k),
            spread(s.attentionRstd(), s.attentionRows(), k),
            delta.narrow(0, 0, sources),
            mask,
            config.normalization(),
            gMlp == null ? null : gMlp.select(0, 0),
            out.add(dests, 0, sources, 0, length),
            gradResid,
            mask == null ? null : gradDelta.narrow(0, 0, sources)));
  }

  /**
   * Mask gradients of one destination and its sources from {@code firstSource} on, and the gradient
   * of the stream that it reads.
   *
   * @param gradOut becomes the gradient of its patched input
   */
  private void patchBackward(
      DestModule dest,
      int firstSource,
      int first,
      int positions,
      Rows r,
      Tensor inputs,
      Tensor rstd,
      Normalization norm,
      Tensor gradOut,
      Tensor gradResid,
      Tensor gradDelta,
      MaskGradients out) {
    int sources = dest.sources() - firstSource;
    boolean any = sources > 0;
    boolean through = any && gradDelta != null && !r.zero();
    Tensor mask = through ? r.mask().narrow(3, firstSource, sources) : null;
    kernels.patchBackward(
        new Kernels.PatchBackward(
            gradOut,
            inputs,
            rstd,
            any ? delta.narrow(0, firstSource, sources).narrow(2, first, positions) : null,
            mask,
            norm,
            any ? out.add(List.of(dest), firstSource, sources, first, positions) : null,
            gradResid.narrow(1, first, positions),
            through
                ? gradDelta.narrow(0, firstSource, sources).narrow(2, first, positions)
                : null));
  }

  /** One slice for each destination from one for each distinct input. */
  private static Tensor spread(Tensor unique, Rows r, int k) {
    if (r.unique() == k) {
      return unique;
    }
    if (r.unique() == 1) {
      long[] shape = unique.shape();
      shape[0] = k;
      return unique.expand(shape);
    }
    return Placement.slices(unique, 0, r.group());
  }

  private static Tensor maskOf(Rows r, int k) {
    return r.unique() == k ? r.mask() : Placement.slices(r.mask(), 2, r.group());
  }

  /** Frees the working memory. */
  @Override
  public void close() {
    if (engine != null) {
      engine.close();
    }
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
