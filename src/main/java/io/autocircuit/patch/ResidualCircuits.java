package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.CircuitMasks.Destination;
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
 * Evaluates circuits of unfactorized graphs whose complement is ablated. With P_r the value of a
 * sum r when all sources of its window are ablated, a circuit's sum is {@code P_r − Σ_{s kept}
 * Δ_s}: a sum that keeps nothing is P_r, whatever comes before. Heads and MLPs that no sum keeps
 * are not computed, and nothing before a sum that nobody reads.
 *
 * <p>Each source's output is kept with what it was computed from. Where that has not changed since
 * the last circuit, it is not computed again: circuits that are alike up to a sum share all before
 * it. Several circuits are run one after another.
 */
final class ResidualCircuits implements CircuitRunner {
  private final RunInputs in;
  private final Transformer model;
  private final Placement place;
  private final ComputationGraph graph;
  private final Kernels kernels;
  private final int batch;
  private final int length;
  private final int d;
  private final CircuitMasks masks;
  private final List<Tensor> owned = new ArrayList<>();

  /** Δ of every source in the last circuits that computed it, {@code [S,B,T,D]}. */
  private final Tensor delta;

  /** The value of each sum and of the end when its whole window is ablated, by stage. */
  private final Tensor[] base;

  /** What each sum is, {@code [B,T,D]}, by source. */
  private final Tensor[] streams;

  /** Queries, keys and values by stage, {@code [B,T,3·H·dHead]}; made when first needed. */
  private final Tensor[] parts;

  private final ResidualHoldings held;

  /** The logits of the last circuit. */
  private Tensor logits;

  ResidualCircuits(RunInputs in) {
    this.in = in;
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    this.kernels = in.patchable.kernels();
    this.batch = in.batch();
    this.length = in.length();
    this.d = in.width();
    int sources = graph.sources().size();
    base = new Tensor[graph.stages().size()];
    parts = new Tensor[graph.stages().size()];
    streams = new Tensor[sources];
    held = new ResidualHoldings(graph);
    masks = new CircuitMasks(graph, place, batch, length, in.places);
    try (TensorScope scope = new TensorScope()) {
      // where circuits do not differ, in the shared prefix, Δ is 0
      delta = own(place.zeros(sources, batch, length, d));
      Tensor p = null;
      for (Stage stage : graph.stages()) {
        p = prepare(stage, p);
      }
    }
  }

  /**
   * @param p what the stream is before a stage, all sources since the last sum ablated
   * @return the same behind it
   */
  private Tensor prepare(Stage stage, Tensor p) {
    int first = stage.firstWritten();
    switch (stage.kind()) {
      case EMBEDDING -> {
        streams[first] = in.embedded;
        torch.sub_out(delta.select(0, first), in.ablations.select(0, first), in.embedded);
        return in.ablations.select(0, first);
      }
      case ATTENTION -> {
        Tensor heads = in.ablations.narrow(0, first, stage.written());
        return p.add(heads.sum(new long[] {0}, false, null)).add_(model.attentionOutputBias(stage));
      }
      case MLP -> {
        return p.add(in.ablations.select(0, first));
      }
      case RESIDUAL -> {
        base[stage.index()] = own(p.contiguous());
        streams[first] = own(place.empty(batch, length, d));
        streams[first].copy_(in.ablations.select(0, first));
        return in.ablations.select(0, first);
      }
      case LATENTS -> throw new IllegalStateException("latents are of other graphs");
      case END -> {
        base[stage.index()] = own(p.contiguous());
        return p;
      }
    }
    throw new IllegalStateException("stage=" + stage);
  }

  private Tensor own(Tensor t) {
    t.retainReference();
    owned.add(t);
    return t;
  }

  @Override
  public int capacity() {
    return Integer.MAX_VALUE;
  }

  @Override
  public void forget() {
    held.forget();
  }

  @Override
  public Tensor logits(List<Circuit> circuits) {
    Tensor[] each = new Tensor[circuits.size()];
    for (int i = 0; i < each.length; i++) {
      run(circuits.get(i));
      each[i] = logits.clone();
    }
    return torch.stack(new TensorVector(each), 0);
  }

  private void run(Circuit circuit) {
    boolean last = in.patchable.slice() == OutputSlice.LAST_SEQ;
    CircuitBatch g = CircuitBatch.of(List.of(circuit), in.constantsAreAblations, last);
    for (Stage stage : graph.stages()) {
      try (TensorScope scope = new TensorScope()) {
        switch (stage.kind()) {
          case RESIDUAL -> sum(g, stage);
          case ATTENTION -> attention(g, stage);
          case MLP -> mlp(g, stage);
          case END -> end(g, stage);
          case LATENTS, EMBEDDING -> {
            // the one is of other graphs, the other is there
          }
        }
      }
    }
  }

  /** The first position that is computed for a need. */
  private int from(byte need) {
    return need == CircuitPlan.SLICE ? in.firstSliced() : in.prefix;
  }

