package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.ModelLoader.Layout;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.DataException;
import io.autocircuit.tensor.Safetensors;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** Brings Hugging Face checkpoints of GPT-2, GPT-NeoX and Llama to TransformerLens's names. */
final class HuggingFaceLayout {
  private final ConfigReader c;
  private final Safetensors files;
  private final String prefix;
  private final Map<String, Tensor> weights = new LinkedHashMap<>();

  private HuggingFaceLayout(ConfigReader c, Safetensors files, String prefix) {
    this.c = c;
    this.files = files;
    boolean prefixed = files.names().stream().anyMatch(n -> n.startsWith(prefix));
    this.prefix = prefixed ? prefix : "";
  }

  static Layout read(String name, ConfigReader c, Safetensors files) {
    String type = c.text("model_type");
    return switch (type) {
      case "gpt2" -> new HuggingFaceLayout(c, files, "transformer.").gpt2(name);
      case "gpt_neox" -> new HuggingFaceLayout(c, files, "gpt_neox.").gptNeox(name);
      case "llama" -> new HuggingFaceLayout(c, files, "model.").llama(name);
      default ->
          throw c.unsupported(
              "model_type",
              type,
              String.join(", ", ModelLoader.ARCHITECTURES)
                  + ", or \"architecture\": \"HookedTransformer\"");
    };
  }

  private Layout gpt2(String name) {
    int d = c.size("n_embd");
    int heads = c.size("n_head");
    int dHead = c.divide("n_embd", d, "n_head", heads);
    int mlp = c.size("n_inner", 4 * d);
    int blocks = c.size("n_layer");
    int vocabulary = c.size("vocab_size");
    int context = c.size(c.has("n_positions") ? "n_positions" : "n_ctx");
    c.refuse("scale_attn_by_inverse_layer_idx");
    c.refuse("add_cross_attention");
    Normalization norm = c.normalization(Normalization.Kind.LAYER_NORM, "layer_norm_epsilon", 1e-5);
    TransformerConfig config =
        new TransformerConfig(
            name,
            blocks,
            heads,
            d,
            dHead,
            mlp,
            vocabulary,
            vocabulary,
            context,
            activation("activation_function", "gelu_new"),
            false,
            norm,
            norm,
            true,
            false,
            new TransformerConfig.Learned(),
            c.flag("scale_attn_weights", true) ? Math.sqrt(dHead) : 1);
    put("embed.W_E", get("wte.weight", vocabulary, d));
    put("pos_embed.W_pos", get("wpe.weight", context, d));
    for (int b = 0; b < blocks; b++) {
      String h = "h." + b + ".";
      String p = "blocks." + b + ".";
      norm(p + "ln1", h + "ln_1", d, true);
      norm(p + "ln2", h + "ln_2", d, true);
      Tensor qkv = get(h + "attn.c_attn.weight", d, 3L * d);
      Tensor bias = get(h + "attn.c_attn.bias", 3L * d);
      String[] parts = {"Q", "K", "V"};
      for (int i = 0; i < 3; i++) {
        put(
            p + "attn.W_" + parts[i],
            qkv.narrow(1, (long) i * d, d).reshape(d, heads, dHead).permute(1, 0, 2));
        put(p + "attn.b_" + parts[i], bias.narrow(0, (long) i * d, d).reshape(heads, dHead));
      }
      put(p + "attn.W_O", get(h + "attn.c_proj.weight", d, d).reshape(heads, dHead, d));
      put(p + "attn.b_O", get(h + "attn.c_proj.bias", d));
      put(p + "mlp.W_in", get(h + "mlp.c_fc.weight", d, mlp));
      put(p + "mlp.b_in", get(h + "mlp.c_fc.bias", mlp));
      put(p + "mlp.W_out", get(h + "mlp.c_proj.weight", mlp, d));
      put(p + "mlp.b_out", get(h + "mlp.c_proj.bias", d));
    }
    norm("ln_final", "ln_f", d, true);
    unembed("wte.weight", "lm_head.weight", vocabulary, d, true);
    return new Layout(config, weights);
  }

