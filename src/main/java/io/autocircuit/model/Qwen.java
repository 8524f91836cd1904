package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** Alibaba's Qwen 2 (biases of queries, keys and values) and 3 (normalised queries and keys). */
final class Qwen {
  static final Family QWEN2 =
      Family.of(
              "qwen2",
              "Qwen 2",
              "Llama with biases of queries, keys and values; late blocks may see a window",
              Source.arxiv("Yang et al. 2024, \"Qwen2 technical report\"", "2407.10671"),
              "Qwen2",
              Qwen::read2)
          .refusing(RotarySettings.KINDS)
          .ignoring("use_mrope");

  static final Family QWEN3 =
      Family.of(
              "qwen3",
              "Qwen 3",
              "Llama with normalised queries and keys; late blocks may see a window",
              Source.arxiv("Yang et al. 2025, \"Qwen3 technical report\"", "2505.09388"),
              "Qwen3",
              Qwen::read3)
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read2(FamilyReader r) {
    r.sizes = Sizes.read(r.c, new Sizes.Defaults(4096, 32, 32, 0, 22016, 32, 151936, 32768));
    start(r);
    return Llama.finished(r, new Biases(true, false), false, false);
  }

  static TransformerConfig read3(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(4096, 32, 32, 128, 22016, 32, 151936, 32768));
    start(r);
    r.queryKeyNorm(r.norm, false);
    boolean biased = c.flag("attention_bias", false);
    r.blocks("layers.")
        .forEach(b -> b.queryKeyNorm("self_attn.q_norm", "self_attn.k_norm", false, false));
    return Llama.finished(r, new Biases(biased, biased), false, false);
  }

  private static void start(FamilyReader r) {
    ConfigReader c = r.c;
    r.rmsNorm(1e-6);
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    int size = c.flag("use_sliding_window", false) ? Windows.size(c, 4096) : 0;
    int first = c.has("max_window_layers") ? (int) c.number("max_window_layers") : 28;
    if (size == 0) {
      c.value("sliding_window");
    }
    r.windows(Windows.byType(r, size, b -> b >= first));
  }

  private Qwen() {}
}
