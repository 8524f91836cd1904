package io.autocircuit.model;

import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The attention of one block between the projections and the mixed values: what is done to queries,
 * keys and values of a head, and how positions attend to each other.
 *
 * @param config the model's shape
 * @param block the block
 * @param norm scales of queries and keys; null unless they are normalised
 * @param wO the output matrix, {@code [H·dHead, D]}, times the scale after the normalisation of the
 *     output
 * @param unscaled the reciprocal of that scale, {@code [D]}; null unless the output is normalised
 */
public record AttentionStep(
    TransformerConfig config, int block, HeadNorm norm, Tensor wO, Tensor unscaled) {

  /**
   * Scales and shifts after the normalisation of queries and keys.
   *
   * @param queries {@code [H, dHead]} each; either may be null
   * @param keys likewise, with those of a group for every head of it
   */
  public record HeadNorm(Affine queries, Affine keys) {
    /** Those of some heads. */
    private HeadNorm of(int[] heads) {
      return new HeadNorm(of(queries, heads), of(keys, heads));
    }

    private static Affine of(Affine affine, int[] heads) {
      return new Affine(of(affine.weight(), heads), of(affine.bias(), heads));
    }

    private static Tensor of(Tensor t, int[] heads) {
      return t == null || t.size(0) == heads.length ? t : Placement.slices(t, 0, heads);
    }
  }

  /**
   * How positions attend to each other, with the tables of these prompts.
   *
   * @param context of the prompts
   * @return holds the tensors of {@code context}: valid as long as they are
   */
  public Kernels.AttentionPattern pattern(PromptContext context) {
    PromptContext.Attending own = own(context);
    return new Kernels.AttentionPattern(
        config.heads(),
        config.dHead(),
        1 / config.attentionScale(),
        own.mask(),
        rotation(own),
        config.features().scoreCap());
  }

  private PromptContext.Attending own(PromptContext context) {
    return context.kinds().get(config.attentionKind(block));
  }

  private Kernels.Rotation rotation(PromptContext.Attending own) {
    return config.attentionKinds().get(config.attentionKind(block)).positions() instanceof Rotary r
        ? new Kernels.Rotation(own.cosines(), own.sines(), r.adjacentPairs())
        : null;
  }

  /**
   * Queries, keys and values as the scores take them, before their rotation: clipped and normalised
   * where the model does so.
   *
   * @param qkv as projected, {@code [N, 3·H·dHead]}
   * @return the same shape; {@code qkv} itself where nothing is done
   */
  public Tensor prepare(Tensor qkv) {
    Features f = config.features();
    if (!f.preparesAttention()) {
      return qkv;
    }
    Tensor out = f.clip() > 0 ? clipped(qkv) : qkv.clone();
    if (norm != null) {
      for (int part = 0; part < 2; part++) {
        Tensor x = heads(out, part);
        x.copy_(affine(part).apply(normalized(x)));
      }
    }
    return out;
  }

  /** Queries or keys {@code [N, H, dHead]}, over each head or over all. */
  private Tensor normalized(Tensor x) {
    Features f = config.features();
    return f.acrossHeads()
        ? Transformer.normalize(f.queryKeyNormalization(), x.flatten(1, 2)).view_as(x)
        : Transformer.normalize(f.queryKeyNormalization(), x);
  }

  private Tensor clipped(Tensor x) {
    double most = config.features().clip();
    return most > 0 ? x.clamp_min(new Scalar(-most)).clamp_max_(new Scalar(most)) : x;
  }

  private Affine affine(int part) {
    return part == 0 ? norm.queries() : norm.keys();
  }

  /** Queries or keys, {@code [N, H, dHead]}. */
  private Tensor heads(Tensor qkv, int part) {
    return qkv.view(qkv.size(0), 3, config.heads(), config.dHead()).select(1, part);
  }

  /**
   * The gradient of {@link #prepare}.
   *
   * @param qkv as projected, {@code [N, 3·H·dHead]}
   * @param gradient ∂L/∂ what {@link #prepare} returned; becomes ∂L/∂qkv
   * @param frozen whether the scales of normalisations are held fixed
   */
  public void backward(Tensor qkv, Tensor gradient, boolean frozen) {
    Features f = config.features();
    if (!f.preparesAttention()) {
      return;
    }
    try (TensorScope scope = new TensorScope()) {
      if (norm != null) {
        Tensor x = clipped(qkv);
        for (int part = 0; part < 2; part++) {
          Tensor g = heads(gradient, part);
          Tensor own = affine(part).backward(g);
          Tensor input = heads(x, part);
          g.copy_(
              f.acrossHeads()
                  ? normBackward(input.flatten(1, 2), own.flatten(1, 2), frozen).view_as(input)
                  : normBackward(input, own, frozen));
        }
      }
      if (f.clip() > 0) {
        gradient.mul_(qkv.le(new Scalar(f.clip()))).mul_(qkv.ge(new Scalar(-f.clip())));
      }
    }
  }

  private Tensor normBackward(Tensor x, Tensor gradient, boolean frozen) {
    Normalization kind = config.features().queryKeyNormalization();
    return frozen
        ? Normalizations.frozen(kind, x, gradient)
        : Normalizations.backward(kind, x, gradient);
  }

  /**
   * Multiplies mixed values by the scale of the normalisation of attention's output, so that their
   * parts of the output matrix make the heads' shares of the stream of them.
   *
   * @param z mixed values of all heads, {@code [N, H·dHead]}; changed
   * @return what they were; null where the output is not normalised, and nothing changes
   */
  public Tensor scale(Tensor z) {
    if (unscaled == null) {
      return null;
    }
    Tensor before = z.clone();
    z.mul_(rootOfOutput(output(before)));
    return before;
  }

  /** The output before its normalisation, {@code [N, D]}. */
  private Tensor output(Tensor z) {
    return Products.mm(z, wO).mul_(unscaled);
  }

  /** The reciprocal root of an output's mean square, {@code [N, 1]}. */
  private Tensor rootOfOutput(Tensor o) {
    Scalar epsilon = new Scalar(config.features().outputNormalization().epsilon());
    return o.mul(o).mean(new long[] {-1}, true, null).add_(epsilon).rsqrt_();
  }

  /**
   * The gradient of {@link #scale}: the scale is a function of all heads.
   *
   * @param z what {@link #scale} returned
   * @param gradient ∂L/∂ what {@link #scale} made of it; becomes ∂L/∂z
   * @param frozen whether the scale is held fixed
   */
  public void scaleBackward(Tensor z, Tensor gradient, boolean frozen) {
    if (unscaled == null) {
      return;
    }
    try (TensorScope scope = new TensorScope()) {
      Tensor o = output(z);
      Tensor root = rootOfOutput(o);
      if (frozen) {
        gradient.mul_(root);
        return;
      }
      Tensor along = gradient.mul(z).sum(new long[] {-1}, true, null);
      Tensor slope = along.mul_(root).mul_(root).mul_(root).div_(new Scalar((double) o.size(1)));
      Tensor through = Products.mm(o.mul_(unscaled), wO.t()).mul_(slope);
      gradient.mul_(root).sub_(through);
    }
  }

  /**
   * Attention of some heads at some query positions. Not for models whose heads are coupled ({@link
   * Features#couplesHeads}).
   *
   * @param q queries as projected, {@code [B, P, heads, dHead]}: the last P positions
   * @param k keys as projected, {@code [B, T, heads, dHead]}
   * @param v values as projected, {@code [B, T, heads, dHead]}
   * @param heads which heads, ascending
   * @param context of these B prompts, at all T positions
   * @return mixed values {@code softmax(q·k / attentionScale) v}, {@code [B, P, heads, dHead]}
   */
  public Tensor mix(Tensor q, Tensor k, Tensor v, int[] heads, PromptContext context) {
    HeadNorm own = norm == null ? null : norm.of(heads);
    Tensor qn = prepared(q, own == null ? null : own.queries());
    Tensor kn = prepared(k, own == null ? null : own.keys());
    PromptContext.Attending all = own(context);
    PromptContext.Attending last = all.last((int) q.size(1));
    Tensor qr = LibtorchAttention.rotate(qn.transpose(1, 2), rotation(last), false);
    Tensor kr = LibtorchAttention.rotate(kn.transpose(1, 2), rotation(all), false);
    Tensor mask = last.mask();
    if (mask != null && mask.size(1) > 1 && heads.length < mask.size(1)) {
      mask = Placement.slices(mask, 1, heads);
    }
    double scale = 1 / config.attentionScale();
    double cap = config.features().scoreCap();
    Tensor mixed = LibtorchAttention.attend(qr, kr, clipped(v).transpose(1, 2), mask, scale, cap);
    return mixed.transpose(1, 2);
  }

  private Tensor prepared(Tensor x, Affine affine) {
    Tensor cut = clipped(x);
    Normalization kind = config.features().queryKeyNormalization();
    return affine == null ? cut : affine.apply(Transformer.normalize(kind, cut));
  }
}
