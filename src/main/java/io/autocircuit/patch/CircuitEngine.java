package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.DestNode.Input;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
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
  private final PatchableModel patchable;
  private final Transformer model;
  private final Placement place;
  private final TransformerConfig config;
  private final ComputationGraph graph;
  private final Transformer.Context context;
  private final boolean constantsAreAblations;

  /**
   * Leading positions at which every Δ is 0: there all is as in the base run, for every circuit.
   */
  private final int prefix;

  private final int batch;
  private final int length;
  private final int d;
  private final List<Tensor> owned = new ArrayList<>();
  private final Tensor ablations;
  private final Tensor delta;

  /** P before attention of each block, and at the end; P before the MLP of each block. */
  private final Tensor[] baseAttention;

  private final Tensor[] baseMlp;

  /** Queries, keys and values of each block, {@code [B,T,3·H·dHead]}; made when first needed. */
  private final Tensor[] parts;

  /**
   * What the MLP of each block reads from the sources before its block, {@code [B,T,D]}, and what
   * it was computed from; made when first needed.
   */
  private final Tensor[] carries;

  private final long[][] carryInputs;

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

  /** The logits when every source is ablated for the end: the same for every such circuit. */
  private Tensor constantLogits;

  CircuitEngine(
      PatchableModel patchable,
      Transformer.Context context,
      Tensor embedded,
      Tensor ablations,
      boolean constantsAreAblations,
      int prefix) {
    this.prefix = prefix;
    this.patchable = patchable;
    this.model = patchable.model();
    this.place = model.placement();
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
    parts = new Tensor[graph.blocks()];
    carries = new Tensor[graph.blocks()];
    carryInputs = new long[graph.blocks()][];
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
      delta = own(place.zeros(sources, batch, length, d));
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
    if (plan.kept(0, 0).length == 0) {
      if (constantLogits == null) {
        constantLogits = end(plan, edges, first);
      }
      return constantLogits.clone();
    }
    long[] inputs = inputs(plan.kept(0, 0), edges, 0, 0, CircuitPlan.SLICE);
    if (!Arrays.equals(inputs, endInputs)) {
      Tensor logits = end(plan, edges, first);
      if (endLogits != null) {
        owned.remove(endLogits);
        endLogits.releaseReference();
      }
      endLogits = logits;
      endInputs = inputs;
    }
    return endLogits.clone();
  }

  private Tensor end(CircuitPlan plan, BitSet edges, int first) {
    try (TensorScope scope = new TensorScope()) {
      Tensor x =
          patched(
              baseAttention[graph.blocks()],
              0,
              new int[] {0, 0},
              plan,
              edges,
              first,
              config.finalNormalization());
      return own(model.unembed(model.finalAffine().apply(x.select(0, 0))));
    }
  }

  /** Forgets what was computed, but for what is the same for every circuit. */
  void forget() {
    for (long[][] block : columnInputs) {
      Arrays.fill(block, null);
    }
    Arrays.fill(sourceInputs, null);
    Arrays.fill(carryInputs, null);
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
   * The normalised input of a destination, {@code [1,B,T − first,D]}.
   *
   * @param base its input without the sources from {@code from} on
   * @param from the first source that is added
   * @param destination module index and head
   */
  private Tensor patched(
      Tensor base,
      int from,
      int[] destination,
      CircuitPlan plan,
      BitSet edges,
      int first,
      Normalization norm) {
    int positions = length - first;
    Tensor out = place.empty(1, batch, positions, d);
    int[] kept = plan.kept(destination[0], destination[1]);
    int used = kept.length == 0 ? 0 : Math.max(0, kept[kept.length - 1] + 1 - from);
    Tensor mask = mask(List.of(destination), from, used, plan, edges, first);
    patchable
        .kernels()
        .patchForward(
            new Kernels.PatchForward(
                base.narrow(1, first, positions),
                mask == null ? null : delta.narrow(0, from, used).narrow(2, first, positions),
                mask,
                norm,
                out,
                null));
    return out;
  }

  /**
   * −1 where a destination keeps a source, {@code [1, 1 or T − first, destinations, used]}; null
   * without sources.
   */
  private Tensor mask(
      List<int[]> destinations, int from, int used, CircuitPlan plan, BitSet edges, int first) {
    if (used == 0) {
      return null;
    }
    int k = destinations.size();
    int positions = length - first;
    int tm = edges == null ? 1 : positions;
    float[] mask = new float[tm * k * used];
    for (int i = 0; i < k; i++) {
      int m = destinations.get(i)[0];
      int h = destinations.get(i)[1];
      for (int s : plan.kept(m, h)) {
        if (s < from || s >= from + used) {
          continue;
        }
        if (edges == null) {
          mask[i * used + s - from] = -1;
        } else {
          int start = graph.index(graph.modules().get(m), h, s, first);
          for (int t = 0; t < positions; t++) {
            mask[(t * k + i) * used + s - from] = edges.get(start + t) ? -1 : 0;
          }
        }
      }
    }
    return place.tensor(mask, 1, tm, k, used);
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
        parts[b] = own(place.empty(batch, length, 3L * heads * config.dHead()));
        projectPrefix(b);
      }
      for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
        project(
            plan,
            edges,
            b,
            changed.stream().filter(c -> needOf(b, c) == need).toList(),
            from(need),
            firstSource);
      }
    }
    for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
      List<Integer> some =
          stale.stream().filter(h -> sourceInputs[firstSource + h][0] == need).toList();
      if (!some.isEmpty()) {
        mix(b, firstSource, some, from(need));
      }
    }
  }

  /** The first position that is computed for a need. */
  private int from(byte need) {
    return need == CircuitPlan.SLICE ? patchable.slice().first(length) : prefix;
  }

  /** Queries, keys and values of a block where they are the same for every circuit. */
  private void projectPrefix(int b) {
    if (prefix == 0) {
      return;
    }
    int[] columns = IntStream.range(0, 3 * config.heads()).toArray();
    patchable.project(
        b,
        baseAttention[b].narrow(1, 0, prefix),
        null,
        null,
        1,
        new int[columns.length],
        columns,
        parts[b].narrow(1, 0, prefix),
        null);
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

  /** What the MLP of a block reads from the sources before the block; null if nothing. */
  private long[] carried(CircuitPlan plan, BitSet edges, int b, int firstSource) {
    if (config.attentionOnly() || config.parallel()) {
      return null;
    }
    byte need = plan.need(firstSource + config.heads());
    int m = moduleIndex[b][4];
    int[] early = Arrays.stream(plan.kept(m, 0)).filter(s -> s < firstSource).toArray();
    return need == CircuitPlan.NOTHING || early.length == 0
        ? null
        : inputs(early, edges, m, 0, need);
  }

  /**
   * Computes query, key and value columns of a block from position {@code first} on, and on the way
   * what its MLP reads from the same sources.
   */
  private void project(
      CircuitPlan plan, BitSet edges, int b, List<Integer> columns, int first, int firstSource) {
    if (columns.isEmpty()) {
      return;
    }
    int heads = config.heads();
    // equal inputs are computed once
    Map<List<Long>, Integer> unique = new LinkedHashMap<>();
    List<int[]> destinations = new ArrayList<>();
    int[] inputs = new int[columns.size()];
    int used = 0;
    for (int i = 0; i < inputs.length; i++) {
      int column = columns.get(i);
      int part = column / heads;
      int h = column % heads;
      List<Long> key = Arrays.stream(columnInputs[b][column]).skip(1).boxed().toList();
      Integer known = unique.get(key);
      if (known == null) {
        known = unique.size();
        unique.put(key, known);
        int m = moduleIndex[b][graph.separateQkv() ? part : 3];
        destinations.add(new int[] {m, h});
        int[] kept = plan.kept(m, h);
        used = Math.max(used, kept.length == 0 ? 0 : kept[kept.length - 1] + 1);
      }
      inputs[i] = known;
    }
    int count = destinations.size();
    int positions = length - first;
    long[] early = carried(plan, edges, b, firstSource);
    boolean carry =
        early != null && first == from((byte) early[0]) && !covers(carryInputs[b], early);
    Tensor carried = null;
    if (carry) {
      int[] kept = plan.kept(moduleIndex[b][4], 0);
      for (int s : kept) {
        used = s < firstSource ? Math.max(used, s + 1) : used;
      }
      destinations.add(new int[] {moduleIndex[b][4], 0});
      if (carries[b] == null) {
        carries[b] = own(place.empty(batch, length, d));
      }
      carried = positions == length ? carries[b] : place.empty(batch, positions, d);
    }
    Tensor mask = mask(destinations, 0, used, plan, edges, first);
    patchable.project(
        b,
        baseAttention[b].narrow(1, first, positions),
        mask == null ? null : delta.narrow(0, 0, used).narrow(2, first, positions),
        mask,
        count,
        inputs,
        columns.stream().mapToInt(Integer::intValue).toArray(),
        parts[b].narrow(1, first, positions),
        carried);
    if (carry) {
      if (positions < length) {
        carries[b].narrow(1, first, positions).copy_(carried);
      }
      carryInputs[b] = early;
    }
  }

  /** Attention of some heads from position {@code first} on, and their Δ. */
  private void mix(int b, int firstSource, List<Integer> some, int first) {
    int heads = config.heads();
    int dHead = config.dHead();
    int positions = length - first;
    long width = (long) heads * dHead;
    Tensor q = pick(parts[b].narrow(2, 0, width).narrow(1, first, positions), some, heads, dHead);
    Tensor k = pick(parts[b].narrow(2, width, width), some, heads, dHead);
    Tensor v = pick(parts[b].narrow(2, 2 * width, width), some, heads, dHead);
    Tensor z = model.mix(q, k, v, context).reshape(batch, positions, (long) some.size() * dHead);
    patchable
        .kernels()
        .headOutputs(
            new Kernels.HeadOutputs(
                z,
                model.attentionOutput(b),
                dHead,
                some.stream().mapToInt(Integer::intValue).toArray(),
                ablations.narrow(0, firstSource, heads).narrow(2, first, positions),
                delta.narrow(0, firstSource, heads).narrow(2, first, positions),
                null));
    for (int h : some) {
      sourceVersions[firstSource + h] = ++clock;
    }
  }

  private Tensor pick(Tensor columns, List<Integer> some, int heads, int dHead) {
    if (some.size() == heads) {
      return columns.unflatten(2, new long[] {heads, dHead});
    }
    return Placement.slices(
        columns.unflatten(2, new long[] {heads, dHead}),
        2,
        some.stream().mapToInt(Integer::intValue).toArray());
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
    int first = from(need);
    int positions = length - first;
    int firstSource = source - config.heads();
    long[] early = carried(plan, edges, b, firstSource);
    Tensor base = baseMlp[b];
    int from = 0;
    if (early != null && covers(carryInputs[b], early)) {
      base = base.add(carries[b]);
      from = firstSource;
    }
    Tensor x = patched(base, from, new int[] {m, 0}, plan, edges, first, config.normalization());
    Tensor out = place.empty((long) batch * positions, d);
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
