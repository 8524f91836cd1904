package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.BlockReader.Biases;

/** Meta's OPT: learned positions that begin at the third row, ReLU. */
final class Opt {
  /** Rows of the table of positions before the first position. */
  private static final int SKIPPED = 2;

  static final Family FAMILY =
      Family.of(
              "opt",
              "OPT",
              "learned positions, attention then MLP, ReLU",
              Source.arxiv("Zhang et al. 2022, \"OPT\"", "2205.01068"),
              "OPT",
              Opt::read)
          .named(Family.TOKENS, "model", "decoder")
          .refusing(
              "do_layer_norm_before=false (OPT 350M)",
              "word_embed_proj_dim other than hidden_size (OPT 350M)")
          .ignoring("init_std layerdrop activation_dropout");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    int d = c.sizeOrDefault("hidden_size", 768);
    int heads = c.sizeOrNotedDefault("num_attention_heads", 12, "hidden_size");
    r.sizes =
        new Sizes(
            d,
            heads,
            heads,
            c.divide("hidden_size", d, "num_attention_heads", heads),
            c.sizeOrDefault("ffn_dim", 3072),
            c.sizeOrDefault("num_hidden_layers", 12),
            c.sizeOrDefault("vocab_size", 50272),
            c.sizeOrDefault("max_position_embeddings", 2048),
            "num_hidden_layers",
            "max_position_embeddings");
    if (!c.flag("do_layer_norm_before", true)) {
      throw c.error(
          "do_layer_norm_before=false is not supported: it normalises the stream itself, so that"
              + " sources do not add up to it; use a model without it");
    }
    if (c.size("word_embed_proj_dim", d) != d) {
      throw c.error(
          "word_embed_proj_dim="
              + c.size("word_embed_proj_dim")
              + " is not supported: embeddings of another width than hidden_size="
              + d
              + "; use a model where both are the same");
    }
    boolean biased = c.flag("enable_bias", true);
    r.norm = new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);
    r.shifted = true;
    boolean affine = c.flag("layer_norm_elementwise_affine", true);
    boolean ends = !c.flag("_remove_final_layer_norm", false);
    r.end = ends ? r.norm : Normalization.NONE;
    r.activation("activation_function", "relu");
    r.scale = Math.sqrt(r.sizes.dHead());
    r.embed(Family.TOKENS, "lm_head", true, false);
    r.learnedPositions("embed_positions.weight", SKIPPED);
    for (BlockReader b : r.blocks("layers.")) {
      if (affine) {
        b.norms("self_attn_layer_norm", "final_layer_norm");
      }
      b.attention("self_attn.", "out_proj", new Biases(biased, biased));
      b.mlp("", "fc1", "fc2", biased);
    }
    if (affine && ends) {
      r.norm("ln_final", "final_layer_norm");
    }
    return r.config();
  }

  private Opt() {}
}
