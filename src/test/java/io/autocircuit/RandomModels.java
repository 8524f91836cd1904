package io.autocircuit;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Features;
import io.autocircuit.model.Features.AttentionKind;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Alibi;
import io.autocircuit.model.TransformerConfig.Learned;
import io.autocircuit.model.TransformerConfig.NoPositions;
import io.autocircuit.model.TransformerConfig.Positions;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Tensors;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Tiny transformers with random weights, one of every architecture, and random prompts. Everything
 * follows from a seed.
 */
public final class RandomModels {
  /** Token ids of every model. */
  public static final int VOCABULARY = 11;

  private static final int BLOCKS = 2;
  private static final int D_HEAD = 4;
  private static final int D_MODEL = 8;
  private static final int CONTEXT = 9;
  private static final Normalization LAYER = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
  private static final Normalization RMS = new Normalization(Normalization.Kind.RMS_NORM, 1e-5);

  private RandomModels() {}

  /**
   * An architecture.
   *
   * @param config the model's shape
   * @param groups key/value heads
   * @param scaled whether normalisations have a scale of their own (not folded)
   * @param biased whether there are biases, and shifts after scaled normalisations
   */
  public record Architecture(TransformerConfig config, int groups, boolean scaled, boolean biased) {
    @Override
    public String toString() {
      return config.name();
    }

    /** Whether it computes nothing of {@link Features}. */
    boolean plain() {
      return config.features().withKeyValueHeads(0).equals(Features.NONE);
    }

    /** The same architecture with what some families compute besides. */
    public Architecture with(Features features) {
      TransformerConfig c = config;
      return new Architecture(
          new TransformerConfig(
              c.name(),
              c.blocks(),
              c.heads(),
              c.dModel(),
              c.dHead(),
              c.dMlp(),
              c.vocabulary(),
              c.outputs(),
              c.contextLength(),
              c.activation(),
              c.gatedMlp(),
              c.normalization(),
              c.finalNormalization(),
              c.causal(),
              c.parallel(),
              c.positions(),
              c.attentionScale(),
              features.withKeyValueHeads(groups == c.heads() ? 0 : groups)),
          groups,
          scaled,
          biased);
    }
  }

  /** Every kind of block, normalisation, position and mask that the library knows. */
  public static Stream<Architecture> architectures() {
    return Stream.of(
        architecture("sequential LN, scaled", 3, 3, 12, LAYER, LAYER, new Learned())
            .with(Activation.GELU_TANH, true, true),
        architecture("sequential LN, folded", 2, 2, 10, LAYER, LAYER, new Learned())
            .with(Activation.GELU, false, true),
        architecture("parallel LN, rotary", 3, 3, 12, LAYER, LAYER, Rotary.withBase(2, 100, false))
            .inParallel()
            .with(Activation.GELU, true, true),
        architecture(
                "parallel LN, rotary adjacent pairs",
                2,
                2,
                12,
                LAYER,
                LAYER,
                Rotary.withBase(4, 100, true))
            .inParallel()
            .with(Activation.GELU_TANH, false, true),
        architecture("gated RMS, one key head", 4, 1, 12, RMS, RMS, Rotary.withBase(4, 100, false))
            .withGate()
            .with(Activation.SILU, true, false),
        architecture(
                "gated RMS, grouped heads, biases",
                4,
                2,
                6,
                RMS,
                RMS,
                Rotary.withBase(4, 100, false))
            .withGate()
            .with(Activation.SILU, true, true),
        architecture("SoLU with its norm", 2, 2, 7, LAYER, LAYER, new Learned())
            .with(Activation.SOLU_NORM, true, true),
        architecture("attention-only LN", 3, 3, 0, LAYER, LAYER, new Learned())
            .with(Activation.RELU, false, true),
        architecture("attention-only, RMS at the end", 2, 2, 0, LAYER, RMS, new NoPositions())
            .bidirectional()
            .with(Activation.RELU, true, false),
        architecture(
                "bidirectional, no normalisation",
                1,
                1,
                12,
                Normalization.NONE,
                Normalization.NONE,
                new Learned())
            .bidirectional()
            .with(Activation.RELU, false, true),
        architecture(
                "windows, a block without rotation, normalised queries and keys",
                4,
                2,
                6,
                RMS,
                RMS,
                Rotary.withBase(4, 100, false))
            .withGate()
            .with(Activation.SILU, true, true)
            .with(
                new Features(
                    List.of(
                        new AttentionKind(2, Rotary.withBase(4, 100, false)),
                        new AttentionKind(0, new NoPositions())),
                    RMS,
                    false,
                    0,
                    0,
                    0,
                    Normalization.NONE)),
        architecture("ALiBi, clipped and capped", 3, 3, 8, LAYER, LAYER, Alibi.of(3))
            .with(Activation.GELU_TANH, true, true)
            .with(new Features(List.of(), LAYER, false, 1.3, 1.5, 2.5, Normalization.NONE)),
        architecture(
                "normalised outputs, queries and keys over all heads",
                2,
                2,
                6,
                RMS,
                RMS,
                Rotary.withBase(4, 100, false))
            .withGate()
            .with(Activation.SILU, true, false)
            .with(new Features(List.of(), RMS, true, 0, 0, 0, RMS)));
  }

