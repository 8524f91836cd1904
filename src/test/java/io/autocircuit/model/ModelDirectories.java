package io.autocircuit.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Safetensors.Array;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;

/** Model directories of a few thousand random numbers, in each layout that is supported. */
public final class ModelDirectories {
  static final int VOCABULARY = 11;
  static final int CONTEXT = 12;
  static final int BLOCKS = 2;
  static final int HEADS = 4;
  static final int GROUPS = 2;
  static final int D = 32;
  static final int D_HEAD = 8;
  static final int MLP = 20;
  private static final ObjectMapper JSON = new ObjectMapper();

  private ModelDirectories() {}

  /** A directory in the making: settings and weights, both to be changed at will. */
  public record Draft(ObjectNode config, SortedMap<String, Array> weights) {
    /** Writes {@code config.json} and {@code model.safetensors}. */
    public Path write(Path directory) throws IOException {
      Files.createDirectories(directory);
      Files.writeString(directory.resolve("config.json"), config.toPrettyString());
      Safetensors.write(directory.resolve("model.safetensors"), weights, Map.of());
      return directory;
    }

    /** Adds random numbers in −1..1, multiples of 2⁻¹⁰, which float16 holds exactly. */
    void put(String name, long... shape) {
      SplittableRandom random = new SplittableRandom(name.hashCode());
      int n = 1;
      for (long length : shape) {
        n *= (int) length;
      }
      float[] data = new float[n];
      for (int i = 0; i < n; i++) {
        data[i] = random.nextInt(-1024, 1025) / 1024f;
      }
      weights.put(name, new Array(shape, data));
    }

    void rename(String from, String to) {
      weights.put(to, weights.remove(from));
    }

    void copy(String from, String to) {
      weights.put(to, weights.get(from));
    }
  }

  static Draft draft() {
    return new Draft(JSON.createObjectNode(), new TreeMap<>());
  }

  public static Draft gpt2() {
    Draft m = draft();
    m.config()
        .put("model_type", "gpt2")
        .put("n_embd", D)
        .put("n_head", HEADS)
        .put("n_layer", BLOCKS)
        .put("n_inner", MLP)
        .put("n_positions", CONTEXT)
        .put("vocab_size", VOCABULARY);
    m.put("transformer.wte.weight", VOCABULARY, D);
    m.put("transformer.wpe.weight", CONTEXT, D);
    for (int b = 0; b < BLOCKS; b++) {
      String h = "transformer.h." + b + ".";
      linear(m, h + "ln_1", D);
      linear(m, h + "ln_2", D);
      linear(m, h + "attn.c_attn", D, 3 * D);
      linear(m, h + "attn.c_proj", D, D);
      linear(m, h + "mlp.c_fc", D, MLP);
      linear(m, h + "mlp.c_proj", MLP, D);
    }
    linear(m, "transformer.ln_f", D);
    return m;
  }

  /** A weight whose last axis the bias has. */
  private static void linear(Draft m, String name, long... shape) {
    m.put(name + ".weight", shape);
    m.put(name + ".bias", shape[shape.length - 1]);
  }

  /** A weight whose first axis the bias has. */
  private static void transposed(Draft m, String name, long out, long in) {
    m.put(name + ".weight", out, in);
    m.put(name + ".bias", out);
  }

  public static Draft neox() {
    Draft m = draft();
    m.config()
        .put("model_type", "gpt_neox")
        .put("hidden_size", D)
        .put("num_attention_heads", HEADS)
        .put("num_hidden_layers", BLOCKS)
        .put("intermediate_size", MLP)
        .put("max_position_embeddings", CONTEXT)
        .put("vocab_size", VOCABULARY);
    m.put("gpt_neox.embed_in.weight", VOCABULARY, D);
    m.put("embed_out.weight", VOCABULARY, D);
    for (int b = 0; b < BLOCKS; b++) {
      String h = "gpt_neox.layers." + b + ".";
      linear(m, h + "input_layernorm", D);
      linear(m, h + "post_attention_layernorm", D);
      transposed(m, h + "attention.query_key_value", 3 * D, D);
      transposed(m, h + "attention.dense", D, D);
      transposed(m, h + "mlp.dense_h_to_4h", MLP, D);
      transposed(m, h + "mlp.dense_4h_to_h", D, MLP);
    }
    linear(m, "gpt_neox.final_layer_norm", D);
    return m;
  }

