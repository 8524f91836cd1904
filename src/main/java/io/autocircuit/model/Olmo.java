package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.BlockReader.Biases;

/** Ai2's OLMo: LayerNorm without parameters. */
final class Olmo {
  static final Family FAMILY =
      Family.of(
              "olmo",
              "OLMo",
              "rotary positions, LayerNorm without parameters, gated MLP",
              Source.arxiv("Groeneveld et al. 2024, \"OLMo\"", "2402.00838"),
              "Olmo",
              Olmo::read)
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(4096, 32, 0, 0, 11008, 32, 50304, 2048));
    r.norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    r.activation("hidden_act", "silu");
    r.gated = true;
    if (c.has("clip_qkv")) {
      r.features = r.features.withClip(c.positive("clip_qkv"));
    }
    boolean biased = c.flag("attention_bias", false);
    r.embed(Family.TOKENS, "lm_head", false, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.attention("self_attn.", "o_proj", new Biases(biased, biased));
      b.gatedMlp(false);
    }
    return r.config();
  }

  private Olmo() {}
}
