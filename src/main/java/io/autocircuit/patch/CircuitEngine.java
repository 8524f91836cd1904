package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Evaluates circuits whose complement is ablated, at the cost of what they contain.
 *
 * <p>With P_d the input of a destination when every source is ablated (it depends on the batch
 * alone), its input in a circuit is {@code P_d − Σ_{s kept} Δ_s}. Only live nodes are computed, at
 * the positions at which they are read (see {@link CircuitPlan}). Every query, key and value column
 * and every Δ is kept with the list of what it was computed from; where that has not changed since
 * the last circuit, it is not computed again. So circuits that differ little cost little, one after
 * another: the trials of ACDC, and the growing circuits of a sweep.
 */
final class CircuitEngine implements AutoCloseable {
  private static final Scalar ONE = constant(1);
  private static final Scalar MINUS_ONE = constant(-1);

  private final PatchableModel patchable;
  private final Transformer model;
  private final TransformerConfig config;
  private final ComputationGraph graph;
  private final Transformer.Context context;
  private final boolean constantsAreAblations;
  private final int batch;
  private final int length;
  private final int d;
  private final List<Tensor> owned = new ArrayList<>();
  private final Tensor ablations;
  private final Tensor delta;

  /** P before attention of each block, and at the end; P before the MLP of each block. */
  private final Tensor[] baseAttention;

  private final Tensor[] baseMlp;

  /** Queries, keys and values of each block, {@code [3][B,T,H·dHead]}; made when first needed. */
  private final Tensor[][] parts;

  /** What each of a block's 3·H columns was computed from, and when. */
  private final long[][][] columnInputs;

  private final long[][] columnVersions;

  /** What each source's Δ was computed from, and when. */
  private final long[][] sourceInputs;

  private final long[] sourceVersions;
  private final int[][] moduleIndex;
  private long clock;
  private long[] endInputs;
  private Tensor endLogits;

  private static Scalar constant(double value) {
    Scalar s = new Scalar(value);
    s.retainReference();
    return s;
  }

  CircuitEngine(
      PatchableModel patchable,
      Transformer.Context context,
      Tensor embedded,
      Tensor ablations,
      boolean constantsAreAblations) {
    this.patchable = patchable;
    this.model = patchable.model();
    this.config = model.config();
    this.graph = patchable.graph();
    this.context = context;
    this.constantsAreAblations = constantsAreAblations;
    this.batch = context.batchSize();
    this.length = context.length();
    this.d = config.dModel();
    this.ablations = ablations;
    int sources = graph.sources().size();
    int heads = config.heads();
    baseAttention = new Tensor[graph.blocks() + 1];
    baseMlp = new Tensor[graph.blocks()];
    parts = new Tensor[graph.blocks()][];
    columnInputs = new long[graph.blocks()][3 * heads][];
    columnVersions = new long[graph.blocks()][3 * heads];
    sourceInputs = new long[sources][];
    sourceVersions = new long[sources];
    moduleIndex = new int[graph.blocks()][];
    for (int b = 0; b < graph.blocks(); b++) {
      moduleIndex[b] =
          new int[] {
            find(b, Input.Q),
            find(b, Input.K),
            find(b, Input.V),
            find(b, Input.ATTENTION),
            find(b, Input.MLP)
          };
    }
    try (TensorScope scope = new TensorScope()) {
      // rows that do not keep a source multiply its Δ by 0, so it may never hold NaN
      delta = own(Tensors.zeros(model.type(), sources, batch, length, d));
      torch.sub_out(delta.select(0, 0), ablations.select(0, 0), embedded);
      sourceVersions[0] = ++clock;
      Tensor p = ablations.select(0, 0).clone();
      int s = 1;
      for (int b = 0; b < graph.blocks(); b++) {
        baseAttention[b] = own(p.clone());
        Tensor before = p;
        p = p.add(ablations.narrow(0, s, heads).sum(new long[] {0}, false, null));
        p.add_(model.attentionOutputBias(b));
        s += heads;
        if (!config.attentionOnly()) {
          baseMlp[b] = own(config.parallel() ? before.clone() : p.clone());
          p = p.add(ablations.select(0, s++));
        }
      }
      baseAttention[graph.blocks()] = own(p);
    }
  }

