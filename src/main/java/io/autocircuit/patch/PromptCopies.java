package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.model.PromptContext;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Copies of the prompts, one for each circuit of a run (row c·B + b is prompt b in circuit c): what
 * is the same for every circuit, and the memory in which their results lie.
 */
final class PromptCopies implements AutoCloseable {
  final int count;

  /** Prompts of one copy, B. */
  final int prompts;

  final PromptContext context;

  /** {@code [S,C·B,T,D]}; axes may be expanded. */
  final Tensor ablations;

  /** Δ of every source, {@code [S,C·B,T,D]}. */
  final Tensor delta;

  /** What each stage reads when every source is ablated, {@code [C·B,T,D]}, by stage. */
  private final Tensor[] base;

  private final RunInputs in;
  private final Placement place;
  private final List<Tensor> owned = new ArrayList<>();

  /** Queries, keys and values by stage, {@code [C·B,T,3·H·dHead]}; made when first needed. */
  private final Tensor[] parts;

  /**
   * What the stage after attention reads from the sources that attention reads too, {@code
   * [C·B,T,D]}, by attention's stage; made when first needed.
   */
  private final Tensor[] carries;

  /** Makes the working memory of so many copies. */
  PromptCopies(RunInputs in, int count) {
    this.in = in;
    this.count = count;
    this.place = in.place();
    this.prompts = in.batch();
    ComputationGraph graph = in.graph();
    int stages = graph.stages().size();
    base = new Tensor[stages];
    parts = new Tensor[stages];
    carries = new Tensor[stages];
    int sources = graph.sources().size();
    int rows = count * prompts;
    int length = in.length();
    int d = in.width();
    try (TensorScope scope = new TensorScope()) {
      context = count == 1 ? in.context : repeated(in.context);
      // one value for all prompts is one for all copies; else each copy has its own
      Tensor p = in.ablations;
      ablations =
          count == 1
              ? p
              : own(
                  prompts == 1 || p.stride(1) == 0
                      ? p.narrow(1, 0, 1).expand(sources, rows, length, d)
                      : p.repeat(1, count, 1, 1));
      // rows that do not keep a source multiply its Δ by 0, so it may never hold NaN
      delta = own(place.zeros(sources, rows, length, d));
      delta.select(0, 0).copy_(repeated(p.select(0, 0).sub(in.embedded)));
      makeBase(graph);
    }
  }

  private void makeBase(ComputationGraph graph) {
    Tensor p = null;
    boolean again = false;
    for (Stage stage : graph.stages()) {
      if (p != null) {
        base[stage.index()] = again ? base[stage.index() - 1] : own(repeated(p.clone()));
      }
      again = stage.streamReadAgain();
      int first = stage.firstWritten();
      switch (stage.kind()) {
        case EMBEDDING -> p = in.ablations.select(0, first).clone();
        case ATTENTION -> {
          Tensor heads = in.ablations.narrow(0, first, stage.written());
          p = p.add(heads.sum(new long[] {0}, false, null));
          p.add_(in.model().attentionOutputBias(stage));
        }
        case MLP -> p = p.add(in.ablations.select(0, first));
        case LATENTS, RESIDUAL, END -> {
          // adds nothing to the stream
        }
      }
    }
  }

  /** So many copies of {@code [B,T,D]} after one another. */
  private Tensor repeated(Tensor t) {
    return count == 1 ? t : t.repeat(count, 1, 1);
  }

  private PromptContext repeated(PromptContext c) {
    return c.map(count * c.batchSize(), this::ofPrompts);
  }

  /** What is the same for all prompts stays; what each prompt has, each copy of it has. */
  private Tensor ofPrompts(Tensor t) {
    return t.size(0) == 1 ? t : own(t.repeat(count, 1, 1, 1));
  }

  private Tensor own(Tensor t) {
    t.retainReference();
    owned.add(t);
    return t;
  }

  /** The rows of some copies. */
  Tensor rows(Tensor t, int axis, CopyRange r) {
    return r.size() == count
        ? t
        : t.narrow(axis, (long) r.first() * prompts, (long) r.size() * prompts);
  }

  PromptContext context(CopyRange r) {
    return r.size() == count ? context : context.map(r.size() * prompts, t -> rowsOfPrompts(t, r));
  }

  private Tensor rowsOfPrompts(Tensor t, CopyRange r) {
    return t.size(0) == 1 ? t : rows(t, 0, r);
  }

  /** What a stage reads in some copies when every source is ablated, {@code [copies·B,T,D]}. */
  Tensor base(Stage stage, CopyRange r) {
    return rows(base[stage.index()], 0, r);
  }

  /** Where the queries, keys and values of a stage lie, {@code [C·B,T,3·H·dHead]}. */
  Tensor parts(Stage stage) {
    int i = stage.index();
    if (parts[i] == null) {
      long rows = (long) count * prompts;
      long width = (long) stage.parts() * in.model().config().dHead();
      // heads are computed also for copies between others, whose parts may not be known
      parts[i] =
          own(
              count == 1
                  ? place.empty(rows, in.length(), width)
                  : place.zeros(rows, in.length(), width));
      projectPrefix(stage);
    }
    return parts[i];
  }

  /** Queries, keys and values where they are the same for every circuit. */
  private void projectPrefix(Stage stage) {
    if (in.prefix == 0) {
      return;
    }
    int[] columns = stage.distinctParts();
    Tensor all = parts[stage.index()];
    Tensor one = all.narrow(0, 0, prompts).narrow(1, 0, in.prefix);
    in.patchable.project(
        stage,
        base[stage.index()].narrow(0, 0, prompts).narrow(1, 0, in.prefix),
        null,
        null,
        1,
        new int[columns.length],
        columns,
        one,
        null);
    for (int c = 1; c < count; c++) {
      all.narrow(0, (long) c * prompts, prompts).narrow(1, 0, in.prefix).copy_(one);
    }
  }

  /** What is carried from a stage of attention to the next, {@code [C·B,T,D]}. */
  Tensor carry(Stage stage) {
    int i = stage.index();
    if (carries[i] == null) {
      carries[i] = own(place.empty((long) count * prompts, in.length(), in.width()));
    }
    return carries[i];
  }

  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
