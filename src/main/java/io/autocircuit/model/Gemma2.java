package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/**
 * Google's Gemma 2: outputs are normalised, scores and logits capped, every other block sees a
 * window.
 */
final class Gemma2 {
  static final Family FAMILY =
      Family.of(
              "gemma2",
              "Gemma 2",
              "Gemma with normalised outputs, soft caps and windows in every other block",
              Source.arxiv("Gemma Team 2024, \"Gemma 2\"", "2408.00118"),
              "Gemma2",
              Gemma2::read)
          .refusing(RotarySettings.KINDS, "attention_bias")
          .ignoring("hidden_act sliding_window_size");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(2304, 8, 4, 256, 9216, 26, 256000, 8192));
    r.rotary(start(r, RotarySettings.whole(c, r.sizes, 10000)));
    r.scale *= scalar(r) / Math.sqrt(r.sizes.dHead());
    r.windows(Windows.byType(r, Windows.size(c, 4096), b -> b % 2 == 0));
    r.features =
        r.features.withCaps(
            cap(c, "attn_logit_softcapping", 50), cap(c, "final_logit_softcapping", 30));
    return finished(r, false);
  }

  /** What Gemma 2 and 3 have before their positions. */
  static RotarySettings start(FamilyReader r, RotarySettings rotary) {
    ConfigReader c = r.c;
    r.rmsNorm(1e-6);
    r.normOffset = 1;
    // the factor has the type that is computed in
    r.embeddingScale = (float) Math.sqrt(r.sizes.d());
    c.refuse("use_bidirectional_attention");
    c.refuse("attention_bias");
    r.activation("hidden_activation", "gelu_pytorch_tanh");
    r.gated = true;
    r.outputNorm(r.norm);
    return rotary;
  }

  /** The root of what scores are divided by. */
  static double scalar(FamilyReader r) {
    return Math.sqrt(r.c.scale("query_pre_attn_scalar", 256, 1e6));
  }

  /** Null stands for none; what is missing is the default. */
  static double cap(ConfigReader c, String field, double absent) {
    if (c.value(field).isMissingNode()) {
      return absent;
    }
    return c.has(field) ? c.positive(field) : 0;
  }

  static TransformerConfig finished(FamilyReader r, boolean normedQueries) {
    r.embed(Family.TOKENS, "lm_head", true, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "pre_feedforward_layernorm");
      b.outputNorms("post_attention_layernorm", "post_feedforward_layernorm");
      b.attention("self_attn.", "o_proj", Biases.NONE);
      b.gatedMlp(false);
      if (normedQueries) {
        b.queryKeyNorm("self_attn.q_norm", "self_attn.k_norm", false, false);
      }
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  private Gemma2() {}
}
