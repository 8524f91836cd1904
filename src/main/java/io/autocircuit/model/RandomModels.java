package io.autocircuit.model;

import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Learned;
import io.autocircuit.model.TransformerConfig.Positions;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Tensors;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Models with random weights, for benchmarks and tests: the shape of a known model without its
 * download.
 *
 * <p>Weights are as after {@link WeightProcessing}'s folding (normalisations have no parameters).
 * Every number is a function of the seed, its tensor and its index alone, so the same seed gives
 * the same bits on every machine, whatever the number of threads; no global generator is used.
 */
public final class RandomModels {
  private static final String GPT2_SMALL = "gpt2-small";
  private static final int CHUNK = 1 << 16;
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  /** Standard deviation of a sum of four uniform 16-bit integers. */
  private static final double DEVIATION = Math.sqrt(4 * (0x1p32 - 1) / 12);

  /** GPT-2's initialisation, at its width. */
  private static final double GPT2_DEVIATION = 0.02;

  private static final int GPT2_WIDTH = 768;

  private static final List<TransformerConfig> SHAPES =
      List.of(
          layerNorm(GPT2_SMALL, 12, 12, 768, 3072, 50257, 1024, false),
          layerNorm("gpt2-medium", 24, 16, 1024, 4096, 50257, 1024, false),
          layerNorm("gpt2-large", 36, 20, 1280, 5120, 50257, 1024, false),
          layerNorm("pythia-70m", 6, 8, 512, 2048, 50304, 2048, true),
          llama("tinyllama", 22, 32, 32, 2048, 5632, 32000, 2048),
          llama("tinyllama-grouped", 22, 32, 4, 2048, 5632, 32000, 2048),
          llama("stories260k", 5, 8, 8, 64, 172, 512, 512),
          llama("stories260k-grouped", 5, 8, 4, 64, 172, 512, 512),
          layerNorm("tiny", 2, 4, 16, 32, 50, 24, false));

  private RandomModels() {}

  /** GPT-2's kind of model, or, with parallel attention and MLP, Pythia's. */
  private static TransformerConfig layerNorm(
      String name,
      int blocks,
      int heads,
      int dModel,
      int dMlp,
      int vocabulary,
      int context,
      boolean pythia) {
    int dHead = dModel / heads;
    Normalization norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    Positions positions = pythia ? Rotary.withBase(dHead / 4, 10000, false) : new Learned();
    return new TransformerConfig(
        name,
        blocks,
        heads,
        dModel,
        dHead,
        dMlp,
        vocabulary,
        vocabulary,
        context,
        pythia ? Activation.GELU : Activation.GELU_TANH,
        false,
        norm,
        norm,
        true,
        pythia,
        positions,
        Math.sqrt(dHead));
  }

  /** Llama's kind of model. */
  private static TransformerConfig llama(
      String name,
      int blocks,
      int heads,
      int keyValueHeads,
      int dModel,
      int dMlp,
      int vocabulary,
      int context) {
    int dHead = dModel / heads;
    Normalization norm = new Normalization(Normalization.Kind.RMS_NORM, 1e-5);
    return new TransformerConfig(
        name,
        blocks,
        heads,
        dModel,
        dHead,
        dMlp,
        vocabulary,
        vocabulary,
        context,
        Activation.SILU,
        true,
        norm,
        norm,
        true,
        false,
        Rotary.withBase(dHead, 10000, false),
        Math.sqrt(dHead),
        Features.NONE.withKeyValueHeads(keyValueHeads == heads ? 0 : keyValueHeads));
  }

  /**
   * The names that {@link #shape} knows.
   *
   * @return each once
   */
  public static List<String> names() {
    return SHAPES.stream().map(TransformerConfig::name).toList();
  }

  /**
   * The shape of a known model: {@code gpt2-small}, {@code gpt2-medium}, {@code gpt2-large}, {@code
   * pythia-70m}, {@code tinyllama} and {@code stories260k} (both with keys and values for every
   * head, or with {@code -grouped} behind the name with as many as their models have), or {@code
   * tiny} for tests.
   *
   * @param name one of {@link #names}
   * @return its shape
   * @throws UnknownNameException if there is none of that name
   */
  public static TransformerConfig shape(String name) {
    return SHAPES.stream()
        .filter(c -> c.name().equalsIgnoreCase(name))
        .findFirst()
        .orElseThrow(() -> new UnknownNameException("model shape", name, names()));
  }

  /**
   * A model of GPT-2 small's shape in float32, 650 MB of weights.
   *
   * @param seed of the weights
   * @return the model, on the processor; the caller closes it
   */
  public static Transformer gpt2Small(long seed) {
    return of(shape(GPT2_SMALL), seed);
  }

  /**
   * A model of that shape in float32; see {@link #of(TransformerConfig, long, ScalarType)}.
   *
   * @param config the shape
   * @param seed of the weights
   * @return the model, on the processor; the caller closes it
   */
  public static Transformer of(TransformerConfig config, long seed) {
    return of(config, seed, ScalarType.Float);
  }

