package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.StoredWeights.Recipe;

/** OpenAI's GPT-2: joint projections, stored as {@code [in, out]}. */
final class Gpt2 {
  private static final String[] PARTS = {"Q", "K", "V"};

  static final Family FAMILY =
      Family.of(
              "gpt2",
              "GPT-2",
              "learned positions, attention then MLP, LayerNorm with a shift",
              Source.named(
                  "Radford et al. 2019, \"Language models are unsupervised multitask learners\""),
              "GPT2",
              Gpt2::read)
          .named("wte.weight", "transformer", "model")
          .refusing("add_cross_attention")
          .ignoring(
              "n_ctx n_special predict_special_tokens reorder_and_upcast_attn summary_activation"
                  + " summary_first_dropout summary_proj_to_labels summary_type summary_use_proj");

  private static Sizes sizes(ConfigReader c) {
    int d = c.sizeOrDefault("n_embd", "hidden_size", 768);
    int heads =
        c.has("num_attention_heads")
            ? c.sizeOrDefault("n_head", "num_attention_heads", 12)
            : c.sizeOrNotedDefault("n_head", 12, "n_embd");
    return new Sizes(
        d,
        heads,
        heads,
        c.divide("n_embd", d, "n_head", heads),
        c.size("n_inner", 4 * d),
        c.sizeOrDefault("n_layer", "num_hidden_layers", 12),
        c.sizeOrDefault("vocab_size", 50257),
        c.has("n_positions") || c.has("max_position_embeddings") || !c.has("n_ctx")
            ? c.sizeOrDefault("n_positions", "max_position_embeddings", 1024)
            : c.size("n_ctx"),
        "n_layer",
        "n_positions");
  }

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = sizes(c);
    c.refuse("add_cross_attention");
    boolean inverse = c.flag("scale_attn_by_inverse_layer_idx", false);
    r.layerNorm("layer_norm_epsilon", 1e-5);
    r.activation("activation_function", "gelu_new");
    r.scale = c.flag("scale_attn_weights", true) ? Math.sqrt(r.sizes.dHead()) : 1;
    r.embed("wte.weight", "lm_head", true, false);
    r.learnedPositions("wpe.weight", 0);
    for (BlockReader b : r.blocks("h.")) {
      b.norms("ln_1", "ln_2");
      block(r, b, inverse ? 1.0 / (b.index() + 1) : 1);
    }
    r.norm("ln_final", "ln_f");
    return r.config();
  }

  /**
   * @param share what queries are multiplied by: scores of block b may be divided by b + 1
   */
  private static void block(FamilyReader r, BlockReader b, double share) {
    int d = r.sizes.d();
    int heads = r.sizes.heads();
    int dHead = r.sizes.dHead();
    String h = b.from();
    String p = b.to();
    Recipe qkv = r.w.take(h + "attn.c_attn.weight", d, 3L * d);
    Recipe bias = r.w.take(h + "attn.c_attn.bias", 3L * d);
    for (int i = 0; i < 3; i++) {
      long from = (long) i * d;
      double factor = i == 0 ? share : 1;
      Recipe matrix = qkv.then(t -> t.narrow(1, from, d).reshape(d, heads, dHead).permute(1, 0, 2));
      r.w.put(p + "attn.W_" + PARTS[i], FamilyReader.scaled(matrix, factor));
      Recipe shift = bias.then(t -> t.narrow(0, from, d).reshape(heads, dHead));
      r.w.put(p + "attn.b_" + PARTS[i], FamilyReader.scaled(shift, factor));
    }
    r.w.projection(p + "attn", h + "attn.c_proj", true, 1);
    r.w.projection(p + "mlp", h + "mlp.c_proj", true, 1);
    r.w.put(
        p + "attn.W_O",
        r.w.take(h + "attn.c_proj.weight", d, d).then(t -> t.reshape(heads, dHead, d)));
    r.w.put(p + "attn.b_O", r.w.take(h + "attn.c_proj.bias", d));
    r.w.put(p + "mlp.W_in", r.w.take(h + "mlp.c_fc.weight", d, r.sizes.mlp()));
    r.w.put(p + "mlp.b_in", r.w.take(h + "mlp.c_fc.bias", r.sizes.mlp()));
    r.w.put(p + "mlp.W_out", r.w.take(h + "mlp.c_proj.weight", r.sizes.mlp(), d));
    r.w.put(p + "mlp.b_out", r.w.take(h + "mlp.c_proj.bias", d));
  }

  private Gpt2() {}
}
