package io.autocircuit.model;

import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.ModelLoader.Layout;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Positions;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.Safetensors;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** TransformerLens's own names and configuration fields. */
final class HookedTransformerLayout {
  /** What TransformerLens computes anew from its configuration. */
  private static final Pattern BUFFER =
      Pattern.compile("blocks\\.\\d+\\.attn\\.(mask|IGNORE|rotary_sin|rotary_cos)");

  /** TransformerLens stores grouped keys and values under a leading underscore. */
  private static final Pattern GROUPED = Pattern.compile("attn\\._(?=[Wb]_[KV]$)");

  private static final List<String> FIELDS =
      List.of("d_model", "n_heads", "d_head", "n_layers", "d_vocab");
  private static final int ENOUGH_FIELDS = 3;

  /** Rounding of angles in bfloat16 stays below this. */
  private static final float SAME_ANGLE = 0.02f;

  private static final int COMPARED_POSITIONS = 64;

  private final ConfigReader c;
  private final StoredWeights w;

  private HookedTransformerLayout(ConfigReader c, Safetensors files) {
    this.c = c;
    this.w = new StoredWeights(files, c, names(files));
  }

  private static StoredNames names(Safetensors files) {
    return new StoredNames(
        "file=" + files.source(),
        files.names(),
        Set.of("model"),
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
    w.put("embed.W_E", w.take("embed.W_E", config.vocabulary(), config.dModel()));
    if (config.positions() instanceof TransformerConfig.Learned) {
      need("pos_embed.W_pos", config.contextLength(), config.dModel());
    }
    for (int b = 0; b < config.blocks(); b++) {
      block(config, "blocks." + b + ".");
    }
    boolean parameters = !normalizationType().endsWith("Pre");
    affine("ln_final", config.finalNormalization(), config, parameters);
    need("unembed.W_U", config.dModel(), config.outputs());
    optional("unembed.b_U", config.outputs());
    w.requireAllTaken(
        (n, shape) -> BUFFER.matcher(n).matches(),
        "architecture=\"HookedTransformer\" and these settings",
        "n_layers",
        config.blocks());
    requireSameAngles(config);
    UnreadSettings.HOOKED.check(c, config);
    return new Layout(config, w);
  }

  private void block(TransformerConfig config, String p) {
    int d = config.dModel();
    boolean parameters = !normalizationType().endsWith("Pre");
    need(p + "attn.W_Q", config.heads(), d, config.dHead());
    optional(p + "attn.b_Q", config.heads(), config.dHead());
    for (String part : new String[] {"K", "V"}) {
      long groups = groups(config, p + "attn.W_" + part);
      need(p + "attn.W_" + part, groups, d, config.dHead());
      optional(p + "attn.b_" + part, groups, config.dHead());
    }
    need(p + "attn.W_O", config.heads(), config.dHead(), d);
    optional(p + "attn.b_O", d);
    affine(p + "ln1", config.normalization(), config, parameters);
    if (!config.attentionOnly()) {
      need(p + "mlp.W_in", d, config.dMlp());
      need(p + "mlp.W_out", config.dMlp(), d);
      optional(p + "mlp.b_in", config.dMlp());
      optional(p + "mlp.b_out", d);
      if (config.gatedMlp()) {
        need(p + "mlp.W_gate", d, config.dMlp());
        optional(p + "mlp.b_gate", config.dMlp());
      }
      affine(p + "ln2", config.normalization(), config, parameters);
    }
  }

  private void need(String name, long... shape) {
    w.put(name, w.take(name, shape));
  }

  private void optional(String name, long... shape) {
    if (w.has(name)) {
      need(name, shape);
    }
  }

  private void affine(
      String norm, Normalization kind, TransformerConfig config, boolean parameters) {
    if (parameters && kind.kind() != Normalization.Kind.NONE) {
      optional(norm + ".w", config.dModel());
      optional(norm + ".b", config.dModel());
    }
  }

  /** Heads that a key or value matrix has: one for each query head, or one for each group. */
  private long groups(TransformerConfig config, String name) {
    int heads = config.heads();
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
    List.of(
            "scale_attn_by_inverse_layer_idx",
            "use_local_attn",
            "post_embedding_ln",
            "use_normalization_before_and_after",
            "use_yarn_rope",
            "use_qk_norm")
        .forEach(c::refuse);
    // TransformerLens writes −1 for "no cap".
    c.refuse("attn_scores_soft_cap", -1);
    c.refuse("output_logits_soft_cap", -1);
    if (c.has("num_experts")) {
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
    return new TransformerConfig(
        name,
        c.size("n_layers"),
        heads,
        dModel,
        dHead,
        attentionOnly ? 0 : c.size("d_mlp", 4 * dModel),
        vocabulary,
        sameOutputs ? vocabulary : c.size("d_vocab_out"),
        context,
        attentionOnly ? Activation.RELU : c.activation(c.text("act_fn"), "act_fn"),
        c.flag("gated_mlp", false),
        norm,
        end,
        direction.equals("causal"),
        c.flag("parallel_attn_mlp", false),
        positions,
        c.flag("use_attn_scale", true) ? scale(dHead) : 1);
  }

  /** TransformerLens writes −1 for "the square root of the head's width". */
  private double scale(int dHead) {
    return c.number("attn_scale", -1) == -1 ? Math.sqrt(dHead) : c.positive("attn_scale");
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
      case "rotary" -> rotary(dHead, byParts);
      default -> throw c.unsupported("positional_embedding_type", type, "standard, rotary, none");
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
    double factor = c.positive("rotary_scaling_factor", 1);
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
        c.positive("NTK_by_parts_factor", 8),
        low,
        high,
        c.positive("NTK_original_ctx_len", 8192));
  }

  /** Where the file holds the angles that the model was used with, they must be ours. */
  private void requireSameAngles(TransformerConfig config) {
    String name = "blocks.0.attn.rotary_cos";
    if (!(config.positions() instanceof Rotary r) || !w.has(name)) {
      return;
    }
    long[] shape = w.shape(name);
    if (shape.length != 2 || shape[1] != r.dimensions()) {
      throw w.error(
          "tensor=\""
              + name
              + "\" is not a table of rotary_dim="
              + r.dimensions()
              + " cosines for each position; check that config.json belongs to the weights");
    }
    float[] stored = w.floats(name);
    int half = r.dimensions() / 2;
    int positions = (int) Math.min(COMPARED_POSITIONS, Math.min(shape[0], config.contextLength()));
    for (int t = 0; t < positions; t++) {
      for (int i = 0; i < r.dimensions(); i++) {
        int pair = r.adjacentPairs() ? i / 2 : i % half;
        double mine = Math.cos(t * r.inverseFrequencies()[pair]);
        if (!(Math.abs(stored[t * r.dimensions() + i] - mine) <= SAME_ANGLE)) {
          throw w.error(
              "tensor=\""
                  + name
                  + "\" has "
                  + stored[t * r.dimensions() + i]
                  + " at position "
                  + t
                  + ", but the rotary settings of config.json give "
                  + (float) mine
                  + "; check that they are the ones that the model was used with");
        }
      }
    }
  }
}
