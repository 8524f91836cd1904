package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.AttentionStep.HeadNorm;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.model.WeightSource.Part;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The tensors of a transformer, in the shapes in which its functions use them, and who frees them.
 * Grouped keys and values are repeated for every query head. Matrices are of the type that they are
 * stored in, vectors and tables of the one that is computed in.
 */
final class TransformerWeights implements AutoCloseable {
  private static final Scalar ONE = new Scalar(1.0);

  private final TransformerConfig config;
  private final Placement place;
  private final WeightType stored;
  private final List<Tensor> owned = new ArrayList<>();

  /** {@code [vocabulary, D]}. */
  final Tensor embedding;

  /** {@code [context, D]}; null without learned positions. */
  final Tensor positionEmbedding;

  /** Rotations of the kinds of attention, in their order; null where nothing is rotated. */
  final List<Angles> angles;

  final List<Block> blocks;
  final Affine finalAffine;

  /** {@code [D, outputs]}. */
  final Tensor unembedding;

  /** {@code [outputs]}. */
  final Tensor unembeddingBias;

  /**
   * Rotation by position.
   *
   * @param cosines {@code [context, dimensions]}
   * @param sines likewise
   */
  record Angles(Tensor cosines, Tensor sines) {}

  /**
   * Attention's weights.
   *
   * @param wQkv queries of all heads, then keys, then values, {@code [D, 3·H·dHead]}
   * @param bQkv {@code [3·H·dHead]}
   * @param wO {@code [H·dHead, D]}
   * @param bO {@code [D]}
   * @param norm of queries and keys; null unless they are normalised
   * @param unscaled the reciprocal of the output's scale, which {@code wO} holds; null unless the
   *     output is normalised
   */
  record Attention(
      Affine affine,
      Tensor wQkv,
      Tensor bQkv,
      Tensor wO,
      Tensor bO,
      HeadNorm norm,
      Tensor unscaled) {}

  /**
   * An MLP's weights; null where there is no MLP, and those of the gate where it is not gated.
   *
   * @param wIn {@code [D, dMlp]}
   * @param bIn {@code [dMlp]}
   * @param wGate {@code [D, dMlp]}
   * @param bGate {@code [dMlp]}
   * @param wOut {@code [dMlp, D]}
   * @param bOut {@code [D]}
   * @param outputScale after the normalisation of the output, {@code [D]}; null unless it is
   *     normalised
   */
  record Mlp(
      Affine affine,
      Tensor wIn,
      Tensor bIn,
      Tensor wGate,
      Tensor bGate,
      Tensor wOut,
      Tensor bOut,
      Tensor outputScale) {}

  /** Both parts of a block. */
  record Block(Attention attention, Mlp mlp) {}

