package io.autocircuit.patch;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.DestModule;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.AttentionStep;
import io.autocircuit.model.Transformer;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * What edges into queries and keys do through the pattern of attention, recomputed where it is
 * saturated or far from linear (the QK fix of AtP*; Kramár et al. 2024, arXiv:2403.00745): {@code
 * ⟨∂L/∂pattern, pattern' − pattern⟩}, where pattern' is that of queries, or keys, whose input is
 * {@code x + Δ_s}: through normalisation, projection, rotation, caps and masks. With positions
 * queries, or keys, of one position or span are changed at a time; else all.
 *
 * <p>Passes on what goes back through attention, of one gradient or several, and notes it; then
 * computes a block's effects for all of them, so that patterns are recomputed once.
 */
final class PatternEffects implements BackwardRules {
  /**
   * A block's effects.
   *
   * @param values {@code [S,B,K,C,R]}: of S sources, B prompts, K rows (queries of all heads, then
   *     keys of all groups), C positions or spans, R gradients
   */
  private record Block(Stage stage, float[] values, int gradients) {}

  /** Rotated queries or keys of all heads, {@code [B,H,T,W]} each. */
  private record Rotated(Tensor queries, Tensor keys) {}

  private final RunInputs in;
  private final MaskedRun run;
  private final BackwardRules rules;
  private final Transformer model;
  private final Placement place;
  private final ComputationGraph graph;
  private final List<Block> blocks = new ArrayList<>();

  /** Which position belongs to which copy of an edge, {@code [1 or B,C,T]}. */
  private final Tensor members;

  /** ∂L/∂z of the gradients that have gone through the block, {@code [B·T, H·W]} each. */
  private final List<Tensor> gradients = new ArrayList<>();

  private Stage stage;
  private AttentionStep step;
  private Kernels.AttentionPattern how;

  /** Queries, keys and values of the block as projected, {@code [B·T, 3·H·W]}. */
  private Tensor projected;

  /**
   * In the current scope.
   *
   * @param run whose Δ are those of the unpatched run
   * @param rules how gradients go back otherwise
   */
  PatternEffects(RunInputs in, MaskedRun run, BackwardRules rules) {
    this.in = in;
    this.run = run;
    this.rules = rules;
    this.model = in.model();
    this.place = in.place();
    this.graph = in.graph();
    int copies = graph.positionCopies();
    int length = in.length();
    float[] own = new float[in.places.prompts() * copies * length];
    for (int i = 0; i < in.places.prompts(); i++) {
      for (int t = 0; t < length; t++) {
        own[(i * copies + in.places.column(i, t)) * length + t] = 1;
      }
    }
    members = place.tensor(own, in.places.prompts(), copies, length);
  }

  @Override
  public void mlp(
      Transformer of, Stage at, Transformer.MlpState state, Tensor gradient, Tensor out) {
    rules.mlp(of, at, state, gradient, out);
  }

  @Override
  public void attention(Kernels kernels, Stage at, Kernels.AttentionBackward args) {
    gradients.add(args.gradZ().clone());
    stage = at;
    how = args.pattern();
    rules.attention(kernels, at, args);
  }

  @Override
  public void attentionOutput(AttentionStep of, Tensor mixed, Tensor gradient) {
    rules.attentionOutput(of, mixed, gradient);
  }

  @Override
  public void projections(AttentionStep of, Tensor qkv, Tensor gradient) {
    step = of;
    projected = qkv;
    rules.projections(of, qkv, gradient);
  }

  @Override
  public void input(Kernels kernels, Stage at, Kernels.PatchBackward args) {
    rules.input(kernels, at, args);
  }

  @Override
  public void attentionInputs(Kernels kernels, Stage at, Kernels.PatchProjectBackward args) {
    rules.attentionInputs(kernels, at, args);
  }

  /**
   * Computes the effects of the block that gradients have gone through since the last call.
   *
   * @param stream what it reads where nothing is ablated, {@code [B,T,D]}
   */
  void take(Tensor stream) {
    Tensor prepared = step.prepare(projected);
    Rotated plain = rotated(prepared);
    Tensor values = split(prepared).select(2, 2).transpose(1, 2); // [B,H,T,W]
    Tensor scores = scores(plain.queries(), plain.keys());
    Tensor pattern = torch.softmax(scores, -1);
    TensorVector slopes = new TensorVector();
    for (Tensor g : gradients) {
      Tensor gz = g.view(in.batch(), in.length(), how.heads(), how.width()).transpose(1, 2);
      slopes.push_back(torch.matmul(gz, values.transpose(2, 3)));
    }
    Tensor slope = torch.stack(slopes, 3); // ∂L/∂pattern, [B,H,T,R,T]
    TensorVector all = new TensorVector();
    Tensor changed = projected.clone();
    for (int s = 0; s < stage.sources(); s++) {
      try (TensorScope scope = new TensorScope()) {
        project(stream.add(run.delta(s, 1).select(0, 0)), changed);
        Tensor effects =
            torch.cat(
                new TensorVector(
                    rows(changed, 0, plain, scores, pattern, slope),
                    rows(changed, 1, plain, scores, pattern, slope)),
                1);
        all.push_back(scope.keep(effects));
      }
    }
    blocks.add(new Block(stage, Tensors.floats(torch.stack(all, 0)), gradients.size()));
    gradients.clear();
  }

  /** Queries and keys of an input; values stay. */
  private void project(Tensor x, Tensor out) {
    Normalization norm = model.normalization(stage);
    Tensor normalized = place.empty(1, in.batch(), in.length(), in.width());
    in.patchable
        .kernels()
        .patchForward(new Kernels.PatchForward(x, null, null, norm, normalized, null));
    Tensor input = model.affine(stage).apply(normalized.view(in.rows(), in.width()));
    model.projectQkv(stage, input, out, 0, 2 * stage.written());
  }

  /**
   * The effects of all queries (part 0), or keys (part 1), each row's by itself.
   *
   * @param changed queries and keys of the changed input
   * @return {@code [B, rows, C, R]}
   */
  private Tensor rows(
      Tensor changed, int part, Rotated plain, Tensor scores, Tensor pattern, Tensor slope) {
    int heads = how.heads();
    int rows = stage.reads().get(part).nodes().size();
    if (!model.config().features().acrossHeads()) {
      Tensor each = heads(rotated(step.prepare(changed)), part, plain, scores, pattern, slope);
      return each.unflatten(1, new long[] {rows, heads / rows}).sum(new long[] {2}, false, null);
    }
    // their common scale makes every head depend on each
    TensorVector all = new TensorVector();
    long width = (long) heads / rows * how.width();
    for (int row = 0; row < rows; row++) {
      try (TensorScope own = new TensorScope()) {
        Tensor one = projected.clone();
        long at = (long) part * heads * how.width() + row * width;
        one.narrow(1, at, width).copy_(changed.narrow(1, at, width));
        Tensor each = heads(rotated(step.prepare(one)), part, plain, scores, pattern, slope);
        all.push_back(own.keep(each.sum(new long[] {1}, false, null)));
      }
    }
    return torch.stack(all, 1);
  }

  /**
   * The effects through the pattern of each head.
   *
   * @return {@code [B,H,C,R]}
   */
  private Tensor heads(
      Rotated changed, int part, Rotated plain, Tensor scores, Tensor pattern, Tensor slope) {
    if (part == 0) {
      Tensor moved = torch.softmax(scores(changed.queries(), plain.keys()), -1).sub_(pattern);
      // a query's pattern is its own: what belongs to a position is the sum of its queries'
      return torch.matmul(members.unsqueeze(1), products(slope, moved));
    }
    Tensor other = scores(plain.queries(), changed.keys());
    TensorVector copies = new TensorVector();
    for (int c = 0; c < members.size(1); c++) {
      try (TensorScope one = new TensorScope()) {
        Tensor own = members.select(1, c).ne(new Scalar(0.0)).unsqueeze(1).unsqueeze(1);
        Tensor some = graph.positions() == 0 ? other : torch.where(own, other, scores);
        Tensor moved = torch.softmax(some, -1).sub_(pattern);
        copies.push_back(one.keep(products(slope, moved).sum(new long[] {2}, false, null)));
      }
    }
    return torch.stack(copies, 2);
  }

  /**
   * Of each query the product of slopes and what its pattern has changed by.
   *
   * @param slope {@code [B,H,T,R,T]}
   * @param moved {@code [B,H,T,T]}
   * @return {@code [B,H,T,R]}
   */
  private static Tensor products(Tensor slope, Tensor moved) {
    return torch.matmul(slope, moved.unsqueeze(-1)).squeeze(-1);
  }

  private Tensor scores(Tensor queries, Tensor keys) {
    return LibtorchAttention.scores(queries, keys, how.mask(), how.scale(), how.cap());
  }

  /** {@code [B,T,3,H,W]}. */
  private Tensor split(Tensor qkv) {
    return qkv.view(in.batch(), in.length(), 3, how.heads(), how.width());
  }

  private Rotated rotated(Tensor prepared) {
    Tensor split = split(prepared);
    return new Rotated(
        LibtorchAttention.rotate(split.select(2, 0).transpose(1, 2), how.rotation(), false),
        LibtorchAttention.rotate(split.select(2, 1).transpose(1, 2), how.rotation(), false));
  }

  /**
   * Puts effects in the place of a gradient of edges into queries and keys.
   *
   * @param way which of the gradients, in the order in which they went through each block; of
   *     blocks that it did not go through nothing is put
   * @param values {@code [B × edges]}
   */
  void put(int way, float[] values) {
    int copies = graph.positionCopies();
    for (Block block : blocks) {
      if (way >= block.gradients()) {
        continue;
      }
      int queries = block.stage().reads().get(0).nodes().size();
      int rows = queries + block.stage().reads().get(1).nodes().size();
      int from = 0;
      for (int s = 0; s < block.stage().sources(); s++) {
        for (int i = 0; i < in.batch(); i++) {
          for (int row = 0; row < rows; row++) {
            DestModule m = block.stage().reads().get(row < queries ? 0 : 1);
            int node = row < queries ? row : row - queries;
            for (int c = 0; c < copies; c++, from += block.gradients()) {
              values[i * graph.edgeCount() + graph.index(m, node, s, c)] =
                  block.values()[from + way];
            }
          }
        }
      }
    }
  }
}
