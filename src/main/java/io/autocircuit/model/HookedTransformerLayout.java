package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.ModelLoader.Layout;
import io.autocircuit.model.StoredWeights.Recipe;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Positions;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Safetensors;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** TransformerLens's own names and configuration fields. */
final class HookedTransformerLayout {
  /** TransformerLens stores grouped keys and values under a leading underscore. */
  private static final Pattern GROUPED = Pattern.compile("attn\\._(?=[Wb]_[KV]$)");

  private static final List<String> FIELDS =
      List.of("d_model", "n_heads", "d_head", "n_layers", "d_vocab");
  private static final int ENOUGH_FIELDS = 3;
  private static final double LARGEST_SCALE = 1e6;
  private static final double LARGEST_FACTOR = 1000;

  private final ConfigReader c;
  private final StoredWeights w;
  private final HookedBiases biases;

  private HookedTransformerLayout(ConfigReader c, Safetensors files) {
    this.c = c;
    this.w = new StoredWeights(files, c, names(files));
    this.biases = new HookedBiases(w);
  }

  private static StoredNames names(Safetensors files) {
    return new StoredNames(
        "file=" + files.source(),
        files.names(),
        Set.of("model", "transformer", "gpt_neox"),
        n -> false,
        n -> GROUPED.matcher(n).replaceFirst("attn."));
  }

  /** Whether settings are TransformerLens's, though they do not say so. */
  static boolean looksLikeOne(ConfigReader c) {
    return Stream.concat(FIELDS.stream(), Stream.of("n_ctx")).filter(c.json()::hasNonNull).count()
        > ENOUGH_FIELDS;
  }

  /** Whether weights have TransformerLens's names. */
  static boolean looksLikeOne(Safetensors files) {
    StoredNames names = names(files);
    return names.stored("blocks.0.attn.W_Q") != null && names.stored("embed.W_E") != null;
  }

  static Layout read(String name, ConfigReader c, Safetensors files) {
    return new HookedTransformerLayout(c, files).read(name);
  }

  private Layout read(String name) {
    TransformerConfig config = config(name);
    if (w.has("wte.weight") || w.has("embed_tokens.weight") || w.has("embed_in.weight")) {
      throw c.error(
          "the settings are TransformerLens's, but the weights have the names of Hugging Face; give"
              + " the config.json that they were saved with");
    }
    w.put("embed.W_E", w.take("embed.W_E", config.vocabulary(), config.dModel()));
    if (config.positions() instanceof TransformerConfig.Learned) {
      need("pos_embed.W_pos", config.contextLength(), config.dModel());
    }
    for (int b = 0; b < config.blocks(); b++) {
      block(config, b);
    }
    affine("ln_final", config.finalNormalization(), config);
    need("unembed.W_U", config.dModel(), config.outputs());
    biases.take("unembed.b_U", config.outputs());
    biases.check(c);
    w.requireAllTaken(
        (n, shape) -> HookedBuffers.isOne(n, config),
        "architecture=\"HookedTransformer\" and these settings",
        "n_layers",
        config.blocks());
    HookedBuffers.check(w, config);
    UnreadSettings.HOOKED.check(c, config);
    return new Layout(config, w);
  }

  private void block(TransformerConfig config, int block) {
    String p = "blocks." + block + ".";
    int d = config.dModel();
    scaledQueries(config, block);
    for (String part : new String[] {"K", "V"}) {
      long groups = groups(config.heads(), p + "attn.W_" + part);
      need(p + "attn.W_" + part, groups, d, config.dHead());
      biases.take(p + "attn.b_" + part, groups, config.dHead());
    }
    need(p + "attn.W_O", config.heads(), config.dHead(), d);
    biases.take(p + "attn.b_O", d);
    affine(p + "ln1", config.normalization(), config);
    HookedFeatures.put(w, config, p);
    if (!config.attentionOnly()) {
      need(p + "mlp.W_in", d, config.dMlp());
      biases.take(p + "mlp.b_in", config.dMlp());
      if (config.activation() == Activation.SOLU_NORM && normalizationType().equals("LN")) {
        foldedNorm(config, p + "mlp.");
      } else {
        need(p + "mlp.W_out", config.dMlp(), d);
        biases.take(p + "mlp.b_out", d);
      }
      if (config.gatedMlp()) {
        need(p + "mlp.W_gate", d, config.dMlp());
      }
      affine(p + "ln2", config.normalization(), config);
    }
  }

