package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.Affine;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The gradient of a dense run with respect to its masks: its stages backwards, from what they kept.
 */
final class DenseGradient implements MaskedBackward {
  private final RunInputs in;
  private final DenseRun run;
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
  private final int firstBlock;
  private final MaskGradients out;
  private final NeuronSums neurons;
  private final ValueGradients values;

  /** Nothing goes back through what it writes; may be null. */
  private final Stage fixed;

  /** ∂L/∂stream, behind the stage that comes next. */
  private final Tensor stream;

  /**
   * ∂L/∂Δ through the masks, {@code [S,B,T,D]}. Null where all edges have one mask value α: then
   * the gradient through Δ is −α times that of the stream, so a source's gradient is (1 − α) times
   * the stream's.
   */
  private final Tensor delta;

  /** α; 0 where edges have different values. */
  private final double alpha;

  /** 1 − α. */
  private final Scalar gain;

  private final boolean scaled;

  /** Working memory, {@code [B·T, H·dHead]}. */
  private final Tensor mixed;

  /** Working memory, {@code [B·T, D]}; null where heads have one gradient. */
  private final Tensor head;

  /**
   * Prepares the backward pass of the last run.
   *
   * @param way what its stages kept, and how far to go
   * @param out receives the gradients
   */
  DenseGradient(RunInputs in, DenseRun run, MaskedRun.Way way, MaskGradients out) {
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
    this.neurons = way.neurons();
    this.values = way.values();
    this.fixed = way.fixed();
    double uniform = way.mask().uniformValue();
    boolean shared = !Double.isNaN(uniform);
    stream = place.zeros(in.batch(), length, d);
    delta = shared ? null : place.zeros(graph.sources().size(), in.batch(), length, d);
    alpha = shared ? uniform : 0;
    gain = new Scalar(1 - alpha);
    scaled = alpha != 0;
    mixed = place.empty(rows, (long) model.config().heads() * model.config().dHead());
    head = shared ? null : place.empty(rows, d);
  }

  @Override
  public void from(Tensor unembedded) {
    end(unembedded);
    for (int b = graph.blocks() - 1; b >= firstBlock; b--) {
      try (TensorScope scope = new TensorScope()) {
        block(b);
      }
    }
    Stage next = firstBlock == graph.blocks() ? graph.end() : graph.stages(firstBlock).get(0);
    Stage before = graph.stages().get(next.index() - 1);
    neurons(before, in.firstRead(before), stream);
    if (values != null && delta != null) {
      values.add(0, delta);
    }
  }

  /**
   * What a stage's sources are credited with, and, where all edges have one mask value, their
   * ablation values: from the gradient of the stream behind it.
   */
  private void neurons(Stage stage, int first, Tensor written) {
    if (neurons != null) {
      neurons.add(
          stage,
          behind(run.delta(stage.firstWritten(), stage.written()), 2, first),
          behind(written, 1, first));
    }
    if (values != null && scaled) {
      values.addEqual(stage.firstWritten(), stage.written(), alpha, behind(written, 1, first));
    }
  }

  @Override
  public void end(Tensor unembedded) {
    Stage stage = graph.end();
    int first = in.firstSliced();
    int positions = length - first;
    Tensor g =
        model.affine(stage).backward(unembedded).view(1, in.batch(), positions, d).contiguous();
    input(stage, 0, first, positions, g);
  }

  @Override
  public MaskedBackward copy(MaskGradients other) {
    if (delta != null) {
      throw new IllegalStateException("the gradient through Δ is not copied");
    }
    DenseGradient copy = new DenseGradient(in, run, way, other);
    copy.stream.copy_(stream);
    return copy;
  }

  @Override
  public void skip(int block) {}

  @Override
  public void block(int block) {
    List<Stage> stages = graph.stages(block);
    int first = in.firstRead(stages.get(0));
    // what stages of one layer write is added to one stream: its gradient is the same for both
    Tensor written = stages.get(0).streamReadAgain() ? stream.clone() : stream;
    Stage follower = null;
    Tensor followerInput = null;
    for (int i = stages.size() - 1; i >= 0; i--) {
      Stage stage = stages.get(i);
      neurons(stage, first, written);
      Tensor own = stage.equals(fixed) ? torch.zeros_like(written) : written;
      if (stage.kind() == Stage.Kind.MLP) {
        // attention passes over the sources that both read, unless at other positions
        Tensor input = mlp(stage, first, own, first == 0 ? stages.get(0).sources() : 0);
        if (first == 0) {
          follower = stage;
          followerInput = input;
        }
      } else {
        attention(stage, first, own, follower, followerInput);
      }
    }
  }

  /** What lies behind a position along an axis of positions. */
  private static Tensor behind(Tensor t, int axis, int first) {
    return first == 0 ? t : t.narrow(axis, first, t.size(axis) - first);
  }

