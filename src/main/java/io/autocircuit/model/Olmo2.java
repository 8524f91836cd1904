package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.BlockReader.Biases;

/** Ai2's OLMo 2: outputs are normalised instead of inputs, and queries and keys over all heads. */
final class Olmo2 {
  static final Family FAMILY =
      Family.of(
              "olmo2",
              "OLMo 2",
              "rotary positions, RMS normalisation of outputs, and of queries and keys over all heads",
              Source.arxiv("OLMo Team 2024, \"2 OLMo 2 Furious\"", "2501.00656"),
              "Olmo2",
              Olmo2::read)
          .refusing(RotarySettings.KINDS, "attention_bias");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(4096, 32, 0, 0, 11008, 32, 50304, 2048));
    r.rmsNorm(1e-5);
    r.end = r.norm;
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    r.queryKeyNorm(r.norm, true);
    r.outputNorm(r.norm);
    r.norm = Normalization.NONE;
    r.activation("hidden_act", "silu");
    r.gated = true;
    c.refuse("attention_bias");
    r.embed(Family.TOKENS, "lm_head", false, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.outputNorms("post_attention_layernorm", "post_feedforward_layernorm");
      b.attention("self_attn.", "o_proj", Biases.NONE);
      b.gatedMlp(false);
      b.queryKeyNormAcrossHeads("self_attn.q_norm", "self_attn.k_norm");
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  private Olmo2() {}
}