  /** Scale and shift of the norm of the neurons, which LN has, become part of the matrix behind. */
  private void foldedNorm(TransformerConfig config, String p) {
    Recipe out = w.take(p + "W_out", config.dMlp(), config.dModel());
    Recipe scale = w.take(p + "ln.w", config.dMlp());
    Recipe shift = w.take(p + "ln.b", config.dMlp());
    Recipe bias = w.take(p + "b_out", config.dModel());
    w.put(p + "W_out", read -> out.make(read).mul(scale.make(read).unsqueeze(1)));
    w.put(p + "b_out", read -> bias.make(read).add(shift.make(read).matmul(out.make(read))));
  }

  /** Queries; those of block b may be divided by b + 1. */
  private void scaledQueries(TransformerConfig config, int block) {
    String p = "blocks." + block + ".attn.";
    need(p + "W_Q", config.heads(), config.dModel(), config.dHead());
    biases.take(p + "b_Q", config.heads(), config.dHead());
    if (c.flag("scale_attn_by_inverse_layer_idx", false)) {
      w.change(p + "W_Q", 1.0 / (block + 1));
      w.change(p + "b_Q", 1.0 / (block + 1));
    }
  }

  private void need(String name, long... shape) {
    w.put(name, w.take(name, shape));
  }

  /** Scale and shift; TransformerLens stores both for LN, the first for RMS, none if folded. */
  private void affine(String norm, Normalization kind, TransformerConfig config) {
    String type = normalizationType();
    if (type.endsWith("Pre") || kind.kind() == Normalization.Kind.NONE) {
      return;
    }
    boolean shifted = kind.kind() == Normalization.Kind.LAYER_NORM;
    for (String name : shifted ? List.of(norm + ".w", norm + ".b") : List.of(norm + ".w")) {
      if (!w.has(name)) {
        throw w.error(
            "tensor=\""
                + name
                + "\" is missing, which normalization_type="
                + DataException.quote(type)
                + " has; if it was folded into the weights, set \"normalization_type\": \""
                + (type.startsWith("RMS") ? "RMSPre" : "LNPre")
                + "\" in config.json, else get the weights again");
      }
      need(name, config.dModel());
    }
  }

  /** Heads that a key or value matrix has: one for each query head, or one for each group. */
  private long groups(int heads, String name) {
    long[] shape = w.shape(name);
    long there = shape == null || shape.length == 0 ? heads : shape[0];
    if (c.has("n_key_value_heads")) {
      int given = c.size("n_key_value_heads");
      c.divide("n_heads", heads, "n_key_value_heads", given);
      return there == heads ? heads : given;
    }
    return there > 0 && heads % there == 0 ? there : heads;
  }

  private TransformerConfig config(String name) {
    // Each of these changes what is added to the stream or read from it.
    List.of("post_embedding_ln", "use_yarn_rope").forEach(c::refuse);
    if (c.has("num_experts") && !c.value("num_experts").asText().equals("0")) {
      throw c.error(
          "num_experts="
              + ConfigReader.shown(c.value("num_experts"))
              + " is not supported; use a model without experts");
    }
    int heads = c.size("n_heads");
    int dModel = c.size("d_model");
    int dHead = c.has("d_head") ? c.size("d_head") : c.divide("d_model", dModel, "n_heads", heads);
    boolean attentionOnly = c.flag("attn_only", false);
    Normalization norm = norm();
    boolean finalRms = c.flag("final_rms", false) && norm.kind() != Normalization.Kind.NONE;
    Normalization end = finalRms ? c.normalization(Normalization.Kind.RMS_NORM, "eps", 1e-5) : norm;
    int vocabulary = c.size("d_vocab");
    String direction = c.text("attention_dir", "causal");
    if (!direction.equals("causal") && !direction.equals("bidirectional")) {
      throw c.unsupported("attention_dir", direction, "causal, bidirectional");
    }
    int context = c.size("n_ctx");
    Positions positions = positions(dHead);
    if (positions instanceof Rotary rotary) {
      c.requireTableFits("n_ctx", context, rotary);
    }
    // −1 stands for "not given"
    boolean sameOutputs = !c.has("d_vocab_out") || c.number("d_vocab_out") == -1;
    int blocks = c.size("n_layers");
    return new TransformerConfig(
        name,
        blocks,
        heads,
        dModel,
        dHead,
        attentionOnly ? 0 : c.size("d_mlp", 4 * dModel),
        vocabulary,
        sameOutputs ? vocabulary : c.size("d_vocab_out"),
        context,
        attentionOnly ? Activation.RELU : activation(norm),
        c.flag("gated_mlp", false),
        norm,
        end,
        direction.equals("causal"),
        c.flag("parallel_attn_mlp", false),
        positions,
        c.flag("use_attn_scale", true) ? scale(dHead) : 1,
        HookedFeatures.read(c, norm, positions, blocks, context)
            .withKeyValueHeads(keyValueHeads(blocks, heads)));
  }

