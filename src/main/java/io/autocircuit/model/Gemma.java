package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** Google's Gemma: scaled embeddings, scales of normalisations as their distance to 1. */
final class Gemma {
  static final Family FAMILY =
      Family.of(
              "gemma",
              "Gemma",
              "Llama with embeddings scaled by the root of the width, and gated GELU",
              Source.arxiv("Gemma Team 2024, \"Gemma\"", "2403.08295"),
              "Gemma",
              Gemma::read)
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(3072, 16, 16, 256, 24576, 28, 256000, 8192));
    r.rmsNorm(1e-6);
    r.normOffset = 1;
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    // the factor has the type that is computed in
    r.embeddingScale = (float) Math.sqrt(r.sizes.d());
    c.refuse("use_bidirectional_attention");
    boolean biased = c.flag("attention_bias", false);
    r.gated = true;
    activation(r);
    r.embed(Family.TOKENS, "lm_head", true, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "post_attention_layernorm");
      b.attention("self_attn.", "o_proj", new Biases(biased, biased));
      b.gatedMlp(false);
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  /** Checkpoints of the first days say {@code gelu} where the tanh approximation is meant. */
  private static void activation(FamilyReader r) {
    String standard = "gelu_pytorch_tanh";
    ConfigReader c = r.c;
    if (c.has("hidden_activation")) {
      c.value("hidden_act");
      r.activation("hidden_activation", standard);
      return;
    }
    if (c.text("hidden_act", standard).equals("gelu")) {
      c.notice(
          "hidden_act=\"gelu\" without hidden_activation: the exact GELU is used, as transformers 5"
              + " does; set \"hidden_activation\": \"gelu_pytorch_tanh\" if the model was trained"
              + " with the approximation, as Google's first checkpoints were");
    }
    r.activation("hidden_act", standard);
  }

  private Gemma() {}
}