  /** What a circuit reads at a sum, normalised, from a position on, {@code [1,B,T − first,D]}. */
  private Tensor patched(CircuitBatch g, Stage stage, int first, Normalization norm) {
    int positions = length - first;
    Tensor out = place.empty(1, batch, positions, d);
    int kept = g.kept(0, stage, 0).length;
    Tensor mask =
        kept == 0
            ? null
            : masks.of(
                List.of(new Destination(stage, 0)),
                stage.firstSource(),
                stage.sources(),
                g,
                new CopyRange(0, 1),
                first);
    kernels.patchForward(
        new Kernels.PatchForward(
            base[stage.index()].narrow(1, first, positions),
            mask == null
                ? null
                : delta.narrow(0, stage.firstSource(), stage.sources()).narrow(2, first, positions),
            mask,
            norm,
            out,
            null));
    return out;
  }

  private void sum(CircuitBatch g, Stage stage) {
    int source = stage.firstWritten();
    byte need = g.need(source);
    long[] made = held.sum(g, stage);
    if (need == CircuitPlan.NOTHING || held.covers(source, made, need)) {
      return;
    }
    int first = from(need);
    Tensor value = patched(g, stage, first, Normalization.NONE).select(0, 0);
    streams[source].narrow(1, first, length - first).copy_(value);
    writeDelta(source, first, value);
    held.wrote(source, made, need);
  }

  private void writeDelta(int source, int first, Tensor value) {
    int positions = length - first;
    torch.sub_out(
        delta.select(0, source).narrow(1, first, positions),
        in.ablations.select(0, source).narrow(1, first, positions),
        value);
  }

  private void attention(CircuitBatch g, Stage stage) {
    for (byte need : new byte[] {CircuitPlan.EVERYTHING, CircuitPlan.SLICE}) {
      int[] stale =
          IntStream.range(0, stage.written())
              .filter(
                  h -> {
                    int source = stage.firstWritten() + h;
                    return g.need(source) == need
                        && !held.covers(source, held.function(stage), need);
                  })
              .toArray();
      if (stale.length > 0) {
        heads(stage, stale, from(need));
        for (int h : stale) {
          held.wrote(stage.firstWritten() + h, held.function(stage), need);
        }
      }
    }
  }

  /** Some heads of a stage, from a position on. */
  private void heads(Stage stage, int[] some, int first) {
    int heads = stage.written();
    Tensor all = parts(stage);
    int[] queries = some;
    int[] rest =
        IntStream.concat(
                IntStream.of(some).map(h -> heads + h), IntStream.of(some).map(h -> 2 * heads + h))
            .toArray();
    Tensor stream = streams[Sums.before(graph, stage)];
    if (first == in.prefix) {
      int[] joint = IntStream.concat(IntStream.of(queries), IntStream.of(rest)).toArray();
      project(stage, stream, all, joint, first);
    } else {
      project(stage, stream, all, queries, first);
      project(stage, stream, all, rest, in.prefix);
    }
    int source = stage.firstWritten();
    new SomeHeads(stage, some, first)
        .write(
            model,
            kernels,
            all,
            in.context,
            in.ablations.narrow(0, source, heads),
            delta.narrow(0, source, heads));
  }

  /** Where the queries, keys and values of a stage lie; in the shared prefix they are there. */
  private Tensor parts(Stage stage) {
    int i = stage.index();
    if (parts[i] == null) {
      long width = (long) stage.parts() * model.config().dHead();
      parts[i] = own(place.empty(batch, length, width));
      if (in.prefix > 0) {
        int[] columns = IntStream.range(0, stage.parts()).toArray();
        Tensor stream = streams[Sums.before(graph, stage)];
        project(
            stage, stream.narrow(1, 0, in.prefix), parts[i].narrow(1, 0, in.prefix), columns, 0);
      }
    }
    return parts[i];
  }

  /** Some columns of queries, keys and values, in units of a head, from a position on. */
  private void project(Stage stage, Tensor stream, Tensor out, int[] columns, int first) {
    long positions = stream.size(1) - first;
    in.patchable.project(
        stage,
        stream.narrow(1, first, positions),
        null,
        null,
        1,
        new int[columns.length],
        columns,
        out.narrow(1, first, positions),
        null);
  }

  private void mlp(CircuitBatch g, Stage stage) {
    int source = stage.firstWritten();
    byte need = g.need(source);
    long[] made = held.function(stage);
    if (need == CircuitPlan.NOTHING || held.covers(source, made, need)) {
      return;
    }
    int first = from(need);
    int positions = length - first;
    long rows = (long) batch * positions;
    Tensor x = place.empty(1, batch, positions, d);
    kernels.patchForward(
        new Kernels.PatchForward(
            streams[Sums.before(graph, stage)].narrow(1, first, positions),
            null,
            null,
            model.normalization(stage),
            x,
            null));
    Tensor out = place.empty(rows, d);
    model.mlp(stage, model.affine(stage).apply(x.view(rows, d)), out);
    writeDelta(source, first, out.view(batch, positions, d));
    held.wrote(source, made, need);
  }

  private void end(CircuitBatch g, Stage stage) {
    long[] made = held.sum(g, stage);
    if (logits != null && Arrays.equals(made, held.end())) {
      return;
    }
    Tensor x = patched(g, stage, in.firstSliced(), model.normalization(stage));
    Tensor value = model.unembed(model.affine(stage).apply(x.select(0, 0)));
    if (logits != null) {
      logits.releaseReference();
    }
    value.retainReference();
    logits = value;
    held.wroteEnd(made);
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
    if (logits != null) {
      logits.releaseReference();
      logits = null;
    }
  }
}
