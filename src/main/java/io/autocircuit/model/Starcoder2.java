package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** BigCode's StarCoder 2: LayerNorm, biases, an MLP without gate. */
final class Starcoder2 {
  static final Family FAMILY =
      Family.of(
              "starcoder2",
              "StarCoder 2",
              "rotary positions, LayerNorm, an MLP without gate, windows of attention",
              Source.arxiv("Lozhkov et al. 2024, \"StarCoder 2\"", "2402.19173"),
              "Starcoder2",
              Starcoder2::read)
          .refusing(RotarySettings.KINDS)
          .ignoring(
              "mlp_type norm_type attention_softmax_in_fp32 scale_attention_softmax_in_fp32"
                  + " scale_attn_weights layer_norm_epsilon activation_function");

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(3072, 24, 2, 0, 12288, 30, 49152, 4096));
    r.layerNorm("norm_epsilon", 1e-5);
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    r.windows(Windows.everywhere(r, Windows.size(c, 0)));
    r.activation("hidden_act", "gelu_pytorch_tanh");
    boolean biased = c.flag("use_bias", true);
    r.embed(Family.TOKENS, "lm_head", true, false);
    for (BlockReader b : r.blocks("layers.")) {
      b.norms("input_layernorm", "post_attention_layernorm");
      b.attention("self_attn.", "o_proj", new Biases(biased, biased));
      b.mlp("mlp.", "c_fc", "c_proj", biased);
    }
    r.norm("ln_final", "norm");
    return r.config();
  }

  private Starcoder2() {}
}
