package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.Affine;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The gradient of a {@link ResidualRun} with respect to its masks. With g the gradient at a sum
 * (behind its patch), {@code ∂L/∂m_s = ⟨g, Δ_s⟩} for each source of its window, the stream before
 * has the gradient g, and what a source of the window wrote has {@code (1 − m_s) g}: through the
 * stream, less what goes through Δ. No gradient of Δ is ever stored.
 */
final class ResidualGradient implements MaskedBackward {
  private final RunInputs in;
  private final ResidualRun run;
  private final MaskedRun.Way way;
  private final BackwardRules rules;
  private final Transformer model;
  private final Placement place;
  private final ComputationGraph graph;
  private final Kernels kernels;
  private final int length;
  private final int rows;
  private final int d;
  private final DenseRun.Kept[] kept;
  private final MaskGradients out;
  private final ValueGradients values;
  private final int firstBlock;

  /** ∂L/∂stream, behind the stage that comes next. */
  private final Tensor stream;

  /** The gradient at the sum behind the stage that comes next, {@code [B,T,D]}. */
  private final Tensor summed;

  /** Working memory, {@code [B·T, H·dHead]}. */
  private final Tensor mixed;

  /** That sum. */
  private Stage sum;

  /** The first position at which its gradient is not zero. */
  private int first;

  /**
   * Prepares the backward pass of the last run.
   *
   * @param way how far back it goes
   * @param out receives the gradients
   */
  ResidualGradient(RunInputs in, ResidualRun run, MaskedRun.Way way, MaskGradients out) {
    this.in = in;
    this.run = run;
    this.way = way;
    this.rules = way.rules();
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    this.kernels = in.patchable.kernels();
    this.length = in.length();
    this.rows = in.rows();
    this.d = in.width();
    this.kept = way.kept();
    this.firstBlock = way.firstBlock();
    this.out = out;
    this.values = way.values();
    stream = place.zeros(in.batch(), length, d);
    summed = place.empty(in.batch(), length, d);
    mixed = place.empty(rows, (long) model.config().heads() * model.config().dHead());
  }

  @Override
  public void from(Tensor unembedded) {
    try (TensorScope scope = new TensorScope()) {
      end(unembedded);
    }
    for (int b = graph.blocks() - 1; b >= firstBlock; b--) {
      block(b);
    }
  }

  @Override
  public MaskedBackward copy(MaskGradients other) {
    ResidualGradient copy = new ResidualGradient(in, run, way, other);
    copy.stream.copy_(stream);
    copy.summed.copy_(summed);
    copy.sum = sum;
    copy.first = first;
    return copy;
  }

  /** {@inheritDoc} */
  @Override
  public void skip(int block) {
    back(block, false);
  }

  @Override
  public void block(int block) {
    back(block, true);
  }

  /**
   * @param functions whether to go through attention and the MLP, or past them
   */
  private void back(int block, boolean functions) {
    List<Stage> stages = graph.stages(block);
    for (int i = stages.size() - 1; i >= 0; i--) {
      Stage stage = stages.get(i);
      if (!functions && stage.kind() != Stage.Kind.RESIDUAL) {
        continue;
      }
      try (TensorScope scope = new TensorScope()) {
        switch (stage.kind()) {
          case RESIDUAL -> residual(stage);
          case MLP -> mlp(stage);
          case ATTENTION -> attention(stage);
          case LATENTS, EMBEDDING, END ->
              throw new IllegalStateException("stage " + stage.kind() + " is in no block");
        }
      }
    }
  }

  @Override
  public void end(Tensor unembedded) {
    Stage stage = graph.end();
    int from = in.firstSliced();
    int positions = length - from;
    DenseRun.Kept k = kept[stage.index()];
    Tensor g =
        model.affine(stage).backward(unembedded).view(1, in.batch(), positions, d).contiguous();
    rules.input(
        kernels,
        stage,
        new Kernels.PatchBackward(
            g,
            k.inputs(),
            k.rstd(),
            run.delta(stage.firstSource(), stage.sources(), from),
            null,
            model.normalization(stage),
            out.add(stage.reads(), stage.firstSource(), stage.sources(), from, positions),
            behind(stream, from),
            null));
    passed(stage, from);
  }

