package io.autocircuit.model;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.ComputationGraph.Wiring;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Features.AttentionKind;
import java.util.List;

/**
 * The shape of a transformer.
 *
 * @param name a name for reports
 * @param blocks number of blocks L
 * @param heads query heads H per block
 * @param dModel width of the residual stream D
 * @param dHead width of a head
 * @param dMlp width of the MLP; 0 for attention-only models
 * @param vocabulary number of token ids
 * @param outputs number of logits per position (the vocabulary, except in compiled models)
 * @param contextLength most positions of a prompt
 * @param activation of the MLP
 * @param gatedMlp whether the MLP is {@code (act(x W_gate) ⊙ (x W_in)) W_out}
 * @param normalization at every destination but, where {@code finalNormalization} differs, the end
 * @param finalNormalization before the unembedding
 * @param causal whether position t sees only positions ≤ t
 * @param parallel whether attention and MLP read the same stream
 * @param positions how positions enter
 * @param attentionScale what attention scores are divided by
 * @param features what some families compute besides
 */
public record TransformerConfig(
    String name,
    int blocks,
    int heads,
    int dModel,
    int dHead,
    int dMlp,
    int vocabulary,
    int outputs,
    int contextLength,
    Activation activation,
    boolean gatedMlp,
    Normalization normalization,
    Normalization finalNormalization,
    boolean causal,
    boolean parallel,
    Positions positions,
    double attentionScale,
    Features features) {

  /**
   * A model without further features.
   *
   * @param name any
   * @param blocks at least 1
   * @param heads at least 1
   * @param dModel at least 1
   * @param dHead at least 1
   * @param dMlp 0 (no MLP) or more
   * @param vocabulary at least 1
   * @param outputs at least 1
   * @param contextLength at least 1
   * @param activation of the MLP
   * @param gatedMlp whether the MLP is gated
   * @param normalization formula and ε
   * @param finalNormalization formula and ε
   * @param causal true for language models
   * @param parallel whether attention and MLP read the same stream
   * @param positions how positions enter
   * @param attentionScale above 0
   * @throws IllegalArgumentException as for all components
   */
  public TransformerConfig(
      String name,
      int blocks,
      int heads,
      int dModel,
      int dHead,
      int dMlp,
      int vocabulary,
      int outputs,
      int contextLength,
      Activation activation,
      boolean gatedMlp,
      Normalization normalization,
      Normalization finalNormalization,
      boolean causal,
      boolean parallel,
      Positions positions,
      double attentionScale) {
    this(
        name,
        blocks,
        heads,
        dModel,
        dHead,
        dMlp,
        vocabulary,
        outputs,
        contextLength,
        activation,
        gatedMlp,
        normalization,
        finalNormalization,
        causal,
        parallel,
        positions,
        attentionScale,
        Features.NONE);
  }

  /**
   * Checks the sizes.
   *
   * @param name any
   * @param blocks at least 1
   * @param heads at least 1
   * @param dModel at least 1
   * @param dHead at least 1; {@code heads · dHead} need not be {@code dModel}
   * @param dMlp 0 (no MLP) or more
   * @param vocabulary at least 1
   * @param outputs at least 1
   * @param contextLength at least 1
   * @param activation of no effect without an MLP
   * @param gatedMlp of no effect without an MLP
   * @param normalization formula and ε
   * @param finalNormalization formula and ε
   * @param causal true for language models
   * @param parallel of no effect without an MLP
   * @param positions rotary ones turn an even number of at most {@code dHead} coordinates, with one
   *     frequency for each pair
   * @param attentionScale above 0; √dHead in most models
   * @param features how each block attends must be given for all blocks or none, with the same kind
   *     of positions but for rotation
   * @throws IllegalArgumentException if one is not positive (dMlp: negative), the scale is not
   *     positive, heads cannot be parted into groups of keys and values, or positions do not fit
   *     the heads or the blocks
   */
  public TransformerConfig {
    requirePositive("blocks", blocks);
    requirePositive("heads", heads);
    requirePositive("dModel", dModel);
    requirePositive("dHead", dHead);
    if (dMlp < 0) {
      throw new IllegalArgumentException("dMlp=" + dMlp + " is negative; give 0 for no MLP");
    }
    requirePositive("vocabulary", vocabulary);
    requirePositive("outputs", outputs);
    requirePositive("contextLength", contextLength);
    requirePositive("attentionScale", attentionScale);
    requireFits(positions, heads, dHead);
    if (features.keyValueHeads() > 0 && heads % features.keyValueHeads() != 0) {
      throw new IllegalArgumentException(
          "keyValueHeads="
              + features.keyValueHeads()
              + " does not divide heads="
              + heads
              + "; give a divisor, or 0 for as many");
    }
    if (!features.attention().isEmpty() && features.attention().size() != blocks) {
      throw new IllegalArgumentException(
          "attention of blocks="
              + features.attention().size()
              + " is given, but the model has blocks="
              + blocks
              + "; give one for each block, or none");
    }
    for (AttentionKind kind : features.attention()) {
      requireFits(kind.positions(), heads, dHead);
      if (positions instanceof Learned != kind.positions() instanceof Learned) {
        throw new IllegalArgumentException(
            "positions="
                + kind.positions().getClass().getSimpleName()
                + " of a block do not fit those of the model; learned ones are of all blocks or"
                + " none");
      }
    }
  }

  private static void requireFits(Positions positions, int heads, int dHead) {
    if (positions instanceof Alibi a && a.slopes().length != heads) {
      throw new IllegalArgumentException(
          "slopes=" + a.slopes().length + " of positions do not fit heads=" + heads);
    }
    if (positions instanceof Rotary r
        && (r.dimensions() < 2
            || r.dimensions() > dHead
            || r.dimensions() % 2 != 0
            || r.inverseFrequencies().length != r.dimensions() / 2)) {
      throw new IllegalArgumentException(
          "rotary dimensions="
              + r.dimensions()
              + " with frequencies="
              + r.inverseFrequencies().length
              + " do not fit dHead="
              + dHead
              + "; give an even number of at most that, and one frequency for each pair");
    }
  }

  private static void requirePositive(String name, Number value) {
    if (!(value.doubleValue() > 0)) {
      throw new IllegalArgumentException(
          name + "=" + value + " is not positive; give a number above 0");
    }
  }

  /** Activation functions. */
  public enum Activation {
    /**
     * x·Φ(x), Φ the standard normal distribution function (Hendrycks and Gimpel 2016,
     * arXiv:1606.08415).
     */
    GELU,
    /** The tanh approximation of GELU (GPT-2's {@code gelu_new}). */
    GELU_TANH,
    /** max(x, 0). */
    RELU,
    /** x·σ(x). */
    SILU,
    /** x·softmax(x) over all neurons (Elhage et al. 2022, "Softmax Linear Units"). */
    SOLU,
    /** SoLU and then LayerNorm over all neurons, with the ε of the model's other norms. */
    SOLU_NORM
  }

  /** How positions enter the model. */
  public sealed interface Positions {}

  /** A learned vector for each position is added to the embedding. */
  public record Learned() implements Positions {}

  /** Positions do not enter. */
  public record NoPositions() implements Positions {}

  /**
   * Scores fall with the distance of a key, {@code slope · (key − query)}, at a rate of its own for
   * each head (Press et al. 2021, "Train short, test long", arXiv:2108.12409).
   *
   * @param slopes of each head, {@code [H]}
   */
  public record Alibi(double[] slopes) implements Positions {

    /**
     * The published slopes: {@code 2^(−8i/n)} for i = 1…n with n the largest power of two up to the
     * number of heads, and for further heads every other one of those of 2n.
     *
     * @param heads at least 1
     * @return one for each head
     */
    public static Alibi of(int heads) {
      int n = Integer.highestOneBit(heads);
      double[] slopes = new double[heads];
      for (int h = 0; h < heads; h++) {
        double exponent = h < n ? (h + 1.0) / n : (2 * (h - n) + 1.0) / (2 * n);
        slopes[h] = Math.pow(2, -8 * exponent);
      }
      return new Alibi(slopes);
    }
  }

  /**
   * Queries and keys are rotated (Su et al. 2021, "RoFormer: enhanced transformer with rotary
   * position embedding", arXiv:2104.09864).
   *
   * @param dimensions how many leading coordinates of each head are rotated; even
   * @param inverseFrequencies angle per position of each pair, in radians, {@code [dimensions / 2]}
   * @param adjacentPairs whether coordinates 2i and 2i+1 form a pair (GPT-J), not i and i + half
   */
  public record Rotary(int dimensions, double[] inverseFrequencies, boolean adjacentPairs)
      implements Positions {

    /**
     * Plain rotary positions: angle {@code position / base^(2i / dimensions)}.
     *
     * @param dimensions how many leading coordinates of each head are rotated; even
     * @param base θ, such as 10000
     * @param adjacentPairs whether coordinates 2i and 2i+1 form a pair, not i and i + half
     * @return rotary positions without scaling
     */
    public static Rotary withBase(int dimensions, double base, boolean adjacentPairs) {
      double[] f = new double[dimensions / 2];
      for (int i = 0; i < f.length; i++) {
        f[i] = Math.pow(base, -2.0 * i / dimensions);
      }
      return new Rotary(dimensions, f, adjacentPairs);
    }
  }

  /**
   * The different ways in which blocks attend.
   *
   * @return in the order in which blocks use them first; at least one
   */
  public List<AttentionKind> attentionKinds() {
    return features.attention().isEmpty()
        ? List.of(new AttentionKind(0, positions))
        : features.attention().stream().distinct().toList();
  }

  /**
   * The way in which a block attends.
   *
   * @param block 0 to {@code blocks − 1}
   * @return its place in {@link #attentionKinds}
   */
  public int attentionKind(int block) {
    return features.attention().isEmpty()
        ? 0
        : attentionKinds().indexOf(features.attention().get(block));
  }

  /**
   * How many heads keys and values have.
   *
   * @return H, or a divisor of it where groups of neighbouring query heads share them
   */
  public int keyValueHeads() {
    return features.keyValueHeads() == 0 ? heads : features.keyValueHeads();
  }

  /**
   * Whether groups of query heads share keys and values.
   *
   * @return whether there are fewer of these than query heads
   */
  public boolean grouped() {
    return keyValueHeads() < heads;
  }

  /**
   * Whether the model has no MLPs.
   *
   * @return true if {@code dMlp} is 0
   */
  public boolean attentionOnly() {
    return dMlp == 0;
  }

  /**
   * How the parts of a block are connected.
   *
   * @return what {@link #attentionOnly} and {@link #parallel} say
   */
  public Wiring wiring() {
    if (attentionOnly()) {
      return Wiring.ATTENTION_ONLY;
    }
    return parallel ? Wiring.PARALLEL : Wiring.SEQUENTIAL;
  }

  /**
   * How many numbers its weights are, with keys and values for every head and without scales,
   * shifts and biases.
   *
   * @return embeddings, unembedding and the matrices of all blocks
   */
  public long parameters() {
    long learned = positions instanceof Learned ? contextLength : 0;
    long attention = 4L * heads * dHead;
    long mlp = (gatedMlp ? 3L : 2L) * dMlp;
    return dModel * ((long) vocabulary + outputs + learned + blocks * (attention + mlp));
  }

  /**
   * The factorized graph of such a model in which every query head has inputs of its own, also for
   * keys and values that it shares.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param positions 0 for one edge at all positions, else the number of positions
   * @return the graph
   * @throws IllegalArgumentException if there are too many edges
   */
  public ComputationGraph graph(boolean separateQkv, int positions) {
    return graph(separateQkv, KeyValues.PER_QUERY, positions);
  }

  /**
   * The factorized graph of such a model.
   *
   * @param separateQkv whether queries, keys and values have inputs of their own
   * @param keyValues how many inputs keys and values have; without effect where they have none of
   *     their own
   * @param positions 0 for one edge at all positions, else the number of positions
   * @return the graph
   * @throws IllegalArgumentException if there are too many edges
   */
  public ComputationGraph graph(boolean separateQkv, KeyValues keyValues, int positions) {
    int inputs = separateQkv && keyValues == KeyValues.GROUPED ? keyValueHeads() : heads;
    return ComputationGraph.factorized(blocks, heads, inputs, wiring(), separateQkv, positions);
  }

  /**
   * The unfactorized graph of such a model.
   *
   * @param positions 0 for one edge at all positions, else the number of positions
   * @return the graph
   * @throws IllegalArgumentException if attention and MLP of a block read the same stream, or there
   *     are too many edges
   */
  public ComputationGraph unfactorizedGraph(int positions) {
    return ComputationGraph.unfactorized(blocks, heads, wiring(), positions);
  }
}
