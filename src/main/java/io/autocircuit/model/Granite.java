package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** IBM's Granite: Llama with multipliers. */
final class Granite {
  static final Family FAMILY =
      Family.of(
              "granite",
              "Granite",
              "Llama with multipliers of embedding, residuals, scores and logits",
              Source.web(
                  "IBM 2024, \"Granite 3.0 language models\"",
                  "https://github.com/ibm-granite/granite-3.0-language-models"),
              "Granite",
              Granite::read)
          .refusing(RotarySettings.KINDS);

  private static final double MOST = 1e6;

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(4096, 32, 0, 0, 11008, 32, 32000, 2048));
    r.rmsNorm(1e-6);
    RotarySettings rotary = RotarySettings.whole(c, r.sizes, 10000);
    r.rotary(rotary);
    double factor = rotary.attentionFactor() * rotary.attentionFactor();
    r.scale = 1 / (c.scale("attention_multiplier", 1, MOST) * factor);
    r.embeddingScale = c.scale("embedding_multiplier", 1, MOST);
    r.residualScale = c.scale("residual_multiplier", 1, MOST);
    r.logitScale = 1 / c.scale("logits_scaling", 1, MOST);
    boolean biased = c.flag("attention_bias", false);
    return Llama.finished(r, new Biases(biased, biased), c.flag("mlp_bias", false), false);
  }

  private Granite() {}
}
