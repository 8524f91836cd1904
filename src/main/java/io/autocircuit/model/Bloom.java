package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.StoredWeights.Recipe;
import io.autocircuit.model.TransformerConfig.Alibi;

/** BigScience's BLOOM: ALiBi, a normalised embedding. */
final class Bloom {
  static final Family FAMILY =
      Family.of(
              "bloom",
              "BLOOM",
              "scores that fall with distance (ALiBi), LayerNorm, attention then MLP",
              Source.arxiv("Le Scao et al. 2022, \"BLOOM\"", "2211.05100"),
              "Bloom",
              Bloom::read)
          .named("word_embeddings.weight", "transformer", "model")
          .refusing("apply_residual_connection_post_layernorm")
          .ignoring(
              "slow_but_exact attention_softmax_in_fp32 masked_softmax_fusion bias_dropout_fusion"
                  + " skip_bias_add skip_bias_add_qkv offset_alibi n_inner");

  /** Where a configuration says nothing: what all published ones were trained with. */
  private static final int CONTEXT = 2048;

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    int d = c.sizeOrDefault(c.has("n_embed") ? "n_embed" : "hidden_size", "hidden_size", 64);
    int heads =
        c.has("num_attention_heads")
            ? c.sizeOrDefault("n_head", "num_attention_heads", 8)
            : c.sizeOrNotedDefault("n_head", 8, "hidden_size");
    r.sizes =
        new Sizes(
            d,
            heads,
            heads,
            c.divide("hidden_size", d, "n_head", heads),
            4 * d,
            c.sizeOrDefault("n_layer", "num_hidden_layers", 2),
            c.sizeOrDefault("vocab_size", 250880),
            c.size("seq_length", CONTEXT),
            "n_layer",
            "seq_length");
    c.refuse("apply_residual_connection_post_layernorm");
    r.layerNorm("layer_norm_epsilon", 1e-5);
    r.activation = TransformerConfig.Activation.GELU_TANH;
    r.positions = Alibi.of(heads);
    r.scale = Math.sqrt(r.sizes.dHead());
    normaliseEmbedding(r, r.embed("word_embeddings.weight", "lm_head", true, false));
    for (BlockReader b : r.blocks("h.")) {
      b.norms("input_layernorm", "post_attention_layernorm");
      b.jointAttention("self_attention.query_key_value", b.groupsInTurn(), true);
      b.output("self_attention.dense", true);
      b.mlp("mlp.", "dense_h_to_4h", "dense_4h_to_h", true);
    }
    r.norm("ln_final", "ln_f");
    return r.config();
  }

  /** A row of the embedding is normalised by itself, whatever the prompt: so the table is. */
  private static void normaliseEmbedding(FamilyReader r, Recipe rows) {
    Recipe scale = r.w.take("word_embeddings_layernorm.weight", r.sizes.d());
    Recipe shift = r.w.take("word_embeddings_layernorm.bias", r.sizes.d());
    Normalization norm = r.norm;
    r.w.put(
        "embed.W_E",
        read ->
            Transformer.normalize(norm, rows.make(read))
                .mul_(scale.make(read))
                .add_(shift.make(read)));
  }

  private Bloom() {}
}