  private int find(int block, Input input) {
    for (int i = 0; i < graph.modules().size(); i++) {
      DestModule m = graph.modules().get(i);
      if (m.block() == block && m.input() == input) {
        return i;
      }
    }
    return -1;
  }

  private Tensor own(Tensor t) {
    t.retainReference();
    owned.add(t);
    return t;
  }

  /** The sliced logits of a circuit, {@code [B,P,V]}, in the current scope. */
  Tensor logits(Circuit circuit) {
    boolean last = patchable.slice() == OutputSlice.LAST_SEQ;
    CircuitPlan plan = CircuitPlan.of(circuit, constantsAreAblations, last);
    BitSet edges = graph.positions() > 0 ? circuit.edgeSet() : null;
    int perBlock = config.heads() + (config.attentionOnly() ? 0 : 1);
    for (int b = 0; b < graph.blocks(); b++) {
      try (TensorScope scope = new TensorScope()) {
        attention(plan, edges, b, 1 + b * perBlock);
        if (!config.attentionOnly()) {
          mlp(plan, edges, b, b * perBlock + perBlock);
        }
      }
    }
    int first = patchable.slice().first(length);
    long[] inputs = inputs(plan.kept(0, 0), edges, 0, 0, CircuitPlan.SLICE);
    if (!Arrays.equals(inputs, endInputs)) {
      try (TensorScope scope = new TensorScope()) {
        Tensor x =
            patched(
                baseAttention[graph.blocks()],
                List.of(new int[] {0, 0}),
                plan,
                edges,
                first,
                config.finalNormalization());
        Tensor logits = model.unembed(model.finalAffine().apply(x.select(0, 0)));
        if (endLogits != null) {
          owned.remove(endLogits);
          endLogits.releaseReference();
        }
        endLogits = own(logits);
      }
      endInputs = inputs;
    }
    return endLogits.clone();
  }

  /** Forgets what was computed, but for the embedding's Δ. */
  void forget() {
    for (long[][] block : columnInputs) {
      Arrays.fill(block, null);
    }
    Arrays.fill(sourceInputs, null);
    endInputs = null;
  }

  /** What a destination's input is computed from: how much, its sources and their versions. */
  private long[] inputs(int[] kept, BitSet edges, int module, int head, byte need) {
    int words = edges == null ? 0 : (graph.positions() + 63) / 64;
    long[] list = new long[1 + kept.length * (2 + words)];
    list[0] = need;
    int i = 1;
    for (int s : kept) {
      list[i++] = s;
      list[i++] = sourceVersions[s];
      if (edges != null) {
        int start = graph.index(graph.modules().get(module), head, s, 0);
        long[] bits = edges.get(start, start + graph.positions()).toLongArray();
        System.arraycopy(bits, 0, list, i, bits.length);
        i += words;
      }
    }
    return list;
  }

  /**
   * The normalised inputs of some destinations of one base, {@code [K,B,T − first,D]}.
   *
   * @param destinations pairs of module index and head
   */
  private Tensor patched(
      Tensor base,
      List<int[]> destinations,
      CircuitPlan plan,
      BitSet edges,
      int first,
      Normalization norm) {
    int positions = length - first;
    int k = destinations.size();
    int sources = graph.modules().get(destinations.get(0)[0]).sources();
    // columns up to the last source that is kept by anyone
    int used = 0;
    for (int[] dest : destinations) {
      int[] kept = plan.kept(dest[0], dest[1]);
      used = Math.max(used, kept.length == 0 ? 0 : kept[kept.length - 1] + 1);
    }
    Tensor out = Tensors.empty(model.type(), k, batch, positions, d);
    Tensor resid = base.narrow(1, first, positions);
    if (used == 0) {
      patchable
          .kernels()
          .patchForward(new Kernels.PatchForward(resid, null, null, norm, out, null));
      return out;
    }
    int tm = edges == null ? 1 : positions;
    float[] mask = new float[tm * k * used];
    for (int i = 0; i < k; i++) {
      int m = destinations.get(i)[0];
      int h = destinations.get(i)[1];
      for (int s : plan.kept(m, h)) {
        if (edges == null) {
          mask[i * used + s] = -1;
        } else {
          int start = graph.index(graph.modules().get(m), h, s, first);
          for (int t = 0; t < positions; t++) {
            mask[(t * k + i) * used + s] = edges.get(start + t) ? -1 : 0;
          }
        }
      }
    }
    if (used > sources) {
      throw new IllegalStateException("kept source beyond the destination's sources");
    }
    patchable
        .kernels()
        .patchForward(
            new Kernels.PatchForward(
                resid,
                delta.narrow(0, 0, used).narrow(2, first, positions),
                Tensors.of(model.type(), mask, 1, tm, k, used),
                norm,
                out,
                null));
    return out;
  }