  /**
   * A model of that shape, initialised like GPT-2: near-normal numbers with standard deviation
   * {@code 0.02 · √(768 / d_model)}, what writes to the stream smaller by {@code √(2 · blocks)}.
   * Biases are random too, so that nothing rests on their being zero; models with RMSNorm have
   * none, as Llama. The unembedding is not tied to the embedding. Beside what is finished there is
   * never more than one part of the weights in memory.
   *
   * @param config the shape
   * @param seed any number
   * @param type float32 or float64
   * @return a model that the caller closes
   */
  public static Transformer of(TransformerConfig config, long seed, ScalarType type) {
    return of(config, seed, type, WeightType.FLOAT32);
  }

  /**
   * As {@link #of(TransformerConfig, long, ScalarType)}; matrices may be stored in 16 bits: no more
   * than one part of the model is in memory in more bits.
   *
   * @param config the shape
   * @param seed any number
   * @param type float32 or float64
   * @param stored how matrices are stored
   * @return a model that the caller closes
   */
  public static Transformer of(
      TransformerConfig config, long seed, ScalarType type, WeightType stored) {
    return new Transformer(config, new Weights(config, seed), type, stored, List.of());
  }

  /** Fills tensors when they are asked for, one stream of random numbers each. */
  private static final class Weights implements WeightSource {
    private final TransformerConfig c;
    private final long seed;
    private final boolean biased;
    private final Map<String, Weight> weights = new LinkedHashMap<>();

    /**
     * @param stream which stream of random numbers it has
     */
    private record Weight(int stream, double deviation, long[] shape) {}

    Weights(TransformerConfig c, long seed) {
      this.c = c;
      this.seed = seed;
      this.biased = c.normalization().kind() != Normalization.Kind.RMS_NORM;
      double deviation = GPT2_DEVIATION * Math.sqrt((double) GPT2_WIDTH / c.dModel());
      plan(deviation, deviation / Math.sqrt(2.0 * c.blocks()));
    }

    private void plan(double deviation, double writing) {
      int d = c.dModel();
      int h = c.heads();
      put("embed.W_E", deviation, c.vocabulary(), d);
      if (c.positions() instanceof Learned) {
        put("pos_embed.W_pos", deviation, c.contextLength(), d);
      }
      for (int b = 0; b < c.blocks(); b++) {
        String p = "blocks." + b + ".";
        for (String part : new String[] {"Q", "K", "V"}) {
          int own = part.equals("Q") ? h : c.keyValueHeads();
          put(p + "attn.W_" + part, deviation, own, d, c.dHead());
          bias(p + "attn.b_" + part, deviation, own, c.dHead());
        }
        put(p + "attn.W_O", writing, h, c.dHead(), d);
        bias(p + "attn.b_O", writing, d);
        if (!c.attentionOnly()) {
          put(p + "mlp.W_in", deviation, d, c.dMlp());
          bias(p + "mlp.b_in", deviation, c.dMlp());
          if (c.gatedMlp()) {
            put(p + "mlp.W_gate", deviation, d, c.dMlp());
            bias(p + "mlp.b_gate", deviation, c.dMlp());
          }
          put(p + "mlp.W_out", writing, c.dMlp(), d);
          bias(p + "mlp.b_out", writing, d);
        }
      }
      put("unembed.W_U", deviation, d, c.outputs());
      bias("unembed.b_U", deviation, c.outputs());
    }

    private void bias(String name, double deviation, long... shape) {
      if (biased) {
        put(name, deviation, shape);
      }
    }

    private void put(String name, double deviation, long... shape) {
      weights.put(name, new Weight(weights.size(), deviation, shape));
    }

    @Override
    public Map<String, Tensor> tensors(Part part) {
      Map<String, Tensor> made = new LinkedHashMap<>();
      weights.forEach(
          (name, w) -> {
            if (part.holds(name)) {
              Tensor t = Tensors.empty(ScalarType.Float, w.shape());
              fill(t, mix(mix(seed + GOLDEN) + w.stream()), w.deviation());
              made.put(name, t);
            }
          });
      return made;
    }
  }

  private static void fill(Tensor t, long stream, double deviation) {
    long n = t.numel();
    float scale = (float) (deviation / DEVIATION);
    FloatPointer to = new FloatPointer(t.data_ptr());
    float[] chunk = new float[(int) Math.min(n, CHUNK)];
    for (long first = 0; first < n; first += chunk.length) {
      int count = (int) Math.min(chunk.length, n - first);
      for (int i = 0; i < count; i++) {
        chunk[i] = scale * nearNormal(mix(stream + (first + i + 1) * GOLDEN));
      }
      to.position(first).put(chunk, 0, count);
    }
  }

  /** The sum of the four 16-bit parts of {@code bits}, less its mean: a bell of finite width. */
  private static int nearNormal(long bits) {
    int sum =
        (int) (bits & 0xffff)
            + (int) (bits >>> 16 & 0xffff)
            + (int) (bits >>> 32 & 0xffff)
            + (int) (bits >>> 48);
    return sum - 2 * 0xffff;
  }

  /** Spreads every bit of a counter over all bits (the finaliser of SplitMix64). */
  private static long mix(long x) {
    long z = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
