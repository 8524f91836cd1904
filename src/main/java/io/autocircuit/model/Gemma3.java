package io.autocircuit.model;

import io.autocircuit.catalogue.Source;

/**
 * Google's Gemma 3 for text: Gemma 2 with normalised queries and keys, and rotations of two kinds.
 */
final class Gemma3 {
  static final Family FAMILY =
      Family.of(
              "gemma3_text",
              "Gemma 3 (text)",
              "Gemma with normalised outputs, queries and keys, and windows in most blocks",
              Source.arxiv("Gemma Team 2025, \"Gemma 3 technical report\"", "2503.19786"),
              "Gemma3",
              Gemma3::read)
          .refusing(RotarySettings.KINDS, "attention_bias")
          .ignoring("hidden_act");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(2304, 8, 4, 256, 9216, 26, 262208, 131072));
    RotarySettings whole = Gemma2.start(r, RotarySettings.ofFullLayers(c, r.sizes, 1000000));
    RotarySettings local = RotarySettings.ofSlidingLayers(c, r.sizes, 10000);
    if (whole.attentionFactor() != 1 || local.attentionFactor() != 1) {
      throw c.error(
          "rope_type=\"yarn\" is not supported with model_type=\"gemma3_text\", whose blocks rotate"
              + " in two ways; use a model without it");
    }
    r.rotary(whole);
    r.scale = Gemma2.scalar(r);
    int size = Windows.size(c, 4096);
    int pattern = c.size("sliding_window_pattern", c.size("_sliding_window_pattern", 6));
    int[] windows = Windows.byType(r, size, b -> (b + 1) % pattern != 0);
    r.attention(windows, b -> windows[b] > 0 ? local.rotary() : whole.rotary());
    r.features =
        r.features.withCaps(
            Gemma2.cap(c, "attn_logit_softcapping", 0),
            Gemma2.cap(c, "final_logit_softcapping", 0));
    r.queryKeyNorm(r.norm, false);
    return Gemma2.finished(r, true);
  }

  private Gemma3() {}
}
