package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** Stability AI's StableLM: LayerNorm, a gated MLP, a part of each head is rotated. */
final class StableLm {
  static final Family FAMILY =
      Family.of(
              "stablelm",
              "StableLM",
              "rotary positions of a part of each head, LayerNorm, gated MLP",
              Source.arxiv(
                  "Bellagente et al. 2024, \"Stable LM 2 1.6B technical report\"", "2402.17834"),
              "StableLm",
              StableLm::read)
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(2560, 32, 32, 0, 6912, 32, 50304, 4096));
    r.layerNorm("layer_norm_eps", 1e-5);
    r.rotary(RotarySettings.partial(c, r.sizes, 0.25));
    r.activation("hidden_act", "silu");
    r.gated = true;
    r.parallel = c.flag("use_parallel_residual", false);
    boolean biased = c.flag("use_qkv_bias", false);
    boolean normed = c.flag("qk_layernorm", false);
    if (normed) {
      r.queryKeyNorm(r.norm, false);
    }
    r.embed(Family.TOKENS, "lm_head", false, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", r.parallel ? "input_layernorm" : "post_attention_layernorm");
      b.attention("self_attn.", "o_proj", new Biases(biased, false));
      b.gatedMlp(false);
      if (normed) {
        b.queryKeyNormOfHeads("self_attn.q_layernorm.norms.", "self_attn.k_layernorm.norms.");
      }
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  private StableLm() {}
}
