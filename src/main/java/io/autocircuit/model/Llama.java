package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** Meta's Llama, and what is like it: RMS normalisation, gated MLP, shared keys and values. */
final class Llama {
  static final Family FAMILY =
      Family.of(
              "llama",
              "Llama",
              "rotary positions, RMS normalisation, gated MLP, shared keys and values",
              Source.arxiv("Touvron et al. 2023, \"LLaMA\"", "2302.13971"),
              "(?:Llama|LLaMA)",
              Llama::read)
          .refusing(RotarySettings.KINDS, "windows of attention shorter than the context");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(4096, 32, 0, 0, 11008, 32, 32000, 2048));
    r.rmsNorm(1e-6);
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    boolean biased = c.flag("attention_bias", false);
    r.requireBiases(
        biased, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj");
    return finished(r, new Biases(biased, biased), c.flag("mlp_bias", false), false);
  }

  /** Activation and weights under Llama's names; sizes, normalisation and positions are set. */
  static TransformerConfig finished(
      FamilyReader r, Biases attention, boolean mlp, boolean tiedByDefault) {
    r.activation("hidden_act", "silu");
    r.gated = true;
    r.embed(Family.TOKENS, "lm_head", tiedByDefault, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "post_attention_layernorm");
      b.attention("self_attn.", "o_proj", attention);
      b.gatedMlp(mlp);
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  private Llama() {}
}
