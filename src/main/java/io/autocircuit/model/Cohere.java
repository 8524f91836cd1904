package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;
import io.autocircuit.model.TransformerConfig.Rotary;

/** Cohere's Command R: one LayerNorm without shift for attention and MLP side by side. */
final class Cohere {
  static final Family FAMILY =
      Family.of(
              "cohere",
              "Command R",
              "rotary positions of adjacent pairs, attention and gated MLP side by side",
              Source.web("Cohere 2024, \"Command R\"", "https://cohere.com/blog/command-r"),
              "Cohere",
              Cohere::read)
          .refusing(RotarySettings.KINDS);

  private static final double MOST = 1e6;

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(8192, 64, 0, 0, 22528, 40, 256000, 8192));
    r.layerNorm("layer_norm_eps", 1e-5);
    r.shifted = false;
    RotarySettings halves = RotarySettings.whole(c, r.sizes, 500000);
    Rotary rotary = halves.rotary();
    r.rotary(
        new RotarySettings(
            new Rotary(rotary.dimensions(), rotary.inverseFrequencies(), true),
            halves.attentionFactor()));
    r.activation("hidden_act", "silu");
    r.gated = true;
    r.parallel = true;
    r.logitScale = c.scale("logit_scale", 0.0625, MOST);
    boolean biased = c.flag("attention_bias", false);
    boolean normed = c.flag("use_qk_norm", false);
    if (normed) {
      r.queryKeyNorm(r.norm, false);
    }
    r.embed(Family.TOKENS, "lm_head", true, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "input_layernorm");
      b.attention("self_attn.", "o_proj", new Biases(biased, biased));
      b.gatedMlp(false);
      if (normed) {
        b.queryKeyNorm("self_attn.q_norm", "self_attn.k_norm", true, false);
      }
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  private Cohere() {}
}
