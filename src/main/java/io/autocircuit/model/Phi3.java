package io.autocircuit.model;

import io.autocircuit.catalogue.Source;

/** Microsoft's Phi 3 and 4: Llama with joint projections. */
final class Phi3 {
  static final Family FAMILY =
      Family.of(
              "phi3",
              "Phi 3",
              "Llama with joint projections; a part of each head may be rotated",
              Source.arxiv("Abdin et al. 2024, \"Phi-3 technical report\"", "2404.14219"),
              "Phi3",
              Phi3::read)
          .refusing("rope_type \"longrope\" (\"su\")", RotarySettings.KINDS)
          .ignoring("original_max_position_embeddings");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(3072, 32, 0, 0, 8192, 32, 32064, 4096));
    r.rmsNorm(1e-5);
    r.rotary(RotarySettings.partial(c, r.sizes, 1));
    r.windows(Windows.everywhere(r, Windows.size(c, 0)));
    r.activation("hidden_act", "silu");
    r.gated = true;
    r.embed(Family.TOKENS, "lm_head", false, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "post_attention_layernorm");
      b.jointAttention("self_attn.qkv_proj", b.partsInTurn(), false);
      b.output("self_attn.o_proj", false);
      b.jointGatedMlp("mlp.gate_up_proj", "mlp.down_proj");
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  private Phi3() {}
}