  private Layout gptNeox(String name) {
    int d = c.size("hidden_size");
    int heads = c.size("num_attention_heads");
    int dHead = c.divide("hidden_size", d, "num_attention_heads", heads);
    int mlp = c.size("intermediate_size");
    int blocks = c.size("num_hidden_layers");
    int vocabulary = c.size("vocab_size");
    int context = c.size("max_position_embeddings");
    Normalization norm = c.normalization(Normalization.Kind.LAYER_NORM, "layer_norm_eps", 1e-5);
    Rotary rotary = rotary(dHead, 0.25);
    c.requireTableFits("max_position_embeddings", context, rotary);
    TransformerConfig config =
        new TransformerConfig(
            name,
            blocks,
            heads,
            d,
            dHead,
            mlp,
            vocabulary,
            vocabulary,
            context,
            activation("hidden_act", "gelu"),
            false,
            norm,
            norm,
            true,
            c.flag("use_parallel_residual", true),
            rotary,
            Math.sqrt(dHead));
    boolean biased = c.flag("attention_bias", true);
    put("embed.W_E", get("embed_in.weight", vocabulary, d));
    for (int b = 0; b < blocks; b++) {
      String h = "layers." + b + ".";
      String p = "blocks." + b + ".";
      norm(p + "ln1", h + "input_layernorm", d, true);
      norm(p + "ln2", h + "post_attention_layernorm", d, true);
      // rows: head, then query/key/value, then coordinate
      Tensor qkv =
          get(h + "attention.query_key_value.weight", 3L * d, d).reshape(heads, 3, dHead, d);
      String[] parts = {"Q", "K", "V"};
      for (int i = 0; i < 3; i++) {
        put(p + "attn.W_" + parts[i], qkv.select(1, i).permute(0, 2, 1));
      }
      if (biased) {
        Tensor bias = get(h + "attention.query_key_value.bias", 3L * d).reshape(heads, 3, dHead);
        for (int i = 0; i < 3; i++) {
          put(p + "attn.b_" + parts[i], bias.select(1, i));
        }
      }
      put(p + "attn.W_O", get(h + "attention.dense.weight", d, d).t().reshape(heads, dHead, d));
      put(p + "attn.b_O", biased ? get(h + "attention.dense.bias", d) : zeros(d));
      put(p + "mlp.W_in", get(h + "mlp.dense_h_to_4h.weight", mlp, d).t());
      put(p + "mlp.b_in", get(h + "mlp.dense_h_to_4h.bias", mlp));
      put(p + "mlp.W_out", get(h + "mlp.dense_4h_to_h.weight", d, mlp).t());
      put(p + "mlp.b_out", get(h + "mlp.dense_4h_to_h.bias", d));
    }
    norm("ln_final", "final_layer_norm", d, true);
    unembed("embed_in.weight", "embed_out.weight", vocabulary, d, false);
    return new Layout(config, weights);
  }

  private Layout llama(String name) {
    int d = c.size("hidden_size");
    int heads = c.size("num_attention_heads");
    int groups = c.size("num_key_value_heads", heads);
    c.divide("num_attention_heads", heads, "num_key_value_heads", groups);
    int dHead =
        c.has("head_dim")
            ? c.size("head_dim")
            : c.divide("hidden_size", d, "num_attention_heads", heads);
    int mlp = c.size("intermediate_size");
    int blocks = c.size("num_hidden_layers");
    int vocabulary = c.size("vocab_size");
    int context = c.size("max_position_embeddings");
    Normalization norm = c.normalization(Normalization.Kind.RMS_NORM, "rms_norm_eps", 1e-6);
    Rotary rotary = rotary(dHead, 1);
    c.requireTableFits("max_position_embeddings", context, rotary);
    TransformerConfig config =
        new TransformerConfig(
            name,
            blocks,
            heads,
            d,
            dHead,
            mlp,
            vocabulary,
            vocabulary,
            context,
            activation("hidden_act", "silu"),
            true,
            norm,
            norm,
            true,
            false,
            rotary,
            Math.sqrt(dHead));
    boolean biased = c.flag("attention_bias", false);
    boolean mlpBiased = c.flag("mlp_bias", false);
    put("embed.W_E", get("embed_tokens.weight", vocabulary, d));
    for (int b = 0; b < blocks; b++) {
      String h = "layers." + b + ".";
      String p = "blocks." + b + ".";
      norm(p + "ln1", h + "input_layernorm", d, false);
      norm(p + "ln2", h + "post_attention_layernorm", d, false);
      attention(h + "self_attn.q_proj", p, "Q", heads, dHead, d, biased);
      attention(h + "self_attn.k_proj", p, "K", groups, dHead, d, biased);
      attention(h + "self_attn.v_proj", p, "V", groups, dHead, d, biased);
      long width = (long) heads * dHead;
      put(
          p + "attn.W_O",
          get(h + "self_attn.o_proj.weight", d, width).t().reshape(heads, dHead, d));
      put(p + "attn.b_O", biased ? get(h + "self_attn.o_proj.bias", d) : zeros(d));
      put(p + "mlp.W_in", get(h + "mlp.up_proj.weight", mlp, d).t());
      put(p + "mlp.W_gate", get(h + "mlp.gate_proj.weight", mlp, d).t());
      put(p + "mlp.W_out", get(h + "mlp.down_proj.weight", d, mlp).t());
      if (mlpBiased) {
        put(p + "mlp.b_in", get(h + "mlp.up_proj.bias", mlp));
        put(p + "mlp.b_gate", get(h + "mlp.gate_proj.bias", mlp));
        put(p + "mlp.b_out", get(h + "mlp.down_proj.bias", d));
      }
    }
    norm("ln_final", "norm", d, false);
    unembed("embed_tokens.weight", "lm_head.weight", vocabulary, d, false);
    return new Layout(config, weights);
  }