  /** The stream's gradient is now that at a sum. */
  private void passed(Stage stage, int from) {
    behind(summed, from).copy_(behind(stream, from));
    sum = stage;
    first = from;
    if (values != null) {
      for (int s = stage.firstSource(); s < stage.firstSource() + stage.sources(); s++) {
        Tensor mask = masks(s, 1);
        if (mask != null) {
          values.add(s, behind(summed, first).mul(mask.select(3, 0)).unsqueeze(0));
        }
      }
    }
  }

  /** What lies behind a position. */
  private Tensor behind(Tensor t, int from) {
    return from == 0 ? t : t.narrow(1, from, length - from);
  }

  /**
   * The masks of some sources of the sum behind, {@code [1 or B, 1 or T − first, 1, count]}.
   *
   * @return null if nothing is ablated there
   */
  private Tensor masks(int source, int count) {
    MaskRows r = kept[sum.index()].rows();
    return r.zero() ? null : r.mask().narrow(3, (long) source - sum.firstSource(), count);
  }

  private void residual(Stage stage) {
    Tensor mask = masks(stage.firstWritten(), 1);
    if (mask != null) {
      behind(stream, first).sub_(behind(summed, first).mul(mask.select(3, 0)));
    }
    int from = in.firstRead(stage);
    int positions = length - from;
    kernels.patchBackward(
        new Kernels.PatchBackward(
            behind(stream, from).contiguous().unsqueeze(0),
            null,
            null,
            run.delta(stage.firstSource(), stage.sources(), from),
            null,
            Normalization.NONE,
            out.add(stage.reads(), stage.firstSource(), stage.sources(), from, positions),
            null,
            null));
    passed(stage, from);
  }

  private void mlp(Stage stage) {
    DenseRun.Kept k = kept[stage.index()];
    int positions = length - first;
    Tensor written = behind(summed, first);
    Tensor mask = masks(stage.firstWritten(), 1);
    if (mask != null) {
      written = written.sub(written.mul(mask.select(3, 0)));
    }
    Tensor g = place.empty(1, in.batch(), positions, d);
    rules.mlp(model, stage, k.mlp(), written.reshape(-1, d), g.view(-1, d));
    rules.input(
        kernels,
        stage,
        new Kernels.PatchBackward(
            model.affine(stage).backward(g),
            k.inputs(),
            k.rstd(),
            null,
            null,
            model.normalization(stage),
            null,
            behind(stream, first),
            null));
  }

  private void attention(Stage stage) {
    DenseRun.Kept k = kept[stage.index()];
    int positions = length - first;
    int dHead = model.config().dHead();
    int heads = stage.written();
    long width = mixed.size(1);
    Tensor some = mixed.narrow(0, 0, (long) in.batch() * positions);
    Products.mmOut(some, behind(summed, first).reshape(-1, d), model.attentionOutput(stage).t());
    Tensor mask = masks(stage.firstWritten(), heads);
    if (mask != null) {
      some.view(in.batch(), positions, heads, dHead)
          .mul_(mask.transpose(2, 3).neg().add_(new Scalar(1.0)));
    }
    if (first > 0) {
      Tensor copy = some.clone();
      mixed.zero_();
      behind(mixed.view(in.batch(), length, width), first)
          .copy_(copy.view(in.batch(), positions, width));
    }
    AttentionStep step = model.attentionStep(stage);
    rules.attentionOutput(step, k.mixed(), mixed);
    Tensor qkv = place.empty(rows, (long) stage.parts() * dHead);
    rules.attention(
        kernels,
        stage,
        new Kernels.AttentionBackward(
            step.prepare(k.qkv()), in.batch(), in.pattern(stage), mixed, qkv));
    rules.projections(step, k.qkv(), qkv);
    Affine affine = model.affine(stage);
    rules.attentionInputs(
        kernels,
        stage,
        new Kernels.PatchProjectBackward(
            qkv.view(in.batch(), length, qkv.size(1)),
            1,
            model.qkvWeight(stage),
            affine.weight(),
            dHead,
            new int[stage.parts()],
            k.inputs(),
            k.rstd(),
            null,
            null,
            model.normalization(stage),
            null,
            null,
            stream,
            null));
  }
}