  /**
   * @param first the first position whose output is read
   * @param output the gradient of what it writes, {@code [B,T,D]}
   * @param earlier how many of its sources are left to attention's pass over them, which reads them
   *     too
   * @return the gradient of its patched input, {@code [1,B,T − first,D]}
   */
  private Tensor mlp(Stage stage, int first, Tensor output, int earlier) {
    Tensor written = behind(output, 1, first);
    if (scaled) {
      written = written.mul(gain);
    }
    if (delta != null) {
      written = written.sub(behind(delta.select(0, stage.firstWritten()), 1, first));
    }
    int positions = length - first;
    Tensor g = place.empty(1, in.batch(), positions, d);
    rules.mlp(model, stage, kept[stage.index()].mlp(), written.reshape(-1, d), g.view(-1, d));
    Tensor input = model.affine(stage).backward(g);
    input(stage, earlier, first, positions, input);
    return input;
  }

  private void attention(
      Stage stage, int first, Tensor written, Stage follower, Tensor followerInput) {
    int dHead = model.config().dHead();
    mixed(stage, first, written);
    Tensor qkv = place.empty(rows, (long) stage.parts() * dHead);
    Tensor projected = kept[stage.index()].qkv();
    AttentionStep step = model.attentionStep(stage);
    rules.attentionOutput(step, kept[stage.index()].mixed(), mixed);
    rules.attention(
        kernels,
        stage,
        new Kernels.AttentionBackward(
            step.prepare(projected), in.batch(), in.pattern(stage), mixed, qkv));
    rules.projections(step, projected, qkv);
    attentionInputs(stage, qkv, follower, followerInput);
  }

  /**
   * The gradient of the mixed values of all heads.
   *
   * @param first the first position whose output is read; before it the gradient is zero
   */
  private void mixed(Stage stage, int first, Tensor written) {
    int dHead = model.config().dHead();
    int few = in.batch() * (length - first);
    Tensor flat = behind(written, 1, first).reshape(few, d);
    Tensor some = first == 0 ? mixed : mixed.narrow(0, 0, few);
    if (delta == null) {
      Products.mmOut(some, flat, model.attentionOutput(stage).t());
      if (scaled) {
        some.mul_(gain);
      }
    } else {
      Tensor one = head.narrow(0, 0, few);
      for (int h = 0; h < stage.written(); h++) {
        Tensor through = behind(delta.select(0, stage.firstWritten() + h), 1, first);
        torch.sub_out(one, flat, through.reshape(few, d));
        Products.mmOut(
            some.narrow(1, (long) h * dHead, dHead), one, model.headOutput(stage, h).t());
      }
    }
    if (first > 0) {
      Tensor copy = some.clone();
      mixed.zero_();
      behind(mixed.view(in.batch(), length, mixed.size(1)), 1, first)
          .copy_(copy.view(in.batch(), length - first, mixed.size(1)));
    }
  }

  /** Mask gradients of queries, keys and values, and the follower's of what they read too. */
  private void attentionInputs(Stage stage, Tensor qkv, Stage follower, Tensor followerInput) {
    DenseRun.Kept k = kept[stage.index()];
    int sources = stage.sources();
    List<DestModule> modules = new ArrayList<>(stage.reads());
    boolean zero = k.rows().zero();
    if (follower != null) {
      modules.addAll(follower.reads());
      zero &= kept[follower.index()].rows().zero();
    }
    Tensor mask = null;
    if (delta != null && !zero) {
      mask = k.rows().ofEveryRow();
      if (follower != null) {
        Tensor its = kept[follower.index()].rows().mask().narrow(3, 0, sources);
        mask = torch.cat(new TensorVector(mask, its), 2);
      }
    }
    Affine affine = model.affine(stage);
    SharedParts shared = SharedParts.of(stage, model.config().dHead());
    Tensor parts = shared.sums(qkv);
    rules.attentionInputs(
        kernels,
        stage,
        new Kernels.PatchProjectBackward(
            parts.view(in.batch(), length, parts.size(1)),
            stage.rows(),
            shared.columns(model.qkvWeight(stage)),
            affine.weight(),
            model.config().dHead(),
            stage.rowOfDistinctParts(),
            k.rows().spread(k.inputs()),
            k.rows().spread(k.rstd()),
            run.delta(0, sources),
            mask,
            model.normalization(stage),
            followerInput == null ? null : followerInput.select(0, 0),
            out.add(modules, 0, sources, 0, length),
            stream,
            mask == null ? null : delta.narrow(0, 0, sources)));
  }

  /**
   * Mask gradients of a stage with one input and its sources from {@code firstSource} on, and the
   * gradient of the stream that it reads.
   *
   * @param gradient becomes the gradient of its patched input, {@code [1,B,positions,D]}
   */
  private void input(Stage stage, int firstSource, int first, int positions, Tensor gradient) {
    DenseRun.Kept k = kept[stage.index()];
    int sources = stage.sources() - firstSource;
    boolean any = sources > 0;
    boolean through = any && delta != null && !k.rows().zero();
    Tensor mask = through ? k.rows().mask().narrow(3, firstSource, sources) : null;
    rules.input(
        kernels,
        stage,
        new Kernels.PatchBackward(
            gradient,
            k.inputs(),
            k.rstd(),
            any ? run.delta(firstSource, sources).narrow(2, first, positions) : null,
            mask,
            model.normalization(stage),
            any ? out.add(stage.reads(), firstSource, sources, first, positions) : null,
            stream.narrow(1, first, positions),
            through ? delta.narrow(0, firstSource, sources).narrow(2, first, positions) : null));
  }
}