  /**
   * A sample of the architectures: each that computes something of {@link Features}, and of the
   * others the first of every few.
   *
   * @param every how many of the others one stands for
   */
  public static Stream<Architecture> sample(int every) {
    List<Architecture> plain = architectures().filter(Architecture::plain).toList();
    List<Architecture> kept = Exhaustive.sample(plain, every);
    return architectures()
        .filter(a -> !a.plain() || kept.stream().anyMatch(k -> k.toString().equals(a.toString())));
  }

  /** The architecture of that name. */
  public static Architecture named(String name) {
    return architectures().filter(a -> a.toString().equals(name)).findFirst().orElseThrow();
  }

  private record Builder(
      String name,
      int heads,
      int groups,
      int dMlp,
      Normalization norm,
      Normalization end,
      Positions positions,
      boolean gated,
      boolean causal,
      boolean parallel) {
    Builder withGate() {
      return new Builder(name, heads, groups, dMlp, norm, end, positions, true, causal, parallel);
    }

    Builder bidirectional() {
      return new Builder(name, heads, groups, dMlp, norm, end, positions, gated, false, parallel);
    }

    Builder inParallel() {
      return new Builder(name, heads, groups, dMlp, norm, end, positions, gated, causal, true);
    }

    Architecture with(Activation activation, boolean scaled, boolean biased) {
      TransformerConfig config =
          new TransformerConfig(
              name,
              BLOCKS,
              heads,
              D_MODEL,
              D_HEAD,
              dMlp,
              VOCABULARY,
              VOCABULARY,
              CONTEXT,
              activation,
              gated,
              norm,
              end,
              causal,
              parallel,
              positions,
              Math.sqrt(D_HEAD),
              Features.NONE.withKeyValueHeads(groups == heads ? 0 : groups));
      return new Architecture(config, groups, scaled, biased);
    }
  }

  private static Builder architecture(
      String name,
      int heads,
      int groups,
      int dMlp,
      Normalization norm,
      Normalization end,
      Positions positions) {
    return new Builder(name, heads, groups, dMlp, norm, end, positions, false, true, false);
  }

  /** The shapes of the parameters under TransformerLens's names. */
  public static Map<String, long[]> shapes(Architecture a) {
    TransformerConfig c = a.config();
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("embed.W_E", new long[] {c.vocabulary(), c.dModel()});
    if (c.positions() instanceof Learned) {
      shapes.put("pos_embed.W_pos", new long[] {c.contextLength(), c.dModel()});
    }
    for (int b = 0; b < c.blocks(); b++) {
      String p = "blocks." + b + ".";
      affine(shapes, p + "ln1", a);
      for (String part : List.of("Q", "K", "V")) {
        long heads = part.equals("Q") ? c.heads() : a.groups();
        shapes.put(p + "attn.W_" + part, new long[] {heads, c.dModel(), c.dHead()});
        if (a.biased()) {
          shapes.put(p + "attn.b_" + part, new long[] {heads, c.dHead()});
        }
      }
      if (c.features().queryKeyNormalization().kind() != Normalization.Kind.NONE) {
        shapes.put(p + "attn.q_norm.w", new long[] {c.dHead()});
        shapes.put(p + "attn.k_norm.w", new long[] {a.groups(), c.dHead()});
        shapes.put(p + "attn.k_norm.b", new long[] {a.groups(), c.dHead()});
      }
      if (c.features().outputNormalization().kind() != Normalization.Kind.NONE) {
        shapes.put(p + "ln1_post.w", new long[] {c.dModel()});
        shapes.put(p + "ln2_post.w", new long[] {c.dModel()});
      }
      shapes.put(p + "attn.W_O", new long[] {c.heads(), c.dHead(), c.dModel()});
      if (a.biased()) {
        shapes.put(p + "attn.b_O", new long[] {c.dModel()});
      }
      if (!c.attentionOnly()) {
        affine(shapes, p + "ln2", a);
        shapes.put(p + "mlp.W_in", new long[] {c.dModel(), c.dMlp()});
        shapes.put(p + "mlp.W_out", new long[] {c.dMlp(), c.dModel()});
        if (c.gatedMlp()) {
          shapes.put(p + "mlp.W_gate", new long[] {c.dModel(), c.dMlp()});
        }
        if (a.biased()) {
          shapes.put(p + "mlp.b_in", new long[] {c.dMlp()});
          shapes.put(p + "mlp.b_out", new long[] {c.dModel()});
          if (c.gatedMlp()) {
            shapes.put(p + "mlp.b_gate", new long[] {c.dMlp()});
          }
        }
      }
    }
    affine(shapes, "ln_final", a);
    shapes.put("unembed.W_U", new long[] {c.dModel(), c.outputs()});
    if (a.biased()) {
      shapes.put("unembed.b_U", new long[] {c.outputs()});
    }
    return shapes;
  }