  private void attention(
      String from, String block, String part, int heads, int dHead, int d, boolean biased) {
    long width = (long) heads * dHead;
    put(
        block + "attn.W_" + part,
        get(from + ".weight", width, d).reshape(heads, dHead, d).permute(0, 2, 1));
    if (biased) {
      put(block + "attn.b_" + part, get(from + ".bias", width).reshape(heads, dHead));
    }
  }

  private TransformerConfig.Activation activation(String field, String absent) {
    return c.activation(c.text(field, absent), field);
  }

  private void norm(String to, String from, int d, boolean shifted) {
    put(to + ".w", get(from + ".weight", d));
    if (shifted) {
      put(to + ".b", get(from + ".bias", d));
    }
  }

  private void unembed(String embedding, String head, int vocabulary, int d, boolean tiedDefault) {
    boolean tied = c.flag("tie_word_embeddings", tiedDefault);
    Tensor w = tied ? get(embedding, vocabulary, d) : unprefixed(head, vocabulary, d);
    put("unembed.W_U", w.t());
    put("unembed.b_U", zeros(vocabulary));
  }

  private static Tensor zeros(long n) {
    return io.autocircuit.tensor.Tensors.zeros(
        org.bytedeco.pytorch.global.torch.ScalarType.Float, n);
  }

  /** Newer configurations carry rotary settings under rope_parameters, older ones at the top. */
  private Rotary rotary(int dHead, double defaultShare) {
    JsonNode rope = c.object("rope_parameters");
    JsonNode scaling = c.object("rope_scaling");
    double share =
        c.number(
            rope,
            "partial_rotary_factor",
            c.number("partial_rotary_factor", c.number("rotary_pct", defaultShare)));
    double base =
        c.positive(rope, "rope_theta", c.number("rope_theta", c.number("rotary_emb_base", 10000)));
    int dimensions = (int) (share * dHead);
    if (dimensions < 2 || dimensions > dHead || dimensions % 2 != 0) {
      throw c.error(
          "rotary dimensions="
              + dimensions
              + " of head width="
              + dHead
              + " are not usable; correct the rotary share="
              + share
              + " so that an even number of at least 2 results");
    }
    Rotary plain = Rotary.withBase(dimensions, base, false);
    JsonNode settings = scaling.isObject() ? scaling : rope;
    String type = settings.path("rope_type").asText(settings.path("type").asText("default"));
    return switch (type) {
      case "default" -> plain;
      case "linear" -> {
        double factor = c.positive(settings, "factor", 1);
        yield new Rotary(
            dimensions,
            Arrays.stream(plain.inverseFrequencies()).map(f -> f / factor).toArray(),
            false);
      }
      case "llama3" -> new Rotary(dimensions, llama3(settings, plain.inverseFrequencies()), false);
      default -> throw c.unsupported("rope_type", type, "default, linear, llama3");
    };
  }

  /** Llama 3.1: long wavelengths are stretched by {@code factor}, middle ones blended. */
  private double[] llama3(JsonNode s, double[] frequencies) {
    double factor = c.positive(s, "factor", 8);
    double low = c.positive(s, "low_freq_factor", 1);
    double high = c.positive(s, "high_freq_factor", 4);
    double context = c.positive(s, "original_max_position_embeddings", 8192);
    if (low >= high) {
      throw c.error(
          "low_freq_factor="
              + low
              + " is not below high_freq_factor="
              + high
              + "; correct one of them");
    }
    return Arrays.stream(frequencies)
        .map(
            f -> {
              double wavelength = 2 * Math.PI / f;
              if (wavelength > context / low) {
                return f / factor;
              }
              if (wavelength < context / high) {
                return f;
              }
              double blend = (context / wavelength - low) / (high - low);
              return (1 - blend) * f / factor + blend * f;
            })
        .toArray();
  }

  private void put(String name, Tensor t) {
    weights.put(name, t);
  }

  private Tensor get(String name, long... shape) {
    return unprefixed(prefix + name, shape);
  }

  private Tensor unprefixed(String name, long... shape) {
    if (!files.contains(name) && !prefix.isEmpty() && files.contains(prefix + name)) {
      return unprefixed(prefix + name, shape);
    }
    if (files.contains(name) && !Arrays.equals(files.shape(name), shape)) {
      throw new DataException(
          "file="
              + files.source()
              + ": tensor=\""
              + name
              + "\" has shape="
              + Arrays.toString(files.shape(name))
              + " but config.json needs shape="
              + Arrays.toString(shape)
              + "; check that both belong together");
    }
    return ModelLoader.finite(files, name);
  }
}
