package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;
import java.util.ArrayList;
import java.util.List;

/** EleutherAI's GPT-Neo, and TinyStories: some blocks see a window; scores are not scaled. */
final class GptNeo {
  static final Family FAMILY =
      Family.of(
              "gpt_neo",
              "GPT-Neo, TinyStories",
              "learned positions, some blocks attend to a window, scores are not scaled",
              Source.web(
                  "Black et al. 2021, \"GPT-Neo\"", "https://doi.org/10.5281/zenodo.5297715"),
              "GPTNeo",
              GptNeo::read)
          .named("wte.weight", "transformer", "model")
          .ignoring(
              "summary_activation summary_first_dropout summary_proj_to_labels summary_type"
                  + " summary_use_proj");

  private static Sizes sizes(ConfigReader c) {
    int d = c.sizeOrDefault("hidden_size", 2048);
    int heads = c.sizeOrNotedDefault("num_heads", 16, "hidden_size");
    return new Sizes(
        d,
        heads,
        heads,
        c.divide("hidden_size", d, "num_heads", heads),
        c.size("intermediate_size", 4 * d),
        c.sizeOrDefault("num_layers", 24),
        c.sizeOrDefault("vocab_size", 50257),
        c.sizeOrDefault("max_position_embeddings", 2048),
        "num_layers",
        "max_position_embeddings");
  }

  static TransformerConfig read(FamilyReader r) {
    r.sizes = sizes(r.c);
    r.layerNorm("layer_norm_epsilon", 1e-5);
    r.activation("activation_function", "gelu_new");
    r.scale = 1;
    r.embed("wte.weight", "lm_head", true, false);
    r.learnedPositions("wpe.weight", 0);
    int window = r.c.size("window_size", 256);
    List<String> kinds = kinds(r);
    r.windows(kinds.stream().mapToInt(k -> k.equals("local") ? window : 0).toArray());
    for (BlockReader b : r.blocks("h.")) {
      b.norms("ln_1", "ln_2");
      b.attention("attn.attention.", "out_proj", new Biases(false, true));
      b.mlp("mlp.", "c_fc", "c_proj", true);
    }
    r.norm("ln_final", "ln_f");
    return r.config();
  }

  /** {@code global} or {@code local} of each block, from either setting; both must agree. */
  private static List<String> kinds(FamilyReader r) {
    ConfigReader c = r.c;
    List<String> listed = new ArrayList<>();
    List<String> repeated = new ArrayList<>();
    c.value("attention_layers").forEach(n -> listed.add(n.asText()));
    for (JsonNode pair : c.value("attention_types")) {
      int times = pair.path(1).asInt(0);
      if (times < 1 || times > r.sizes.blocks() || !pair.path(0).isArray()) {
        throw c.error(
            "attention_types="
                + ConfigReader.shown(c.value("attention_types"))
                + " is not usable; give pairs such as [[\"global\", \"local\"], 6]");
      }
      for (int i = 0; i < times; i++) {
        pair.path(0).forEach(n -> repeated.add(n.asText()));
      }
    }
    if (listed.isEmpty() && repeated.isEmpty()) {
      for (int b = 0; b < r.sizes.blocks(); b++) {
        repeated.add(b % 2 == 0 ? "global" : "local");
      }
    }
    if (!listed.isEmpty() && !repeated.isEmpty() && !listed.equals(repeated)) {
      throw c.disagree("attention_layers", listed, "attention_types", repeated);
    }
    List<String> kinds = repeated.isEmpty() ? listed : repeated;
    for (String kind : kinds) {
      if (!kind.equals("global") && !kind.equals("local")) {
        throw c.unsupported("attention_types", kind, "global, local");
      }
    }
    if (kinds.size() != r.sizes.blocks()) {
      throw c.disagree("attention_types of layers", kinds.size(), "num_layers", r.sizes.blocks());
    }
    return kinds;
  }

  private GptNeo() {}
}
