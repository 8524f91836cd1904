package io.autocircuit.model;

import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.ModelLoader.Layout;
import io.autocircuit.model.TransformerConfig.Positions;
import io.autocircuit.tensor.Safetensors;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** TransformerLens's own names and configuration fields. */
final class HookedTransformerLayout {
  private HookedTransformerLayout() {}

  static Layout read(String name, ConfigReader c, Safetensors files) {
    // Each of these changes what is added to the stream or read from it.
    List.of(
            "scale_attn_by_inverse_layer_idx",
            "use_local_attn",
            "post_embedding_ln",
            "use_normalization_before_and_after",
            "use_NTK_by_parts_rope",
            "use_qk_norm")
        .forEach(c::refuse);
    // TransformerLens writes −1 for "no cap".
    c.refuse("attn_scores_soft_cap", -1);
    c.refuse("output_logits_soft_cap", -1);
    if (c.has("num_experts")) {
      throw c.error(
          "num_experts=" + c.text("num_experts", "") + " is not supported; use a model without it");
    }
    int heads = c.size("n_heads");
    int dModel = c.size("d_model");
    int dHead = c.has("d_head") ? c.size("d_head") : c.divide("d_model", dModel, "n_heads", heads);
    boolean attentionOnly = c.flag("attn_only", false);
    Normalization norm = norm(c);
    Normalization end =
        c.flag("final_rms", false)
            ? c.normalization(Normalization.Kind.RMS_NORM, "eps", 1e-5)
            : norm;
    int vocabulary = c.size("d_vocab");
    String direction = c.text("attention_dir", "causal");
    if (!direction.equals("causal") && !direction.equals("bidirectional")) {
      throw c.unsupported("attention_dir", direction, "causal, bidirectional");
    }
    double scale = c.flag("use_attn_scale", true) ? scale(c.number("attn_scale", -1), dHead) : 1;
    int context = c.size("n_ctx");
    Positions positions = positions(c, dHead);
    if (positions instanceof TransformerConfig.Rotary rotary) {
      c.requireTableFits("n_ctx", context, rotary);
    }
    TransformerConfig config =
        new TransformerConfig(
            name,
            c.size("n_layers"),
            heads,
            dModel,
            dHead,
            attentionOnly ? 0 : c.size("d_mlp"),
            vocabulary,
            c.size("d_vocab_out", vocabulary),
            context,
            attentionOnly
                ? TransformerConfig.Activation.RELU
                : c.activation(c.text("act_fn"), "act_fn"),
            c.flag("gated_mlp", false),
            norm,
            end,
            direction.equals("causal"),
            c.flag("parallel_attn_mlp", false),
            positions,
            scale);
    Map<String, Tensor> weights = new LinkedHashMap<>();
    for (String key : files.names()) {
      // TransformerLens stores grouped keys and values under a leading underscore.
      String plain = key.replace("attn._W_", "attn.W_").replace("attn._b_", "attn.b_");
      if (!key.endsWith(".mask") && !key.endsWith(".IGNORE") && !key.contains("rotary_")) {
        weights.put(plain, ModelLoader.finite(files, key));
      }
    }
    return new Layout(config, weights);
  }

  /** TransformerLens writes −1 for "the square root of the head's width". */
  private static double scale(double given, int dHead) {
    return given > 0 ? given : Math.sqrt(dHead);
  }

  private static Normalization norm(ConfigReader c) {
    String type = c.text("normalization_type", "none");
    return switch (type) {
      case "LN", "LNPre" -> c.normalization(Normalization.Kind.LAYER_NORM, "eps", 1e-5);
      case "RMS", "RMSPre" -> c.normalization(Normalization.Kind.RMS_NORM, "eps", 1e-5);
      case "none" -> Normalization.NONE;
      default -> throw c.unsupported("normalization_type", type, "LN, LNPre, RMS, RMSPre, null");
    };
  }

  private static Positions positions(ConfigReader c, int dHead) {
    String type = c.text("positional_embedding_type", "standard");
    return switch (type) {
      case "standard" -> new TransformerConfig.Learned();
      case "none" -> new TransformerConfig.NoPositions();
      case "rotary" -> {
        int dimensions = c.size("rotary_dim", dHead);
        if (dimensions > dHead || dimensions % 2 != 0) {
          throw c.error(
              "rotary_dim="
                  + dimensions
                  + " does not fit d_head="
                  + dHead
                  + "; give an even number of at most that");
        }
        yield TransformerConfig.Rotary.withBase(
            dimensions,
            c.positive(c.json(), "rotary_base", 10000),
            c.flag("rotary_adjacent_pairs", false));
      }
      default -> throw c.unsupported("positional_embedding_type", type, "standard, rotary, none");
    };
  }
}
