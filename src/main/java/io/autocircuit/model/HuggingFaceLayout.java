package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.ModelLoader.Layout;
import io.autocircuit.model.StoredWeights.Recipe;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Tensors;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiPredicate;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Brings Hugging Face checkpoints of GPT-2, GPT-NeoX and Llama to TransformerLens's names. */
final class HuggingFaceLayout {
  private static final String[] PARTS = {"Q", "K", "V"};

  /** Causal masks that old versions of transformers saved: {@code [1, 1, T, T]}, and a number. */
  private static final Pattern MASK =
      Pattern.compile("(h|layers)\\.\\d+\\.(attn|attention)\\.bias");

  private static final Pattern MASKED =
      Pattern.compile("(h|layers)\\.\\d+\\.(attn|attention)\\.masked_bias");

  private static final Pattern FREQUENCIES =
      Pattern.compile(
          "(layers\\.\\d+\\.(attention|self_attn)\\.)?rotary_emb\\.(inv_freq|cos_cached|sin_cached)");

  private final ConfigReader c;
  private final StoredWeights w;

  private HuggingFaceLayout(ConfigReader c, Safetensors files, Set<String> roots) {
    this.c = c;
    StoredNames names =
        new StoredNames(
            "file=" + files.source(),
            files.names(),
            roots,
            n -> n.equals("lm_head.weight") || n.equals("embed_out.weight"),
            n -> n);
    this.w = new StoredWeights(files, c, names);
  }

  static Layout read(String name, ConfigReader c, Safetensors files) {
    String type = c.text("model_type");
    Architectures.check(c, type);
    requireFamily(c, type, files);
    return switch (type) {
      case "gpt2" -> new HuggingFaceLayout(c, files, Set.of("transformer", "model")).gpt2(name);
      case "gpt_neox" -> new HuggingFaceLayout(c, files, Set.of("gpt_neox", "model")).neox(name);
      case "llama" -> new HuggingFaceLayout(c, files, Set.of("model")).llama(name);
      default -> throw new IllegalStateException("model_type=" + type + " has another layout");
    };
  }

  /** The name of the embedding tells families apart. */
  private static void requireFamily(ConfigReader c, String type, Safetensors files) {
    Map<String, String> embeddings =
        Map.of("wte.weight", "gpt2", "embed_in.weight", "gpt_neox", "embed_tokens.weight", "llama");
    Set<String> found = new TreeSet<>();
    for (String name : files.names()) {
      String last = name.replaceFirst("^.*\\.(?=\\w+\\.weight$)", "");
      if (embeddings.containsKey(last)) {
        found.add(embeddings.get(last));
      }
    }
    if (found.size() == 1 && !found.contains(type)) {
      throw c.error(
          "model_type="
              + DataException.quote(type)
              + ", but the weights have the names of model_type=\""
              + found.iterator().next()
              + "\"; correct model_type, or give the config.json that belongs to the weights");
    }
  }

