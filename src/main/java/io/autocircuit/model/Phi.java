package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** Microsoft's Phi 1 to 2: one normalisation for attention and MLP side by side. */
final class Phi {
  static final Family FAMILY =
      Family.of(
              "phi",
              "Phi",
              "rotary positions of a part of each head, attention and MLP side by side",
              Source.arxiv("Li et al. 2023, \"Textbooks are all you need II\"", "2309.05463"),
              "Phi",
              Phi::read)
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(2048, 32, 0, 0, 8192, 24, 51200, 2048));
    r.layerNorm("layer_norm_eps", 1e-5);
    r.rotary(RotarySettings.partial(c, r.sizes, 0.5));
    r.activation("hidden_act", "gelu_new");
    r.parallel = true;
    boolean normed = c.flag("qk_layernorm", false);
    if (normed) {
      r.queryKeyNorm(r.norm, false);
    }
    r.embed(Family.TOKENS, "lm_head", false, true);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "input_layernorm");
      b.attention("self_attn.", "dense", new Biases(true, true));
      b.mlp("mlp.", "fc1", "fc2", true);
      if (normed) {
        b.queryKeyNorm("self_attn.q_layernorm", "self_attn.k_layernorm", false, true);
      }
    }
    r.norm("ln_final", "final_layernorm");
    return r.config();
  }

  private Phi() {}
}
