package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.CircuitMasks.Destination;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Evaluates circuits whose complement is ablated, at the cost of what they contain.
 *
 * <p>With P_d the input of a destination when every source is ablated (it depends on the batch
 * alone), its input in a circuit is {@code P_d − Σ_{s kept} Δ_s}. Only live nodes are computed, at
 * the positions at which they are read (see {@link CircuitPlan}). Every query, key and value column
 * and every Δ is kept with the list of what it was computed from ({@link Holdings}); where that has
 * not changed since the last circuit, it is not computed again. So circuits that differ little cost
 * little, one after another: the trials of ACDC, and the growing circuits of a sweep.
 *
 * <p>Several circuits can be evaluated in one run: the batch is then a number of copies of the
 * prompts ({@link PromptCopies}), one for each circuit, with a mask for each copy. A node is
 * computed for the copies from the first to the last that need it anew. Copies between them that do
 * not read it get some finite numbers, which their masks leave out. Every copy remembers what it
 * holds, so that its next circuit is computed from its last.
 */
final class CircuitEngine implements CircuitRunner {
  private final RunInputs in;
  private final Transformer model;
  private final Placement place;
  private final ComputationGraph graph;
  private final Kernels kernels;
  private final int prompts;
  private final int length;
  private final int d;
  private final PromptCopies copies;
  private final CircuitMasks masks;

  /** What each copy holds. */
  private final Holdings held;

  /** The logits of each copy's last circuit; null where not known. */
  private final Tensor[] logits;

  /** The logits when every source is ablated for the end: the same for every such circuit. */
  private Tensor constantLogits;

  /**
   * Makes the working memory of so many copies.
   *
   * @param count how many circuits can be evaluated in one run
   */
  CircuitEngine(RunInputs in, int count) {
    this.in = in;
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    this.kernels = in.patchable.kernels();
    this.prompts = in.batch();
    this.length = in.length();
    this.d = in.width();
    copies = new PromptCopies(in, count);
    masks = new CircuitMasks(graph, place, prompts, length, in.places);
    held = new Holdings(graph, count);
    logits = new Tensor[count];
  }

  @Override
  public int capacity() {
    return held.count();
  }

  @Override
  public void forget() {
    held.forget();
  }

  @Override
  public Tensor logits(List<Circuit> circuits) {
    boolean last = in.patchable.slice() == OutputSlice.LAST_SEQ;
    CircuitBatch g = CircuitBatch.of(circuits, in.constantsAreAblations, last);
    for (Stage stage : graph.stages()) {
      try (TensorScope scope = new TensorScope()) {
        switch (stage.kind()) {
          case ATTENTION -> attention(g, stage);
          case MLP -> mlp(g, stage);
          case EMBEDDING, END -> {
            // the one is there, the other follows
          }
          case LATENTS, RESIDUAL -> {
            throw new IllegalStateException("stage " + stage.kind() + " is of another engine");
          }
        }
      }
    }
    return ends(g);
  }

  private Tensor ends(CircuitBatch g) {
    Stage end = graph.end();
    CopyRange stale = held.staleEnd(g);
    if (!stale.isEmpty()) {
      try (TensorScope scope = new TensorScope()) {
        Tensor made = end(g, stale);
        for (int c = stale.first(); c < stale.end(); c++) {
          keepLogits(
              c,
              stale.size() == 1
                  ? made
                  : made.narrow(0, (long) (c - stale.first()) * prompts, prompts).clone());
          held.wroteEnd(g, c);
        }
      }
    }
    Tensor[] each = new Tensor[g.size()];
    for (int c = 0; c < each.length; c++) {
      if (g.kept(c, end, 0).length > 0) {
        each[c] = logits[c];
        continue;
      }
      if (constantLogits == null) {
        try (TensorScope scope = new TensorScope()) {
          constantLogits = end(g, new CopyRange(c, c + 1));
          constantLogits.retainReference();
        }
      }
      each[c] = constantLogits;
    }
    return each.length == 1 ? each[0].clone().unsqueeze(0) : torch.stack(new TensorVector(each), 0);
  }

  private void keepLogits(int copy, Tensor made) {
    if (logits[copy] != null) {
      logits[copy].releaseReference();
    }
    made.retainReference();
    logits[copy] = made;
  }

  private Tensor end(CircuitBatch g, CopyRange r) {
    Stage end = graph.end();
    Tensor x = patched(copies.base(end, r), 0, end, g, r, in.firstSliced());
    return model.unembed(model.affine(end).apply(x.select(0, 0)));
  }

  /**
   * The normalised input of a stage with one destination in some copies, {@code [1,copies·B,T −
   * first,D]}.
   *
   * @param base its input without the sources from {@code from} on, in those copies
   * @param from the first source that is added
   */
  private Tensor patched(
      Tensor base, int from, Stage stage, CircuitBatch g, CopyRange r, int first) {
    int positions = length - first;
    Tensor out = place.empty(1, (long) r.size() * prompts, positions, d);
    int used = Math.max(0, g.used(r, stage, 0) - from);
    Tensor mask = masks.of(List.of(new Destination(stage, 0)), from, used, g, r, first);
    kernels.patchForward(
        new Kernels.PatchForward(
            base.narrow(1, first, positions),
            mask == null ? null : delta(r, from, used).narrow(2, first, positions),
            mask,
            model.normalization(stage),
            out,
            null));
    return out;
  }