  public static Draft llama() {
    Draft m = draft();
    m.config()
        .put("model_type", "llama")
        .put("hidden_size", D)
        .put("num_attention_heads", HEADS)
        .put("num_key_value_heads", GROUPS)
        .put("num_hidden_layers", BLOCKS)
        .put("intermediate_size", MLP)
        .put("max_position_embeddings", CONTEXT)
        .put("vocab_size", VOCABULARY);
    m.put("model.embed_tokens.weight", VOCABULARY, D);
    m.put("lm_head.weight", VOCABULARY, D);
    for (int b = 0; b < BLOCKS; b++) {
      String h = "model.layers." + b + ".";
      m.put(h + "input_layernorm.weight", D);
      m.put(h + "post_attention_layernorm.weight", D);
      m.put(h + "self_attn.q_proj.weight", HEADS * D_HEAD, D);
      m.put(h + "self_attn.k_proj.weight", GROUPS * D_HEAD, D);
      m.put(h + "self_attn.v_proj.weight", GROUPS * D_HEAD, D);
      m.put(h + "self_attn.o_proj.weight", D, HEADS * D_HEAD);
      m.put(h + "mlp.up_proj.weight", MLP, D);
      m.put(h + "mlp.gate_proj.weight", MLP, D);
      m.put(h + "mlp.down_proj.weight", D, MLP);
    }
    m.put("model.norm.weight", D);
    return m;
  }

  /** A Llama with every bias there can be. */
  public static Draft biasedLlama() {
    Draft m = llama();
    m.config().put("attention_bias", true).put("mlp_bias", true);
    for (int b = 0; b < BLOCKS; b++) {
      String h = "model.layers." + b + ".";
      m.put(h + "self_attn.q_proj.bias", HEADS * D_HEAD);
      m.put(h + "self_attn.k_proj.bias", GROUPS * D_HEAD);
      m.put(h + "self_attn.v_proj.bias", GROUPS * D_HEAD);
      m.put(h + "self_attn.o_proj.bias", D);
      m.put(h + "mlp.up_proj.bias", MLP);
      m.put(h + "mlp.gate_proj.bias", MLP);
      m.put(h + "mlp.down_proj.bias", D);
    }
    return m;
  }

  /** TransformerLens's layout, with learned positions and LayerNorm parameters. */
  static Draft hooked() {
    Draft m = draft();
    m.config()
        .put("architecture", "HookedTransformer")
        .put("d_model", D)
        .put("d_head", D_HEAD)
        .put("n_heads", HEADS)
        .put("n_layers", BLOCKS)
        .put("d_mlp", MLP)
        .put("n_ctx", CONTEXT)
        .put("d_vocab", VOCABULARY)
        .put("act_fn", "gelu_new")
        .put("normalization_type", "LN");
    m.put("embed.W_E", VOCABULARY, D);
    m.put("pos_embed.W_pos", CONTEXT, D);
    for (int b = 0; b < BLOCKS; b++) {
      String p = "blocks." + b + ".";
      for (String part : new String[] {"Q", "K", "V"}) {
        m.put(p + "attn.W_" + part, HEADS, D, D_HEAD);
        m.put(p + "attn.b_" + part, HEADS, D_HEAD);
      }
      m.put(p + "attn.W_O", HEADS, D_HEAD, D);
      m.put(p + "attn.b_O", D);
      m.put(p + "mlp.W_in", D, MLP);
      m.put(p + "mlp.b_in", MLP);
      m.put(p + "mlp.W_out", MLP, D);
      m.put(p + "mlp.b_out", D);
      for (String norm : new String[] {p + "ln1", p + "ln2"}) {
        m.put(norm + ".w", D);
        m.put(norm + ".b", D);
      }
    }
    m.put("ln_final.w", D);
    m.put("ln_final.b", D);
    m.put("unembed.W_U", D, VOCABULARY);
    m.put("unembed.b_U", VOCABULARY);
    return m;
  }

  /** How a test writes one number in a 16-bit format. */
  @FunctionalInterface
  public interface Half {
    short bits(float value);
  }

  /** The upper half of a float32; the value must fit. */
  public static short bfloat16(float value) {
    return (short) (Float.floatToRawIntBits(value) >>> 16);
  }

  /** IEEE half precision of a value that is zero or a normal half. */
  public static short float16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (value == 0) {
      return (short) (bits >>> 16);
    }
    int exponent = Math.getExponent(value) + 15;
    if (exponent < 1 || exponent > 30 || (bits & 0x1fff) != 0) {
      throw new IllegalArgumentException(value + " is not a normal half");
    }
    return (short) (bits >>> 16 & 0x8000 | exponent << 10 | bits >>> 13 & 0x3ff);
  }

  /** A safetensors file in 16-bit numbers, byte by byte. */
  public static void write(Path file, String dtype, Half half, SortedMap<String, Array> weights)
      throws IOException {
    ObjectNode header = JSON.createObjectNode();
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    for (Map.Entry<String, Array> e : weights.entrySet()) {
      float[] values = e.getValue().data();
      ObjectNode entry = header.putObject(e.getKey()).put("dtype", dtype);
      for (long length : e.getValue().shape()) {
        entry.withArray("shape").add(length);
      }
      entry.withArray("data_offsets").add(data.size()).add(data.size() + 2 * values.length);
      for (float v : values) {
        short bits = half.bits(v);
        data.write(bits);
        data.write(bits >> 8);
      }
    }
    byte[] json = JSON.writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
    byte[] length =
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array();
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.writeBytes(length);
    all.writeBytes(json);
    data.writeTo(all);
    Files.write(file, all.toByteArray());
  }
}
