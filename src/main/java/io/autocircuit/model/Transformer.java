package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.LibtorchAttention;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A transformer: its weights, and the functions of the {@link Stage}s of its computation.
 * Immutable, and safe to share between threads; it knows no patching.
 *
 * <p>Grouped key/value heads are treated per query head (ungrouped), so that every head has its own
 * query, key and value projection. The weights live in memory of the processor or, after {@link
 * #to}, of a device, until {@link #close}.
 */
public final class Transformer implements AutoCloseable {
  private final TransformerConfig config;
  private final Placement place;
  private final TransformerWeights weights;
  private final List<Stage> stages;
  private final List<String> notices;

  /**
   * What an MLP keeps for its gradient.
   *
   * @param hidden {@code x W_in + b_in}, {@code [N,dMlp]}
   * @param gate {@code x W_gate + b_gate}; null if not gated
   * @param output before its normalisation, {@code [N,D]}; null if it is not normalised
   */
  public record MlpState(Tensor hidden, Tensor gate, Tensor output) {}

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
    this(config, checked(config, weights), type, WeightType.FLOAT32, List.of());
  }

  private static WeightSource checked(TransformerConfig config, Map<String, Tensor> weights) {
    WeightCheck.require("weights", config, weights);
    return WeightSource.of(weights);
  }

  /**
   * Makes a model part by part: beside what is finished there is never more than one part and what
   * is made of it. The tensors have the shapes that {@link WeightCheck} requires.
   */
  Transformer(
      TransformerConfig config,
      WeightSource weights,
      ScalarType type,
      WeightType stored,
      List<String> notices) {
    this(config, new TransformerWeights(config, weights, type, stored), notices);
  }

  private Transformer(TransformerConfig config, TransformerWeights weights, List<String> notices) {
    this.config = config;
    this.place = weights.place();
    this.weights = weights;
    this.stages = config.graph(false, 0).stages();
    this.notices = List.copyOf(notices);
  }

  /**
   * The model's shape.
   *
   * @return the configuration that it was made with
   */
  public TransformerConfig config() {
    return config;
  }

  /**
   * What its user should know about how it was read: unknown settings of its configuration, say.
   *
   * @return one or two sentences each, without an end of line; empty unless read from a directory
   */
  public List<String> notices() {
    return notices;
  }

  /**
   * The type of all that is computed.
   *
   * @return float32 or float64
   */
  public ScalarType type() {
    return place.type();
  }

  /**
   * How the matrices of its weights are stored.
   *
   * @return {@link WeightType#FLOAT32} where they have the type that is computed in
   */
  public WeightType weightType() {
    return weights.stored();
  }

  /**
   * Stores the weights in another type. Those of 16 bits can be had as float32 again: the rounded
   * numbers.
   *
   * @param type of the matrices
   * @return this model if it is so already; else the model with such weights, and this one is
   *     closed
   * @throws io.autocircuit.files.DataException if a weight is too large for {@code type}; this
   *     model is closed then too
   */
  public Transformer withWeights(WeightType type) {
    if (type == weights.stored()) {
      return this;
    }
    try (this) {
      return new Transformer(config, weights.copyAs(type), notices);
    }
  }

  /**
   * Where the weights are, and everything that is computed with them.
   *
   * @return type and device
   */
  public Placement placement() {
    return place;
  }

  /**
   * Moves the weights to a device. Loading and processing take place on the processor.
   *
   * @param device where they shall be
   * @return this model if it is there already; else the model there, and this one is closed, also
   *     where the device has no room or does not compute in its type
   * @throws IllegalArgumentException if the device does not compute in the weights' type
   */
  public Transformer to(Device device) {
    if (device.equals(place.device())) {
      return this;
    }
    try (this) {
      device.require(place.type());
      return new Transformer(config, weights.copyTo(device), notices);
    }
  }

  /**
   * The memory that the weights take.
   *
   * @return bytes of native memory
   */
  public long bytes() {
    return weights.bytes();
  }

  /**
   * How a stage normalises what it reads from the stream.
   *
   * @param stage any but the embedding
   * @return the normalisation before its function
   */
  public Normalization normalization(Stage stage) {
    return stage.kind() == Stage.Kind.END ? config.finalNormalization() : config.normalization();
  }

  /**
   * Scale and shift after the normalisation of what a stage reads.
   *
   * @param stage any but the embedding
   * @return both may be null, where they are folded or absent
   */
  public Affine affine(Stage stage) {
    return switch (stage.kind()) {
      case ATTENTION -> attention(stage).affine();
      case MLP -> weights.blocks.get(stage.block()).mlp().affine();
      case END -> weights.finalAffine;
      case EMBEDDING -> throw new IllegalArgumentException("the embedding reads no stream");
    };
  }

  /**
   * What a stage's function takes: the stream, normalised, scaled and shifted.
   *
   * @param stage any but the embedding
   * @param stream {@code […,D]}
   * @return {@code […,D]}
   */
  public Tensor read(Stage stage, Tensor stream) {
    return affine(stage).apply(normalize(normalization(stage), stream));
  }

  private TransformerWeights.Attention attention(Stage stage) {
    return weights.blocks.get(stage.block()).attention();
  }

  /**
   * The bias of a block's attention output.
   *
   * @param stage of attention
   * @return {@code [D]}
   */
  public Tensor attentionOutputBias(Stage stage) {
    return attention(stage).bO();
  }

  /**
   * What {@code tokens} fix for every block.
   *
   * @param tokens the prompts
   * @return tensors in the current scope
   */
  public PromptContext context(TokenBatch tokens) {
    return PromptContext.of(tokens, place, config, weights.angles);
  }

  /**
   * The start of the residual stream: embedding plus learned positions.
   *
   * @param tokens B prompts, padded on the left to T positions
   * @return {@code [B,T,D]}, in the current scope
   * @throws IllegalArgumentException if a token id or the length does not fit the model
   */
  public Tensor embed(TokenBatch tokens) {
    return new Embedding(config, weights).embed(tokens);
  }

  /**
   * Normalises over the last axis, without scale and shift.
   *
   * @param norm which formula, and its ε
   * @param x {@code […,D]}
   * @return {@code […,D]}; {@code x} itself where nothing is normalised
   */
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
   * @param stage of attention
   * @param x normalised, scaled and shifted inputs, {@code [N,D]}
   * @param out {@code [N, 3·H·dHead]}: queries of all heads, then keys, then values; the columns of
   *     heads {@code first} to {@code first + count − 1} (of 3·H) are written
   * @param first 0 to {@code 3·H − 1}
   * @param count 1 to {@code 3·H − first}
   */
  public void projectQkv(Stage stage, Tensor x, Tensor out, int first, int count) {
    TransformerWeights.Attention w = attention(stage);
    long from = (long) first * config.dHead();
    long n = (long) count * config.dHead();
    Products.addmmOut(
        out.narrow(1, from, n), w.bQkv().narrow(0, from, n), x, w.wQkv().narrow(1, from, n));
  }

  /**
   * What attention does between the projections and the mixed values.
   *
   * @param stage of attention
   * @return its functions
   */
  public AttentionStep attentionStep(Stage stage) {
    TransformerWeights.Attention w = attention(stage);
    return new AttentionStep(config, stage.block(), w.norm(), w.wO(), w.unscaled());
  }

  /**
   * A block's joint query, key and value matrix.
   *
   * @param stage of attention
   * @return {@code [D, 3·H·dHead]}: queries of all heads, then keys, then values; of the {@link
   *     #weightType}
   */
  public Tensor qkvWeight(Stage stage) {
    return attention(stage).wQkv();
  }

  /**
   * The bias of {@link #qkvWeight}.
   *
   * @param stage of attention
   * @return {@code [3·H·dHead]}
   */
  public Tensor qkvBias(Stage stage) {
    return attention(stage).bQkv();
  }

  /**
   * The rows of a block's output matrix that belong to one head.
   *
   * @param stage of attention
   * @param head 0 to H − 1
   * @return {@code [dHead, D]}, of the {@link #weightType}
   */
  public Tensor headOutput(Stage stage, int head) {
    return attention(stage).wO().narrow(0, (long) head * config.dHead(), config.dHead());
  }

  /**
   * A block's output matrix for all heads.
   *
   * @param stage of attention
   * @return {@code [H·dHead, D]}, of the {@link #weightType}
   */
  public Tensor attentionOutput(Stage stage) {
    return attention(stage).wO();
  }

  /**
   * A block's MLP.
   *
   * @param stage of an MLP
   * @param x normalised input, {@code [N,D]}
   * @param out written: the output, {@code [N,D]}
   * @return what the gradient needs
   */
  public MlpState mlp(Stage stage, Tensor x, Tensor out) {
    TransformerWeights.Mlp w = weights.blocks.get(stage.block()).mlp();
    Tensor hidden = Products.addmm(w.bIn(), x, w.wIn());
    Tensor gate = w.wGate() == null ? null : Products.addmm(w.bGate(), x, w.wGate());
    Tensor active =
        gate == null
            ? ActivationFunctions.apply(config.activation(), hidden)
            : ActivationFunctions.apply(config.activation(), gate).mul_(hidden);
    Products.addmmOut(out, w.bOut(), active, w.wOut());
    if (w.outputScale() == null) {
      return new MlpState(hidden, gate, null);
    }
    Tensor raw = out.clone();
    out.copy_(normalize(config.features().outputNormalization(), raw).mul_(w.outputScale()));
    return new MlpState(hidden, gate, raw);
  }

  /**
   * The gradient of {@link #mlp}.
   *
   * @param stage of an MLP
   * @param state what {@link #mlp} returned
   * @param gradient ∂L/∂out, {@code [N,D]}
   * @param out written: ∂L/∂x, {@code [N,D]}
   */
  public void mlpBackward(Stage stage, MlpState state, Tensor gradient, Tensor out) {
    TransformerWeights.Mlp w = weights.blocks.get(stage.block()).mlp();
    Tensor written = gradient;
    if (w.outputScale() != null) {
      Normalization norm = config.features().outputNormalization();
      written = Normalizations.backward(norm, state.output(), gradient.mul(w.outputScale()));
    }
    Tensor ga = Products.mm(written, w.wOut().t());
    if (state.gate() == null) {
      Products.mmOut(
          out, ActivationFunctions.backward(config.activation(), ga, state.hidden()), w.wIn().t());
    } else {
      Products.mmOut(
          out, ga.mul(ActivationFunctions.apply(config.activation(), state.gate())), w.wIn().t());
      Tensor gg =
          ActivationFunctions.backward(config.activation(), ga.mul(state.hidden()), state.gate());
      Products.addmmOut(out, out, gg, w.wGate().t());
    }
  }

  /**
   * What makes logits of the end of the stream.
   *
   * @return all outputs
   */
  public Unembedding unembedding() {
    return new Unembedding(
        weights.unembedding, weights.unembeddingBias, config.features().logitCap());
  }

  /**
   * The logits.
   *
   * @param x the normalised end of the stream, {@code […,D]}
   * @return {@code x W_U + b_U}, capped where the model caps them, {@code […,outputs]}
   */
  public Tensor unembed(Tensor x) {
    return unembedding().logits(x);
  }

  /**
   * The plain forward pass.
   *
   * @param tokens the prompts
   * @param slice which positions' logits are wanted
   * @return {@code [B, positions, outputs]}, in the current scope
   */
  public Tensor logits(TokenBatch tokens, OutputSlice slice) {
    try (TensorScope scope = new TensorScope()) {
      PromptContext context = context(tokens);
      int n = context.rows();
      long width = (long) config.heads() * config.dHead();
      Tensor stream = embed(tokens).view(n, config.dModel());
      Tensor qkv = place.empty(n, 3 * width);
      Tensor z = place.empty(n, width);
      Tensor out = place.empty(n, config.dModel());
      Tensor before = null;
      for (Stage stage : stages) {
        Tensor read = before == null ? stream : before;
        before = stage.streamReadAgain() ? stream : null;
        try (TensorScope inner = new TensorScope()) {
          switch (stage.kind()) {
            case ATTENTION -> {
              projectQkv(stage, read(stage, read), qkv, 0, stage.parts());
              AttentionStep step = attentionStep(stage);
              LibtorchAttention.forward(
                  new Kernels.Attention(
                      step.prepare(qkv), context.batchSize(), step.pattern(context), z));
              step.scale(z);
              stream =
                  inner.keep(
                      Products.addmm(stream, z, attentionOutput(stage))
                          .add_(attentionOutputBias(stage)));
            }
            case MLP -> {
              mlp(stage, read(stage, read), out);
              stream.add_(out);
            }
            case EMBEDDING, END -> {
              // the one is done, the other follows
            }
          }
        }
      }
      Stage end = stages.get(stages.size() - 1);
      Tensor sliced =
          slice.apply(stream.view(context.batchSize(), context.length(), config.dModel()));
      return scope.keep(unembed(read(end, sliced)));
    }
  }

  /** Frees the weights. */
  @Override
  public void close() {
    weights.close();
  }
}