  private static void affine(Map<String, long[]> shapes, String norm, Architecture a) {
    if (a.scaled()) {
      shapes.put(norm + ".w", new long[] {a.config().dModel()});
      if (a.biased()) {
        shapes.put(norm + ".b", new long[] {a.config().dModel()});
      }
    }
  }

  /** Normal weights of deviation 0.5 (scales: around 1), in the current scope. */
  public static Map<String, Tensor> weights(Architecture a, ScalarType type, long seed) {
    Random random = new Random(seed);
    Map<String, Tensor> weights = new LinkedHashMap<>();
    shapes(a)
        .forEach(
            (name, shape) ->
                weights.put(
                    name,
                    Tensors.of(type, values(shape, random, name.endsWith(".w") ? 1 : 0), shape)));
    return weights;
  }

  private static float[] values(long[] shape, Random random, double center) {
    float[] data = new float[(int) Arrays.stream(shape).reduce(1, (x, y) -> x * y)];
    for (int i = 0; i < data.length; i++) {
      data[i] = (float) (center + 0.5 * random.nextGaussian());
    }
    return data;
  }

  /** A model of that architecture; the caller closes it. */
  public static Transformer model(Architecture a, ScalarType type, long seed) {
    return new Transformer(a.config(), weights(a, type, seed), type);
  }

  /** Prompts of one length, each with one answer and two wrong answers. */
  public static PromptBatch batch(int prompts, int length, long seed) {
    int[] lengths = new int[prompts];
    Arrays.fill(lengths, length);
    return batch(lengths, length, seed);
  }

  /** Prompts of the given lengths, padded on the left to {@code padded}. */
  public static PromptBatch batch(int[] lengths, int padded, long seed) {
    Random random = new Random(seed);
    int[] padding = Arrays.stream(lengths).map(n -> padded - n).toArray();
    int[] clean = random.ints((long) lengths.length * padded, 0, VOCABULARY).toArray();
    int[] corrupt = random.ints((long) lengths.length * padded, 0, VOCABULARY).toArray();
    int[][][] answers = new int[lengths.length][1][];
    int[][][] wrong = new int[lengths.length][1][];
    for (int i = 0; i < lengths.length; i++) {
      int answer = random.nextInt(VOCABULARY);
      answers[i][0] = new int[] {answer};
      wrong[i][0] = new int[] {(answer + 1) % VOCABULARY, (answer + 4) % VOCABULARY};
    }
    return new PromptBatch(
        new TokenBatch(clean, lengths.length, padded, padding),
        new TokenBatch(corrupt, lengths.length, padded, padding),
        answers,
        wrong,
        IntStream.range(0, lengths.length).toArray());
  }

  /** Some prompts of a batch, without their common padding. */
  public static PromptBatch rows(PromptBatch batch, int... rows) {
    return new PromptBatch(
        rows(batch.clean(), rows),
        rows(batch.corrupt(), rows),
        Arrays.stream(rows).mapToObj(r -> batch.answers()[r]).toArray(int[][][]::new),
        Arrays.stream(rows).mapToObj(r -> batch.wrongAnswers()[r]).toArray(int[][][]::new),
        rows.clone());
  }

  private static TokenBatch rows(TokenBatch tokens, int[] rows) {
    int cut = Arrays.stream(rows).map(r -> tokens.padding()[r]).min().orElse(0);
    int[] ids =
        Arrays.stream(rows)
            .flatMap(
                r ->
                    Arrays.stream(
                        tokens.ids(), r * tokens.length() + cut, (r + 1) * tokens.length()))
            .toArray();
    int[] padding = Arrays.stream(rows).map(r -> tokens.padding()[r] - cut).toArray();
    return new TokenBatch(ids, rows.length, tokens.length() - cut, padding);
  }

  /** The prompts of a batch in batches of {@code size}. */
  public static List<PromptBatch> split(PromptBatch batch, int size) {
    int prompts = batch.clean().batchSize();
    return IntStream.range(0, (prompts + size - 1) / size)
        .mapToObj(
            i ->
                rows(batch, IntStream.range(i * size, Math.min(prompts, (i + 1) * size)).toArray()))
        .toList();
  }
}
