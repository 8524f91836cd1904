package io.autocircuit.model;

import io.autocircuit.catalogue.Source;

/** EleutherAI's GPT-NeoX and Pythia: joint projections, head by head. */
final class GptNeoX {
  static final Family FAMILY =
      Family.of(
              "gpt_neox",
              "GPT-NeoX, Pythia",
              "rotary positions, attention and MLP side by side or in turn",
              Source.arxiv("Black et al. 2022, \"GPT-NeoX-20B\"", "2204.06745"),
              "GPTNeoX",
              GptNeoX::read)
          .named("embed_in.weight", "gpt_neox", "model")
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    int d = c.sizeOrDefault("hidden_size", 6144);
    int heads = c.sizeOrNotedDefault("num_attention_heads", 64, "hidden_size");
    r.sizes =
        new Sizes(
            d,
            heads,
            heads,
            c.divide("hidden_size", d, "num_attention_heads", heads),
            c.sizeOrDefault("intermediate_size", 24576),
            c.sizeOrDefault("num_hidden_layers", 44),
            c.sizeOrDefault("vocab_size", 50432),
            c.size("max_position_embeddings", 2048),
            "num_hidden_layers",
            "max_position_embeddings");
    r.layerNorm("layer_norm_eps", 1e-5);
    r.rotary(RotarySettings.neox(c, r.sizes));
    r.activation("hidden_act", "gelu");
    r.parallel = c.flag("use_parallel_residual", true);
    boolean biased = c.flag("attention_bias", true);
    r.requireBiases(biased, "attention.query_key_value", "attention.dense");
    r.embed("embed_in.weight", "embed_out", false, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "post_attention_layernorm");
      b.jointAttention("attention.query_key_value", b.groupsInTurn(), biased);
      b.output("attention.dense", biased);
      b.mlp("mlp.", "dense_h_to_4h", "dense_4h_to_h", true);
    }
    r.norm("ln_final", "final_layer_norm");
    return r.config();
  }

  private GptNeoX() {}
}