  /**
   * Reads part by part: beside what is finished there is never more than one part and what is made
   * of it.
   *
   * @param weights gives tensors of the shapes that {@link WeightCheck} requires
   * @param type float32 or float64
   * @param stored of matrices
   * @throws DataException if a weight is too large for {@code stored}
   */
  TransformerWeights(
      TransformerConfig config, WeightSource weights, ScalarType type, WeightType stored) {
    this.config = config;
    this.place = new Placement(type, Device.CPU);
    this.stored = stored;
    try {
      // the largest tensors first, while little else is in memory
      try (TensorScope scope = new TensorScope()) {
        Map<String, Tensor> w = weights.tensors(Part.END);
        finalAffine = affine(w, "ln_final");
        unembedding = matrix("unembed.W_U", w.get("unembed.W_U"));
        unembeddingBias = own(orZero(w.get("unembed.b_U"), config.outputs()));
      }
      try (TensorScope scope = new TensorScope()) {
        embedding = matrix("embed.W_E", weights.tensors(Part.EMBEDDING).get("embed.W_E"));
      }
      try (TensorScope scope = new TensorScope()) {
        positionEmbedding =
            matrix("pos_embed.W_pos", weights.tensors(Part.POSITIONS).get("pos_embed.W_pos"));
      }
      List<Block> list = new ArrayList<>();
      for (int b = 0; b < config.blocks(); b++) {
        list.add(new Block(readAttention(weights, b), readMlp(weights, b)));
      }
      blocks = List.copyOf(list);
      try (TensorScope scope = new TensorScope()) {
        angles = readAngles();
      }
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Attention readAttention(WeightSource weights, int block) {
    String p = "blocks." + block + ".";
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> w = weights.tensors(Part.attention(block));
      Tensor wQkv =
          torch.cat(
              new TensorVector(
                  flatIn(w.get(p + "attn.W_Q")),
                  flatIn(ungrouped(w.get(p + "attn.W_K"))),
                  flatIn(ungrouped(w.get(p + "attn.W_V")))),
              1);
      Tensor bQkv =
          torch.cat(
              new TensorVector(
                  bias(w, p + "attn.b_Q"), bias(w, p + "attn.b_K"), bias(w, p + "attn.b_V")),
              0);
      long width = (long) config.heads() * config.dHead();
      Tensor wO = w.get(p + "attn.W_O").reshape(width, config.dModel());
      Tensor scale = outputScale(w, p + "ln1_post.w");
      if (scale != null) {
        requireShares(p, scale, w.get(p + "attn.b_O"));
        wO = wO.mul(scale);
      }
      return new Attention(
          affine(w, p + "ln1"),
          matrix(p + "attn.W_Q, W_K, W_V", wQkv),
          own(bQkv),
          matrix(p + "attn.W_O", wO),
          own(orZero(w.get(p + "attn.b_O"), config.dModel())),
          config.features().queryKeyNormalization().kind() == Normalization.Kind.NONE
              ? null
              : new HeadNorm(perHead(w, p + "attn.q_norm"), perHead(w, p + "attn.k_norm")),
          scale == null ? null : own(scale.reciprocal()));
    }
  }

  /** The scale after the normalisation of an output; null if it is not normalised. */
  private Tensor outputScale(Map<String, Tensor> weights, String name) {
    if (config.features().outputNormalization().kind() == Normalization.Kind.NONE) {
      return null;
    }
    Tensor scale = weights.get(name);
    return scale == null ? place.of(ScalarType.Float).zeros(config.dModel()).add_(ONE) : scale;
  }

  /** Heads have shares of a normalised output if there is no bias in it, and its scale is not 0. */
  private static void requireShares(String block, Tensor scale, Tensor bias) {
    if (scale.is_meta()) {
      return;
    }
    try (TensorScope scope = new TensorScope()) {
      if (scale.abs().min().item_float() == 0) {
        throw new DataException(
            "tensor=\""
                + block
                + "ln1_post.w\" holds a scale of 0, which is not supported: what"
                + " heads write there would be undone; use a model without it");
      }
      if (bias != null && bias.abs().max().item_float() != 0) {
        throw new DataException(
            "tensor=\""
                + block
                + "attn.b_O\": a bias of attention (of its output or its values)"
                + " before a normalisation of the output is not supported, as no source writes it;"
                + " use a model without it");
      }
    }
  }

  /** Scale and shift of queries or keys for every head, whether stored for one, a group or all. */
  private Affine perHead(Map<String, Tensor> weights, String name) {
    return new Affine(
        own(perHead(weights.get(name + ".w"))), own(perHead(weights.get(name + ".b"))));
  }

  private Tensor perHead(Tensor t) {
    return t == null ? null : ungrouped(t.dim() == 1 ? t.unsqueeze(0) : t);
  }

  private Mlp readMlp(WeightSource weights, int block) {
    String p = "blocks." + block + ".";
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> w = weights.tensors(Part.mlp(block));
      boolean none = config.attentionOnly();
      return new Mlp(
          affine(w, p + "ln2"),
          matrix(p + "mlp.W_in", w.get(p + "mlp.W_in")),
          none ? null : own(orZero(w.get(p + "mlp.b_in"), config.dMlp())),
          matrix(p + "mlp.W_gate", w.get(p + "mlp.W_gate")),
          config.gatedMlp() ? own(orZero(w.get(p + "mlp.b_gate"), config.dMlp())) : null,
          matrix(p + "mlp.W_out", w.get(p + "mlp.W_out")),
          none ? null : own(orZero(w.get(p + "mlp.b_out"), config.dModel())),
          none ? null : own(outputScale(w, p + "ln2_post.w")));
    }
  }

  private List<Angles> readAngles() {
    Map<Rotary, Angles> made = new LinkedHashMap<>();
    List<Angles> list = new ArrayList<>();
    for (Features.AttentionKind kind : config.attentionKinds()) {
      list.add(kind.positions() instanceof Rotary r ? made.computeIfAbsent(r, this::angles) : null);
    }
    return Collections.unmodifiableList(list);
  }

  /** Cosines and sines of every position. */
  private Angles angles(Rotary r) {
    float[] cos = new float[config.contextLength() * r.dimensions()];
    float[] sin = new float[cos.length];
    int half = r.dimensions() / 2;
    for (int t = 0; t < config.contextLength(); t++) {
      for (int i = 0; i < r.dimensions(); i++) {
        int pair = r.adjacentPairs() ? i / 2 : i % half;
        double angle = t * r.inverseFrequencies()[pair];
        cos[t * r.dimensions() + i] = (float) Math.cos(angle);
        sin[t * r.dimensions() + i] = (float) Math.sin(angle);
      }
    }
    return new Angles(
        own(place.tensor(cos, config.contextLength(), r.dimensions())),
        own(place.tensor(sin, config.contextLength(), r.dimensions())));
  }