  private Layout gpt2(String name) {
    int d = c.sizeOrDefault("n_embd", "hidden_size", 768);
    int heads =
        c.has("num_attention_heads")
            ? c.sizeOrDefault("n_head", "num_attention_heads", 12)
            : c.sizeOrNotedDefault("n_head", 12, "n_embd");
    int dHead = c.divide("n_embd", d, "n_head", heads);
    int mlp = c.size("n_inner", 4 * d);
    int blocks = c.sizeOrDefault("n_layer", "num_hidden_layers", 12);
    int vocabulary = c.sizeOrDefault("vocab_size", 50257);
    int context =
        c.has("n_positions") || c.has("max_position_embeddings") || !c.has("n_ctx")
            ? c.sizeOrDefault("n_positions", "max_position_embeddings", 1024)
            : c.size("n_ctx");
    c.refuse("add_cross_attention");
    boolean inverse = c.flag("scale_attn_by_inverse_layer_idx", false);
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
    embed("wte.weight", "lm_head.weight", vocabulary, d, true);
    w.put("pos_embed.W_pos", w.take("wpe.weight", context, d));
    for (int b = 0; b < blocks; b++) {
      String h = "h." + b + ".";
      String p = "blocks." + b + ".";
      norm(p + "ln1", h + "ln_1", d, true);
      norm(p + "ln2", h + "ln_2", d, true);
      Recipe qkv = w.take(h + "attn.c_attn.weight", d, 3L * d);
      Recipe bias = w.take(h + "attn.c_attn.bias", 3L * d);
      for (int i = 0; i < 3; i++) {
        long from = (long) i * d;
        Recipe matrix =
            qkv.then(t -> t.narrow(1, from, d).reshape(d, heads, dHead).permute(1, 0, 2));
        Recipe shift = bias.then(t -> t.narrow(0, from, d).reshape(heads, dHead));
        boolean scaled = inverse && i == 0;
        // scores of block b are divided by b + 1: so are its queries
        double share = 1.0 / (b + 1);
        w.put(
            p + "attn.W_" + PARTS[i], scaled ? matrix.then(t -> t.mul(new Scalar(share))) : matrix);
        w.put(p + "attn.b_" + PARTS[i], scaled ? shift.then(t -> t.mul(new Scalar(share))) : shift);
      }
      w.put(
          p + "attn.W_O",
          w.take(h + "attn.c_proj.weight", d, d).then(t -> t.reshape(heads, dHead, d)));
      w.put(p + "attn.b_O", w.take(h + "attn.c_proj.bias", d));
      w.put(p + "mlp.W_in", w.take(h + "mlp.c_fc.weight", d, mlp));
      w.put(p + "mlp.b_in", w.take(h + "mlp.c_fc.bias", mlp));
      w.put(p + "mlp.W_out", w.take(h + "mlp.c_proj.weight", mlp, d));
      w.put(p + "mlp.b_out", w.take(h + "mlp.c_proj.bias", d));
    }
    norm("ln_final", "ln_f", d, true);
    return finished(config, "gpt2", "n_layer", UnreadSettings.GPT2);
  }