  private void attention(CircuitPlan plan, BitSet edges, int b, int firstSource) {
    int heads = config.heads();
    byte most = CircuitPlan.NOTHING;
    for (int h = 0; h < heads; h++) {
      most = (byte) Math.max(most, plan.need(firstSource + h));
    }
    if (most == CircuitPlan.NOTHING) {
      return;
    }
    List<Integer> stale = new ArrayList<>();
    List<Integer> changed = new ArrayList<>();
    for (int h = 0; h < heads; h++) {
      byte need = plan.need(firstSource + h);
      if (need == CircuitPlan.NOTHING) {
        continue;
      }
      for (int part = 0; part < 3; part++) {
        int m = moduleIndex[b][graph.separateQkv() ? part : 3];
        byte at = part == 0 ? need : CircuitPlan.EVERYTHING;
        long[] now = inputs(plan.kept(m, h), edges, m, h, at);
        int column = part * heads + h;
        if (!covers(columnInputs[b][column], now)) {
          columnInputs[b][column] = now;
          columnVersions[b][column] = ++clock;
          changed.add(column);
        }
      }
      long[] made = {
        need, columnVersions[b][h], columnVersions[b][heads + h], columnVersions[b][2 * heads + h]
      };
      if (!covers(sourceInputs[firstSource + h], made)) {
        sourceInputs[firstSource + h] = made;
        stale.add(h);
      }
    }
    if (!changed.isEmpty()) {
      if (parts[b] == null) {
        long width = (long) heads * config.dHead();
        parts[b] = new Tensor[3];
        for (int i = 0; i < 3; i++) {
          parts[b][i] = own(Tensors.empty(model.type(), batch, length, width));
        }
      }
      int first = patchable.slice().first(length);
      project(
          plan,
          edges,
          b,
          changed.stream().filter(c -> needOf(b, c) != CircuitPlan.SLICE).toList(),
          0);
      project(
          plan,
          edges,
          b,
          changed.stream().filter(c -> needOf(b, c) == CircuitPlan.SLICE).toList(),
          first);
    }
    for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
      List<Integer> some =
          stale.stream().filter(h -> sourceInputs[firstSource + h][0] == need).toList();
      if (!some.isEmpty()) {
        mix(b, firstSource, some, need == CircuitPlan.SLICE ? patchable.slice().first(length) : 0);
      }
    }
  }

  private byte needOf(int block, int column) {
    return (byte) columnInputs[block][column][0];
  }

  /** Whether what is there was made from the same inputs, for at least as many positions. */
  private static boolean covers(long[] made, long[] wanted) {
    return made != null
        && made[0] >= wanted[0]
        && Arrays.equals(made, 1, made.length, wanted, 1, wanted.length);
  }

  /** Computes query, key and value columns of a block from position {@code first} on. */
  private void project(CircuitPlan plan, BitSet edges, int b, List<Integer> columns, int first) {
    if (columns.isEmpty()) {
      return;
    }
    int heads = config.heads();
    // equal inputs are computed once
    Map<List<Long>, Integer> unique = new LinkedHashMap<>();
    List<int[]> destinations = new ArrayList<>();
    int[] row = new int[3 * heads];
    for (int column : columns) {
      int part = column / heads;
      int h = column % heads;
      List<Long> key = Arrays.stream(columnInputs[b][column]).skip(1).boxed().toList();
      Integer known = unique.get(key);
      if (known == null) {
        known = unique.size();
        unique.put(key, known);
        destinations.add(new int[] {moduleIndex[b][graph.separateQkv() ? part : 3], h});
      }
      row[column] = known;
    }
    Tensor x = patched(baseAttention[b], destinations, plan, edges, first, config.normalization());
    int positions = length - first;
    Tensor inputs =
        model.attentionAffine(b).apply(x).view(destinations.size(), (long) batch * positions, d);
    for (int i = 0; i < columns.size(); ) {
      int from = columns.get(i);
      int to = from + 1;
      i++;
      while (i < columns.size()
          && columns.get(i) == to
          && to % heads != 0
          && row[to] == row[from]) {
        to++;
        i++;
      }
      Tensor target = parts[b][from / heads];
      Tensor rows =
          first == 0
              ? target.view((long) batch * length, target.size(2))
              : target.narrow(1, first, positions).view(batch, target.size(2));
      model.project(
          b,
          inputs.select(0, row[from]),
          from,
          to - from,
          rows.narrow(
              1, (long) (from % heads) * config.dHead(), (long) (to - from) * config.dHead()));
    }
  }

  /** Attention of some heads from position {@code first} on, and their Δ. */
  private void mix(int b, int firstSource, List<Integer> some, int first) {
    int heads = config.heads();
    int dHead = config.dHead();
    int positions = length - first;
    Tensor q = pick(parts[b][0].narrow(1, first, positions), some, heads, dHead);
    Tensor k = pick(parts[b][1], some, heads, dHead);
    Tensor v = pick(parts[b][2], some, heads, dHead);
    Tensor z =
        model.mix(q, k, v, context).reshape((long) batch * positions, (long) some.size() * dHead);
    for (int i = 0; i < some.size(); i++) {
      int s = firstSource + some.get(i);
      Tensor target = delta.select(0, s).narrow(1, first, positions);
      target.copy_(ablations.select(0, s).narrow(1, first, positions));
      Tensor rows = first == 0 ? target.view((long) batch * length, d) : target.view(batch, d);
      torch.addmm_out(
          rows,
          rows,
          z.narrow(1, (long) i * dHead, dHead),
          model.headOutput(b, some.get(i)),
          ONE,
          MINUS_ONE);
      sourceVersions[s] = ++clock;
    }
  }

  private Tensor pick(Tensor columns, List<Integer> some, int heads, int dHead) {
    if (some.size() == heads) {
      return columns.unflatten(2, new long[] {heads, dHead});
    }
    int lowest = some.get(0);
    boolean neighbours = some.get(some.size() - 1) - lowest + 1 == some.size();
    if (neighbours) {
      return columns
          .narrow(2, (long) lowest * dHead, (long) some.size() * dHead)
          .unflatten(2, new long[] {some.size(), dHead});
    }
    long[] index = some.stream().mapToLong(Integer::longValue).toArray();
    return columns
        .unflatten(2, new long[] {heads, dHead})
        .index_select(2, Tensors.of(index, index.length));
  }

  private void mlp(CircuitPlan plan, BitSet edges, int b, int source) {
    byte need = plan.need(source);
    if (need == CircuitPlan.NOTHING) {
      return;
    }
    int m = moduleIndex[b][4];
    long[] now = inputs(plan.kept(m, 0), edges, m, 0, need);
    if (covers(sourceInputs[source], now)) {
      return;
    }
    sourceInputs[source] = now;
    int first = need == CircuitPlan.SLICE ? patchable.slice().first(length) : 0;
    int positions = length - first;
    Tensor x =
        patched(baseMlp[b], List.of(new int[] {m, 0}), plan, edges, first, config.normalization());
    Tensor out = Tensors.empty(model.type(), (long) batch * positions, d);
    model.mlp(b, model.mlpAffine(b).apply(x.view((long) batch * positions, d)), out);
    torch.sub_out(
        delta.select(0, source).narrow(1, first, positions),
        ablations.select(0, source).narrow(1, first, positions),
        out.view(batch, positions, d));
    sourceVersions[source] = ++clock;
  }

  /** Frees the working memory. */
  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
