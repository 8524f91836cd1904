package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.kernels.Activations;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.model.WeightSource.Part;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A transformer's weights and the functions of its parts. Immutable, and safe to share between
 * threads; it knows no patching.
 *
 * <p>Grouped key/value heads are treated per query head (ungrouped), so that every head has its own
 * query, key and value input. The weights live in memory of the processor or, after {@link #to}, of
 * a device, until {@link #close}.
 */
public final class Transformer implements AutoCloseable {
  private final TransformerConfig config;
  private final Placement place;
  private final List<Tensor> owned = new ArrayList<>();
  private final Tensor embedding;
  private final Tensor positionEmbedding;
  private final Tensor cosines;
  private final Tensor sines;
  private final List<Block> blocks;
  private final Affine finalAffine;
  private final Tensor unembedding;
  private final Tensor unembeddingBias;
  private final List<String> notices;

  /** The scale and shift after a normalisation; both null where they are folded or absent. */
  public record Affine(Tensor weight, Tensor bias) {
    /** Applies scale and shift over the last axis. */
    public Tensor apply(Tensor x) {
      Tensor y = weight == null ? x : x.mul(weight);
      return bias == null ? y : y.add(bias);
    }

    /** The gradient with respect to the input of {@link #apply}. */
    public Tensor backward(Tensor gradient) {
      return weight == null ? gradient : gradient.mul(weight);
    }
  }

  private record Attention(Affine affine, Tensor wQkv, Tensor bQkv, Tensor wO, Tensor bO) {}

  private record Mlp(
      Affine affine,
      Tensor wIn,
      Tensor bIn,
      Tensor wGate,
      Tensor bGate,
      Tensor wOut,
      Tensor bOut) {}

  private record Block(Attention attention, Mlp mlp) {}

  /**
   * What the tokens fix for every block: shapes, which keys each query sees, rotation angles.
   *
   * @param batchSize number of prompts B
   * @param length number of positions T
   * @param mask added to attention scores, {@code [1 or B,1,T,T]}; null if every key is seen
   * @param cosines rotation, {@code [1 or B,1,T,dimensions]}; null without rotary positions
   * @param sines likewise
   */
  public record Context(int batchSize, int length, Tensor mask, Tensor cosines, Tensor sines) {
    /** B·T. */
    public int rows() {
      return batchSize * length;
    }

    /** The same for queries at the last {@code positions} positions only. */
    Context last(int positions) {
      if (positions == length) {
        return this;
      }
      long first = (long) length - positions;
      return new Context(
          batchSize,
          length,
          mask == null ? null : mask.narrow(2, first, positions),
          cosines == null ? null : cosines.narrow(2, first, positions),
          sines == null ? null : sines.narrow(2, first, positions));
    }
  }

  /**
   * What an MLP keeps for its gradient.
   *
   * @param hidden {@code x W_in + b_in}, {@code [N,dMlp]}
   * @param gate {@code x W_gate + b_gate}; null if not gated
   */
  public record MlpState(Tensor hidden, Tensor gate) {}

  /**
   * Makes a model from a state dictionary.
   *
   * @param config its shape
   * @param weights under TransformerLens's names ({@code blocks.0.attn.W_Q [heads, dModel, dHead]},
   *     …), as {@link WeightCheck} requires
   * @param type float32 or float64
   * @throws io.autocircuit.files.DataException if a tensor is missing or has another shape
   */
  public Transformer(TransformerConfig config, Map<String, Tensor> weights, ScalarType type) {
    this(config, checked(config, weights), type, List.of());
  }

  private static WeightSource checked(TransformerConfig config, Map<String, Tensor> weights) {
    WeightCheck.require("weights", config, weights);
    return WeightSource.of(weights);
  }

  /**
   * Makes a model part by part: beside what is finished there is never more than one part and what
   * is made of it.
   *
   * @param config its shape
   * @param weights gives tensors of the shapes that {@link WeightCheck} requires
   * @param type float32 or float64
   * @param notices see {@link #notices}
   */
  Transformer(
      TransformerConfig config, WeightSource weights, ScalarType type, List<String> notices) {
    this.config = config;
    this.place = new Placement(type, Device.CPU);
    this.notices = List.copyOf(notices);
    try {
      // the largest tensors first, while little else is in memory
      try (TensorScope scope = new TensorScope()) {
        Map<String, Tensor> w = weights.tensors(Part.END);
        finalAffine = affine(w, "ln_final");
        unembedding = own(w.get("unembed.W_U"));
        unembeddingBias = own(orZero(w.get("unembed.b_U"), config.outputs()));
      }
      try (TensorScope scope = new TensorScope()) {
        embedding = own(weights.tensors(Part.EMBEDDING).get("embed.W_E"));
      }
      try (TensorScope scope = new TensorScope()) {
        positionEmbedding = own(weights.tensors(Part.POSITIONS).get("pos_embed.W_pos"));
      }
      List<Block> list = new ArrayList<>();
      for (int b = 0; b < config.blocks(); b++) {
        list.add(new Block(readAttention(weights, b), readMlp(weights, b)));
      }
      blocks = List.copyOf(list);
      try (TensorScope scope = new TensorScope()) {
        Tensor[] angles = angles();
        cosines = angles == null ? null : own(angles[0]);
        sines = angles == null ? null : own(angles[1]);
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
              new org.bytedeco.pytorch.TensorVector(
                  flatIn(w.get(p + "attn.W_Q")),
                  flatIn(ungrouped(w.get(p + "attn.W_K"))),
                  flatIn(ungrouped(w.get(p + "attn.W_V")))),
              1);
      Tensor bQkv =
          torch.cat(
              new org.bytedeco.pytorch.TensorVector(
                  bias(w, p + "attn.b_Q"), bias(w, p + "attn.b_K"), bias(w, p + "attn.b_V")),
              0);
      long width = (long) config.heads() * config.dHead();
      return new Attention(
          affine(w, p + "ln1"),
          own(wQkv),
          own(bQkv),
          own(w.get(p + "attn.W_O").reshape(width, config.dModel())),
          own(orZero(w.get(p + "attn.b_O"), config.dModel())));
    }
  }

  private Mlp readMlp(WeightSource weights, int block) {
    String p = "blocks." + block + ".";
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> w = weights.tensors(Part.mlp(block));
      boolean none = config.attentionOnly();
      return new Mlp(
          affine(w, p + "ln2"),
          own(w.get(p + "mlp.W_in")),
          none ? null : own(orZero(w.get(p + "mlp.b_in"), config.dMlp())),
          own(w.get(p + "mlp.W_gate")),
          config.gatedMlp() ? own(orZero(w.get(p + "mlp.b_gate"), config.dMlp())) : null,
          own(w.get(p + "mlp.W_out")),
          none ? null : own(orZero(w.get(p + "mlp.b_out"), config.dModel())));
    }
  }

  /** Cosines and sines of every position, {@code [context, dimensions]}; null if not rotary. */
  private Tensor[] angles() {
    if (!(config.positions() instanceof Rotary r)) {
      return null;
    }
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
    return new Tensor[] {
      place.tensor(cos, config.contextLength(), r.dimensions()),
      place.tensor(sin, config.contextLength(), r.dimensions())
    };
  }

  private Tensor own(Tensor t) {
    if (t == null) {
      return null;
    }
    Tensor mine;
    if (t.scalar_type() == place.type()) {
      mine = t.contiguous();
    } else {
      // one copy does both: the type, and elements that lie row by row
      mine = place.empty(t.shape());
      mine.copy_(t);
    }
    mine.retainReference();
    owned.add(mine);
    return mine;
  }

  private Tensor ungrouped(Tensor w) {
    int groups = (int) w.size(0);
    return groups == config.heads()
        ? w
        : torch.repeat_interleave(
            w,
            (long) config.heads() / groups,
            new org.bytedeco.pytorch.LongOptional(0),
            new org.bytedeco.pytorch.LongOptional());
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

  /** The model's shape. */
  public TransformerConfig config() {
    return config;
  }

  /**
   * What its user should know about how it was read: settings of its {@code config.json} that are
   * not known, say. One sentence or two each, without an end of line; empty for models that were
   * not read from a directory.
   */
  public List<String> notices() {
    return notices;
  }

  /** float32 or float64. */
  public ScalarType type() {
    return place.type();
  }

  /** Where the weights are, and everything that is computed with them. */
  public Placement placement() {
    return place;
  }

  /**
   * Moves the weights to a device. Loading and processing take place on the processor.
   *
   * @return this model if it is there already; else the model there, and this one is closed, also
   *     where the device has no room
   */
  public Transformer to(Device device) {
    if (device.equals(place.device())) {
      return this;
    }
    try (this) {
      return new Transformer(this, device);
    }
  }

  private Transformer(Transformer from, Device device) {
    config = from.config;
    place = new Placement(from.place.type(), device);
    notices = from.notices;
    try (TensorScope scope = new TensorScope()) {
      embedding = copy(from.embedding);
      positionEmbedding = copy(from.positionEmbedding);
      cosines = copy(from.cosines);
      sines = copy(from.sines);
      blocks =
          from.blocks.stream().map(b -> new Block(copy(b.attention()), copy(b.mlp()))).toList();
      finalAffine = copy(from.finalAffine);
      unembedding = copy(from.unembedding);
      unembeddingBias = copy(from.unembeddingBias);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private Attention copy(Attention a) {
    return new Attention(
        copy(a.affine()), copy(a.wQkv()), copy(a.bQkv()), copy(a.wO()), copy(a.bO()));
  }

  private Mlp copy(Mlp m) {
    return new Mlp(
        copy(m.affine()),
        copy(m.wIn()),
        copy(m.bIn()),
        copy(m.wGate()),
        copy(m.bGate()),
        copy(m.wOut()),
        copy(m.bOut()));
  }

  private Affine copy(Affine affine) {
    return new Affine(copy(affine.weight()), copy(affine.bias()));
  }

  private Tensor copy(Tensor t) {
    return t == null ? null : own(Tensors.copy(t, place.device()));
  }

  /** Bytes of native memory that the weights take. */
  public long bytes() {
    return owned.stream().mapToLong(t -> t.numel() * t.element_size()).sum();
  }

  /** Scale and shift before attention of a block. */
  public Affine attentionAffine(int block) {
    return blocks.get(block).attention().affine();
  }

  /** Scale and shift before the MLP of a block. */
  public Affine mlpAffine(int block) {
    return blocks.get(block).mlp().affine();
  }

  /** Scale and shift before the unembedding. */
  public Affine finalAffine() {
    return finalAffine;
  }

  /** The bias of a block's attention output, {@code [D]}. */
  public Tensor attentionOutputBias(int block) {
    return blocks.get(block).attention().bO();
  }

  /** What {@code tokens} fix for every block. */
  public Context context(TokenBatch tokens) {
    int b = tokens.batchSize();
    int t = tokens.length();
    boolean padded = Arrays.stream(tokens.padding()).anyMatch(p -> p > 0);
    Tensor mask = null;
    if (config.causal() || padded) {
      int rows = padded ? b : 1;
      float[] m = new float[rows * t * t];
      for (int i = 0; i < rows; i++) {
        int pad = padded ? tokens.padding()[i] : 0;
        for (int q = 0; q < t; q++) {
          for (int k = 0; k < t; k++) {
            // A pad position sees itself alone, so that its row stays finite; nobody reads it.
            boolean seen = q == k || (k >= pad && q >= pad && (!config.causal() || k <= q));
            m[(i * t + q) * t + k] = seen ? 0f : Float.NEGATIVE_INFINITY;
          }
        }
      }
      mask = place.tensor(m, rows, 1, t, t);
    }
    Tensor cos = null;
    Tensor sin = null;
    if (cosines != null) {
      if (padded) {
        Tensor ids = place.indices(positionIds(tokens), (long) b * t);
        cos = rows(cosines, ids).reshape(b, 1, t, cosines.size(1));
        sin = rows(sines, ids).reshape(b, 1, t, cosines.size(1));
      } else {
        cos = cosines.narrow(0, 0, t).reshape(1, 1, t, cosines.size(1));
        sin = sines.narrow(0, 0, t).reshape(1, 1, t, cosines.size(1));
      }
    }
    return new Context(b, t, mask, cos, sin);
  }

  /** The position of every token: counted from the first that is not a pad; 0 for pads. */
  private static long[] positionIds(TokenBatch tokens) {
    long[] ids = new long[tokens.batchSize() * tokens.length()];
    for (int i = 0; i < tokens.batchSize(); i++) {
      for (int t = 0; t < tokens.length(); t++) {
        ids[i * tokens.length() + t] = Math.max(0, t - tokens.padding()[i]);
      }
    }
    return ids;
  }

  /**
   * The start of the residual stream: embedding plus learned positions.
   *
   * @return {@code [B,T,D]}
   * @throws IllegalArgumentException if a token id or the length does not fit the model
   */
  public Tensor embed(TokenBatch tokens) {
    if (tokens.length() > config.contextLength()) {
      throw new IllegalArgumentException(
          "prompt length="
              + tokens.length()
              + " exceeds the context length="
              + config.contextLength());
    }
    long[] ids = new long[tokens.ids().length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = tokens.ids()[i];
      if (ids[i] < 0 || ids[i] >= config.vocabulary()) {
        throw new IllegalArgumentException(
            "token id=" + ids[i] + " outside the vocabulary of size=" + config.vocabulary());
      }
    }
    Tensor flat = rows(embedding, place.indices(ids, ids.length));
    Tensor x = flat.reshape(tokens.batchSize(), tokens.length(), config.dModel());
    if (positionEmbedding == null) {
      return x;
    }
    boolean padded = Arrays.stream(tokens.padding()).anyMatch(p -> p > 0);
    if (!padded) {
      return x.add(positionEmbedding.narrow(0, 0, tokens.length()));
    }
    Tensor p = rows(positionEmbedding, place.indices(positionIds(tokens), ids.length));
    return x.add(p.reshape(tokens.batchSize(), tokens.length(), config.dModel()));
  }

  /** Some rows of a table, {@code [ids, columns]}. */
  private static Tensor rows(Tensor table, Tensor ids) {
    return table.gather(0, ids.unsqueeze(1).expand(ids.size(0), table.size(1)));
  }

  /** Normalises over the last axis, without scale and shift. */
  public static Tensor normalize(Normalization norm, Tensor x) {
    return switch (norm.kind()) {
      case NONE -> x;
      case LAYER_NORM ->
          x.is_meta() // libtorch has no rule for its shape
              ? torch.empty_like(x)
              : torch.layer_norm(
                  x,
                  new long[] {x.size(-1)},
                  new TensorOptional(),
                  new TensorOptional(),
                  norm.epsilon(),
                  false);
      case RMS_NORM -> {
        Tensor mean = x.mul(x).mean(new long[] {-1}, true, null);
        yield x.mul(mean.add_(new Scalar(norm.epsilon())).rsqrt_());
      }
    };
  }

  /**
   * Projects inputs to some of the columns of the joint query/key/value matrix.
   *
   * @param x normalised inputs, {@code [N,D]}
   * @param out {@code [N, 3·H·dHead]}: queries of all heads, then keys, then values; the columns of
   *     heads {@code first} to {@code first + count − 1} (of 3·H) are written
   */
  public void projectQkv(int block, Tensor x, Tensor out, int first, int count) {
    Attention w = blocks.get(block).attention();
    long from = (long) first * config.dHead();
    long n = (long) count * config.dHead();
    Products.addmmOut(
        out.narrow(1, from, n), w.bQkv().narrow(0, from, n), x, w.wQkv().narrow(1, from, n));
  }

  /**
   * Attention of some heads at some query positions.
   *
   * @param q unrotated queries, {@code [B, P, heads, dHead]}: the last P positions
   * @param k unrotated keys, {@code [B, T, heads, dHead]}
   * @param v values, {@code [B, T, heads, dHead]}
   * @return mixed values, {@code [B, P, heads, dHead]}
   */
  public Tensor mix(Tensor q, Tensor k, Tensor v, Context context) {
    long positions = q.size(1);
    Context last = context.last((int) positions);
    Tensor qr = LibtorchAttention.rotate(q.transpose(1, 2), rotation(last), false);
    Tensor kr = LibtorchAttention.rotate(k.transpose(1, 2), rotation(context), false);
    double scale = 1 / config.attentionScale();
    return LibtorchAttention.attend(qr, kr, v.transpose(1, 2), last.mask(), scale).transpose(1, 2);
  }

  /** How positions attend to each other, with the tables of these prompts. */
  public Kernels.AttentionPattern attentionPattern(Context context) {
    return new Kernels.AttentionPattern(
        config.heads(),
        config.dHead(),
        1 / config.attentionScale(),
        context.mask(),
        rotation(context));
  }

  private Kernels.Rotation rotation(Context context) {
    return config.positions() instanceof Rotary r
        ? new Kernels.Rotation(context.cosines(), context.sines(), r.adjacentPairs())
        : null;
  }

  /**
   * Attention between positions, in libtorch's operations.
   *
   * @param qkv {@code [B·T, 3·H·dHead]}
   * @param context of the prompts
   * @param z written: every head's mixed values, {@code [B·T, H·dHead]}
   */
  public void attention(Tensor qkv, Context context, Tensor z) {
    LibtorchAttention.forward(
        new Kernels.Attention(qkv, context.batchSize(), attentionPattern(context), z));
  }

  /**
   * A block's joint query, key and value matrix, {@code [D, 3·H·dHead]}: queries of all heads, then
   * keys, then values.
   */
  public Tensor qkvWeight(int block) {
    return blocks.get(block).attention().wQkv();
  }

  /** The bias of {@link #qkvWeight}, {@code [3·H·dHead]}. */
  public Tensor qkvBias(int block) {
    return blocks.get(block).attention().bQkv();
  }

  /** The rows of a block's output matrix that belong to one head, {@code [dHead, D]}. */
  public Tensor headOutput(int block, int head) {
    return blocks
        .get(block)
        .attention()
        .wO()
        .narrow(0, (long) head * config.dHead(), config.dHead());
  }

  /** A block's output matrix for all heads, {@code [H·dHead, D]}. */
  public Tensor attentionOutput(int block) {
    return blocks.get(block).attention().wO();
  }

  /**
   * A block's MLP.
   *
   * @param x normalised input, {@code [N,D]}
   * @param out written: the output, {@code [N,D]}
   * @return what the gradient needs
   */
  public MlpState mlp(int block, Tensor x, Tensor out) {
    Mlp w = blocks.get(block).mlp();
    Tensor hidden = Products.addmm(w.bIn(), x, w.wIn());
    Tensor gate = w.wGate() == null ? null : Products.addmm(w.bGate(), x, w.wGate());
    Tensor active = gate == null ? activate(hidden) : activate(gate).mul_(hidden);
    Products.addmmOut(out, w.bOut(), active, w.wOut());
    return new MlpState(hidden, gate);
  }

  /**
   * The gradient of {@link #mlp}.
   *
   * @param gradient ∂L/∂out, {@code [N,D]}
   * @param out written: ∂L/∂x, {@code [N,D]}
   */
  public void mlpBackward(int block, MlpState state, Tensor gradient, Tensor out) {
    Mlp w = blocks.get(block).mlp();
    Tensor ga = Products.mm(gradient, w.wOut().t());
    if (state.gate() == null) {
      Products.mmOut(out, activateBackward(ga, state.hidden()), w.wIn().t());
    } else {
      Products.mmOut(out, ga.mul(activate(state.gate())), w.wIn().t());
      Tensor gg = activateBackward(ga.mul(state.hidden()), state.gate());
      Products.addmmOut(out, out, gg, w.wGate().t());
    }
  }

  private Tensor activate(Tensor x) {
    return switch (config.activation()) {
      case GELU -> torch.gelu(x, "none");
      case GELU_TANH -> Activations.GELU_TANH.apply(x);
      case RELU -> x.clamp_min(new Scalar(0.0));
      case SILU -> Activations.SILU.apply(x);
    };
  }

  private Tensor activateBackward(Tensor gradient, Tensor x) {
    return switch (config.activation()) {
      case GELU -> torch.gelu_backward(gradient, x, "none");
      case GELU_TANH -> Activations.GELU_TANH.backward(gradient, x);
      case RELU -> gradient.mul(x.gt(new Scalar(0.0)));
      case SILU -> Activations.SILU.backward(gradient, x);
    };
  }

  /** {@code x W_U + b_U} over the last axis. */
  public Tensor unembed(Tensor x) {
    Tensor flat = x.reshape(-1, config.dModel());
    long[] shape = x.shape();
    shape[shape.length - 1] = config.outputs();
    return Products.addmm(unembeddingBias, flat, unembedding).view(shape);
  }

  /** The gradient of {@link #unembed}. */
  public Tensor unembedBackward(Tensor gradient) {
    Tensor flat = gradient.reshape(-1, config.outputs());
    long[] shape = gradient.shape();
    shape[shape.length - 1] = config.dModel();
    return Products.mm(flat, unembedding.t()).view(shape);
  }

  /**
   * The plain forward pass.
   *
   * @param slice which positions' logits are wanted
   * @return {@code [B, positions, outputs]}, in the current scope
   */
  public Tensor logits(TokenBatch tokens, OutputSlice slice) {
    try (TensorScope scope = new TensorScope()) {
      Context context = context(tokens);
      int n = context.rows();
      long width = (long) config.heads() * config.dHead();
      Tensor x = embed(tokens).view(n, config.dModel());
      Tensor qkv = place.empty(n, 3 * width);
      Tensor z = place.empty(n, width);
      Tensor out = place.empty(n, config.dModel());
      for (int b = 0; b < config.blocks(); b++) {
        try (TensorScope inner = new TensorScope()) {
          Tensor pre = x;
          Tensor a = attentionAffine(b).apply(normalize(config.normalization(), pre));
          projectQkv(b, a, qkv, 0, 3 * config.heads());
          attention(qkv, context, z);
          x = Products.addmm(pre, z, attentionOutput(b)).add_(attentionOutputBias(b));
          if (!config.attentionOnly()) {
            Tensor read = config.parallel() ? pre : x;
            mlp(b, mlpAffine(b).apply(normalize(config.normalization(), read)), out);
            x.add_(out);
          }
          inner.keep(x);
        }
      }
      Tensor end = slice.apply(x.view(context.batchSize(), context.length(), config.dModel()));
      return scope.keep(unembed(finalAffine.apply(normalize(config.finalNormalization(), end))));
    }
  }

  /** Frees the weights. */
  @Override
  public void close() {
    owned.forEach(Tensor::releaseReference);
    owned.clear();
  }
}