  private Layout neox(String name) {
    int d = c.sizeOrDefault("hidden_size", 6144);
    int heads = c.sizeOrNotedDefault("num_attention_heads", 64, "hidden_size");
    int dHead = c.divide("hidden_size", d, "num_attention_heads", heads);
    int mlp = c.sizeOrDefault("intermediate_size", 24576);
    int blocks = c.sizeOrDefault("num_hidden_layers", 44);
    int vocabulary = c.sizeOrDefault("vocab_size", 50432);
    int context = c.size("max_position_embeddings", 2048);
    Normalization norm = c.normalization(Normalization.Kind.LAYER_NORM, "layer_norm_eps", 1e-5);
    RotarySettings rotary = RotarySettings.neox(c, dHead, context);
    c.requireTableFits("max_position_embeddings", context, rotary.rotary());
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
            rotary.rotary(),
            scale(dHead, rotary));
    boolean biased = c.flag("attention_bias", true);
    requireBiases(biased, blocks, "attention.query_key_value", "attention.dense");
    embed("embed_in.weight", "embed_out.weight", vocabulary, d, false);
    for (int b = 0; b < blocks; b++) {
      String h = "layers." + b + ".";
      String p = "blocks." + b + ".";
      norm(p + "ln1", h + "input_layernorm", d, true);
      norm(p + "ln2", h + "post_attention_layernorm", d, true);
      // rows: head, then query/key/value, then coordinate
      Recipe qkv =
          w.take(h + "attention.query_key_value.weight", 3L * d, d)
              .then(t -> t.reshape(heads, 3, dHead, d));
      for (int i = 0; i < 3; i++) {
        int part = i;
        w.put(p + "attn.W_" + PARTS[i], qkv.then(t -> t.select(1, part).permute(0, 2, 1)));
      }
      if (biased) {
        Recipe bias =
            w.take(h + "attention.query_key_value.bias", 3L * d)
                .then(t -> t.reshape(heads, 3, dHead));
        for (int i = 0; i < 3; i++) {
          int part = i;
          w.put(p + "attn.b_" + PARTS[i], bias.then(t -> t.select(1, part)));
        }
      }
      w.put(
          p + "attn.W_O",
          w.take(h + "attention.dense.weight", d, d).then(t -> t.t().reshape(heads, dHead, d)));
      w.put(p + "attn.b_O", biased ? w.take(h + "attention.dense.bias", d) : zeros(d));
      w.put(p + "mlp.W_in", transposed(h + "mlp.dense_h_to_4h.weight", mlp, d));
      w.put(p + "mlp.b_in", w.take(h + "mlp.dense_h_to_4h.bias", mlp));
      w.put(p + "mlp.W_out", transposed(h + "mlp.dense_4h_to_h.weight", d, mlp));
      w.put(p + "mlp.b_out", w.take(h + "mlp.dense_4h_to_h.bias", d));
    }
    norm("ln_final", "final_layer_norm", d, true);
    return finished(config, "gpt_neox", "num_hidden_layers", UnreadSettings.NEOX);
  }

  private Layout llama(String name) {
    int d = c.sizeOrDefault("hidden_size", 4096);
    int heads =
        c.has("head_dim")
            ? c.sizeOrDefault("num_attention_heads", 32)
            : c.sizeOrNotedDefault("num_attention_heads", 32, "hidden_size");
    int groups = c.size("num_key_value_heads", heads);
    c.divide("num_attention_heads", heads, "num_key_value_heads", groups);
    int dHead =
        c.has("head_dim")
            ? c.size("head_dim")
            : c.divide("hidden_size", d, "num_attention_heads", heads);
    int mlp = c.sizeOrDefault("intermediate_size", 11008);
    int blocks = c.sizeOrDefault("num_hidden_layers", 32);
    int vocabulary = c.sizeOrDefault("vocab_size", 32000);
    int context = c.size("max_position_embeddings", 2048);
    Normalization norm = c.normalization(Normalization.Kind.RMS_NORM, "rms_norm_eps", 1e-6);
    RotarySettings rotary = RotarySettings.llama(c, dHead, context);
    c.requireTableFits("max_position_embeddings", context, rotary.rotary());
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
            rotary.rotary(),
            scale(dHead, rotary));
    boolean biased = c.flag("attention_bias", false);
    requireBiases(
        biased,
        blocks,
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj");
    boolean mlpBiased = c.flag("mlp_bias", false);
    embed("embed_tokens.weight", "lm_head.weight", vocabulary, d, false);
    for (int b = 0; b < blocks; b++) {
      String h = "layers." + b + ".";
      String p = "blocks." + b + ".";
      norm(p + "ln1", h + "input_layernorm", d, false);
      norm(p + "ln2", h + "post_attention_layernorm", d, false);
      attention(h + "self_attn.q_proj", p, "Q", heads, dHead, d, biased);
      attention(h + "self_attn.k_proj", p, "K", groups, dHead, d, biased);
      attention(h + "self_attn.v_proj", p, "V", groups, dHead, d, biased);
      w.put(
          p + "attn.W_O",
          transposed(h + "self_attn.o_proj.weight", d, (long) heads * dHead)
              .then(t -> t.reshape(heads, dHead, d)));
      w.put(p + "attn.b_O", biased ? w.take(h + "self_attn.o_proj.bias", d) : zeros(d));
      w.put(p + "mlp.W_in", transposed(h + "mlp.up_proj.weight", mlp, d));
      w.put(p + "mlp.W_gate", transposed(h + "mlp.gate_proj.weight", mlp, d));
      w.put(p + "mlp.W_out", transposed(h + "mlp.down_proj.weight", d, mlp));
      if (mlpBiased) {
        w.put(p + "mlp.b_in", w.take(h + "mlp.up_proj.bias", mlp));
        w.put(p + "mlp.b_gate", w.take(h + "mlp.gate_proj.bias", mlp));
        w.put(p + "mlp.b_out", w.take(h + "mlp.down_proj.bias", d));
      }
    }
    norm("ln_final", "norm", d, false);
    return finished(config, "llama", "num_hidden_layers", UnreadSettings.LLAMA);
  }

  /** Weights without any bias of attention belong to a model without them. */
  private void requireBiases(boolean biased, int blocks, String... modules) {
    for (int b = 0; b < blocks; b++) {
      for (String module : modules) {
        if (!biased || w.has("layers." + b + "." + module + ".bias")) {
          return;
        }
      }
    }
    throw c.error(
        (c.has("attention_bias") ? "attention_bias=true" : "attention_bias is not given (so true)")
            + ", but the weights have no biases of attention; set \"attention_bias\": false, or get"
            + " the weights again");
  }

  private Layout finished(
      TransformerConfig config, String type, String blocksField, UnreadSettings settings) {
    BiPredicate<String, long[]> neutral =
        (name, shape) ->
            MASK.matcher(name).matches() && shape.length == 4 && shape[0] == 1 && shape[1] == 1
                || MASKED.matcher(name).matches() && shape.length <= 1
                || FREQUENCIES.matcher(name).matches();
    w.requireAllTaken(neutral, "model_type=\"" + type + "\"", blocksField, config.blocks());
    settings.check(c, config);
    return new Layout(config, w);
  }

  /** What scores are divided by; both queries and keys carry the rotation's factor. */
  private static double scale(int dHead, RotarySettings rotary) {
    return Math.sqrt(dHead) / (rotary.attentionFactor() * rotary.attentionFactor());
  }

  private void attention(
      String from, String block, String part, int heads, int dHead, int d, boolean biased) {
    long width = (long) heads * dHead;
    w.put(
        block + "attn.W_" + part,
        w.take(from + ".weight", width, d).then(t -> t.reshape(heads, dHead, d).permute(0, 2, 1)));
    if (biased) {
      w.put(
          block + "attn.b_" + part,
          w.take(from + ".bias", width).then(t -> t.reshape(heads, dHead)));
    }
  }

  private Recipe transposed(String name, long rows, long columns) {
    return w.take(name, rows, columns).then(t -> t.t());
  }

  private TransformerConfig.Activation activation(String field, String absent) {
    return c.activation(c.text(field, absent), field);
  }

  private void norm(String to, String from, int d, boolean shifted) {
    w.put(to + ".w", w.take(from + ".weight", d));
    if (shifted) {
      w.put(to + ".b", w.take(from + ".bias", d));
    }
  }

  /**
   * Embedding and head. A tied model needs one of them; if it has both and they differ, each is
   * used where it belongs, as transformers 5 does.
   */
  private void embed(String embedding, String head, int vocabulary, int d, boolean tiedDefault) {
    boolean tied = c.flag("tie_word_embeddings", tiedDefault);
    boolean onlyHead = tied && w.has(head) && !w.has(embedding);
    Recipe in = onlyHead ? w.takeHead(head, vocabulary, d) : w.take(embedding, vocabulary, d);
    Recipe out = in;
    if (tied && !onlyHead && w.has(head)) {
      Recipe stored = w.takeHead(head, vocabulary, d);
      if (!w.equal(embedding, head)) {
        out = stored;
        c.notice(
            (c.has("tie_word_embeddings")
                    ? "tie_word_embeddings=true"
                    : "tie_word_embeddings is not given (so true)")
                + ", but the file holds "
                + embedding
                + " and another "
                + head
                + ": both are used, as transformers 5 does; set \"tie_word_embeddings\": false if"
                + " that is meant, or remove "
                + head
                + " if not");
      }
    } else if (!tied) {
      if (!w.has(head) && w.has(embedding)) {
        throw w.missingHead(
            head,
            c.has("tie_word_embeddings")
                ? "tie_word_embeddings=false"
                : "tie_word_embeddings is not given, so false");
      }
      out = w.takeHead(head, vocabulary, d);
    }
    w.put("embed.W_E", in);
    w.put("unembed.W_U", out.then(t -> t.t()));
    w.put("unembed.b_U", zeros(vocabulary));
  }

  private static Recipe zeros(long n) {
    return read -> Tensors.zeros(ScalarType.Float, n);
  }
}
