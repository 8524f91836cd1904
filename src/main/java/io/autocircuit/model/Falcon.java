package io.autocircuit.model;

import io.autocircuit.catalogue.Source;

/** TII's Falcon: attention and MLP side by side, with one normalisation or two. */
final class Falcon {
  static final Family FAMILY =
      Family.of(
              "falcon",
              "Falcon",
              "rotary positions, one key and value or a few, attention and MLP side by side",
              Source.arxiv("Almazrouei et al. 2023, \"The Falcon series\"", "2311.16867"),
              "Falcon",
              Falcon::read)
          .named("word_embeddings.weight", "transformer", "model")
          .refusing("alibi (Falcon RW)", RotarySettings.KINDS)
          .ignoring("n_embed");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    int d = c.sizeOrDefault("hidden_size", 4544);
    int heads = c.sizeOrNotedDefault("num_attention_heads", 71, "hidden_size");
    boolean grouped = c.flag("new_decoder_architecture", false);
    boolean one = c.flag("multi_query", true) && !grouped;
    int groups = one ? 1 : grouped ? c.size("num_kv_heads", heads) : heads;
    if (!grouped) {
      c.value("num_kv_heads");
    }
    c.divide("num_attention_heads", heads, "num_kv_heads", groups);
    r.sizes =
        new Sizes(
            d,
            heads,
            groups,
            c.divide("hidden_size", d, "num_attention_heads", heads),
            c.size("ffn_hidden_size", 4 * d),
            c.sizeOrDefault("num_hidden_layers", 32),
            c.sizeOrDefault("vocab_size", 65024),
            c.size("max_position_embeddings", 2048),
            "num_hidden_layers",
            "max_position_embeddings");
    c.refuse("alibi");
    c.refuse("apply_residual_connection_post_layernorm");
    r.layerNorm("layer_norm_epsilon", 1e-5);
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    r.activation("activation", "gelu");
    boolean biased = c.flag("bias", false);
    boolean two = grouped && c.size("num_ln_in_parallel_attn", 2) == 2;
    r.parallel = grouped || c.flag("parallel_attn", true);
    c.value("parallel_attn");
    c.value("num_ln_in_parallel_attn");
    r.embed("word_embeddings.weight", "lm_head", true, false);
    for (BlockReader b : r.blocks("h.")) {
      if (two) {
        b.norms("ln_attn", "ln_mlp");
      } else {
        b.norms("input_layernorm", r.parallel ? "input_layernorm" : "post_attention_layernorm");
      }
      b.jointAttention("self_attention.query_key_value", b.groupsInTurn(), biased);
      b.output("self_attention.dense", biased);
      b.mlp("mlp.", "dense_h_to_4h", "dense_4h_to_h", biased);
    }
    r.norm("ln_final", "ln_f");
    return r.config();
  }

  private Falcon() {}
}