  private Activation activation(Normalization norm) {
    String name = c.text("act_fn");
    if (name.equals("solu_ln") && norm.kind() == Normalization.Kind.NONE) {
      throw c.error(
          "act_fn=\"solu_ln\" with normalization_type=null is not supported; use a model with"
              + " norms");
    }
    return switch (name) {
      case "solu" -> Activation.SOLU;
      case "solu_ln" -> Activation.SOLU_NORM;
      default -> c.activation(name, "act_fn");
    };
  }

  /** Of all blocks; 0 where keys and values are those of each query head, or blocks differ. */
  private int keyValueHeads(int blocks, int heads) {
    long[] all =
        IntStream.range(0, blocks)
            .mapToObj(b -> "blocks." + b + ".attn.W_")
            .flatMapToLong(p -> LongStream.of(groups(heads, p + "K"), groups(heads, p + "V")))
            .distinct()
            .toArray();
    return all.length == 1 && all[0] < heads ? (int) all[0] : 0;
  }

  /** TransformerLens writes −1 for "the square root of the head's width". */
  private double scale(int dHead) {
    return c.number("attn_scale", -1) == -1
        ? Math.sqrt(dHead)
        : c.scale("attn_scale", LARGEST_SCALE);
  }

  /** Null means none; TransformerLens's default for a field that is not there is LN. */
  private String normalizationType() {
    boolean absent = c.value("normalization_type").isMissingNode();
    return absent ? "LN" : c.text("normalization_type", "none");
  }

  private Normalization norm() {
    String type = normalizationType();
    return switch (type) {
      case "LN", "LNPre" -> c.normalization(Normalization.Kind.LAYER_NORM, "eps", 1e-5);
      case "RMS", "RMSPre" -> c.normalization(Normalization.Kind.RMS_NORM, "eps", 1e-5);
      case "none" -> Normalization.NONE;
      default -> throw c.unsupported("normalization_type", type, "LN, LNPre, RMS, RMSPre, null");
    };
  }

  private Positions positions(int dHead) {
    String type = c.text("positional_embedding_type", "standard");
    boolean byParts = c.flag("use_NTK_by_parts_rope", false);
    return switch (type) {
      case "standard" -> new TransformerConfig.Learned();
      case "none" -> new TransformerConfig.NoPositions();
      case "alibi" -> TransformerConfig.Alibi.of(c.size("n_heads"));
      case "rotary" -> rotary(dHead, byParts);
      default ->
          throw c.unsupported("positional_embedding_type", type, "standard, rotary, alibi, none");
    };
  }

  private Rotary rotary(int dHead, boolean byParts) {
    int dimensions = c.size("rotary_dim", dHead);
    if (dimensions > dHead || dimensions % 2 != 0) {
      throw c.error(
          "rotary_dim="
              + dimensions
              + " does not fit d_head="
              + dHead
              + "; give an even number of at most that");
    }
    Rotary plain =
        Rotary.withBase(
            dimensions, c.positive("rotary_base", 10000), c.flag("rotary_adjacent_pairs", false));
    double[] frequencies = plain.inverseFrequencies();
    double factor = c.scale("rotary_scaling_factor", 1, LARGEST_FACTOR);
    if (byParts) {
      if (factor != 1) {
        throw c.error(
            "rotary_scaling_factor="
                + factor
                + " together with use_NTK_by_parts_rope=true is not supported; give one of them");
      }
      frequencies = byParts(frequencies);
    } else if (factor != 1) {
      frequencies = RotaryFrequencies.linear(frequencies, factor);
    }
    return new Rotary(dimensions, frequencies, plain.adjacentPairs());
  }

  private double[] byParts(double[] frequencies) {
    double low = c.positive("NTK_by_parts_low_freq_factor", 1);
    double high = c.positive("NTK_by_parts_high_freq_factor", 4);
    if (low >= high) {
      throw c.error(
          "NTK_by_parts_low_freq_factor="
              + low
              + " is not below NTK_by_parts_high_freq_factor="
              + high
              + "; correct one of them");
    }
    return RotaryFrequencies.byParts(
        frequencies,
        c.scale("NTK_by_parts_factor", 8, LARGEST_FACTOR),
        low,
        high,
        c.positive("NTK_original_ctx_len", 8192));
  }
}
