package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;
import io.autocircuit.model.TransformerConfig.Rotary;

/** EleutherAI's GPT-J: one normalisation for attention and MLP side by side. */
final class GptJ {
  static final Family FAMILY =
      Family.of(
              "gptj",
              "GPT-J",
              "rotary positions of adjacent pairs, attention and MLP side by side",
              Source.web(
                  "Wang and Komatsuzaki 2021, \"GPT-J-6B\"",
                  "https://github.com/kingoflolz/mesh-transformer-jax"),
              "GPTJ",
              GptJ::read)
          .named("wte.weight", "transformer", "model")
          .ignoring(
              "summary_activation summary_first_dropout summary_proj_to_labels summary_type"
                  + " summary_use_proj rotary scale_attn_weights n_ctx");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    int d = c.sizeOrDefault("n_embd", "hidden_size", 4096);
    int heads =
        c.has("num_attention_heads")
            ? c.sizeOrDefault("n_head", "num_attention_heads", 16)
            : c.sizeOrNotedDefault("n_head", 16, "n_embd");
    r.sizes =
        new Sizes(
            d,
            heads,
            heads,
            c.divide("n_embd", d, "n_head", heads),
            c.size("n_inner", 4 * d),
            c.sizeOrDefault("n_layer", "num_hidden_layers", 28),
            c.sizeOrDefault("vocab_size", 50400),
            c.sizeOrDefault("n_positions", "max_position_embeddings", 2048),
            "n_layer",
            "n_positions");
    r.layerNorm("layer_norm_epsilon", 1e-5);
    r.activation("activation_function", "gelu_new");
    r.parallel = true;
    int rotated = c.value("rotary_dim").isMissingNode() ? 64 : c.size("rotary_dim");
    if (rotated > r.sizes.dHead() || rotated % 2 != 0) {
      throw c.error(
          "rotary_dim="
              + rotated
              + " does not fit heads of width="
              + r.sizes.dHead()
              + "; give an even number of at most that");
    }
    r.rotary(new RotarySettings(Rotary.withBase(rotated, 10000, true), 1));
    r.embed("wte.weight", "lm_head", false, true);
    for (BlockReader b : r.blocks("h.")) {
      b.norms("ln_1", "ln_1");
      b.attention("attn.", "out_proj", Biases.NONE);
      b.mlp("mlp.", "fc_in", "fc_out", true);
    }
    r.norm("ln_final", "ln_f");
    return r.config();
  }

  private GptJ() {}
}