  /** Δ of some sources in some copies, {@code [count,copies·B,T,D]}. */
  private Tensor delta(CopyRange r, int first, int count) {
    return copies.rows(copies.delta, 1, r).narrow(0, first, count);
  }

  private void attention(CircuitBatch g, Stage stage) {
    boolean any = false;
    for (int h = 0; h < stage.written(); h++) {
      any |= g.need(stage.firstWritten() + h) != CircuitPlan.NOTHING;
    }
    if (!any) {
      return;
    }
    for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
      project(g, stage, held.staleParts(g, stage, need), need);
    }
    for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
      mix(stage, held.staleHeads(g, stage, need), need);
    }
  }

  /** The first position that is computed for a need. */
  private int from(byte need) {
    return need == CircuitPlan.SLICE ? in.firstSliced() : in.prefix;
  }

  /**
   * Computes queries, keys and values at the positions of {@code need}, and on the way what the
   * follower reads from the same sources.
   */
  private void project(CircuitBatch g, Stage stage, Holdings.Stale stale, byte need) {
    List<Integer> parts = stale.which();
    CopyRange r = stale.copies();
    if (parts.isEmpty()) {
      return;
    }
    int first = from(need);
    int positions = length - first;
    // equal inputs are computed once
    List<Integer> unique = new ArrayList<>();
    List<Destination> destinations = new ArrayList<>();
    int[] inputs = new int[parts.size()];
    int used = 0;
    for (int i = 0; i < inputs.length; i++) {
      int part = parts.get(i);
      int known = 0;
      while (known < unique.size() && !held.sameInputs(stage, part, unique.get(known), r)) {
        known++;
      }
      if (known == unique.size()) {
        unique.add(part);
        destinations.add(new Destination(stage, stage.row(part)));
        used = Math.max(used, g.used(r, stage, stage.row(part)));
      }
      inputs[i] = known;
    }
    int count = destinations.size();
    long[][] early = held.carried(g, r, stage);
    boolean carry =
        early != null && first == from((byte) early[0][0]) && !held.carriesCover(stage, r, early);
    Tensor carried = null;
    if (carry) {
      Stage next = held.follower(stage);
      destinations.add(new Destination(next, 0));
      used = Math.max(used, g.usedBelow(r, next, 0, stage.sources()));
      carried =
          positions == length
              ? copies.rows(copies.carry(stage), 0, r)
              : place.empty((long) r.size() * prompts, positions, d);
    }
    Tensor mask = masks.of(destinations, 0, used, g, r, first);
    in.patchable.project(
        stage,
        copies.base(stage, r).narrow(1, first, positions),
        mask == null ? null : delta(r, 0, used).narrow(2, first, positions),
        mask,
        count,
        inputs,
        parts.stream().mapToInt(Integer::intValue).toArray(),
        copies.rows(copies.parts(stage), 0, r).narrow(1, first, positions),
        carried);
    if (carry) {
      if (positions < length) {
        copies.rows(copies.carry(stage), 0, r).narrow(1, first, positions).copy_(carried);
      }
      held.wroteCarry(stage, r, early);
    }
  }

  /** Attention of some heads at the positions of {@code need}, and their Δ. */
  private void mix(Stage stage, Holdings.Stale stale, byte need) {
    CopyRange r = stale.copies();
    if (stale.which().isEmpty()) {
      return;
    }
    int[] some = stale.which().stream().mapToInt(Integer::intValue).toArray();
    int source = stage.firstWritten();
    int heads = stage.written();
    new SomeHeads(stage, some, from(need))
        .write(
            model,
            kernels,
            copies.rows(copies.parts(stage), 0, r),
            copies.context(r),
            copies.rows(copies.ablations, 1, r).narrow(0, source, heads),
            delta(r, source, heads));
    held.wroteHeads(stage, some, r);
  }

  private void mlp(CircuitBatch g, Stage stage) {
    int source = stage.firstWritten();
    byte need = g.need(source);
    if (need == CircuitPlan.NOTHING) {
      return;
    }
    CopyRange r = held.staleOutput(g, stage);
    if (r.isEmpty()) {
      return;
    }
    int first = from(need);
    int positions = length - first;
    Stage before = graph.stages().get(stage.index() - 1);
    long[][] early = held.carried(g, r, before);
    Tensor base = copies.base(stage, r);
    int from = 0;
    if (early != null && held.carriesCover(before, r, early)) {
      base = base.add(copies.rows(copies.carry(before), 0, r));
      from = before.firstWritten();
    }
    Tensor x = patched(base, from, stage, g, r, first);
    long rows = (long) r.size() * prompts;
    Tensor out = place.empty(rows * positions, d);
    model.mlp(stage, model.affine(stage).apply(x.view(rows * positions, d)), out);
    torch.sub_out(
        delta(r, source, 1).select(0, 0).narrow(1, first, positions),
        copies.rows(copies.ablations, 1, r).select(0, source).narrow(1, first, positions),
        out.view(rows, positions, d));
    held.wroteOutput(g, stage, need, r);
  }

  /** Frees the working memory. */
  @Override
  public void close() {
    copies.close();
    for (Tensor t : logits) {
      if (t != null) {
        t.releaseReference();
      }
    }
    if (constantLogits != null) {
      constantLogits.releaseReference();
    }
  }
}