  /** A copy of weights on another device, or stored otherwise. */
  private TransformerWeights(TransformerWeights from, Device device, WeightType type) {
    config = from.config;
    place = new Placement(from.place.type(), device);
    stored = type;
    try (TensorScope scope = new TensorScope()) {
      embedding = copy("embed.W_E", from.embedding);
      positionEmbedding = copy("pos_embed.W_pos", from.positionEmbedding);
      angles = copy(from.angles);
      blocks =
          from.blocks.stream().map(b -> new Block(copy(b.attention()), copy(b.mlp()))).toList();
      finalAffine = copy(from.finalAffine);
      unembedding = copy("unembed.W_U", from.unembedding);
      unembeddingBias = copy(from.unembeddingBias);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** The same weights on a device; these are kept. */
  TransformerWeights copyTo(Device device) {
    return new TransformerWeights(this, device, stored);
  }

  /** The same weights, stored otherwise; these are kept. */
  TransformerWeights copyAs(WeightType type) {
    return new TransformerWeights(this, place.device(), type);
  }

  private Attention copy(Attention a) {
    return new Attention(
        copy(a.affine()),
        copy("attention's W_Q, W_K, W_V", a.wQkv()),
        copy(a.bQkv()),
        copy("attention's W_O", a.wO()),
        copy(a.bO()),
        a.norm() == null ? null : new HeadNorm(copy(a.norm().queries()), copy(a.norm().keys())),
        copy(a.unscaled()));
  }

  /** Kinds that share a table share its copy. */
  private List<Angles> copy(List<Angles> all) {
    IdentityHashMap<Angles, Angles> made = new IdentityHashMap<>();
    List<Angles> list = new ArrayList<>();
    for (Angles a : all) {
      list.add(
          a == null
              ? null
              : made.computeIfAbsent(a, x -> new Angles(copy(x.cosines()), copy(x.sines()))));
    }
    return Collections.unmodifiableList(list);
  }

  private Mlp copy(Mlp m) {
    return new Mlp(
        copy(m.affine()),
        copy("an MLP's W_in", m.wIn()),
        copy(m.bIn()),
        copy("an MLP's W_gate", m.wGate()),
        copy(m.bGate()),
        copy("an MLP's W_out", m.wOut()),
        copy(m.bOut()),
        copy(m.outputScale()));
  }

  private Affine copy(Affine affine) {
    return new Affine(copy(affine.weight()), copy(affine.bias()));
  }

  private Tensor copy(Tensor t) {
    return t == null ? null : own(Tensors.copy(t, place.device()));
  }

  private Tensor copy(String name, Tensor t) {
    if (t == null) {
      return null;
    }
    ScalarType type = stored.stored(place.type());
    return type == t.scalar_type().intern() ? copy(t) : matrix(name, t);
  }

  private Tensor own(Tensor t) {
    return own(t, place.type());
  }

  private Tensor own(Tensor t, ScalarType type) {
    if (t == null) {
      return null;
    }
    Tensor mine;
    if (t.scalar_type().intern() == type) {
      mine = t.contiguous();
    } else {
      // one copy does both: the type, and elements that lie row by row
      mine = place.of(type).empty(t.shape());
      mine.copy_(t);
    }
    mine.retainReference();
    owned.add(mine);
    return mine;
  }

  /** A matrix in the type that they are stored in, rounded to nearest even. */
  private Tensor matrix(String name, Tensor t) {
    Tensor mine = own(t, stored.stored(place.type()));
    if (stored == WeightType.FLOAT16 && mine != null && !mine.is_meta() && mine.numel() > 0) {
      try (TensorScope scope = new TensorScope()) {
        float largest = mine.abs().max().item_float();
        if (!Float.isFinite(largest)) {
          throw new DataException(
              "weights=float16: a number of "
                  + name
                  + " is beyond 65504; store them in bfloat16 or float32");
        }
      }
    }
    return mine;
  }

  private Tensor ungrouped(Tensor w) {
    int groups = (int) w.size(0);
    return groups == config.heads()
        ? w
        : torch.repeat_interleave(
            w, (long) config.heads() / groups, new LongOptional(0), new LongOptional());
  }

  private Tensor flatIn(Tensor w) {
    return w.permute(1, 0, 2).reshape(config.dModel(), (long) config.heads() * config.dHead());
  }

  private Tensor bias(Map<String, Tensor> weights, String name) {
    Tensor b = weights.get(name);
    return b == null
        ? orZero(null, (long) config.heads() * config.dHead())
        : ungrouped(b).reshape(-1);
  }

  private Tensor orZero(Tensor t, long length) {
    return t == null ? place.of(ScalarType.Float).zeros(length) : t;
  }

  private Affine affine(Map<String, Tensor> weights, String name) {
    return new Affine(own(weights.get(name + ".w")), own(weights.get(name + ".b")));
  }

  /** Where they are. */
  Placement place() {
    return place;
  }

  /** How matrices are stored. */
  WeightType stored() {
    return stored;
  }

  /** Bytes of native memory that they take. */
  long bytes() {
    return owned.stream().mapToLong(t -> t.numel() * t.element_size()).sum();
  }

  /** Frees them. */
  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
