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
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
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
 *
 * <p>Several circuits can be evaluated in one run: the batch is then a number of copies of the
 * prompts, one for each circuit (row c·B + b is prompt b in circuit c), with a mask for each copy.
 * A node is computed for the copies from the first to the last that need it anew. Copies between
 * them that do not read it get some finite numbers, which their masks leave out. Every copy
 * remembers what it holds, so that its next circuit is computed from its last.
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

  /** Prompts of one copy. */
  private final int prompts;

  private final int length;
  private final int d;
  private final List<Tensor> owned = new ArrayList<>();
  private final Tensor ablations;
  private final Tensor delta;

  /** P before attention of each block, and at the end; P before the MLP of each block. */
  private final Tensor[] baseAttention;

  private final Tensor[] baseMlp;

  /** Queries, keys and values of each block, {@code [C·B,T,3·H·dHead]}; made when first needed. */
  private final Tensor[] parts;

  /**
   * What the MLP of each block reads from the sources before its block, {@code [C·B,T,D]}; made
   * when first needed.
   */
  private final Tensor[] carries;

  /** What each copy holds, and what it was computed from. */
  private final Copy[] copies;

  private final int[][] moduleIndex;
  private long clock;

  /** The logits when every source is ablated for the end: the same for every such circuit. */
  private Tensor constantLogits;

  /** What one copy of the prompts holds; null where that is not known. */
  private static final class Copy {
    /** What each of a block's 3·H columns was computed from, and when. */
    private final long[][][] columnInputs;

    private final long[][] columnVersions;

    /** What each source's Δ was computed from, and when. */
    private final long[][] sourceInputs;

    private final long[] sourceVersions;
    private final long[][] carryInputs;
    private long[] endInputs;
    private Tensor endLogits;

    Copy(ComputationGraph graph) {
      int columns = 3 * graph.heads();
      int sources = graph.sources().size();
      columnInputs = new long[graph.blocks()][columns][];
      columnVersions = new long[graph.blocks()][columns];
      sourceInputs = new long[sources][];
      sourceVersions = new long[sources];
      carryInputs = new long[graph.blocks()][];
    }

    void forget() {
      for (long[][] block : columnInputs) {
        Arrays.fill(block, null);
      }
      Arrays.fill(sourceInputs, null);
      Arrays.fill(carryInputs, null);
      endInputs = null;
    }
  }

  /** Neighbouring copies, {@code first} to {@code end − 1}. */
  private record Range(int first, int end) {
    static final Range NONE = new Range(Integer.MAX_VALUE, 0);

    Range with(Range other) {
      return new Range(Math.min(first, other.first), Math.max(end, other.end));
    }

    Range with(int copy) {
      return with(new Range(copy, copy + 1));
    }

    boolean isEmpty() {
      return end <= first;
    }

    int size() {
      return end - first;
    }
  }

  /**
   * The circuits of one run; each in the copy of its index.
   *
   * @param plans one for each circuit
   * @param edges their edges where these differ by position, else null
   */
  private record Group(List<CircuitPlan> plans, List<BitSet> edges) {
    private static final int[] NO_SOURCES = {};

    int size() {
      return plans.size();
    }

    byte need(int copy, int source) {
      return plans.get(copy).need(source);
    }

    /** How much of a source's output any of the circuits reads. */
    byte need(int source) {
      byte most = CircuitPlan.NOTHING;
      for (CircuitPlan p : plans) {
        most = (byte) Math.max(most, p.need(source));
      }
      return most;
    }

    /** The kept sources of a destination; none if nobody reads the node it belongs to. */
    int[] kept(int copy, int module, int head) {
      CircuitPlan p = plans.get(copy);
      return p.read(module, head) ? p.kept(module, head) : NO_SOURCES;
    }

    BitSet edges(int copy) {
      return edges == null ? null : edges.get(copy);
    }
  }

  /**
   * Makes the working memory of so many copies.
   *
   * @param context of the prompts
   * @param embedded of the prompts, {@code [B,T,D]}
   * @param ablations {@code [S,B,T,D]}
   * @param count how many circuits can be evaluated in one run
   */
  CircuitEngine(
      PatchableModel patchable,
      Transformer.Context context,
      Tensor embedded,
      Tensor ablations,
      boolean constantsAreAblations,
      int prefix,
      int count) {
    this.prefix = prefix;
    this.patchable = patchable;
    this.model = patchable.model();
    this.place = model.placement();
    this.config = model.config();
    this.graph = patchable.graph();
    this.constantsAreAblations = constantsAreAblations;
    this.prompts = context.batchSize();
    this.length = context.length();
    this.d = config.dModel();
    int sources = graph.sources().size();
    int heads = config.heads();
    baseAttention = new Tensor[graph.blocks() + 1];
    baseMlp = new Tensor[graph.blocks()];
    parts = new Tensor[graph.blocks()];
    carries = new Tensor[graph.blocks()];
    copies = IntStream.range(0, count).mapToObj(c -> new Copy(graph)).toArray(Copy[]::new);
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
      int rows = count * prompts;
      this.context = count == 1 ? context : repeated(context, count);
      // one value for all prompts is one for all copies; else each copy has its own
      this.ablations =
          count == 1
              ? ablations
              : own(
                  prompts == 1 || ablations.stride(1) == 0
                      ? ablations.narrow(1, 0, 1).expand(sources, rows, length, d)
                      : ablations.repeat(1, count, 1, 1));
      // rows that do not keep a source multiply its Δ by 0, so it may never hold NaN
      delta = own(place.zeros(sources, rows, length, d));
      delta.select(0, 0).copy_(repeated(ablations.select(0, 0).sub(embedded), count));
      for (Copy c : copies) {
        c.sourceVersions[0] = ++clock;
      }
      Tensor p = ablations.select(0, 0).clone();
      int s = 1;
      for (int b = 0; b < graph.blocks(); b++) {
        baseAttention[b] = own(repeated(p.clone(), count));
        Tensor before = p;
        p = p.add(ablations.narrow(0, s, heads).sum(new long[] {0}, false, null));
        p.add_(model.attentionOutputBias(b));
        s += heads;
        if (!config.attentionOnly()) {
          baseMlp[b] = own(repeated(config.parallel() ? before.clone() : p.clone(), count));
          p = p.add(ablations.select(0, s++));
        }
      }
      baseAttention[graph.blocks()] = own(repeated(p, count));
    }
  }

  /** So many copies of {@code [B,T,D]} after one another. */
  private static Tensor repeated(Tensor t, int count) {
    return count == 1 ? t : t.repeat(count, 1, 1);
  }

  private Transformer.Context repeated(Transformer.Context c, int count) {
    return new Transformer.Context(
        count * c.batchSize(),
        c.length(),
        ofPrompts(c.mask(), count),
        ofPrompts(c.cosines(), count),
        ofPrompts(c.sines(), count));
  }

  /** What is the same for all prompts stays; what each prompt has, each copy of it has. */
  private Tensor ofPrompts(Tensor t, int count) {
    return t == null || t.size(0) == 1 ? t : own(t.repeat(count, 1, 1, 1));
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

  /** How many circuits can be evaluated in one run. */
  int capacity() {
    return copies.length;
  }

  /** The rows of some copies. */
  private Tensor rows(Tensor t, int axis, Range r) {
    return r.size() == copies.length
        ? t
        : t.narrow(axis, (long) r.first() * prompts, (long) r.size() * prompts);
  }

  private Transformer.Context rows(Range r) {
    return r.size() == copies.length
        ? context
        : new Transformer.Context(
            r.size() * prompts,
            length,
            rowsOfPrompts(context.mask(), r),
            rowsOfPrompts(context.cosines(), r),
            rowsOfPrompts(context.sines(), r));
  }

  private Tensor rowsOfPrompts(Tensor t, Range r) {
    return t == null || t.size(0) == 1 ? t : rows(t, 0, r);
  }

  /**
   * The sliced logits of circuits, {@code [circuits,B,P,V]}, in the current scope.
   *
   * @param circuits 1 to {@link #capacity}
   */
  Tensor logits(List<Circuit> circuits) {
    boolean last = patchable.slice() == OutputSlice.LAST_SEQ;
    Group g =
        new Group(
            circuits.stream().map(c -> CircuitPlan.of(c, constantsAreAblations, last)).toList(),
            graph.positions() > 0 ? circuits.stream().map(Circuit::edgeSet).toList() : null);
    int perBlock = config.heads() + (config.attentionOnly() ? 0 : 1);
    for (int b = 0; b < graph.blocks(); b++) {
      try (TensorScope scope = new TensorScope()) {
        attention(g, b, 1 + b * perBlock);
        if (!config.attentionOnly()) {
          mlp(g, b, b * perBlock + perBlock);
        }
      }
    }
    return ends(g);
  }

  private Tensor ends(Group g) {
    Range stale = Range.NONE;
    for (int c = 0; c < g.size(); c++) {
      if (g.kept(c, 0, 0).length > 0
          && !Arrays.equals(copies[c].endInputs, inputs(g, c, 0, 0, CircuitPlan.SLICE))) {
        stale = stale.with(c);
      }
    }
    if (!stale.isEmpty()) {
      try (TensorScope scope = new TensorScope()) {
        Tensor logits = end(g, stale);
        for (int c = stale.first(); c < stale.end(); c++) {
          Tensor mine =
              stale.size() == 1
                  ? logits
                  : logits.narrow(0, (long) (c - stale.first()) * prompts, prompts).clone();
          if (copies[c].endLogits != null) {
            owned.remove(copies[c].endLogits);
            copies[c].endLogits.releaseReference();
          }
          copies[c].endLogits = own(mine);
          copies[c].endInputs = inputs(g, c, 0, 0, CircuitPlan.SLICE);
        }
      }
    }
    Tensor[] each = new Tensor[g.size()];
    for (int c = 0; c < each.length; c++) {
      if (g.kept(c, 0, 0).length > 0) {
        each[c] = copies[c].endLogits;
        continue;
      }
      if (constantLogits == null) {
        try (TensorScope scope = new TensorScope()) {
          constantLogits = own(end(g, new Range(c, c + 1)));
        }
      }
      each[c] = constantLogits;
    }
    return each.length == 1 ? each[0].clone().unsqueeze(0) : torch.stack(new TensorVector(each), 0);
  }

  private Tensor end(Group g, Range r) {
    Tensor x =
        patched(
            rows(baseAttention[graph.blocks()], 0, r),
            0,
            new int[] {0, 0},
            g,
            r,
            patchable.slice().first(length),
            config.finalNormalization());
    return model.unembed(model.finalAffine().apply(x.select(0, 0)));
  }

  /** Forgets what was computed, but for what is the same for every circuit. */
  void forget() {
    for (Copy c : copies) {
      c.forget();
    }
  }

  /** What a destination's input is computed from: how much, its sources and their versions. */
  private long[] inputs(Group g, int copy, int module, int head, byte need) {
    return inputs(g, copy, g.kept(copy, module, head), module, head, need);
  }

  private long[] inputs(Group g, int copy, int[] kept, int module, int head, byte need) {
    BitSet edges = g.edges(copy);
    int words = edges == null ? 0 : (graph.positions() + 63) / 64;
    long[] list = new long[1 + kept.length * (2 + words)];
    list[0] = need;
    int i = 1;
    for (int s : kept) {
      list[i++] = s;
      list[i++] = copies[copy].sourceVersions[s];
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
   * The normalised input of a destination in some copies, {@code [1,copies·B,T − first,D]}.
   *
   * @param base its input without the sources from {@code from} on, in those copies
   * @param from the first source that is added
   * @param destination module index and head
   */
  private Tensor patched(
      Tensor base, int from, int[] destination, Group g, Range r, int first, Normalization norm) {
    int positions = length - first;
    Tensor out = place.empty(1, (long) r.size() * prompts, positions, d);
    int used = 0;
    for (int c = r.first(); c < r.end(); c++) {
      int[] kept = g.kept(c, destination[0], destination[1]);
      used = kept.length == 0 ? used : Math.max(used, kept[kept.length - 1] + 1 - from);
    }
    Tensor mask = mask(List.of(destination), from, used, g, r, first);
    patchable
        .kernels()
        .patchForward(
            new Kernels.PatchForward(
                base.narrow(1, first, positions),
                mask == null
                    ? null
                    : rows(delta, 1, r).narrow(0, from, used).narrow(2, first, positions),
                mask,
                norm,
                out,
                null));
    return out;
  }

  /**
   * −1 where a destination keeps a source, {@code [1 or copies·B, 1 or T − first, destinations,
   * used]}; null without sources.
   */
  private Tensor mask(List<int[]> destinations, int from, int used, Group g, Range r, int first) {
    if (used == 0) {
      return null;
    }
    int k = destinations.size();
    int positions = length - first;
    int tm = graph.positions() == 0 ? 1 : positions;
    int size = tm * k * used;
    float[] mask = new float[r.size() * size];
    for (int c = r.first(); c < r.end(); c++) {
      int at = (c - r.first()) * size;
      BitSet edges = g.edges(c);
      for (int i = 0; i < k; i++) {
        int m = destinations.get(i)[0];
        int h = destinations.get(i)[1];
        for (int s : g.kept(c, m, h)) {
          if (s < from || s >= from + used) {
            continue;
          }
          if (edges == null) {
            mask[at + i * used + s - from] = -1;
          } else {
            int start = graph.index(graph.modules().get(m), h, s, first);
            for (int t = 0; t < positions; t++) {
              mask[at + (t * k + i) * used + s - from] = edges.get(start + t) ? -1 : 0;
            }
          }
        }
      }
    }
    boolean same = true;
    for (int c = 1; same && c < r.size(); c++) {
      same = Arrays.equals(mask, 0, size, mask, c * size, (c + 1) * size);
    }
    if (same) {
      return place.tensor(r.size() == 1 ? mask : Arrays.copyOf(mask, size), 1, tm, k, used);
    }
    // one mask travels for each circuit, and is repeated for its prompts where it arrives
    return place
        .tensor(mask, r.size(), 1, tm, k, used)
        .expand(r.size(), prompts, tm, k, used)
        .reshape((long) r.size() * prompts, tm, k, used);
  }

  private void attention(Group g, int b, int firstSource) {
    int heads = config.heads();
    boolean any = false;
    for (int h = 0; h < heads; h++) {
      any |= g.need(firstSource + h) != CircuitPlan.NOTHING;
    }
    if (!any) {
      return;
    }
    for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
      project(g, b, staleColumns(g, b, need, firstSource), need, firstSource);
    }
    for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
      mix(b, staleHeads(g, b, need, firstSource), need, firstSource);
    }
  }

  /**
   * What has to be computed again, and for which copies.
   *
   * @param which columns or heads of a block
   */
  private record Stale(List<Integer> which, Range copies) {}

  private int module(int block, int column) {
    return moduleIndex[block][graph.separateQkv() ? column / config.heads() : 3];
  }

  /** The columns that are read as {@code need} says, in the circuit that reads most of them. */
  private Stale staleColumns(Group g, int b, byte need, int firstSource) {
    int heads = config.heads();
    List<Integer> which = new ArrayList<>();
    Range range = Range.NONE;
    for (int h = 0; h < heads; h++) {
      byte most = g.need(firstSource + h);
      for (int part = 0; most != CircuitPlan.NOTHING && part < 3; part++) {
        if ((part == 0 ? most : CircuitPlan.EVERYTHING) != need) {
          continue;
        }
        int column = part * heads + h;
        Range stale = Range.NONE;
        for (int c = 0; c < g.size(); c++) {
          byte own = g.need(c, firstSource + h);
          byte at = part == 0 || own == CircuitPlan.NOTHING ? own : CircuitPlan.EVERYTHING;
          if (at != CircuitPlan.NOTHING
              && !covers(
                  copies[c].columnInputs[b][column], inputs(g, c, module(b, column), h, at))) {
            stale = stale.with(c);
          }
        }
        if (!stale.isEmpty()) {
          which.add(column);
          range = range.with(stale);
        }
      }
    }
    for (int column : which) {
      int h = column % heads;
      for (int c = range.first(); c < range.end(); c++) {
        copies[c].columnInputs[b][column] =
            g.need(c, firstSource + h) == CircuitPlan.NOTHING
                ? null
                : inputs(g, c, module(b, column), h, need);
        copies[c].columnVersions[b][column] = ++clock;
      }
    }
    return new Stale(which, range);
  }

  private Stale staleHeads(Group g, int b, byte need, int firstSource) {
    List<Integer> which = new ArrayList<>();
    Range range = Range.NONE;
    for (int h = 0; h < config.heads(); h++) {
      if (g.need(firstSource + h) != need) {
        continue;
      }
      Range stale = Range.NONE;
      for (int c = 0; c < g.size(); c++) {
        byte own = g.need(c, firstSource + h);
        if (own != CircuitPlan.NOTHING
            && !covers(copies[c].sourceInputs[firstSource + h], made(c, b, h, own))) {
          stale = stale.with(c);
        }
      }
      if (!stale.isEmpty()) {
        which.add(h);
        range = range.with(stale);
      }
    }
    for (int h : which) {
      for (int c = range.first(); c < range.end(); c++) {
        copies[c].sourceInputs[firstSource + h] =
            g.need(c, firstSource + h) == CircuitPlan.NOTHING ? null : made(c, b, h, need);
      }
    }
    return new Stale(which, range);
  }

  /** What a head is computed from: how much, and the versions of its columns. */
  private long[] made(int copy, int b, int h, byte need) {
    long[] versions = copies[copy].columnVersions[b];
    int heads = config.heads();
    return new long[] {need, versions[h], versions[heads + h], versions[2 * heads + h]};
  }

  /** The first position that is computed for a need. */
  private int from(byte need) {
    return need == CircuitPlan.SLICE ? patchable.slice().first(length) : prefix;
  }

  private Tensor parts(int b) {
    if (parts[b] == null) {
      long rows = (long) copies.length * prompts;
      long width = 3L * config.heads() * config.dHead();
      // heads are computed also for copies between others, whose columns may not be known
      parts[b] =
          own(
              copies.length == 1
                  ? place.empty(rows, length, width)
                  : place.zeros(rows, length, width));
      projectPrefix(b);
    }
    return parts[b];
  }

  /** Queries, keys and values of a block where they are the same for every circuit. */
  private void projectPrefix(int b) {
    if (prefix == 0) {
      return;
    }
    int[] columns = IntStream.range(0, 3 * config.heads()).toArray();
    Tensor one = parts[b].narrow(0, 0, prompts).narrow(1, 0, prefix);
    patchable.project(
        b,
        baseAttention[b].narrow(0, 0, prompts).narrow(1, 0, prefix),
        null,
        null,
        1,
        new int[columns.length],
        columns,
        one,
        null);
    for (int c = 1; c < copies.length; c++) {
      parts[b].narrow(0, (long) c * prompts, prompts).narrow(1, 0, prefix).copy_(one);
    }
  }

  /** Whether what is there was made from the same inputs, for at least as many positions. */
  private static boolean covers(long[] made, long[] wanted) {
    return made != null
        && made[0] >= wanted[0]
        && Arrays.equals(made, 1, made.length, wanted, 1, wanted.length);
  }

  /**
   * What the MLP of a block reads in some copies from the sources before the block, one list for
   * each copy; null if nothing in any of them.
   */
  private long[][] carried(Group g, Range r, int b, int firstSource) {
    if (config.attentionOnly() || config.parallel()) {
      return null;
    }
    byte need = g.need(firstSource + config.heads());
    if (need == CircuitPlan.NOTHING) {
      return null;
    }
    int m = moduleIndex[b][4];
    long[][] lists = new long[r.size()][];
    boolean any = false;
    for (int i = 0; i < lists.length; i++) {
      int c = r.first() + i;
      int[] early = Arrays.stream(g.kept(c, m, 0)).filter(s -> s < firstSource).toArray();
      any |= early.length > 0;
      lists[i] = inputs(g, c, early, m, 0, need);
    }
    return any ? lists : null;
  }

  private boolean carriesCover(int b, Range r, long[][] early) {
    for (int i = 0; i < early.length; i++) {
      if (!covers(copies[r.first() + i].carryInputs[b], early[i])) {
        return false;
      }
    }
    return true;
  }

  /** Whether two columns have the same inputs in all of some copies. */
  private boolean sameInputs(int b, int column, int other, Range r) {
    for (int c = r.first(); c < r.end(); c++) {
      long[] x = copies[c].columnInputs[b][column];
      long[] y = copies[c].columnInputs[b][other];
      if ((x == null) != (y == null)
          || (x != null && !Arrays.equals(x, 1, x.length, y, 1, y.length))) {
        return false;
      }
    }
    return true;
  }

  /**
   * Computes query, key and value columns of a block at the positions of {@code need}, and on the
   * way what its MLP reads from the same sources.
   */
  private void project(Group g, int b, Stale stale, byte need, int firstSource) {
    List<Integer> columns = stale.which();
    Range r = stale.copies();
    if (columns.isEmpty()) {
      return;
    }
    int heads = config.heads();
    int first = from(need);
    Tensor all = rows(parts(b), 0, r);
    // equal inputs are computed once
    List<Integer> unique = new ArrayList<>();
    List<int[]> destinations = new ArrayList<>();
    int[] inputs = new int[columns.size()];
    int used = 0;
    for (int i = 0; i < inputs.length; i++) {
      int column = columns.get(i);
      int known = 0;
      while (known < unique.size() && !sameInputs(b, column, unique.get(known), r)) {
        known++;
      }
      if (known == unique.size()) {
        unique.add(column);
        int m = module(b, column);
        int h = column % heads;
        destinations.add(new int[] {m, h});
        for (int c = r.first(); c < r.end(); c++) {
          int[] kept = g.kept(c, m, h);
          used = Math.max(used, kept.length == 0 ? 0 : kept[kept.length - 1] + 1);
        }
      }
      inputs[i] = known;
    }
    int count = destinations.size();
    int positions = length - first;
    long[][] early = carried(g, r, b, firstSource);
    boolean carry =
        early != null && first == from((byte) early[0][0]) && !carriesCover(b, r, early);
    Tensor carried = null;
    if (carry) {
      for (int c = r.first(); c < r.end(); c++) {
        for (int s : g.kept(c, moduleIndex[b][4], 0)) {
          used = s < firstSource ? Math.max(used, s + 1) : used;
        }
      }
      destinations.add(new int[] {moduleIndex[b][4], 0});
      if (carries[b] == null) {
        carries[b] = own(place.empty((long) copies.length * prompts, length, d));
      }
      carried =
          positions == length
              ? rows(carries[b], 0, r)
              : place.empty((long) r.size() * prompts, positions, d);
    }
    Tensor mask = mask(destinations, 0, used, g, r, first);
    patchable.project(
        b,
        rows(baseAttention[b], 0, r).narrow(1, first, positions),
        mask == null ? null : rows(delta, 1, r).narrow(0, 0, used).narrow(2, first, positions),
        mask,
        count,
        inputs,
        columns.stream().mapToInt(Integer::intValue).toArray(),
        all.narrow(1, first, positions),
        carried);
    if (carry) {
      if (positions < length) {
        rows(carries[b], 0, r).narrow(1, first, positions).copy_(carried);
      }
      for (int i = 0; i < early.length; i++) {
        copies[r.first() + i].carryInputs[b] = early[i];
      }
    }
  }

  /** Attention of some heads at the positions of {@code need}, and their Δ. */
  private void mix(int b, Stale stale, byte need, int firstSource) {
    List<Integer> some = stale.which();
    Range r = stale.copies();
    if (some.isEmpty()) {
      return;
    }
    int heads = config.heads();
    int dHead = config.dHead();
    int first = from(need);
    int positions = length - first;
    long width = (long) heads * dHead;
    Tensor all = rows(parts(b), 0, r);
    Tensor q = pick(all.narrow(2, 0, width).narrow(1, first, positions), some, heads, dHead);
    Tensor k = pick(all.narrow(2, width, width), some, heads, dHead);
    Tensor v = pick(all.narrow(2, 2 * width, width), some, heads, dHead);
    Tensor z =
        model
            .mix(q, k, v, rows(r))
            .reshape((long) r.size() * prompts, positions, (long) some.size() * dHead);
    patchable
        .kernels()
        .headOutputs(
            new Kernels.HeadOutputs(
                z,
                model.attentionOutput(b),
                dHead,
                some.stream().mapToInt(Integer::intValue).toArray(),
                rows(ablations, 1, r).narrow(0, firstSource, heads).narrow(2, first, positions),
                rows(delta, 1, r).narrow(0, firstSource, heads).narrow(2, first, positions),
                null));
    for (int h : some) {
      for (int c = r.first(); c < r.end(); c++) {
        copies[c].sourceVersions[firstSource + h] = ++clock;
      }
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

  private void mlp(Group g, int b, int source) {
    byte need = g.need(source);
    if (need == CircuitPlan.NOTHING) {
      return;
    }
    int m = moduleIndex[b][4];
    Range r = Range.NONE;
    for (int c = 0; c < g.size(); c++) {
      byte own = g.need(c, source);
      if (own != CircuitPlan.NOTHING
          && !covers(copies[c].sourceInputs[source], inputs(g, c, m, 0, own))) {
        r = r.with(c);
      }
    }
    if (r.isEmpty()) {
      return;
    }
    int first = from(need);
    int positions = length - first;
    int firstSource = source - config.heads();
    long[][] early = carried(g, r, b, firstSource);
    Tensor base = rows(baseMlp[b], 0, r);
    int from = 0;
    if (early != null && carriesCover(b, r, early)) {
      base = base.add(rows(carries[b], 0, r));
      from = firstSource;
    }
    Tensor x = patched(base, from, new int[] {m, 0}, g, r, first, config.normalization());
    long rows = (long) r.size() * prompts;
    Tensor out = place.empty(rows * positions, d);
    model.mlp(b, model.mlpAffine(b).apply(x.view(rows * positions, d)), out);
    torch.sub_out(
        rows(delta, 1, r).select(0, source).narrow(1, first, positions),
        rows(ablations, 1, r).select(0, source).narrow(1, first, positions),
        out.view(rows, positions, d));
    for (int c = r.first(); c < r.end(); c++) {
      copies[c].sourceInputs[source] =
          g.need(c, source) == CircuitPlan.NOTHING ? null : inputs(g, c, m, 0, need);
      copies[c].sourceVersions[source] = ++clock;
    }
  }

  /** Frees the working memory. */
  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
