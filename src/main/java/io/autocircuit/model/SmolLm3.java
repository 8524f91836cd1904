package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;
import io.autocircuit.model.TransformerConfig.NoPositions;

/** Hugging Face's SmolLM3: Llama with blocks that do not rotate. */
final class SmolLm3 {
  static final Family FAMILY =
      Family.of(
              "smollm3",
              "SmolLM3",
              "Llama with blocks that do not rotate queries and keys",
              Source.web("Bakouch et al. 2025, \"SmolLM3\"", "https://huggingface.co/blog/smollm3"),
              "SmolLM3",
              SmolLm3::read)
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(2048, 16, 4, 0, 11008, 36, 128256, 32768));
    r.rmsNorm(1e-6);
    RotarySettings rotary = RotarySettings.whole(c, r.sizes, 2000000);
    r.rotary(rotary);
    boolean[] rotates = rotates(r);
    int size = c.flag("use_sliding_window", false) ? Windows.size(c, 0) : 0;
    if (size == 0) {
      c.value("sliding_window");
    }
    int[] windows = Windows.byType(r, size, b -> !rotates[b]);
    for (boolean one : rotates) {
      if (!one && rotary.attentionFactor() != 1) {
        throw c.error(
            "no_rope_layers with rope_type=\"yarn\" is not supported; use a model whose blocks all"
                + " rotate");
      }
    }
    r.attention(windows, b -> rotates[b] ? r.positions : new NoPositions());
    boolean biased = c.flag("attention_bias", false);
    return Llama.finished(r, new Biases(biased, biased), c.flag("mlp_bias", false), true);
  }

  private static boolean[] rotates(FamilyReader r) {
    ConfigReader c = r.c;
    int blocks = r.sizes.blocks();
    boolean[] rotates = new boolean[blocks];
    int interval = c.size("no_rope_layer_interval", 4);
    JsonNode listed = c.value("no_rope_layers");
    boolean given = c.has("no_rope_layers");
    if (given && (!listed.isArray() || listed.size() < blocks)) {
      throw c.error(
          "no_rope_layers="
              + ConfigReader.shown(listed)
              + " is not usable; give a list of at least num_hidden_layers="
              + blocks
              + " numbers, 1 for a block that rotates and 0 for one that does not");
    }
    for (int b = 0; b < blocks; b++) {
      rotates[b] = given ? listed.get(b).asInt() != 0 : (b + 1) % interval != 0;
    }
    return rotates;
  }

  private SmolLm3() {}
}
