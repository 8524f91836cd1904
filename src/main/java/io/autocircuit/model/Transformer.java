package io.autocircuit.model;

import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.kernels.Products;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
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

  /** In the place of MLPs' outputs; null without. */
  private final Autoencoders autoencoders;

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
    this(config, new TransformerWeights(config, weights, type, stored), notices, null);
  }

  private Transformer(
      TransformerConfig config,
      TransformerWeights weights,
      List<String> notices,
      Autoencoders autoencoders) {
    this.config = config;
    this.place = weights.place();
    this.weights = weights;
    this.stages = config.graph(false, 0).stages();
    this.notices = List.copyOf(notices);
    this.autoencoders = autoencoders;
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
      TransformerWeights copy = weights.copyAs(type);
      return new Transformer(
          config, copy, notices, autoencoders == null ? null : autoencoders.in(place));
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
      TransformerWeights copy = weights.copyTo(device);
      return with(copy);
    }
  }

  /** The same with those weights, which are closed if its autoencoders cannot be where they are. */
  private Transformer with(TransformerWeights copy) {
    try {
      return new Transformer(
          config, copy, notices, autoencoders == null ? null : autoencoders.in(copy.place()));
    } catch (RuntimeException | Error e) {
      copy.close();
      throw e;
    }
  }

  /**
   * With autoencoders in the place of MLPs' outputs, or, if they have the error term, beside them.
   *
   * @param others of this model's blocks; the model that is returned takes them over. Null for none
   * @return takes this model's place, whose weights it has: it is to be closed, this one not
   * @throws IllegalArgumentException if they are not of as many blocks, or elsewhere than the model
   */
  public Transformer withAutoencoders(Autoencoders others) {
    if (others != null && others.size() != config.blocks()) {
      throw new IllegalArgumentException(
          "autoencoders of blocks="
              + others.size()
              + " do not fit the model "
              + config.name()
              + " of blocks="
              + config.blocks());
    }
    List<String> all = new ArrayList<>(notices);
    if (others != null) {
      all.addAll(others.notices());
    }
    if (autoencoders != null) {
      autoencoders.close();
    }
    return new Transformer(config, weights, all, others);
  }

  /**
   * With some of its autoencoders' latents; without the others.
   *
   * @param latents for each block the numbers of those that stay, in any order; null for all
   * @return takes this model's place, whose weights it has: it is to be closed, this one not
   * @throws IllegalArgumentException if one is none of the block's latents
   */
  public Transformer keepingLatents(List<int[]> latents) {
    Autoencoders fewer = autoencoders.keeping(latents);
    autoencoders.close();
    return new Transformer(config, weights, notices, fewer);
  }

  /**
   * Its autoencoders.
   *
   * @return null if it has none
   */
  public Autoencoders autoencoders() {
    return autoencoders;
  }

  /**
   * Its factorized graph, with its autoencoders' latents as sources if it has some.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param keyValues how many inputs keys and values have
   * @param positions 0 for one edge at all positions, else the number of positions
   * @return the graph
   * @throws IllegalArgumentException if there are too many edges
   */
  public ComputationGraph graph(boolean separateQkv, KeyValues keyValues, int positions) {
    ComputationGraph graph = config.graph(separateQkv, keyValues, positions);
    return autoencoders == null ? graph : graph.withLatents(autoencoders.sources());
  }

  /**
   * The memory that the weights take.
   *
   * @return bytes of native memory
   */
  public long bytes() {
    return weights.bytes() + (autoencoders == null ? 0 : autoencoders.bytes());
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
   * @param stage of attention, an MLP or the end
   * @return both may be null, where they are folded or absent
   */
  public Affine affine(Stage stage) {
    return switch (stage.kind()) {
      case ATTENTION -> attention(stage).affine();
      case MLP, LATENTS -> weights.blocks.get(stage.block()).mlp().affine();
      case END -> weights.finalAffine;
      case EMBEDDING, RESIDUAL ->
          throw new IllegalArgumentException("stage " + stage.kind() + " has no function");
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
   * What {@link #embed} adds to the embeddings of the tokens: learned positions.
   *
   * @param tokens B prompts, padded on the left to T positions
   * @return {@code [T,D]}, or {@code [B,T,D]} of padded prompts, in the current scope; null of a
   *     model without learned positions
   */
  public Tensor positions(TokenBatch tokens) {
    return new Embedding(config, weights).positions(tokens);
  }

  /**
   * Normalises over the last axis, without scale and shift.
   *
   * @param norm which formula, and its ε
   * @param x {@code […,D]}
   * @return {@code […,D]}; {@code x} itself where nothing is normalised
   */
  public static Tensor normalize(Normalization norm, Tensor x) {
    return PlainRun.normalize(norm, x);
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
    return function(stage).forward(x, out);
  }

  /**
   * The gradient of {@link #mlp}.
   *
   * @param stage of an MLP
   * @param state what {@link #mlp} returned
   * @param gradient ∂L/∂out, {@code [N,D]}
   * @param out written: ∂L/∂x, {@code [N,D]}
   * @param rule the true gradient, or what takes its place
   */
  public void mlpBackward(Stage stage, MlpState state, Tensor gradient, Tensor out, MlpRule rule) {
    function(stage).backward(state, gradient, out, rule);
  }

  private MlpFunction function(Stage stage) {
    return new MlpFunction(config, weights.blocks.get(stage.block()).mlp());
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
    return new PlainRun(this, stages, PlainRun.Listener.NONE).logits(tokens, slice);
  }

  /** The stages of its factorized graph, without latents. */
  List<Stage> stages() {
    return stages;
  }

  /** Frees the weights, and those of its autoencoders. */
  @Override
  public void close() {
    weights.close();
    if (autoencoders != null) {
      autoencoders.close();
    }
  }
}
